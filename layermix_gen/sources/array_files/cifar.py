"""Read CIFAR-10 and CIFAR-100 as published, in the Python version and in the binary version.

The location is the folder of the data files or the folder above it. Both versions are arrays of 32 px images stored as
three colour planes of 1024 bytes. A binary file is mapped into memory; a Python file is a pickle, which could run any
code: it is read by an unpickler that accepts arrays of numbers and texts and refuses everything else.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

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
from layermix_gen.sources.array_files.pickles import load_values
from layermix_gen.sources.base import Source, parsed_kind
from layermix_gen.support.files import read_file
from layermix_gen.support.text import as_text

SPLITS = ("train", "test")
SIZE = 32
PIXELS = 3 * SIZE * SIZE  # bytes of one image
SHAPES = ((PIXELS,), (3, SIZE, SIZE), (SIZE, SIZE, 3))  # of one image in a pickle
_SAVE = "save them so, or extract the archive again"

LabelledPlanes: TypeAlias = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
"""The content of one file: images (N, 3072) or (N, 3, 32, 32), three colour planes each, and their labels (N,)."""


@dataclass(frozen=True, slots=True)
class Version:
    """The file layout of one published version of a CIFAR dataset."""

    folder: str  # its name as extracted
    parts: dict[str, tuple[str, ...]]  # split -> files
    meta: str  # the file of the class names
    names: str = ""  # the key of the class names in `meta`, which is a text file in the binary version
    labels: str = ""  # the key of the labels in the Python version
    label_bytes: int = 0  # in front of each image in the binary version; the label is the last of them

    @property
    def is_binary(self) -> bool:
        """Whether this is the binary version, not the Python version."""
        return self.label_bytes > 0


_TENS = tuple(f"data_batch_{number}" for number in range(1, 6))

VERSIONS = {
    "cifar10": (
        Version(
            folder="cifar-10-batches-py",
            parts={"train": _TENS, "test": ("test_batch",)},
            meta="batches.meta",
            names="label_names",
            labels="labels",
        ),
        Version(
            folder="cifar-10-batches-bin",
            parts={"train": tuple(f"{name}.bin" for name in _TENS), "test": ("test_batch.bin",)},
            meta="batches.meta.txt",
            label_bytes=1,
        ),
    ),
    "cifar100": (
        Version(
            folder="cifar-100-python",
            parts={"train": ("train",), "test": ("test",)},
            meta="meta",
            names="fine_label_names",
            labels="fine_labels",
        ),
        Version(
            folder="cifar-100-binary",
            parts={"train": ("train.bin",), "test": ("test.bin",)},
            meta="fine_label_names.txt",
            label_bytes=2,
        ),
    ),
}


class CifarSource(ArraySource):
    """One split of CIFAR-10 or CIFAR-100, with the fine labels.

    Raises `LayerMixError` if neither version is found and, once a file is needed, if that file is missing or damaged.
    """

    def __init__(self, name: str, location: str, split: str = "", max_pixels: int = MAX_PIXELS) -> None:
        found = find(name, Path(location))
        if found is None:
            folders = " or ".join(version.folder for version in VERSIONS[name])
            raise LayerMixError(
                f"expected the files of {folders} in {as_text(location)}, found neither; check the path and --kind"
            )
        kind, part = chosen_split(name, SPLITS, split)
        super().__init__(location, kind, part, (SIZE, SIZE), max_pixels, lambda: _load(*found, part))


def find(name: str, location: Path) -> tuple[Path, Version] | None:
    """Return the folder of the data files and their version, or None if `location` holds no such dataset.

    A file may be missing, which is told once it is needed. Of two versions, the more complete one is returned.
    """
    places = [(folder, version) for version in VERSIONS[name] for folder in (location, location / version.folder)]
    return max((place for place in places if _holds(*place)), key=lambda place: len(_present(*place)), default=None)


def _holds(folder: Path, version: Version) -> bool:
    """Whether a folder is known by its files, some of which may be missing."""
    present = _present(folder, version)
    if folder.name == version.folder:
        return bool(present)
    # Two files are too few without that of the class names: "train" and "test" may be anything.
    return len(present) >= (2 if version.meta in present else 3)


def _present(folder: Path, version: Version) -> list[str]:
    names = [version.meta, *(name for part in version.parts.values() for name in part)]
    return [name for name in names if (folder / name).is_file()]


def files(source: Source) -> list[Path]:
    """The files of a source's split and of the class names, as far as the dataset is there."""
    name, split = parsed_kind(source.kind)
    found = find(name, Path(source.location))
    if not found:
        return []
    folder, version = found
    return [folder / file for file in (version.meta, *version.parts[split or SPLITS[0]])]


def _load(folder: Path, version: Version, split: str) -> LabelledImages:
    classes = _class_names(folder / version.meta, version)
    read = _read_binary if version.is_binary else _read_pickle
    paths = [folder / name for name in version.parts[split]]
    parts = [read(path, version, len(classes)) for path in paths]
    lengths = [len(labels) for _, labels in parts]
    if version.is_binary and min(lengths) < max(lengths):  # a binary file was cut between two records
        raise LayerMixError(
            f"expected {max(lengths)} images in {as_text(paths[lengths.index(min(lengths))])} as in the other "
            f"files, found {min(lengths)}: the file is truncated; extract the archive again"
        )
    ends = list(accumulate(lengths))

    def image(number: int) -> Image:
        part = bisect_right(ends, number)
        planes = parts[part][0][number - ends[part]]  # from the end of its part
        return np.ascontiguousarray(planes.reshape(3, SIZE, SIZE).transpose(1, 2, 0))

    return LabelledImages(image, np.concatenate([labels for _, labels in parts]), classes, PIXELS)


def _class_names(path: Path, version: Version) -> tuple[str, ...]:
    if version.is_binary:
        found: Any = read_file(path, EXTRACT).decode("utf-8", "replace").split()
    else:
        (found,) = load_values(path, (version.names,))
    names = found.tolist() if isinstance(found, np.ndarray) else found
    if not isinstance(names, list | tuple) or not names:
        raise LayerMixError(f"expected the class names in {as_text(path)}, found {_described(found)}; {EXTRACT}")
    if other := [name for name in names if not isinstance(name, bytes | str)]:
        raise LayerMixError(f"expected the class names in {as_text(path)}, found {_described(other[0])}; {_SAVE}")
    return tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names)


def _read_pickle(path: Path, version: Version, classes: int) -> LabelledPlanes:
    images, given = load_values(path, ("data", version.labels))
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] not in SHAPES:
        raise LayerMixError(
            f"expected images as uint8 (N, {PIXELS}) in {as_text(path)}, found {_described(images)}; {_SAVE}"
        )
    if images.shape[1:] == (SIZE, SIZE, 3):
        images = images.transpose(0, 3, 1, 2)
    try:
        labels = _whole_numbers(given)
    except ValueError as fault:
        raise LayerMixError(
            f"expected whole numbers in [0, 255] as {version.labels} in {as_text(path)}, found {fault}; {_SAVE}"
        ) from fault
    return _checked(images, labels, path, classes)


def _whole_numbers(given: object) -> npt.NDArray[np.int64]:
    """Labels in [0, 255] of a list, a tuple, or an array (N,) or (N, 1). Raises ValueError that says what it found."""
    if isinstance(given, np.ndarray) and given.dtype.kind in "iuf" and given.shape[1:] in ((), (1,)):
        labels = given.reshape(-1).tolist()
    elif isinstance(given, list | tuple):
        labels = list(given)
    else:
        raise ValueError(_described(given))
    for label in labels:
        if type(label) not in (int, float) or not 0 <= label <= 255 or label != int(label):
            raise ValueError(_described(label))
    return np.array(labels, np.int64)


def _described(value: object) -> str:
    """What a value in a pickle is, in a few words."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype.name} {value.shape}"
    if isinstance(value, int | float | str | bytes):
        return shortened(value)
    return "none" if value is None else f"a {type(value).__name__}"


def _read_binary(path: Path, version: Version, classes: int) -> LabelledPlanes:
    records = mapped_records(path, version.label_bytes + PIXELS)
    labels = records[:, version.label_bytes - 1].astype(np.int64)
    return _checked(records[:, version.label_bytes :], labels, path, classes)


def _checked(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], path: Path, classes: int) -> LabelledPlanes:
    check_counts(len(labels), len(images), path, EXTRACT)
    if not len(labels):
        raise LayerMixError(f"expected images in {as_text(path)}, found none; {EXTRACT}")
    if labels.min() < 0 or labels.max() >= classes:
        raise LayerMixError(
            f"expected labels in [0, {classes - 1}] in {as_text(path)}, found "
            f"{labels.min()} to {labels.max()}; extract the archive again"
        )
    return images, labels
