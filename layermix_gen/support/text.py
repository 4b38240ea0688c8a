"""Text for people: names, errors and numbers on one line, facts in two columns, and tables."""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from layermix_gen.errors import printable

_LOOKS_ESCAPED = re.compile(rb"\\(?=x[0-9a-f]{2})")
_LONGEST = 200  # characters shown of another library's error


def facts(rows: Mapping[str, str]) -> str:
    """Return facts in two aligned columns, name and text, one per line. Facts without a text are left out."""
    width = max(map(len, rows), default=0)
    return "\n".join(f"{name:<{width}}  {printable(text)}" for name, text in rows.items() if text)


def as_text(path: str | os.PathLike[str]) -> str:
    r"""Return a path as valid Unicode: bytes of a file name that are not UTF-8 become `\xff`.

    If a name has these four characters already, their backslash becomes `\x5c`: two paths never give the same text.
    """
    if isinstance(path, str) and path.isascii() and "\\" not in path:
        return path  # as most are
    return _LOOKS_ESCAPED.sub(rb"\\x5c", os.fsencode(path)).decode("utf-8", "backslashreplace")


def is_storable(text: str) -> bool:
    """Whether the files of a dataset can hold a text: it is valid Unicode, without zero bytes."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def one_line(text: str) -> str:
    """The text on one line, with spaces for control characters, and other unprintable ones as escapes."""
    words = re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split()
    return printable(" ".join(words))


def table(rows: Sequence[Mapping[str, Any]], right: Collection[str] = ()) -> str:
    """Return rows of equal keys as a table with a header; numbers and the columns `right` are right-aligned."""
    if not rows:
        return "no rows"
    names = list(rows[0])
    texts = [[printable(row[name]) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *texts, strict=True)]
    aligns = [">" if name in right or isinstance(rows[0][name], int | float) else "<" for name in names]
    lines = [names, *texts]
    cells = [[f"{cell:{a}{w}}" for cell, a, w in zip(line, aligns, widths, strict=True)] for line in lines]
    return "\n".join("  ".join(line).rstrip() for line in cells)


def count(number: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shown(value: Any) -> str:
    """A value as it is shown to people: numbers without needless zeros, several with spaces between them."""
    if isinstance(value, tuple):
        return " ".join(map(shown, value))
    if isinstance(value, dict):
        return ",".join(f"{name}={shown(one)}" for name, one in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """A time in the unit that suits it: `0.4 s`, `90 s`, `2.5 minutes`, `12.0 hours`."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def first_line(error: BaseException) -> str:
    """The type of an error and the first line of its message, such as `KeyError: 'x'`."""
    text = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {text[:_LONGEST]}" if text else type(error).__name__


def message_of(error: BaseException) -> str:
    """The message of an error on one line; the name of its type where it has none."""
    return " ".join(str(error).split())[:_LONGEST] or type(error).__name__
