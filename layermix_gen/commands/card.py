"""`layermix-gen card`: the command for `open_shards(...).card`."""

import click

from layermix_gen.commands.explained import ExplainedCommand
from layermix_gen.commands.showing import show
from layermix_gen.inspection.shards import open_shards

EXAMPLES = {
    "layermix-gen card shards": "Write the card again where it was lost.",
    "layermix-gen card shards --out card.md": "Look at the card without writing to the dataset.",
}


@click.command("card", cls=ExplainedCommand, examples=EXAMPLES)
@click.argument("dataset", metavar="OUT")
@click.option("--out", type=click.Path(), help="Write it to this file; default: README.md in OUT.")
def command(dataset: str, out: str | None) -> None:
    """Write the dataset card of the dataset OUT, a folder or a URL, for the Hugging Face Hub.

    The card has a configuration for each plane, so that `load_dataset(OUT, "v00")` works. Every build writes it;
    one that you have edited is kept if you have removed the line that says so.
    """
    show(open_shards(dataset).card(out))
