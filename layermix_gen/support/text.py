"""Plain text for people: facts in two columns, and tables."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any


def facts(rows: Mapping[str, str]) -> str:
    """One fact a line: its name, then its text. Facts without a text are left out."""
    width = max(map(len, rows), default=0)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows.items() if text)


def one_line(text: str) -> str:
    """The text on one line, without signs that steer a terminal; what UTF-8 cannot hold is written as an escape."""
    words = re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split()
    return " ".join(words).encode("utf-8", "backslashreplace").decode("utf-8")


def table(rows: Sequence[Mapping[str, Any]], right: Collection[str] = ()) -> str:
    """Rows of equal keys under a head line, in columns as wide as need be; numbers, and `right`, to the right."""
    if not rows:
        return "no rows"
    names = list(rows[0])
    texts = [[str(row[name]) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *texts, strict=True)]
    aligns = [">" if name in right or isinstance(rows[0][name], int | float) else "<" for name in names]
    lines = [names, *texts]
    cells = [[f"{cell:{a}{w}}" for cell, a, w in zip(line, aligns, widths, strict=True)] for line in lines]
    return "\n".join("  ".join(line).rstrip() for line in cells)


def count(number: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """A time in the unit that suits it: `0.4 s`, `90 s`, `2.5 minutes`, `12.0 hours`."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def first_line(error: BaseException) -> str:
    """An error's type and the first line of what it says, for an error of one line: `KeyError: 'x'`."""
    text = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
