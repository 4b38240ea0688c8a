"""`layermix-gen build-planned`: the command for `layermix_gen.build_planned`."""

from typing import Any

import click

from layermix_gen.building.planned import build_planned
from layermix_gen.commands.build_options import work_options
from layermix_gen.commands.parameters import json_option
from layermix_gen.commands.showing import show_report
from layermix_gen.support.worker_pool import keep_memory


@click.command("build-planned")
@click.argument("out")
@work_options
@json_option
def command(out: str, as_json: bool, **options: Any) -> None:
    """Build the dataset that `layermix-gen plan` has planned in OUT, or a partition of it.

    Source, settings and mixing set are those of the plan; the source is not listed again. The same command resumes.
    """
    keep_memory()
    show_report(build_planned(out, **options), as_json)
