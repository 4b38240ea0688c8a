"""`layermix-gen build-planned`: the command for `layermix_gen.build_planned`."""

from typing import Any

import click

from layermix_gen.building.planned import build_planned
from layermix_gen.commands.explained import ExplainedCommand
from layermix_gen.commands.options.build_options import work_options
from layermix_gen.commands.parameters import json_option
from layermix_gen.commands.showing import show_report
from layermix_gen.support.worker_pool import keep_memory

EXAMPLES = {
    "layermix-gen build-planned shards --partition slurm": "Build the share of this job of a SLURM array.",
    "layermix-gen build-planned shards --engine ray": "Build what is missing on a Ray cluster.",
}


@click.command("build-planned", cls=ExplainedCommand, examples=EXAMPLES)
@click.argument("out")
@work_options
@json_option
def command(out: str, as_json: bool, **options: Any) -> None:
    """Build the dataset that `layermix-gen plan` has planned in OUT, or a partition of it.

    Source, settings and mixing set are those of the plan; the source is not listed again. The same command resumes.
    """
    keep_memory()
    show_report(build_planned(out, **options), as_json)
