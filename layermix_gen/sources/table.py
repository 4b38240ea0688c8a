"""A table of images and labels: a CSV or Parquet file with the columns `path`, `label` and maybe `class_name`.

Paths are relative to the folder of the table and must stay inside of it. A label is an integer, -1 for none.
"""

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS, decode
from layermix_gen.sources.base import MAX_LABEL, Item, SourceOptions, class_names, read_inside, status
from layermix_gen.support.files import cannot_read, reading, with_retries
from layermix_gen.support.text import as_text, message_of

_REQUIRED = ["path", "label"]
_NAME = "class_name"
REMEDY = "mend or replace it"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. `where` names it in messages to the user."""

    where: str
    id: str
    label: int
    class_name: str


class TableSource:
    """The images that a table lists. Raises `LayerMixError` if there is no such file."""

    kind = "manifest"
    native_size = None
    ignored = 0

    def __init__(self, location: str, split: str = "", max_pixels: int = MAX_PIXELS, *, root: str = "") -> None:
        self.options = SourceOptions(root=root)
        self.location = location
        self._path = Path(location)
        self._root = self._path.parent
        self._max_pixels = max_pixels
        if not self._path.is_file():
            raise LayerMixError(f"expected a CSV or Parquet file, found none at {as_text(location)}; check the path")
        self._resolved = with_retries(lambda: os.path.realpath(self._root, strict=True), self._root)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names, with the number of a label that has none; () if the table has none."""
        names = {row.label: row.class_name for row in self._rows if row.class_name}
        if not names:
            return ()
        return tuple(names.get(int(number), number) for number in class_names(row.label for row in self._rows))

    def items(self) -> list[Item]:
        """List the images of the table, sorted by path. Raises `LayerMixError` that names the faulty row."""
        if not self._rows:
            raise LayerMixError(f"expected at least one row in {as_text(self.location)}, found none")
        return sorted((Item(row.id, row.label, self._size(row.id)) for row in self._rows), key=lambda item: item.id)

    def read(self, item: Item) -> Image:
        """Read and decode one file, uint8 (H, W, 3). Raises `BadImage` with the reason."""
        if _is_outside(item.id):
            raise BadImage("path out of the root")
        return decode(read_inside(self._resolved, item.id), self._max_pixels)

    def _size(self, path: str) -> int:
        found = None if _is_outside(path) else status((self._root / path).stat, self._root / path)
        return found.st_size if found else 0

    @cached_property
    def _rows(self) -> list[Row]:
        with reading(self._path, REMEDY):
            read = _parquet if is_parquet(self._path) else _csv
            values = with_retries(lambda: list(read(self._path)), self._path)
        rows = [self._row(f"{where} of {as_text(self._path)}", *cells) for where, cells in values]
        _check_unique(rows)
        _check_names(rows)
        return rows

    def _row(self, where: str, path: object, label: object, name: object) -> Row:
        if not isinstance(path, str) or not path or "\0" in path:
            raise LayerMixError(f"expected a path in {where}, got {path!r}; mend the table")
        if not re.fullmatch(r"-1|\d{1,6}", str(label)):
            raise LayerMixError(f"expected an integer in [-1, {MAX_LABEL}] as label in {where}, got {label!r}")
        return Row(where, self._relative(path), int(str(label)), "" if name is None else str(name))

    def _relative(self, path: str) -> str:
        """Return the path relative to the folder of the table if it is inside, else as an absolute path."""
        absolute = os.path.normpath(self._root / path)
        for root in (self._root, self._resolved):
            if PurePath(absolute).is_relative_to(root):
                return PurePath(absolute).relative_to(root).as_posix()
        return absolute


def is_parquet(path: Path) -> bool:
    """Tell by the content whether a file is Parquet."""
    with reading(path, REMEDY):
        return with_retries(lambda: _begins(path, b"PAR1"), path)


def _begins(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(mark)) == mark


def is_table(path: Path) -> bool:
    """Tell by the content whether a file is a table with the columns `path` and `label`."""
    try:
        with reading(path, REMEDY):
            return is_parquet(path) or set(_REQUIRED) <= set(with_retries(lambda: _header(path), path))
    except (UnicodeDecodeError, csv.Error):
        return False


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader([file.readline(1 << 16)]), [])


def _csv(path: Path) -> Iterator[tuple[str, list[object]]]:
    """Yield the place of each row, and its path, label and class name. Raises OSError if the file cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(path, list(reader.fieldnames or ()))
            for row in reader:
                yield f"line {reader.line_num}", [row["path"], row["label"], row.get(_NAME)]
    except (csv.Error, UnicodeDecodeError) as fault:
        raise _unreadable(path, f"it is not CSV in UTF-8 ({fault})") from fault


def _parquet(path: Path) -> Iterator[tuple[str, list[object]]]:
    """Yield the place of each row, and its path, label and class name."""
    from layermix_gen.support.database import connected, pattern_of  # here, because DuckDB takes a while to load

    def unsound(reason: str) -> LayerMixError:
        return _unreadable(path, f"it is no sound Parquet file ({reason})")

    try:
        with connected(unsound) as db:
            table = db.read_parquet(pattern_of(path))
            _check_columns(path, table.columns)
            name = _NAME if _NAME in table.columns else f"NULL AS {_NAME}"
            rows = table.project(f"path, label, {name}").fetchall()
    except RuntimeError as fault:  # if a text is not UTF-8
        raise unsound(message_of(fault)) from fault
    for number, row in enumerate(rows, 1):
        yield f"row {number}", list(row)


def _check_columns(path: Path, columns: list[str]) -> None:
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        raise LayerMixError(
            f"expected the columns path and label in {as_text(path)}, found {', '.join(columns) or 'none'}; "
            f"add {' and '.join(missing)}"
        )


def _check_unique(rows: list[Row]) -> None:
    first: dict[str, Row] = {}
    for row in rows:
        if row.id in first:
            raise LayerMixError(f"expected each path once, got {row.id} in {row.where} again; take one row out")
        first[row.id] = row


def _check_names(rows: list[Row]) -> None:
    names: dict[int, str] = {}
    for row in rows:
        if row.class_name and names.setdefault(row.label, row.class_name) != row.class_name:
            raise LayerMixError(
                f"expected one class name per label, got {row.class_name!r} for label {row.label} in {row.where}, "
                f"which was {names[row.label]!r} before; mend the table"
            )


def _is_outside(path: str) -> bool:
    return path.startswith(("/", "../")) or path in ("..", ".")


def _unreadable(path: Path, why: str) -> LayerMixError:
    return cannot_read(path, why, REMEDY)
