"""Suites that are published as `.npy` files: CIFAR-10-C and -100-C, C-bar and P, and what is laid out like them.

C and C-bar have a file for each corruption, uint8 (5 N, H, W, 3), severity after severity, each of them the N test
images in their order; `labels.npy` repeats the labels five times. P has a file for each perturbation, uint8 (N, frames,
H, W, 3). The files are mapped into memory and read in slices, so that none is ever in memory as a whole.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.lists import SEVERITIES
from layermix_gen.evaluate.suites.base import Images, Ints, Part
from layermix_gen.sources.base import as_text, reason

LABELS = "labels"
REMEDY = "get the file again"


def names(folder: Path) -> list[str]:
    """The arrays in a folder, by name without `.npy`; the labels are none of them."""
    return sorted(path.stem for path in folder.glob("*.npy") if path.stem != LABELS and not path.name.startswith("."))


def dimensions(folder: Path, name: str) -> int:
    """How many dimensions an array has; 0 where it cannot be read."""
    try:
        return int(_mapped(folder / f"{name}.npy").ndim)
    except LayerMixError:
        return 0


def open_corruption(folder: Path, classes: int, name: str) -> Part:
    """One corruption at five severities. Raises `LayerMixError` for another shape, and for labels that do not fit."""
    labels = read_labels(folder)
    path = folder / f"{name}.npy"
    images = open_images(path, ndim=4)
    if len(images) != labels.size:
        raise LayerMixError(
            f"expected {labels.size} images in {as_text(path)}, five severities of {labels.shape[1]} as labels.npy has "
            f"it, found {len(images)}; {REMEDY}"
        )
    return Part(partial(_slices, images), labels, len(images), classes, SEVERITIES)


def open_perturbation(folder: Path, classes: int, name: str) -> Part:
    """One perturbation, a video a row. Raises `LayerMixError` for another shape."""
    path = folder / f"{name}.npy"
    videos = open_images(path, ndim=5)
    if videos.shape[1] < 2:
        raise LayerMixError(f"expected at least 2 frames in {as_text(path)}, found {videos.shape[1]}; {REMEDY}")
    return Part(partial(_videos, videos), None, len(videos), classes)


def open_images(path: Path, ndim: int) -> Images:
    """Map an array of images, uint8 (N, ..., H, W, 3) of `ndim` dimensions, into memory."""
    array = _mapped(path)
    if array.dtype != np.uint8 or array.ndim != ndim or array.shape[-1] != 3 or 0 in array.shape:
        form = "(images, H, W, 3)" if ndim == 4 else "(videos, frames, H, W, 3)"
        raise LayerMixError(f"expected uint8 {form} in {as_text(path)}, found {array.dtype} {array.shape}; {REMEDY}")
    return array


def read_labels(folder: Path) -> Ints:
    """The labels (5, N) of a folder. Raises `LayerMixError` where they do not repeat five times."""
    path = folder / f"{LABELS}.npy"
    labels = _mapped(path)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or not labels.size or labels.size % 5:
        raise LayerMixError(
            f"expected whole numbers, five times as many as test images, in {as_text(path)}, "
            f"found {labels.dtype} {labels.shape}; {REMEDY}"
        )
    blocks = np.array(labels, np.int64).reshape(5, -1)
    if (blocks != blocks[0]).any() or blocks.min() < 0:
        raise LayerMixError(f"expected the same labels at each of five severities in {as_text(path)}; {REMEDY}")
    return blocks


def _mapped(path: Path) -> npt.NDArray[Any]:
    try:
        if path.is_file():
            return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as fault:
        raise LayerMixError(f"cannot read {as_text(path)}: {reason(fault)}; {REMEDY}") from fault
    except (ValueError, EOFError) as fault:  # no array, an array of objects, or one that is shorter than it says
        raise LayerMixError(f"{as_text(path)} is truncated or not an array of numbers; {REMEDY}") from fault
    raise LayerMixError(f"expected {as_text(path)}, found no such file; {REMEDY}")


def _slices(images: Images, size: int) -> Iterator[Images]:
    for begin in range(0, len(images), size):
        yield np.array(images[begin : begin + size])  # read here, in the thread that is to wait for the disk


def _videos(videos: Images, _: int) -> Iterator[Images]:
    for video in videos:
        yield np.array(video)
