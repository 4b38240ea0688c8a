"""`layermix-gen inspect`: the command for `layermix_gen.open_shards` and the methods of `Shards`."""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from layermix_gen.commands.explained import ExplainedCommand, how_it_runs, options_of
from layermix_gen.commands.parameters import Names, json_option, quiet_option
from layermix_gen.commands.showing import show, show_report
from layermix_gen.dataset.index import COLUMNS
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.errors import printable
from layermix_gen.inspection.formats import FORMATS
from layermix_gen.inspection.shards import Shards, open_shards
from layermix_gen.mixing.methods import METHODS
from layermix_gen.support.text import count, facts

SHOWN = 20  # rows of a table unless the user says how many
FILE = click.Path()  # a text, in which ./~ is not the home folder


EXAMPLES = {
    "layermix-gen inspect shards": "Summarize the dataset, or tell how far its build is.",
    """layermix-gen inspect shards --where "layer = 3 and op = 'rotate'" --sheet sheet.jpg""": (
        "Draw samples that meet a condition."
    ),
    "layermix-gen inspect shards --key 000000123-v03 --out tree.png": "Draw how a sample was made, step by step.",
    "layermix-gen inspect shards --columns key,source,recipe --format csv": "Write all rows for a spreadsheet.",
}
which, shown = options_of("Which samples"), options_of("What is shown of them")


@click.command("inspect", cls=ExplainedCommand, examples=EXAMPLES)
@click.argument("dataset", metavar="OUT")
@which("--where", help="Take samples that meet a condition on the columns of the index, in SQL.")
@which("--order-by", help='Order them by columns, in SQL: "size DESC, key"; default: by shard, plane and key.')
@which(
    "--limit",
    type=int,
    help=f"Take so many at most; default: all; {SHOWN} in a table, 24 on a sheet, 5000 in a gallery.",
)
@which("--sample", type=int, help="Draw so many at random for --sheet or --gallery, in place of the first ones.")
@which("--seed", type=int, help="Seed of --sample; default: 0.")
@shown("--columns", type=Names(), help="Columns to show; default: all, in a table the most useful ones.")
@shown(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    help="Format of the rows; default: table. In csv, what would be a formula has a ' before it.",
)
@shown("--key", help="Tell how the sample of this key was made, or draw it with --out.")
@shown("--out", type=FILE, help="Draw the sample of --key to this file: .png, .jpg, .webp, .pdf or .svg.")
@shown("--sheet", type=FILE, help="Draw samples next to their clean views to such a file.")
@shown("--gallery", type=FILE, help="Write samples to this HTML page, to filter and to look at.")
@shown("--plot", type=FILE, help="Plot all that was drawn against what the settings draw, to such a file.")
@shown("--extract", type=FILE, help="Write the images and their JSON to this new folder.")
@how_it_runs("--jobs", type=int, help="How many jobs build the dataset, to see what each lacks until it is finished.")
@json_option
@quiet_option
def command(dataset: str, progress: bool, as_json: bool, **options: Any) -> None:
    """Summarize the dataset OUT, a folder or a URL; or find samples of it by their metadata, and show them.

    Of a dataset that is not finished, this tells how far its build is. This reads only the manifest, the
    index, and the images that it shows or extracts.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if as_json:
        given["json"] = True
    _check_together(given)
    shards = open_shards(dataset)
    question = {name: given[name] for name in ("where", "order_by", "limit") if name in given}
    drawn = {name: given[name] for name in ("sample", "seed") if name in given}
    if "key" in given:
        show(_explained(shards, **given))
    elif "plot" in given:
        show(shards.plot(given["plot"]))
    elif "sheet" in given:
        show(shards.sheet(given["sheet"], **question, **drawn))
    elif "gallery" in given:
        show(shards.gallery(given["gallery"], **question, **drawn, progress=progress))
    elif "extract" in given:
        written = shards.extract(given["extract"], **question, progress=progress)
        show(f"{printable(given['extract'])}: {count(written, 'image')} with their JSON")
    elif given.keys() - {"json", "jobs"}:
        for line in _rows(shards, **given):
            show(line)
    elif shards.is_finished:
        show_report(shards.summary(), as_json)
    else:
        show_report(shards.build_state(given.get("jobs")), as_json)


OF_SAMPLES = {"where", "order_by", "limit"}
ALONE = {
    "json": {"jobs"},
    "jobs": {"json"},
    "key": {"out"},
    "plot": set(),
    "sheet": OF_SAMPLES | {"sample", "seed"},
    "gallery": OF_SAMPLES | {"sample", "seed"},
    "extract": OF_SAMPLES,
}
"""The options that choose another way to show samples, and the options that may be given with each."""

OF_OTHERS = {"out": "--key", "sample": "--sheet and --gallery", "seed": "--sample"}
"""The options that need another one."""


def _check_together(given: Mapping[str, Any]) -> None:
    """Refuse options that have no effect together with the others."""
    chosen = next((name for name in ALONE if name in given), None)
    idle = given.keys() - ALONE[chosen] - {chosen} if chosen else given.keys() & OF_OTHERS.keys()
    if idle:
        flag = {"form": "format", "order_by": "order-by"}.get(min(idle), min(idle))
        found = f"has no effect with --{chosen}" if chosen else f"is for {OF_OTHERS[min(idle)]}"
        raise click.UsageError(f"--{flag} {found}")
    if "seed" in given and "sample" not in given:
        raise click.UsageError("--seed is for --sample")


def _explained(shards: Shards, key: str, out: str | None = None) -> str:
    if out:
        return printable(shards.explain(key, out))
    return facts({name: "" if value is None else str(value) for name, value in shards.row(key).items()})


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
    size = () if settings.virtual_planes else ("size",)
    return (*place, "source", "class_name", *drawn, "op_args", "blends", *second, *size)
