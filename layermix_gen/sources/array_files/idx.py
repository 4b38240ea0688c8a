"""Sets in IDX files: MNIST and those that are laid out like it, such as Fashion-MNIST, QMNIST and EMNIST.

The location is the folder of the files, a folder in which torchvision keeps them, or the file of the images itself.
Gray images become three equal channels. EMNIST is published with rows and columns exchanged: by its name it is known,
and comes upright.
"""

import math
import re
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS
from layermix_gen.sources.array_files.base import (
    ArraySource,
    LabelledImages,
    check_counts,
    checked_range,
    chosen_split,
)
from layermix_gen.sources.array_files.idx_format import load, not_bytes, read_header
from layermix_gen.sources.base import Source, class_names
from layermix_gen.sources.folder import scan
from layermix_gen.sources.labels import MAX_LABEL
from layermix_gen.support.files import read_file
from layermix_gen.support.text import as_text

SPLITS = ("train", "test")
_IMAGES = re.compile(r"(?P<set>(?:.+-)?)(?P<split>train|t10k|test)-images(?P<end>[-.]idx3-ubyte(?:\.gz)?)")
_FOLDERS = (  # of the files, in the location: torchvision's, and that of EMNIST's archive
    *(".", "raw", "gzip"),
    *(f"{name}/raw" for name in ("EMNIST", "FashionMNIST", "KMNIST", "MNIST", "QMNIST")),
)
_TRANSPOSED = "emnist-"


class IdxSource(ArraySource):
    """One split of an IDX dataset. Raises `LayerMixError` where a file is missing, damaged or of another form."""

    def __init__(self, location: str, split: str = "", max_pixels: int = MAX_PIXELS) -> None:
        path = Path(location)
        images = path if path.is_file() else _images_in(path, split or SPLITS[0])
        kind, part = chosen_split("idx", SPLITS, split, _split_of(images), images)
        header = read_header(images)
        if header.dtype != np.uint8:
            raise not_bytes(images)
        if not is_images(header.shape):
            raise LayerMixError(f"expected images (N, H, W) or (N, H, W, 3) in {as_text(images)}, found {header.shape}")
        rows, columns = header.shape[1:3]
        size = (columns, rows) if images.name.startswith(_TRANSPOSED) else (rows, columns)
        super().__init__(location, kind, part, size, max_pixels, lambda: _load(images))


def is_images(shape: tuple[int, ...]) -> bool:
    """Tell whether this is an array of images with at least one pixel: (N, H, W) or (N, H, W, 3)."""
    return math.prod(shape) > 0 and (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3))


def is_idx(path: Path) -> bool:
    """Tell by its header whether a file holds images as IDX."""
    try:
        header = read_header(path)
        return header.dtype == np.uint8 and is_images(header.shape)
    except LayerMixError:
        return False


def find(location: Path) -> dict[str, dict[str, Path]]:
    """Return the file of images of each split, by the names of the sets in a folder ("emnist-letters", "MNIST/raw")."""
    sets: dict[str, dict[str, Path]] = {}
    for name in _FOLDERS:
        entries = scan(location / name) if (location / name).is_dir() else []
        for found in sorted(filter(None, (_IMAGES.fullmatch(entry.name) for entry in entries)), key=_preference):
            key = (Path(name) / found["set"].rstrip("-")).as_posix()
            path = location / name / found[0]
            if path.is_file():
                sets.setdefault(key, {}).setdefault(_split_of(path), path)
    return sets


def files(source: Source) -> list[Path]:
    """The files of images, labels and names of a source: of both splits, if its location is a folder."""
    path = Path(source.location)
    found = [path] if path.is_file() else [file for split in find(path).values() for file in split.values()]
    each = [file for images in found for file in (images, *_labels_names(images), _mapping_of(images))]
    return sorted({file for file in each if file and file.is_file()})


def _preference(found: re.Match[str]) -> tuple[bool, str]:
    """Plain files come first: they need not be decompressed."""
    return found[0].endswith(".gz"), found[0]


def _split_of(images: Path) -> str:
    """The split that a file of images is of by its name, "" if that does not tell."""
    found = _IMAGES.fullmatch(images.name)
    return ("train" if found["split"] == "train" else "test") if found else ""


def _images_in(folder: Path, split: str) -> Path:
    sets = find(folder)
    if len(sets) > 1:
        *names, last = sorted(sets, key=str.lower)
        example = max(sets[names[0]].values()).relative_to(folder).as_posix()
        raise LayerMixError(
            f"expected one set of IDX files in {as_text(folder)}, found {as_text(', '.join(names))} and "
            f"{as_text(last)}; give the path of the images of one, such as {as_text(example)}"
        )
    for splits in sets.values():
        if split in splits:
            return splits[split]
        ((other, path),) = splits.items()
        found = f"found {as_text(path.name)}; give --kind idx:{other}"
        raise LayerMixError(f"expected {_published(path, split)} or the same with .gz in {as_text(folder)}, {found}")
    name = f"{'train' if split == 'train' else 't10k'}-images-idx3-ubyte"
    raise LayerMixError(f"expected {name} or the same with .gz in {as_text(folder)}, found neither")


def _published(other: Path, split: str) -> str:
    """The name of a split's images in a set that has the images of the other split."""
    found = _IMAGES.fullmatch(other.name)
    prefix = found["set"] if found else ""
    return f"{as_text(prefix)}{'train' if split == 'train' else 'test' if prefix else 't10k'}-images-idx3-ubyte"


def _load(images: Path) -> LabelledImages:
    pixels = load(images)
    path = _labels_of(images)
    labels = _labels(path, len(pixels)) if path else np.full(len(pixels), -1)
    names = dict(enumerate(class_names(labels.tolist())))
    mapping = _mapping_of(images)
    if path and mapping:
        names |= _characters(mapping)
    classes = tuple(names.get(label, str(label)) for label in range(max(names, default=-1) + 1))

    def image(number: int) -> Image:
        stored = pixels[number]
        upright = stored.swapaxes(0, 1) if images.name.startswith(_TRANSPOSED) else stored
        return np.repeat(upright[:, :, None], 3, axis=2) if upright.ndim == 2 else np.array(upright, order="C")

    return LabelledImages(image, labels, classes, pixels[0].nbytes)


def _labels(path: Path, count: int) -> npt.NDArray[np.int64]:
    labels = load(path)
    if labels.ndim == 2 and labels.dtype != np.uint8 and labels.size:
        labels = labels[:, 0]  # of QMNIST, whose other columns say who wrote the digit
    if labels.ndim != 1:
        raise LayerMixError(f"expected labels (N,) in {as_text(path)}, found {labels.shape}")
    check_counts(len(labels), count, path, "get the two files of one set")
    return checked_range(labels, path)


def _labels_of(images: Path) -> Path | None:
    """Return the file of labels that a file of images has by its name, or None if that name does not tell."""
    names = _labels_names(images)
    if not names:
        return None
    path = next((path for path in names if path.is_file()), None)
    if path is None:
        raise LayerMixError(
            f"expected {as_text(names[0].name)} or the same with .gz next to {as_text(images)}, found neither"
        )
    return path


def _labels_names(images: Path) -> list[Path]:
    """The names that the file of labels may have: some mirrors write a dot for the dash before "idx"."""
    stem, found, _ = images.name.rpartition("images")
    ends = product("-.", ("idx1-ubyte", "idx2-int", "idx1-int"), ("", ".gz"))
    return [images.with_name(f"{stem}labels{''.join(end)}") for end in ends] if found else []


def _mapping_of(images: Path) -> Path | None:
    """The file in which EMNIST names the characters of each label, if it is there."""
    found = _IMAGES.fullmatch(images.name)
    path = images.with_name(f"{found['set']}mapping.txt") if found and found["set"] else None
    return path if path and path.is_file() else None


def _characters(path: Path) -> dict[int, str]:
    """Read the names of labels, from lines of a label and the codes of its characters."""
    names = {}
    text = read_file(path, "get the file again, or leave it out").decode("utf-8", "replace")
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        label, *codes = (int(word) if re.fullmatch("[0-9]{1,7}", word) else -1 for word in words or ["-1"])
        if not codes or not 0 <= label <= MAX_LABEL or not all(33 <= code < 0xD800 for code in codes):
            raise LayerMixError(
                f"expected a label and the codes of its characters in line {number} of {as_text(path)}, "
                f"found {as_text(line[:50])!r}; get the file again, or leave it out"
            )
        names[label] = "".join(map(chr, codes))
    return names
