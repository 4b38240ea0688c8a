"""`layermix-gen verify`: the command for `open_shards(...).verify` and `.repair`."""

from typing import Any

import click

from layermix_gen.commands.explained import ExplainedCommand
from layermix_gen.commands.parameters import Share, json_option, quiet_option, workers_option
from layermix_gen.commands.showing import show_report
from layermix_gen.inspection.shards import open_shards

EXAMPLES = {
    "layermix-gen verify shards": "Read every byte, and compare all checksums.",
    "layermix-gen verify shards --replay 0.01": "Render one image of a hundred again, too, and compare the pixels.",
    "layermix-gen verify s3://bucket/shards --repair --workers 8": "Build damaged shards again.",
}


@click.command("verify", cls=ExplainedCommand, examples=EXAMPLES)
@click.argument("out")
@click.option(
    "--replay",
    type=Share(),
    default=0.0,
    show_default=False,
    help="Render this share of the source images again, such as 0.01, or all, and compare the pixels.",
)
@click.option("--repair", is_flag=True, help="Build exactly those shards again that are damaged or missing.")
@workers_option
@json_option
@quiet_option
@click.pass_context
def command(ctx: click.Context, /, out: str, repair: bool, as_json: bool, **options: Any) -> None:
    """Check every byte of the dataset OUT, a folder or a URL. The exit status is 1 where something is wrong.

    This checks counts, the structure of the tars, offsets, the checksum of every member, the alignment of the planes,
    and the files next to the shards. After --repair, OUT has the digest of an undamaged build.
    """
    shards = open_shards(out)
    found = shards.repair(**options) if repair else shards.verify(**options)
    show_report(found, as_json)
    ctx.exit(0 if found.ok else 1)
