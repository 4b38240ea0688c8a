"""Read IDX files, the format of MNIST and Fashion-MNIST, gzipped or not.

The location is the folder of the files, or the file of the images itself. An IDX file is a header (two zero bytes, the
type, the number of dimensions, each dimension as a big-endian 32-bit number) and the array. A plain file is mapped
into memory, a gzipped one is decompressed once. Gray images become three equal channels.
"""

import gzip
import io
import math
import struct
import zlib
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS
from layermix_gen.sources.base import DEFAULT_OPTIONS, Item, class_names
from layermix_gen.support.files import cannot_read, reason, with_retries
from layermix_gen.support.text import as_text

SPLITS = ("train", "test")
_PREFIX = {"train": "train", "test": "t10k"}
_UBYTE = 8  # the type code of unsigned bytes, the only one that images and labels have
_MAX_DEFLATE = 1032  # the most bytes that one gzipped byte can give
_FAULTS = (OSError, EOFError, zlib.error, struct.error)


class IdxSource:
    """One split of an IDX dataset. Raises `LayerMixError` where a file is missing, damaged or of another form."""

    ignored = 0
    options = DEFAULT_OPTIONS

    def __init__(self, location: str, split: str = "", max_pixels: int = MAX_PIXELS) -> None:
        self.location = location
        self.kind = f"idx:{split}" if split else "idx"
        path = Path(location)
        if path.is_file() and split:
            raise LayerMixError(
                f"expected a folder for {self.kind}, got the file {as_text(path)}; leave :{split} out of --kind"
            )
        self._images_path = path if path.is_file() else _images_in(path, split or SPLITS[0])
        self._split = split or ("test" if self._images_path.name.startswith(_PREFIX["test"]) else SPLITS[0])
        shape = read_shape(self._images_path)
        if not is_images(shape):
            raise LayerMixError(
                f"expected images (N, H, W) or (N, H, W, 3) in {as_text(self._images_path)}, found {shape}"
            )
        height, width = shape[1:3]
        if height * width > max_pixels:
            raise LayerMixError(
                f"expected images of at most {max_pixels} pixels in {as_text(self._images_path)}, "
                f"found {height}x{width}"
            )
        self.native_size = height if height == width else None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The labels as digits, "0" up to the largest; () without a file of labels."""
        return class_names(self._labels.tolist())

    def items(self) -> list[Item]:
        """List the split, "train/00000", ... in the order of the file."""
        size = self._images[0].size
        labels = self._labels.tolist() or [-1] * len(self._images)
        if len(labels) != len(self._images):
            raise LayerMixError(
                f"expected one label per image of {as_text(self._images_path)}, found {len(labels)} labels for "
                f"{len(self._images)} images; get the two files of one set"
            )
        return [Item(f"{self._split}/{index:05d}", label, size) for index, label in enumerate(labels)]

    def read(self, item: Item) -> Image:
        """Return one image, uint8 (H, W, 3). Raises `BadImage` for an id that is not of this split."""
        split, _, number = item.id.partition("/")
        index = int(number) if split == self._split and number.isdecimal() else -1
        if not 0 <= index < len(self._images):
            raise BadImage(f"no such image in {self.kind}")
        image = self._images[index]
        return np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else np.array(image)

    @cached_property
    def _images(self) -> npt.NDArray[np.uint8]:
        return load(self._images_path)

    @cached_property
    def _labels(self) -> npt.NDArray[np.uint8]:
        path = _labels_of(self._images_path)
        if path is None:
            return np.empty(0, np.uint8)
        if len(read_shape(path)) != 1:
            raise LayerMixError(f"expected labels (N,) in {as_text(path)}, found {read_shape(path)}")
        return load(path)


def is_images(shape: tuple[int, ...]) -> bool:
    """Tell whether this is an array of images with at least one pixel: (N, H, W) or (N, H, W, 3)."""
    return math.prod(shape) > 0 and (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3))


def is_idx(path: Path) -> bool:
    """Tell by its header whether a file holds images as IDX."""
    try:
        return is_images(read_shape(path))
    except LayerMixError:
        return False


def read_shape(path: Path) -> tuple[int, ...]:
    """Read the shape of an IDX file of unsigned bytes from its header. Raises `LayerMixError` that names the file."""
    try:
        return with_retries(lambda: _shape(path), path)
    except _FAULTS as fault:
        raise _damaged(path, fault) from fault


def _shape(path: Path) -> tuple[int, ...]:
    with _open(path) as file:
        zeros, code, dimensions = struct.unpack(">HBB", file.read(4))
        if zeros or code != _UBYTE or not 1 <= dimensions <= 4:
            raise LayerMixError(f"expected an IDX file of unsigned bytes, found something else in {as_text(path)}")
        shape: tuple[int, ...] = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
        return shape


def load(path: Path) -> npt.NDArray[np.uint8]:
    """Return the array of an IDX file, read-only. Raises `LayerMixError` if its size is not what its header says."""
    shape = read_shape(path)
    try:
        return with_retries(lambda: _load(path, shape), path)
    except _FAULTS as fault:
        raise _damaged(path, fault) from fault


def _load(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    offset, expected = 4 + 4 * len(shape), math.prod(shape)
    if not _is_gzip(path):
        _check_length(path, path.stat().st_size - offset, expected)
        return np.asarray(np.memmap(path, np.uint8, "r", offset, shape))
    if expected > _MAX_DEFLATE * path.stat().st_size:  # refuse before asking for the memory
        _check_length(path, 0, expected)
    with _open(path) as file:
        file.seek(offset)
        data = file.read(expected + 1)  # one more than expected, to notice a file that is too long
    _check_length(path, len(data), expected)
    return np.frombuffer(data, np.uint8).reshape(shape)


def find(location: Path) -> Path | None:
    """Return the file of the training images in a folder, or None."""
    return _first(location, f"{_PREFIX['train']}-images")


def _images_in(folder: Path, split: str) -> Path:
    path = _first(folder, f"{_PREFIX[split]}-images")
    if path is None:
        raise LayerMixError(
            f"expected {_PREFIX[split]}-images-idx3-ubyte or the same with .gz in {as_text(folder)}, found neither"
        )
    return path


def _labels_of(images: Path) -> Path | None:
    """Return the file of labels that a file of images has by its name, or None if that name does not tell."""
    stem, found, _ = images.name.rpartition("images")
    if not found:
        return None
    path = _first(images.parent, f"{stem}labels")
    if path is None:
        raise LayerMixError(
            f"expected {as_text(stem)}labels-idx1-ubyte or the same with .gz next to {as_text(images)}, found neither"
        )
    return path


def _first(folder: Path, stem: str) -> Path | None:
    """Return the IDX file of this stem in a folder, or None: some mirrors write a dot for the dash before "idx"."""
    digit = 1 if stem.endswith("labels") else 3
    names = [f"{stem}{dash}idx{digit}-ubyte{end}" for dash in "-." for end in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path, "rb") if _is_gzip(path) else path.open("rb")


def _check_length(path: Path, found: int, expected: int) -> None:
    if found != expected:
        relation = "truncated" if found < expected else "longer than its header says"
        raise LayerMixError(
            f"expected {expected} bytes of data in {as_text(path)}: it is {relation}; download it again"
        )


def _damaged(path: Path, fault: BaseException) -> LayerMixError:
    why = reason(fault) if isinstance(fault, OSError) and fault.strerror else "it is truncated or corrupt"
    return cannot_read(path, why, "download it again")
