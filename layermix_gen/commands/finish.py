"""`layermix-gen finish`: the command for `layermix_gen.finish`."""

from typing import Any

import click

from layermix_gen.building.planned import finish
from layermix_gen.commands.parameters import json_option
from layermix_gen.commands.showing import show_report


@click.command("finish")
@click.argument("out")
@click.option("--jobs", type=int, help="Size of the job array, to be told which of its jobs to run again.")
@click.option("--max-errors", type=int, help="Source images that may be skipped; default: 1%, at least 10.")
@json_option
def command(out: str, as_json: bool, **options: Any) -> None:
    """Complete the dataset that was planned in OUT if all its shards are there; as often as you like.

    Otherwise it names the shards that are missing, and the exit status is 1.
    """
    show_report(finish(out, **options), as_json)
