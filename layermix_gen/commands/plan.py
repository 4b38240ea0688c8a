"""`layermix-gen plan`: the command for `layermix_gen.plan`."""

from typing import Any

import click

from layermix_gen.building.planning import plan
from layermix_gen.commands.build_options import settings_options
from layermix_gen.commands.options.method_options import MethodCommand
from layermix_gen.commands.showing import show
from layermix_gen.dataset.settings import BuildSettings


@click.command("plan", cls=MethodCommand)
@settings_options
@click.option("--workers", type=int, help="Processes that render fractals; default: the CPUs that may be used.")
def command(source: str, out: str, settings: BuildSettings, **options: Any) -> None:
    """List SOURCE once for all jobs, and write to OUT the plan of `build` with the same options, and its mixing set.

    `layermix-gen build-planned OUT` then builds by that plan on any number of machines, and `layermix-gen finish OUT`
    completes the dataset. The same command again, with more --variants, adds planes to the plan.
    """
    show(plan(source, out, settings, **options).summary())
