"""All output of the commands: text for the terminal, in which nothing from outside moves, hides or breaks anything."""

import re
from functools import partial
from pathlib import Path

import click

from layermix_gen.errors import printable

_BOLD = re.compile(r"(\x1b\[[01]m)")  # what `bold` writes
bold = partial(click.style, bold=True)


def show(text: object, *, err: bool = False) -> None:
    """Print a path, or lines of text with `bold` parts, on standard error with `err`; all else is made printable."""
    lines = [str(text)] if isinstance(text, Path) else str(text).split("\n")
    click.echo("\n".join(map(_printable, lines)), err=err)


def _printable(line: str) -> str:
    return "".join(part if _BOLD.fullmatch(part) else printable(part) for part in _BOLD.split(line))
