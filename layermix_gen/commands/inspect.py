"""`layermix-gen inspect`: the command for `layermix_gen.open_shards` and the methods of `Shards`."""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from layermix_gen.commands.parameters import Names
from layermix_gen.commands.showing import show
from layermix_gen.dataset.index import COLUMNS
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.errors import printable
from layermix_gen.inspection.formats import FORMATS
from layermix_gen.inspection.shards import Shards, open_shards
from layermix_gen.mixing.methods import METHODS
from layermix_gen.support.text import count, facts

SHOWN = 20  # rows of a table unless the user says how many
FILE = click.Path()  # a text, in which ./~ is not the home folder


@click.command("inspect")
@click.argument("dataset", metavar="OUT")
@click.option("--where", help="A condition on the columns of the index, in SQL: \"layer = 3 and op = 'rotate'\".")
@click.option("--columns", type=Names(), help="Columns to show; default: all, in a table the most useful ones.")
@click.option("--order-by", help='In SQL: "size DESC, key"; default: by shard, plane and key.')
@click.option(
    "--limit", type=int, help=f"Samples at most; default: all; {SHOWN} in a table, 24 on a sheet, 5000 in a gallery."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    help="Of the rows; default: table. csv: a ' before what would be a formula.",
)
@click.option("--key", help="Tell how this sample (000000123-v03) was made, or draw it with --out.")
@click.option("--out", type=FILE, help="The drawing of --key: .png, .jpg, .webp, .pdf or .svg.")
@click.option("--sheet", type=FILE, help="Draw the samples next to their clean views to such a file.")
@click.option("--gallery", type=FILE, help="Write the samples to this HTML page, to filter and to look at.")
@click.option(
    "--plot",
    type=FILE,
    help="Plot all that was drawn against what the settings draw, to such a file.",
)
@click.option("--extract", type=FILE, help="Write the images and their JSON to this new folder.")
def command(dataset: str, **options: Any) -> None:
    """Summarize the dataset OUT, a folder or a URL; or find samples of it by their metadata, and show them.

    This reads only the manifest, the index, and the images that it shows or extracts.
    """
    given = {name: value for name, value in options.items() if value is not None}
    _check_together(given)
    shards = open_shards(dataset)
    question = {name: given[name] for name in ("where", "order_by", "limit") if name in given}
    if "key" in given:
        show(_explained(shards, **given))
    elif "plot" in given:
        show(shards.plot(given["plot"]))
    elif "sheet" in given:
        show(shards.sheet(given["sheet"], **question))
    elif "gallery" in given:
        show(shards.gallery(given["gallery"], **question))
    elif "extract" in given:
        written = shards.extract(given["extract"], **question)
        show(f"{printable(given['extract'])}: {count(written, 'image')} with their JSON")
    elif given:
        for line in _rows(shards, **given):
            show(line)
    else:
        show(shards.summary())


OF_SAMPLES = {"where", "order_by", "limit"}
ALONE = {"key": {"out"}, "plot": set(), "sheet": OF_SAMPLES, "gallery": OF_SAMPLES, "extract": OF_SAMPLES}
"""The options that choose another way to show samples, and the options that may be given with each."""


def _check_together(given: Mapping[str, Any]) -> None:
    """Refuse options that have no effect together with the others."""
    chosen = next((name for name in ALONE if name in given), None)
    idle = given.keys() - ALONE[chosen] - {chosen} if chosen else given.keys() & {"out"}
    if idle:
        flag = {"form": "format", "order_by": "order-by"}.get(min(idle), min(idle))
        raise click.UsageError(f"--{flag} has no effect with --{chosen}" if chosen else "--out is for --key")


def _explained(shards: Shards, key: str, out: str | None = None) -> str:
    if out:
        return printable(shards.explain(key, out))
    return facts({name: str(value) for name, value in shards.row(key).items()})


def _rows(
    shards: Shards,
    where: str | None = None,
    columns: tuple[str, ...] | None = None,
    order_by: str | None = None,
    limit: int | None = None,
    form: str = "table",
) -> Iterator[str]:
    """The rows as lines; below a table that leaves rows out, a line with the number of all."""
    if form != "table":
        yield from FORMATS[form](shards.iterate(where, columns, order_by, limit), columns or tuple(COLUMNS))
        return
    columns = columns or _in_table(shards.settings)
    rows = shards.query(where, columns, order_by, SHOWN if limit is None else limit)
    yield from FORMATS[form](rows, columns)
    if (found := shards.count(where)) > len(rows):
        yield f"\n{len(rows)} of {count(found, 'sample')}; see more with --limit"


def _in_table(settings: BuildSettings) -> tuple[str, ...]:
    """The most useful columns of a dataset: of a method that draws one operation for a sample, its name once."""
    place = ("key",) if settings.keys == "unique" else ("plane", "key")
    drawn = ("layer", "op") if getattr(settings.options, "covariance", "") == "shared" else ("ops",)
    second = ("other", "label_weight") if METHODS[settings.method].mixes_labels else ()
    return (*place, "source", "class_name", *drawn, "op_args", "blends", *second, "size")
