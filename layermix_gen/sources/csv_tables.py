"""The rows of a table of paths and labels in CSV, in its usual forms.

It is in UTF-8, or in UTF-16 with a byte-order mark. The first line tells the delimiter. It is a header, or already a
row: a path and a whole number, as in Caffe's lists. Nothing else about a file is guessed.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import is_image_name
from layermix_gen.sources.columns import LABELS, PATHS, Cells, ColumnNames, has_column, places_of
from layermix_gen.sources.labels import is_numeric
from layermix_gen.support.files import cannot_read
from layermix_gen.support.text import as_text, message_of

REMEDY = "mend or replace it"
_DELIMITERS = (",", ";", "\t", " ")
_LONGEST_LINE = 1 << 16  # characters of the first line
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # its byte-order marks


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the lines of a CSV file are divided into cells, and what the cells are."""

    delimiter: str
    columns: list[str]
    has_header: bool


def has_header(path: Path) -> bool:
    """Whether the first line of a file names a column of paths and one of labels, or is a path and a number."""
    with opened_text(path) as file:
        return _is_header(_layout(_first_line(file)).columns)


def opened_text(path: Path) -> TextIO:
    """A file opened as text: in UTF-8, or in UTF-16 with a byte-order mark."""
    with path.open("rb") as file:
        encoding = "utf-16" if file.read(2) in _UTF_16 else "utf-8-sig"
    return path.open(encoding=encoding, newline="")


def _first_line(file: TextIO) -> str:
    while (line := file.readline(_LONGEST_LINE)) and not line.strip():
        pass
    return line


def _layout(line: str) -> _Layout:
    """The layout that the first line of a file shows."""
    divided = {delimiter: _divided(line, delimiter) for delimiter in _DELIMITERS}
    for delimiter, cells in divided.items():
        if _is_header(cells):
            return _Layout(delimiter, cells, has_header=True)
    for delimiter, cells in divided.items():
        if len(cells) == 2 and is_image_name(cells[0]) and is_numeric(cells[1]):
            return _Layout(delimiter, ["path", "label"], has_header=False)
    delimiter = max(_DELIMITERS[:-1], key=lambda delimiter: len(divided[delimiter]))
    return _Layout(delimiter, divided[delimiter], has_header=True)


def _divided(line: str, delimiter: str) -> list[str]:
    try:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []
    return _without_end([cell.strip() for cell in cells], 0)


def _without_end(cells: list[str], length: int) -> list[str]:
    """The cells without empty ones at the end, as a delimiter at the end of a line makes them; at least `length`."""
    while len(cells) > length and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def _is_header(columns: Sequence[str]) -> bool:
    return has_column(columns, PATHS) and has_column(columns, LABELS)


def csv_rows(path: Path, wanted: Callable[[Sequence[str]], ColumnNames]) -> Iterator[Cells]:
    """Yield the rows of a CSV file, without empty lines: the columns with the names that are `wanted` of all, if any.

    Raises OSError if the file cannot be read, and `LayerMixError` for a faulty row.
    """
    try:
        with opened_text(path) as file:
            layout = _layout(_first_line(file))
            names, name = wanted(layout.columns), as_text(path)
            if not names:
                return
            places = places_of(layout.columns, names, name)
            file.seek(0)
            reader = csv.reader(file, delimiter=layout.delimiter, skipinitialspace=True, strict=True)
            lines = ((reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells))
            if layout.has_header:
                next(lines)
            for number, cells in lines:
                yield _row(f"line {number} of {name}", cells, layout, places)
    except (csv.Error, UnicodeError) as fault:
        raise cannot_read(path, f"it is not CSV in UTF-8 ({message_of(fault)})", REMEDY) from fault


def _row(where: str, cells: list[str], layout: _Layout, places: Sequence[int | None]) -> Cells:
    count = len(layout.columns)
    cells = _without_end(cells, count)
    if cells[0].startswith("#"):
        raise LayerMixError(
            f"expected a row in {where}, got a comment; take it out (or write ./# where a path begins so)"
        )
    if len(cells) != count:
        raise LayerMixError(
            f"expected {count} cells in {where}, got {len(cells)}; put a cell that holds {layout.delimiter!r} in quotes"
        )
    return Cells(where, *(None if place is None else cells[place] for place in places))
