"""A table of images and labels: a CSV or Parquet file with the columns `path`, `label` and maybe `class_name`.

Paths are relative to the folder of the table, or to `root`, and must stay inside of it. Labels are whole numbers, -1
for none, or names.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS, decode, header_size
from layermix_gen.sources.base import Item, SourceOptions, class_names, read_inside, status, version_of
from layermix_gen.sources.columns import Cells, relative_path
from layermix_gen.sources.labels import labels_by_text, text_of, wrong_label
from layermix_gen.sources.table_files import table_rows
from layermix_gen.support.files import reading, with_retries
from layermix_gen.support.text import as_text


@dataclass(frozen=True, slots=True)
class Labelling:
    """What the labels in a table are: the label of each text, and the class names."""

    labels: Mapping[str, int]
    classes: tuple[str, ...]

    def label_of(self, row: Cells) -> int:
        """The label in a row. Raises `LayerMixError` where the table has changed since its labels were found."""
        if (label := self.labels.get(text_of(row.label) or "")) is None:
            raise LayerMixError(f"expected the table as it was, found another label in {row.where}; run this again")
        return label


def labelling(rows: Iterable[Cells]) -> Labelling:
    """What the labels in the rows of a table are. Raises `LayerMixError` that names the faulty row."""
    first: dict[str, str] = {}
    named: dict[tuple[str, str], str] = {}
    for row in rows:
        if (text := text_of(row.label)) is None:
            raise wrong_label(row.label, row.where)
        first.setdefault(text, row.where)
        if name := _name(row):
            named.setdefault((text, name), row.where)
    labels, classes = labels_by_text(first, str)
    names: dict[int, str] = {}
    for (text, name), where in named.items():
        label = labels[text]
        if names.setdefault(label, name) != name:
            raise LayerMixError(
                f"expected one class name per label, got {name!r} for label {label} in {where}, which was "
                f"{names[label]!r} before; mend the table"
            )
    if names and not classes:
        classes = class_names(labels.values())
    return Labelling(labels, tuple(names.get(label, name) for label, name in enumerate(classes)))


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
        return self._labelling.classes

    def items(self) -> list[Item]:
        """List the images of the table, sorted by path. Raises `LayerMixError` that names the faulty row."""
        items = sorted(self.found(), key=lambda item: item.id)
        if any(one.id == other.id for one, other in pairwise(items)) and (error := self._repeated()):
            raise error
        return items

    def found(self) -> Iterator[Item]:
        """Yield the images of the table in its order; raises as `items` does, but not for one that is there twice."""
        labelling, first, is_found = self._labelling, "", False
        for row in table_rows(self._path):
            path = relative_path(row, self._roots)
            found = self._status(path)
            first, is_found = first or path, is_found or found is not None
            label = labelling.label_of(row)
            yield Item(path, label, found.st_size, (), version_of(found)) if found else Item(path, label, 0)
        if not first:
            raise LayerMixError(f"expected at least one row in {as_text(self.location)}, found none")
        if not is_found:
            raise self._repeated() or LayerMixError(
                f"expected the images of {as_text(self.location)} in {as_text(self._root)}, found none of them (the "
                f"first: {as_text(first)}); give the folder that the paths are relative to by --root"
            )

    def _repeated(self) -> LayerMixError | None:
        """The error for the first row with a path that an earlier one has, if there is any."""
        seen = set[str]()
        for row in table_rows(self._path):
            path = relative_path(row, self._roots)
            if path in seen:
                return LayerMixError(f"expected each path once, got {path} in {row.where} again; take one row out")
            seen.add(path)
        return None

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
    def _labelling(self) -> Labelling:
        return labelling(table_rows(self._path))

    @property
    def _roots(self) -> tuple[str, str]:
        return str(self._root), self._resolved


def _name(cells: Cells) -> str:
    return "" if cells.class_name is None else str(cells.class_name).strip()


def _is_outside(path: str) -> bool:
    return path.startswith(("/", "../")) or path in ("..", ".")
