"""Types of command line parameters that click does not have, and options that several commands share."""

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

import click

from layermix_gen.building.partitions import HOW_TO_SUBMIT
from layermix_gen.commands.explained import how_it_runs, options_of
from layermix_gen.sources.base import SourceOptions

what = options_of("What is read")


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how SOURCE is read; the command gets them as one `source_options`."""

    @what(
        "--follow-links", is_flag=True, help="Follow links to folders in a SOURCE that is a folder, wherever they lead."
    )
    @what(
        "--root",
        default="",
        metavar="PLACE",
        show_default=False,
        help="Folder or URL that the paths are relative to, if SOURCE is a table; default: the table's folder.",
    )
    @wraps(command)
    def with_options(*args: Any, follow_links: bool, root: str, **others: Any) -> None:
        command(*args, source_options=SourceOptions(follow_links, root), **others)

    return with_options


workers_option = how_it_runs("--workers", type=int, help="Number of processes; default: one for each usable CPU.")
max_errors_option = how_it_runs(
    "--max-errors", type=int, help="How many source images may be skipped; default: 1%, but at least 10."
)


def quiet_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--quiet`; the command gets it as `progress`."""

    @how_it_runs("--quiet", "-q", is_flag=True, help="Write nothing to standard error but warnings and errors.")
    @wraps(command)
    def with_option(*args: Any, quiet: bool, **others: Any) -> None:
        command(*args, progress=not quiet, **others)

    return with_option


def json_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--json`; the command gets it as `as_json`."""
    option = how_it_runs("--json", "as_json", is_flag=True, help="Print the report as one JSON object, for programs.")
    return option(command)


class Partition(click.ParamType[tuple[int, int] | str]):
    """A partition: number i of n, as `i/n`, or the name of the scheduler whose environment says it."""

    name = "i/n|slurm|k8s"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int] | str:
        if isinstance(value, tuple) or value in HOW_TO_SUBMIT:
            return value
        index, _, count = str(value).partition("/")
        if not (index.isdecimal() and count.isdecimal()):
            self.fail(f"expected i/n, as in 0/8, slurm or k8s, got {value!r}", param, ctx)
        return int(index), int(count)


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between them."""

    name = "a,b,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in str(value).split(","))
        if "" in names:
            self.fail(f"expected names with commas between them, got {value!r}", param, ctx)
        return names


class Weights(click.ParamType[dict[str, float]]):
    """Names with their weights, out of `names`: `add=2,multiply=1`; or a weight for each, in their order: `2,1`."""

    name = "weights"

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, float]:
        if isinstance(value, dict):
            return value
        parts = str(value).split(",")
        if "=" not in str(value) and len(parts) == len(self._names):
            parts = [f"{name}={part}" for name, part in zip(self._names, parts, strict=True)]
        try:
            weights = {name.strip(): float(weight) for name, _, weight in (part.partition("=") for part in parts)}
        except ValueError:
            weights = {}
        if len(weights) != len(parts):
            ones = ",".join("1" for _ in self._names)
            self.fail(f"expected weights as in {'=1,'.join(self._names)}=1 or {ones}, got {value!r}", param, ctx)
        return weights


class Share(click.ParamType[float]):
    """A number in [0, 1], or `all`."""

    name = "share|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return 1.0 if value == "all" else float(value)
        except ValueError:
            self.fail(f"expected a share such as 0.01, or all, got {value!r}", param, ctx)


class Assignment(click.ParamType[tuple[str, str]]):
    """A name and its value, as `name=value`."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, sign, text = str(value).partition("=")
        if not (name and sign and text):
            self.fail(f"expected name=value, got {value!r}", param, ctx)
        return name, text


class Fractions(click.ParamType[tuple[float, ...]]):
    """Numbers with commas between them, each of which may be a fraction: `0.5`, `2/255`, `0.49,0.48,0.45`."""

    name = "x,y,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(_number(text) for text in str(value).split(","))
        except (ValueError, ZeroDivisionError):
            self.fail(f"expected numbers or fractions with commas between them, got {value!r}", param, ctx)


class Fraction(click.ParamType[float]):
    """A number or a fraction: `0.5`, `2/255`."""

    name = "x"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return _number(str(value))
        except (ValueError, ZeroDivisionError):
            self.fail(f"expected a number or a fraction like 2/255, got {value!r}", param, ctx)


def _number(text: str) -> float:
    above, _, below = text.partition("/")
    return float(above) / float(below or 1)


class Ranges(click.ParamType[tuple[int, ...]]):
    """Whole numbers with commas between them, or ranges of them: `1-3,5`."""

    name = "a-b,c,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        numbers: list[int] = []
        for part in str(value).split(","):
            first, dash, last = (piece.strip() for piece in part.partition("-"))
            if not (first.isdecimal() and len(first) < 4 and (last.isdecimal() and len(last) < 4 if dash else True)):
                self.fail(f"expected numbers or ranges, as in 1-3,5, got {value!r}", param, ctx)
            if not (more := range(int(first), int(last if dash else first) + 1)):
                self.fail(f"expected ranges from low to high, as in 1-3, got {part.strip()!r}", param, ctx)
            numbers += more
        return tuple(numbers)
