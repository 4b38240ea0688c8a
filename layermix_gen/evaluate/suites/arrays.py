"""Suites that are published as `.npy` files: CIFAR-10-C and -100-C, C-bar and P, and others in the same layout.

C and C-bar have a file for each corruption, uint8 (5 N, H, W, 3), severity after severity, each of them the N test
images in their order; `labels.npy` repeats the labels five times. Suites that `corrupt` made may have fewer severities:
their record says which. P has a file for each perturbation, uint8 (N, frames, H, W, 3). The files are memory-mapped and
read in slices, so that none is ever in memory as a whole.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.benchmarks import LABELS, SEVERITIES
from layermix_gen.evaluate.corruptions.record import Record, read_record
from layermix_gen.evaluate.suites.base import Ints, Part
from layermix_gen.evaluate.suites.batching import Images
from layermix_gen.support.files import reading
from layermix_gen.support.text import as_text

CLASSES = {"cifar10": 10, "cifar100": 100}  # of the datasets whose suites are arrays
REMEDY = "get the file again"


def names(folder: Path) -> list[str]:
    """The names, without `.npy`, of the arrays in a folder except the labels."""
    return sorted(path.stem for path in folder.glob("*.npy") if path.name != LABELS and not path.name.startswith("."))


def files(folder: Path, name: str) -> list[Path]:
    """The files that an array's images and labels come from."""
    labels = folder / LABELS
    return [folder / f"{name}.npy", *([labels] if labels.is_file() else [])]


def dimensions(folder: Path, name: str) -> int:
    """The number of dimensions of an array; 0 where it cannot be read."""
    try:
        return int(_mapped(folder / f"{name}.npy").ndim)
    except LayerMixError:
        return 0


def open_corruption(folder: Path, classes: int, name: str) -> Part:
    """One corruption at its severities. Raises `LayerMixError` for a wrong shape, and for labels that do not fit."""
    record = read_record(folder)
    labels = read_labels(folder, record)
    path = folder / f"{name}.npy"
    images = open_images(path, ndim=4)
    if len(images) != labels.size:
        raise LayerMixError(
            f"expected {labels.size} images in {as_text(path)}, {labels.shape[1]} at each of {len(labels)} severities "
            f"as {LABELS} has it, found {len(images)}; {REMEDY}"
        )
    severities = record.severities if record else SEVERITIES
    return Part(partial(_slices, images), labels, len(images), classes, severities, size=images.shape[1:3])


def open_perturbation(folder: Path, classes: int, name: str) -> Part:
    """One perturbation, one video per row. Raises `LayerMixError` for a wrong shape."""
    path = folder / f"{name}.npy"
    videos = open_images(path, ndim=5)
    if videos.shape[1] < 2:
        raise LayerMixError(f"expected at least 2 frames in {as_text(path)}, found {videos.shape[1]}; {REMEDY}")
    return Part(partial(_videos, videos), None, len(videos), classes, size=videos.shape[2:4])


def open_images(path: Path, ndim: int) -> Images:
    """Map an array of images, uint8 (N, ..., H, W, 3) of `ndim` dimensions, into memory."""
    array = _mapped(path)
    if array.dtype != np.uint8 or array.ndim != ndim or array.shape[-1] != 3 or 0 in array.shape:
        form = "(images, H, W, 3)" if ndim == 4 else "(videos, frames, H, W, 3)"
        raise LayerMixError(f"expected uint8 {form} in {as_text(path)}, found {array.dtype} {array.shape}; {REMEDY}")
    return array


def read_labels(folder: Path, record: Record | None = None) -> Ints:
    """The labels (S, N) of a folder; S is 5, or as in `record`. Raises `LayerMixError` unless they repeat S times."""
    path = folder / LABELS
    labels = _mapped(path)
    times = len(record.severities) if record else len(SEVERITIES)
    images = record.images if record else labels.size // times
    is_list = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer) and labels.size > 0
    if not is_list or labels.size != times * images:
        wanted = images if record else "as many as test images"
        raise LayerMixError(
            f"expected whole numbers, {times} times {wanted}, in {as_text(path)}, "
            f"found {labels.dtype} {labels.shape}; {REMEDY}"
        )
    blocks = np.array(labels, np.int64).reshape(times, -1)
    if (blocks != blocks[0]).any() or blocks.min() < 0:
        raise LayerMixError(f"expected the same labels at each of {times} severities in {as_text(path)}; {REMEDY}")
    return blocks


def _mapped(path: Path) -> npt.NDArray[Any]:
    try:
        with reading(path, REMEDY):
            if path.is_file():
                return np.lib.format.open_memmap(path, "r")  # only a single array, and nothing that needs unpickling
    except (ValueError, TypeError, OverflowError, EOFError) as fault:  # no array of numbers, or one of another length
        raise LayerMixError(f"{as_text(path)} is truncated or not an array of numbers; {REMEDY}") from fault
    raise LayerMixError(f"expected {as_text(path)}, found no such file; {REMEDY}")


def _slices(images: Images, size: int) -> Iterator[Images]:
    for begin in range(0, len(images), size):
        yield np.array(images[begin : begin + size])  # read here, so that this thread waits for the disk


def _videos(videos: Images, _: int) -> Iterator[Images]:
    for video in videos:
        yield np.array(video)
