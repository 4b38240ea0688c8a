"""`layermix-gen finish`: the command for `layermix_gen.finish`."""

from typing import Any

import click

from layermix_gen.building.planned import finish
from layermix_gen.commands.explained import ExplainedCommand
from layermix_gen.commands.parameters import json_option, max_errors_option
from layermix_gen.commands.showing import show_report

EXAMPLES = {
    "layermix-gen finish shards": "Complete the dataset, or name the shards that are missing.",
    "layermix-gen finish s3://bucket/shards --jobs 16": "Name the jobs, out of 16, that have to run again.",
}


@click.command("finish", cls=ExplainedCommand, examples=EXAMPLES)
@click.argument("out")
@click.option("--jobs", type=int, help="How many jobs the array has, to be told which of them to run again.")
@max_errors_option
@json_option
def command(out: str, as_json: bool, **options: Any) -> None:
    """Complete the dataset that was planned in OUT if all its shards are there; as often as you like.

    Otherwise it names the shards that are missing, and the exit status is 1.
    """
    show_report(finish(out, **options), as_json)
