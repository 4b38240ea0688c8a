"""What sources of arrays have in common: one split of a set, whose images are listed and read by their numbers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import check_pixels
from layermix_gen.sources.base import DEFAULT_OPTIONS, Item, replaced
from layermix_gen.sources.labels import MAX_LABEL
from layermix_gen.support.files import reading, with_retries
from layermix_gen.support.text import as_text

DIGITS = 5  # of a number in an id, at least: more where the set is larger, so that ids are sorted
EXTRACT = "extract the archive again"


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """The images of one split, with their labels and the names of these."""

    read: Callable[[int], Image]  # the image of a number, uint8 (H, W, 3)
    labels: npt.NDArray[np.int64]  # (N,), -1 for none
    classes: tuple[str, ...]
    image_bytes: int  # of one image as it is stored


class ArraySource:
    """One split of a set: `load` is called once, when an image or a label is asked for.

    `kind` opens it again, with the location. `split` is the first part of the ids. All images have one height and
    width. `version` tells what the files were when the source was opened; `open_source` sets it.
    """

    version = ""
    ignored = 0
    options = DEFAULT_OPTIONS

    def __init__(
        self,
        location: str,
        kind: str,
        split: str,
        height_width: tuple[int, int],
        max_pixels: int,
        load: Callable[[], LabelledImages],
    ) -> None:
        self.location, self.kind = location, kind
        self._split, self._size, self._max_pixels, self._load = split, height_width, max_pixels, load

    @cached_property
    def _loaded(self) -> LabelledImages:
        return self._load()

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names by label; () without labels."""
        return self._loaded.classes

    def items(self) -> list[Item]:
        """List the split, "train/00000", ... in the order of its files."""
        labels, size = self._loaded.labels.tolist(), self._loaded.image_bytes
        digits = max(DIGITS, len(str(len(labels) - 1)))
        ids = (f"{self._split}/{number:0{digits}}" for number in range(len(labels)))
        return [Item(one, label, size, (), self.version) for one, label in zip(ids, labels, strict=True)]

    def found(self) -> Iterator[Item]:
        """Yield what `items` lists; raises as it does."""
        yield from self.items()

    def read(self, item: Item) -> Image:
        """Return one image, uint8 (H, W, 3). Raises `BadImage` for an id of another split, and for too many pixels."""
        split, _, digits = item.id.partition("/")
        number = int(digits) if split == self._split and digits.isdecimal() else -1
        if not 0 <= number < len(self._loaded.labels):
            raise BadImage(f"no such image in {self.kind}")
        self.pixel_size(item)
        if item.version not in ("", self.version):
            raise replaced(item)
        return self._loaded.read(number)

    def pixel_size(self, item: Item) -> tuple[int, int]:
        """The height and width of every image. Raises `BadImage` where these are too many pixels."""
        height, width = self._size
        check_pixels(width, height, self._max_pixels)
        return self._size


def chosen_split(name: str, splits: Sequence[str], split: str, own: str = "", place: Path = Path()) -> tuple[str, str]:
    """The kind that opens a split again, "idx:test" or the name alone for the default, and the split.

    `split` is the wanted one, "" for any: the first of `splits`, unless the file at `place` is known to be of its own.
    Raises `LayerMixError` where that is another one than the wanted.
    """
    if split and own and own != split:
        raise LayerMixError(
            f"expected the {split} split, found that of {own} at {as_text(place)}; give the file of {split}, or "
            f"--kind {name} to take this one"
        )
    return (f"{name}:{split}" if split not in ("", splits[0]) else name), split or own or splits[0]


def check_counts(labels: int, images: int, path: Path, remedy: str) -> None:
    """Raise `LayerMixError` with the `remedy` unless the labels at `path` are as many as the images."""
    if labels != images:
        raise LayerMixError(
            f"expected one label per image in {as_text(path)}, found {labels} labels for {images} images; {remedy}"
        )


def mapped_records(path: Path, size: int) -> npt.NDArray[np.uint8]:
    """Map a file of records, (N, `size` bytes), into memory. Raises `LayerMixError` where it is empty or cut off."""
    with reading(path, EXTRACT):
        found = with_retries(path.stat, path).st_size
        if found == 0 or found % size:
            raise LayerMixError(
                f"expected records of {size} bytes in {as_text(path)}, found {found} bytes: the file is truncated; "
                f"{EXTRACT}"
            )
        return np.asarray(with_retries(lambda: np.memmap(path, np.uint8, "r"), path)).reshape(-1, size)


def checked_range(labels: npt.NDArray[Any], path: Path) -> npt.NDArray[np.int64]:
    """Whole numbers as labels. Raises `LayerMixError` where one of them can be none."""
    if len(labels) and not -1 <= labels.min() <= labels.max() <= MAX_LABEL:
        raise LayerMixError(
            f"expected labels from -1 to {MAX_LABEL} in {as_text(path)}, found {labels.min()} to "
            f"{labels.max()}; number the classes from 0"
        )
    return labels.astype(np.int64)
