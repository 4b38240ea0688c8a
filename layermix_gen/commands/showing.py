"""All output of the commands: text for the terminal, in which nothing from outside moves, hides or breaks anything."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import click

from layermix_gen.errors import printable, printable_json

_BOLD = re.compile(r"(\x1b\[[01]m)")  # what `bold` writes
bold = partial(click.style, bold=True)


def show(text: object, *, err: bool = False) -> None:
    """Print a path, or lines of text with `bold` parts, on standard error with `err`; all else is made printable."""
    lines = [str(text)] if isinstance(text, Path) else str(text).split("\n")
    click.echo("\n".join(map(_printable, lines)), err=err)


class ForPrograms(Protocol):
    """A report that programs can read, too."""

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""


def show_report(report: ForPrograms, as_json: bool) -> None:
    """Print a report as JSON on one line or, for people, its `summary()`, or else itself as text."""
    if as_json:
        show_json(report.as_dict())
    else:
        show(report.summary() if hasattr(report, "summary") else report)


def show_json(value: object) -> None:
    """Print a value as JSON on one line."""
    click.echo(printable_json(json.dumps(value, ensure_ascii=False, allow_nan=False)))


def _printable(line: str) -> str:
    return "".join(part if _BOLD.fullmatch(part) else printable(part) for part in _BOLD.split(line))
