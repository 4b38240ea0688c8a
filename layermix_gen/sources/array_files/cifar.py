"""Read CIFAR-10 and CIFAR-100 as published, in the Python version and in the binary version.

The location is the folder of the data files or the folder above it. Both versions are arrays of 32 px images stored as
three colour planes of 1024 bytes. A binary file is mapped into memory; a Python file is a pickle, which could run any
code: it is read by an unpickler that accepts arrays of bytes and refuses everything else.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS
from layermix_gen.sources.array_files.pickles import load_arrays, read_file
from layermix_gen.sources.base import DEFAULT_OPTIONS, Item, Source
from layermix_gen.support.files import reading, with_retries
from layermix_gen.support.text import as_text

SPLITS = ("train", "test")
SIZE = 32
PIXELS = 3 * SIZE * SIZE  # bytes of one image


@dataclass(frozen=True, slots=True)
class Version:
    """The file layout of one published version of a CIFAR dataset."""

    folder: str  # its name as extracted
    parts: dict[str, tuple[str, ...]]  # split -> files
    meta: str  # the file of the class names
    names: str  # the key of the class names in `meta`, "" if that is a text file
    labels: str  # the key of the labels, "" in a binary file
    label_bytes: int = 0  # in front of each image of a binary file; the label is the last of them


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
            names="",
            labels="",
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
            names="",
            labels="",
            label_bytes=2,
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """The content of one file: images (N, 3072), each three colour planes of 32x32, and their labels (N,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


class CifarSource:
    """One split of CIFAR-10 or CIFAR-100, with the fine labels.

    Raises `LayerMixError` if neither version is found and, once a file is needed, if that file is damaged.
    """

    native_size = SIZE
    ignored = 0
    options = DEFAULT_OPTIONS

    def __init__(self, name: str, location: str, split: str = "", max_pixels: int = MAX_PIXELS) -> None:
        found = find(name, Path(location))
        if found is None:
            folders = " or ".join(version.folder for version in VERSIONS[name])
            raise LayerMixError(
                f"expected the files of {folders} in {as_text(location)}, found neither; check the path and --kind"
            )
        self.location = location
        self.kind = f"{name}:{split}" if split else name
        self._split = split or SPLITS[0]
        self._folder, self._version = found

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names as published."""
        path = self._folder / self._version.meta
        if self._version.names:
            names = load_arrays(path).get(self._version.names)
        else:
            names = read_file(path).decode("utf-8", "replace").split()
        if not isinstance(names, list) or not names:
            raise LayerMixError(f"expected the class names in {as_text(path)}, found none; extract the archive again")
        return tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names)

    def items(self) -> list[Item]:
        """List the split: "train/00000", ... in the order of the files."""
        labels = np.concatenate([batch.labels for batch in self._batches]).tolist()
        return [Item(f"{self._split}/{index:05d}", label, PIXELS) for index, label in enumerate(labels)]

    def read(self, item: Item) -> Image:
        """Return one image, uint8 (32, 32, 3). Raises `BadImage` for an id that is not of this split."""
        split, _, number = item.id.partition("/")
        per_batch = len(self._batches[0].labels)
        index = int(number) if split == self._split and number.isdecimal() else -1
        if not 0 <= index < per_batch * len(self._batches):
            raise BadImage(f"no such image in {self.kind}")
        planes = self._batches[index // per_batch].images[index % per_batch]
        return np.ascontiguousarray(planes.reshape(3, SIZE, SIZE).transpose(1, 2, 0))

    @cached_property
    def _batches(self) -> list[LabelledImages]:
        load = _load_pickle if self._version.labels else _load_binary
        paths = [self._folder / name for name in self._version.parts[self._split]]
        batches = [_check(load(path, self._version), path, len(self.classes)) for path in paths]
        lengths = [len(batch.labels) for batch in batches]
        if min(lengths) < max(lengths):  # a file was cut between two records
            raise LayerMixError(
                f"expected {max(lengths)} images in {as_text(paths[lengths.index(min(lengths))])} as in the other "
                f"files, found {min(lengths)}: the file is truncated; extract the archive again"
            )
        return batches


def find(name: str, location: Path) -> tuple[Path, Version] | None:
    """Return the folder of the data files and their version, or None if `location` holds no such dataset."""
    for version in VERSIONS[name]:
        for folder in (location, location / version.folder):
            needed = (version.meta, version.parts["train"][0])
            if all((folder / file).is_file() for file in needed):
                return folder, version
    return None


def files(source: Source) -> list[Path]:
    """The files of a source's split and of the class names, as far as the dataset is there."""
    name, _, split = source.kind.partition(":")
    found = find(name, Path(source.location))
    if not found:
        return []
    folder, version = found
    return [folder / file for file in (version.meta, *version.parts[split or SPLITS[0]])]


def _load_pickle(path: Path, version: Version) -> LabelledImages:
    content = load_arrays(path)
    images, labels = content.get("data"), content.get(version.labels)
    if not isinstance(images, np.ndarray) or images.shape[1:] != (PIXELS,):
        raise LayerMixError(f"expected images as uint8 (N, {PIXELS}) in {as_text(path)}; extract the archive again")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label <= 255 for label in labels):
        raise LayerMixError(
            f"expected a list of integers in [0, 255] as {version.labels} in {as_text(path)}; extract the archive again"
        )
    return LabelledImages(images, np.array(labels, np.int64))


def _load_binary(path: Path, version: Version) -> LabelledImages:
    record = version.label_bytes + PIXELS
    with reading(path, "extract the archive again"):
        size = with_retries(path.stat, path).st_size
        if size == 0 or size % record:
            raise LayerMixError(
                f"expected records of {record} bytes in {as_text(path)}, found {size} bytes: "
                "the file is truncated; extract the archive again"
            )
        mapped = with_retries(lambda: np.memmap(path, np.uint8, "r"), path)
    records = np.asarray(mapped).reshape(-1, record)
    return LabelledImages(records[:, version.label_bytes :], records[:, version.label_bytes - 1].astype(np.int64))


def _check(batch: LabelledImages, path: Path, classes: int) -> LabelledImages:
    if not len(batch.labels) or len(batch.labels) != len(batch.images):
        raise LayerMixError(
            f"expected one label per image in {as_text(path)}, found {len(batch.labels)} labels "
            f"for {len(batch.images)} images; extract the archive again"
        )
    if batch.labels.min() < 0 or batch.labels.max() >= classes:
        raise LayerMixError(
            f"expected labels in [0, {classes - 1}] in {as_text(path)}, found "
            f"{batch.labels.min()} to {batch.labels.max()}; extract the archive again"
        )
    return batch
