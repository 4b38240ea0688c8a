"""Read arrays from `.npy` files, mapped into memory, and from `.npz` files, never with pickles.

Sizes are checked before memory is taken: that which the header of an array gives, and that which the directory of an
`.npz` gives, against each other.
"""

import math
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.support.files import reading, with_retries
from layermix_gen.support.text import as_text

MAGIC = b"\x93NUMPY"
MOST_BYTES = 1 << 33  # of the arrays of an `.npz`, once decompressed: each worker process has them in memory
_END = ".npy"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
# What damaged headers and archives raise, as documented and as seen in the tests.
_FAULTS = (
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """What an array in the `.npy` format says of itself, and how many bytes its data have."""

    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype[Any]
    offset: int  # of the data

    @property
    def nbytes(self) -> int:
        """The number of bytes of the data."""
        return math.prod(self.shape) * self.dtype.itemsize


def names_in(path: Path) -> list[str]:
    """The names of the arrays in an `.npz` file."""
    return _guarded(path, lambda: _names(path))


def _names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return [name.removesuffix(_END) for name in archive.namelist() if name.endswith(_END)]


def is_npy(path: Path) -> bool:
    """Tell by its first bytes whether a file is an `.npy`."""
    with reading(path):
        return with_retries(lambda: _start(path), path) == MAGIC


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(MAGIC))


def is_arrays(path: Path) -> bool:
    """Tell by its content whether a file is an `.npy`, or a zip of nothing but such files."""
    if is_npy(path):
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except _FAULTS:
        return False
    return bool(names) and all(name.endswith(_END) for name in names)


def header_of(path: Path, name: str = "") -> NpyHeader:
    """Read the header of an `.npy` file, or of the array `name` in an `.npz` file."""
    return _guarded(path, lambda: _header_of(path, name))


def _header_of(path: Path, name: str) -> NpyHeader:
    if not name:
        with path.open("rb") as file:
            return _header(file, path, path.stat().st_size)
    with zipfile.ZipFile(path) as archive, archive.open(name + _END) as member:
        return _header(member, path, archive.getinfo(name + _END).file_size)


def load_array(path: Path, name: str = "") -> npt.NDArray[Any]:
    """Map an `.npy` file into memory, or decompress the array `name` of an `.npz` file; read-only.

    Raises `LayerMixError` that names the file if it is damaged, holds Python objects or is too large.
    """
    return _guarded(path, lambda: _load(path, name))


def _load(path: Path, name: str) -> npt.NDArray[Any]:
    if not name:
        header = _header_of(path, "")
        if not header.nbytes:
            return np.empty(header.shape, header.dtype)
        order: Literal["F", "C"] = "F" if header.by_columns else "C"
        return np.asarray(np.memmap(path, header.dtype, "r", header.offset, header.shape, order))
    with zipfile.ZipFile(path) as archive, archive.open(name + _END) as member:
        size = archive.getinfo(name + _END).file_size
        if size > MOST_BYTES:
            raise LayerMixError(
                f"expected at most {MOST_BYTES} bytes of {as_text(name)} in {as_text(path)}, found {size} once "
                "decompressed; save them as .npy, which is mapped into memory"
            )
        header = _header(member, path, size)
        data = np.frombuffer(member.read(), header.dtype) if header.nbytes else np.empty(0, header.dtype)
        return data.reshape(header.shape, order="F" if header.by_columns else "C")


def _header(file: IO[bytes], path: Path, size: int) -> NpyHeader:
    """Read a header, and compare what it promises with the size of the whole file."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version}")
    shape, by_columns, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise LayerMixError(f"{as_text(path)} holds Python objects, which could run code; save numbers instead")
    header = NpyHeader(shape, by_columns, dtype, file.tell())
    if not all(type(side) is int and side >= 0 for side in shape) or header.offset + header.nbytes != size:
        raise ValueError("another size than its header says")
    return header


def _guarded(path: Path, read: Callable[[], T]) -> T:
    try:
        with reading(path):
            return with_retries(read, path)
    except _FAULTS as fault:
        raise LayerMixError(
            f"{as_text(path)} is no array file, or is truncated or corrupt; save it or get it again"
        ) from fault
