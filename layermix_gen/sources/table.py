"""A table of images and labels: a CSV or Parquet file with the columns `path`, `label` and maybe `class_name`.

Paths are relative to the folder of the table, or to `root`, and must stay inside of it. Labels are whole numbers, -1
for none, or names.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS, decode, header_size
from layermix_gen.sources.base import Item, SourceOptions, class_names, read_inside, status, version_of
from layermix_gen.sources.columns import Cells, paths_of
from layermix_gen.sources.labels import labels_of
from layermix_gen.sources.table_files import table_rows
from layermix_gen.support.files import reading, with_retries
from layermix_gen.support.text import as_text


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. `where` names it in messages to the user."""

    where: str
    id: str
    label: int
    class_name: str


class TableSource:
    """The images that a table lists. Raises `LayerMixError` if there is no such file, or no folder `root`."""

    kind = "manifest"
    ignored = 0

    def __init__(self, location: str, split: str = "", max_pixels: int = MAX_PIXELS, *, root: str = "") -> None:
        self.options = SourceOptions(root=root)
        self.location = location
        self._path = Path(location)
        self._root = Path(os.path.normpath(root)) if root else self._path.parent
        self._max_pixels = max_pixels
        if not self._path.is_file():
            raise LayerMixError(f"expected a CSV or Parquet file, found none at {as_text(location)}; check the path")
        if not self._root.is_dir():
            raise LayerMixError(f"expected a folder as root, found none at {as_text(root)}; change --root")
        with reading(self._root):
            self._resolved = with_retries(lambda: os.path.realpath(self._root, strict=True), self._root)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names: of the column `class_name`, else of labels that are names; () if the table has neither.

        A label without a name has its number.
        """
        return class_names_of(*self._listed)

    def items(self) -> list[Item]:
        """List the images of the table, sorted by path. Raises `LayerMixError` that names the faulty row."""
        rows, _ = self._listed
        if not rows:
            raise LayerMixError(f"expected at least one row in {as_text(self.location)}, found none")
        found = [self._status(row.id) for row in rows]
        if not any(found):
            raise LayerMixError(
                f"expected the images of {as_text(self.location)} in {as_text(self._root)}, found none of them (the "
                f"first: {as_text(rows[0].id)}); give the folder that the paths are relative to by --root"
            )
        items = [_item(row, one) for row, one in zip(rows, found, strict=True)]
        return sorted(items, key=lambda item: item.id)

    def found(self) -> Iterator[Item]:
        """Yield the images of the table; raises as `items` does."""
        yield from self.items()

    def read(self, item: Item) -> Image:
        """Read and decode one image, uint8 (H, W, 3). Raises `BadImage` with the reason."""
        return decode(self._data(item), self._max_pixels)

    def pixel_size(self, item: Item) -> tuple[int, int]:
        """The height and width of one image, by its header. Raises `BadImage` with the reason."""
        return header_size(self._data(item), self._max_pixels)

    def _data(self, item: Item) -> bytes:
        if _is_outside(item.id):
            raise BadImage("path out of the root")
        return read_inside(self._resolved, item.id, item)

    def _status(self, path: str) -> os.stat_result | None:
        return None if _is_outside(path) else status((self._root / path).stat, self._root / path)

    @cached_property
    def _listed(self) -> tuple[list[Row], tuple[str, ...]]:
        """The rows, and the names of labels that are names."""
        cells = table_rows(self._path)
        labels, names = labels_of([row.label for row in cells], lambda number: cells[number].where)
        paths = paths_of(cells, (str(self._root), self._resolved))
        return rows_of(cells, paths, labels), names


def _item(row: Row, found: os.stat_result | None) -> Item:
    return Item(row.id, row.label, *((found.st_size, (), version_of(found)) if found else (0,)))


def rows_of(cells: Iterable[Cells], paths: Iterable[str], labels: Iterable[int]) -> list[Row]:
    """The rows of a table, by their cells, paths and labels. Raises `LayerMixError` for a label with two names."""
    rows = [Row(one.where, path, label, _name(one)) for one, path, label in zip(cells, paths, labels, strict=True)]
    _check_names(rows)
    return rows


def class_names_of(rows: Sequence[Row], names: tuple[str, ...]) -> tuple[str, ...]:
    """The class names of a table: those in its rows, else `names`, those of labels that are names."""
    given = {row.label: row.class_name for row in rows if row.class_name}
    if given and not names:
        names = class_names(row.label for row in rows)
    return tuple(given.get(label, name) for label, name in enumerate(names))


def _name(cells: Cells) -> str:
    return "" if cells.class_name is None else str(cells.class_name).strip()


def _check_names(rows: Sequence[Row]) -> None:
    names: dict[int, str] = {}
    for row in rows:
        if row.class_name and names.setdefault(row.label, row.class_name) != row.class_name:
            raise LayerMixError(
                f"expected one class name per label, got {row.class_name!r} for label {row.label} in {row.where}, "
                f"which was {names[row.label]!r} before; mend the table"
            )


def _is_outside(path: str) -> bool:
    return path.startswith(("/", "../")) or path in ("..", ".")
