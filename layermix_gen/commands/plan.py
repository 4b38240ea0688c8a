"""`layermix-gen plan`: the command for `layermix_gen.plan`."""

from typing import Any

import click

from layermix_gen.building.planning import plan
from layermix_gen.commands.options.build_options import settings_options
from layermix_gen.commands.options.method_options import MethodCommand
from layermix_gen.commands.parameters import json_option, quiet_option, workers_option
from layermix_gen.commands.showing import show_report
from layermix_gen.dataset.settings import BuildSettings

EXAMPLES = {
    "layermix-gen plan photos /shared/shards --variants 8": "Plan a build in a folder that all jobs see.",
    "layermix-gen plan s3://bucket/photos s3://bucket/shards": "Plan a build in an object store.",
}


@click.command("plan", cls=MethodCommand, examples=EXAMPLES)
@settings_options
@workers_option
@json_option
@quiet_option
def command(source: str, out: str, settings: BuildSettings, as_json: bool, **options: Any) -> None:
    """List SOURCE once for all jobs, and write to OUT the plan of `build` with the same options, and its mixing set.

    `layermix-gen build-planned OUT` then builds by that plan on any number of machines, and `layermix-gen finish OUT`
    completes the dataset. The same command again, with more --variants, adds planes to the plan.
    """
    show_report(plan(source, out, settings, **options), as_json)
