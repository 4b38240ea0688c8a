"""Read SVHN's cropped digits, which are MATLAB files: `train_32x32.mat`, `test_32x32.mat` and `extra_32x32.mat`.

The location is their folder, or one of them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS
from layermix_gen.sources.array_files.base import ArraySource, LabelledImages, chosen_split
from layermix_gen.sources.array_files.mat_format import load_matrices
from layermix_gen.sources.base import Source, class_names, parsed_kind
from layermix_gen.support.text import as_text

SPLITS = ("train", "test", "extra")
_SIDE = 32
_PIXELS = 3 * _SIDE * _SIDE  # bytes of one image
_NOTHING = np.empty(0)


class SvhnSource(ArraySource):
    """One split of SVHN. Raises `LayerMixError` if it is not found and, once it is needed, if its file is damaged."""

    def __init__(self, location: str, split: str = "", max_pixels: int = MAX_PIXELS) -> None:
        given = Path(location)
        path = given if given.is_file() else given / _name(split or SPLITS[0])
        own = path.name.partition("_")[0] if is_svhn(path) else ""
        kind, part = chosen_split("svhn", SPLITS, split, own, path)
        if not path.is_file():
            found = ", ".join(sorted(file.name for file in find(given))) or "none of SVHN"
            raise LayerMixError(
                f"expected {path.name} in {as_text(given)}, found {found}; get it from the authors, or change --kind"
            )
        super().__init__(location, kind, part, (_SIDE, _SIDE), max_pixels, lambda: _load(path))


def find(location: Path) -> list[Path]:
    """The files of SVHN in a folder."""
    return [location / _name(split) for split in SPLITS if (location / _name(split)).is_file()]


def is_svhn(path: Path) -> bool:
    """Tell by its name whether a file is one of SVHN's."""
    return path.name in map(_name, SPLITS)


def files(source: Source) -> list[Path]:
    """The file of a source's split."""
    path = Path(source.location)
    return [path if path.is_file() else path / _name(parsed_kind(source.kind)[1] or SPLITS[0])]


def _name(split: str) -> str:
    return f"{split}_32x32.mat"


def _load(path: Path) -> LabelledImages:
    images, digits = _arrays(path)
    labels = digits.reshape(-1)
    if not np.isin(labels, np.arange(1, 11)).all():
        raise LayerMixError(f"expected labels from 1 to 10 in {as_text(path)}, found others; get the file again")

    def image(number: int) -> Image:
        return np.array(images[..., number], order="C")

    classes = class_names(range(10))
    return LabelledImages(image, labels.astype(np.int64) % 10, classes, _PIXELS)  # 10 stands for the digit 0


def _arrays(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """The images, (32, 32, 3, N), and their labels as stored, (N, 1)."""
    arrays = load_matrices(path, ("X", "y"))
    images, labels = arrays.get("X", _NOTHING), arrays.get("y", _NOTHING)
    if images.dtype != np.uint8 or images.shape[:3] != (_SIDE, _SIDE, 3) or images.ndim != 4 or not images.size:
        raise _wrong("X as uint8 (32, 32, 3, N)", images, path)
    if labels.shape != (images.shape[3], 1):
        raise _wrong(f"y as numbers ({images.shape[3]}, 1)", labels, path)
    return images, labels


def _wrong(expected: str, found: npt.NDArray[Any], path: Path) -> LayerMixError:
    what = f"{found.dtype.name} {found.shape}" if found.size else "none"
    return LayerMixError(f"expected {expected} in {as_text(path)}, found {what}; get the file again")
