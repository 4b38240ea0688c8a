"""Read arrays from IDX files, gzipped or not.

An IDX file is a header (two zero bytes, the type, the number of dimensions, each dimension as a big-endian 32-bit
number) and the array. A plain file is mapped into memory, a gzipped one is decompressed once.
"""

import gzip
import io
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.support.files import cannot_read, reason, with_retries
from layermix_gen.support.text import as_text

_TYPES: dict[int, np.dtype[Any]] = {8: np.dtype("u1"), 12: np.dtype(">i4")}  # those of images and labels, by code
_MAX_DEFLATE = 1032  # the most bytes that one gzipped byte can give
_FAULTS = (OSError, EOFError, zlib.error, struct.error)


@dataclass(frozen=True, slots=True)
class IdxHeader:
    """What an IDX file says of its array."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def read_header(path: Path) -> IdxHeader:
    """Read the header of an IDX file of unsigned bytes or 32-bit integers. Raises `LayerMixError` that names it."""
    try:
        return with_retries(lambda: _header(path), path)
    except _FAULTS as fault:
        raise _damaged(path, fault) from fault


def _header(path: Path) -> IdxHeader:
    with _open(path) as file:
        zeros, code, dimensions = struct.unpack(">HBB", file.read(4))
        if zeros or code not in _TYPES or not 1 <= dimensions <= 4:
            raise not_bytes(path)
        return IdxHeader(_TYPES[code], struct.unpack(f">{dimensions}I", file.read(4 * dimensions)))


def not_bytes(path: Path) -> LayerMixError:
    """The error for a file that holds no unsigned bytes as IDX."""
    return LayerMixError(f"expected an IDX file of unsigned bytes, found something else in {as_text(path)}")


def load(path: Path) -> npt.NDArray[Any]:
    """Return the array of an IDX file, read-only. Raises `LayerMixError` if its size is not what its header says."""
    header = read_header(path)
    try:
        return with_retries(lambda: _load(path, header), path)
    except _FAULTS as fault:
        raise _damaged(path, fault) from fault


def _load(path: Path, header: IdxHeader) -> npt.NDArray[Any]:
    offset, expected = 4 + 4 * len(header.shape), math.prod(header.shape) * header.dtype.itemsize
    if not _is_gzip(path):
        _check_length(path, path.stat().st_size - offset, expected)
        return np.asarray(np.memmap(path, header.dtype, "r", offset, header.shape))
    if expected > _MAX_DEFLATE * path.stat().st_size:  # refuse before asking for the memory
        _check_length(path, 0, expected)
    with _open(path) as file:
        file.seek(offset)
        data = file.read(expected + 1)  # one more than expected, to notice a file that is too long
    _check_length(path, len(data), expected)
    return np.frombuffer(data, header.dtype).reshape(header.shape)


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
