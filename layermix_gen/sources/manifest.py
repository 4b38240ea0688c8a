"""A table of images and labels: a CSV or Parquet file with the columns `path`, `label` and maybe `class_name`.

Paths are relative to the folder of the table and must stay inside of it. A label is an integer, -1 for none.
"""

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from layermix_gen.codec import MAX_PIXELS, decode
from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.sources.base import Item, as_text, class_names, read_inside, reason

MAX_LABEL = 999_999  # a larger one is some other number by mistake, and there is a class for every label below it
_REQUIRED = ("path", "label")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table, not yet checked; `where` says to the user which it is."""

    where: str
    path: object
    label: object
    class_name: object


class ManifestSource:
    """The images that a table lists. Raises `LayerMixError` where there is no such file."""

    kind = "manifest"
    native_size = None
    ignored = 0

    def __init__(self, location: str, split: str = "", max_pixels: int = MAX_PIXELS) -> None:
        self.location = location
        self._path = Path(location)
        if not self._path.is_file():
            raise LayerMixError(f"expected a CSV or Parquet file, found none at {as_text(location)}; check the path")
        self._root = self._path.parent
        self._max_pixels = max_pixels

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names, a label without one named by its number; () without a column of them."""
        names = dict(row[2] for row in self._rows if row[2][1])
        return tuple(names.get(int(label), label) for label in class_names(row[1] for row in self._rows) if names)

    def items(self) -> list[Item]:
        """List the table, sorted by path. Raises `LayerMixError` that names the row for what is not as it should be."""
        if not self._rows:
            raise LayerMixError(f"expected at least one row in {as_text(self.location)}, found none")
        return sorted((Item(path, label, self._size(path)) for path, label, _ in self._rows), key=lambda item: item.id)

    def read(self, item: Item) -> Image:
        """Read and decode one file, uint8 (H, W, 3). Raises `BadImage` with the reason."""
        if _is_outside(item.id):
            raise BadImage("path out of the root")
        return decode(read_inside(self._root, self._root / item.id), self._max_pixels)

    def _size(self, path: str) -> int:
        try:
            return 0 if _is_outside(path) else (self._root / path).stat().st_size
        except OSError:  # missing: `read` gives the reason
            return 0
