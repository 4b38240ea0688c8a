"""`layermix-gen inspect`: the twin of `layermix_gen.open_shards` and of what it opens."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from layermix_gen.commands.parameters import Names
from layermix_gen.index import COLUMNS
from layermix_gen.inspection.formats import FORMATS
from layermix_gen.inspection.shards import Shards, open_shards
from layermix_gen.text import count

SHOWN = 20  # rows of a table unless the user says how many
IN_TABLE = ("key", "source", "class_name", "layer", "op", "op_args", "blends", "size")


@click.command("inspect")
@click.argument("out")
@click.option("--where", help="A condition on the columns of the index, in SQL: \"layer = 3 and op = 'rotate'\".")
@click.option("--columns", type=Names(), help="Columns to show; default: all, in a table the most useful ones.")
@click.option("--order-by", help='In SQL: "size DESC, key"; default: by shard, plane and key.')
@click.option("--limit", type=int, help=f"Samples at most; default: all, in a table {SHOWN}.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), help="Of the rows; default: table.")
@click.option("--extract", type=click.Path(path_type=Path), help="Write the images and their JSON to this new folder.")
def command(out: str, extract: Path | None, form: str | None, **question: Any) -> None:
    """Summarize the dataset OUT, a folder or a URL; or find samples of it by their metadata, and show them.

    Only the manifest and the index are read, and the images that are asked for.
    """
    shards = open_shards(out)
    if extract is not None:
        written = shards.extract(extract, question["where"], question["order_by"], question["limit"])
        click.echo(f"{extract}: {count(written, 'image')} with their JSON")
    elif form or any(value is not None for value in question.values()):
        for line in _rows(shards, form or "table", **question):
            click.echo(line)
    else:
        click.echo(shards.summary())


def _rows(
    shards: Shards,
    form: str,
    where: str | None,
    columns: tuple[str, ...] | None,
    order_by: str | None,
    limit: int | None,
) -> Iterator[str]:
    """The rows as lines; below a table that leaves some out, how many there are."""
    if form != "table":
        yield from FORMATS[form](shards.iterate(where, columns, order_by, limit), columns or tuple(COLUMNS))
        return
    rows = shards.query(where, columns or IN_TABLE, order_by, SHOWN if limit is None else limit)
    yield from FORMATS[form](rows, columns or IN_TABLE)
    if (found := shards.count(where)) > len(rows):
        yield f"\n{len(rows)} of {count(found, 'sample')}; see more with --limit"
