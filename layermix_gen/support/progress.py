"""Progress of long work: a bar on standard error where that is a terminal, a line where it is not, or nothing."""

import sys
from typing import Any

from tqdm import tqdm

from layermix_gen.errors import printable


def progress_bar(total: int | None, unit: str, show: bool, **options: Any) -> "tqdm[Any]":
    """A bar that counts `unit`s up to `total`, None if that is not known; `options` are tqdm's."""
    return tqdm(total=total, unit=unit, disable=None if show and sys.stderr else True, **options)


def say(line: str) -> None:
    """Write a line to standard error, if there is one, above a bar that is being drawn."""
    if sys.stderr:
        tqdm.write(printable(line), file=sys.stderr)


def say_without_bar(line: str) -> None:
    """Write a line where `progress_bar` draws nothing: standard error is not a terminal."""
    if sys.stderr and not sys.stderr.isatty():
        say(line)
