"""Read STL-10 in its binary files: images of 96 px, column after column, and labels that count from 1.

The location is the folder of the files or the folder above it. Images are mapped into memory.
"""

from pathlib import Path

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS
from layermix_gen.sources.array_files.base import (
    EXTRACT,
    ArraySource,
    LabelledImages,
    check_counts,
    chosen_split,
    mapped_records,
)
from layermix_gen.sources.base import Source, parsed_kind
from layermix_gen.support.files import read_file
from layermix_gen.support.text import as_text

SPLITS = ("train", "test", "unlabeled")
_FOLDER = "stl10_binary"  # as extracted
_NAMES = "class_names.txt"
_UNLABELLED = "unlabeled"
_SIDE = 96
_PIXELS = 3 * _SIDE * _SIDE  # bytes of one image


class Stl10Source(ArraySource):
    """One split of STL-10.

    Raises `LayerMixError` if it is not found and, once a file is needed, if that file is missing or damaged.
    """

    def __init__(self, location: str, split: str = "", max_pixels: int = MAX_PIXELS) -> None:
        folder = find(Path(location))
        if folder is None:
            raise LayerMixError(
                f"expected the files of {_FOLDER} in {as_text(location)}, found none; check the path and --kind"
            )
        kind, part = chosen_split("stl10", SPLITS, split)
        super().__init__(location, kind, part, (_SIDE, _SIDE), max_pixels, lambda: _load(folder, part))


def find(location: Path) -> Path | None:
    """Return the folder of the files of images, of which one is enough, or None."""
    names = [f"{split}_X.bin" for split in SPLITS]
    folders = (location, location / _FOLDER)
    return next((folder for folder in folders if any((folder / name).is_file() for name in names)), None)


def files(source: Source) -> list[Path]:
    """The files of a source's split and of the class names."""
    folder, split = find(Path(source.location)), parsed_kind(source.kind)[1] or SPLITS[0]
    labels = [] if split == _UNLABELLED else [f"{split}_y.bin"]
    return [folder / name for name in (_NAMES, f"{split}_X.bin", *labels)] if folder else []


def _load(folder: Path, split: str) -> LabelledImages:
    classes = tuple(read_file(folder / _NAMES, EXTRACT).decode("utf-8", "replace").split())
    if not classes:
        raise LayerMixError(f"expected the class names in {as_text(folder / _NAMES)}, found none; {EXTRACT}")
    path = folder / f"{split}_X.bin"
    planes = mapped_records(path, _PIXELS).reshape(-1, 3, _SIDE, _SIDE)  # (N, channel, column, row)

    def image(number: int) -> Image:
        return np.ascontiguousarray(planes[number].transpose(2, 1, 0))

    if split == _UNLABELLED:
        return LabelledImages(image, np.full(len(planes), -1), classes, _PIXELS)
    path = folder / f"{split}_y.bin"
    labels = np.frombuffer(read_file(path, EXTRACT), np.uint8)
    check_counts(len(labels), len(planes), path, EXTRACT)
    if labels.min() < 1 or labels.max() > len(classes):
        raise LayerMixError(
            f"expected labels from 1 to {len(classes)} in {as_text(path)}, found {labels.min()} to {labels.max()}; "
            f"{EXTRACT}"
        )
    return LabelledImages(image, labels.astype(np.int64) - 1, classes, _PIXELS)
