"""Read arrays of numbers from MATLAB files of version 5 to 7, as SVHN's are.

SciPy's reader ends the process on some damaged files. These few lines check each size before they use it. A file is a
header of 128 bytes and elements: a tag (type and size), then data, compressed or not. An array is an element of
elements: its class, its shape, its name, its numbers column after column.
"""

import math
import struct
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.support.files import reading, with_retries
from layermix_gen.support.text import as_text

_HEADER = 128
_START = 512  # bytes of an array in which class, shape and name stand
_FLAGS, _SHAPE = 16, 24  # where they stand in an array
_ARRAY, _COMPRESSED = 14, 15  # types of elements
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = range(6, 16)  # double to uint64; others are text, cells, structures, objects, sparse
_COMPLEX = 0x800


class _Element(NamedTuple):
    kind: int
    begin: int  # of its data
    size: int
    end: int  # with the padding


def load_matrices(path: Path, names: Collection[str]) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of these names, as far as they are there and hold real numbers; others are passed over.

    They are read-only, and in Fortran order. Raises `LayerMixError` that names the file if it is damaged.
    """
    try:
        with reading(path, "get the file again"):
            return with_retries(lambda: _load(path, names), path)
    except (ValueError, ArithmeticError, MemoryError, struct.error, zlib.error) as fault:
        raise LayerMixError(
            f"{as_text(path)} is no MATLAB file of version 5 to 7, or is truncated or corrupt; get it again"
        ) from fault


def _load(path: Path, names: Collection[str]) -> dict[str, npt.NDArray[Any]]:
    found = {}
    with path.open("rb") as file:
        header = file.read(_HEADER)
        order = {b"\0\1IM": "<", b"\1\0MI": ">"}.get(header[_HEADER - 4 :])  # with the version, 0x0100
        if order is None:
            raise ValueError("another version")
        left = path.stat().st_size - _HEADER
        while left:
            tag = file.read(8)
            kind, size = struct.unpack(f"{order}2I", tag)
            left -= 8 + size
            if left < 0:
                raise ValueError("an element that ends after the file")
            data = file.read(size)
            content = _decompressed(data, order, names) if kind == _COMPRESSED else tag + data
            name = _name(content, order)
            if name in names:
                found[name] = _numbers(content, order)
    return found


def _decompressed(data: bytes, order: str, names: Collection[str]) -> bytes:
    """The array in a compressed element: as long as its tag says if it is wanted, and its start if it is not."""
    stream = zlib.decompressobj()
    start = stream.decompress(data, _START)
    if _name(start, order) not in names:
        return start
    missing = 8 + struct.unpack_from(f"{order}I", start, 4)[0] - len(start)
    rest = stream.decompress(stream.unconsumed_tail, missing) if missing > 0 else b""
    if stream.decompress(stream.unconsumed_tail, 1) or not stream.eof:  # which compares the checksum, too
        raise ValueError("another size than its tag says")
    return start + rest


def _name(content: bytes, order: str) -> str:
    """The name of an array, "" if it does not hold real numbers."""
    (kind,) = struct.unpack_from(f"{order}I", content)
    (flags,) = struct.unpack_from(f"{order}I", content, _FLAGS)
    if kind != _ARRAY or flags & 0xFF not in _CLASSES or flags & _COMPLEX:
        return ""
    shape = _element(content, _SHAPE, order)
    name = _element(content, shape.end, order)
    return content[name.begin : name.begin + name.size].decode("latin1")


def _numbers(content: bytes, order: str) -> npt.NDArray[Any]:
    shape = _element(content, _SHAPE, order)
    numbers = _element(content, _element(content, shape.end, order).end, order)
    sides = struct.unpack_from(f"{order}{shape.size // 4}i", content, shape.begin)
    if numbers.kind not in _NUMBERS:
        raise ValueError("a type without numbers")
    dtype = np.dtype(order + _NUMBERS[numbers.kind])
    if min(sides, default=-1) < 0 or math.prod(sides) * dtype.itemsize != numbers.size:
        raise ValueError("another size than its shape says")
    return np.frombuffer(content, dtype, math.prod(sides), numbers.begin).reshape(sides, order="F")


def _element(content: bytes, at: int, order: str) -> _Element:
    """The element at a place: up to 4 bytes of data stand in the tag itself, whose size is then its upper half."""
    (kind,) = struct.unpack_from(f"{order}I", content, at)
    if kind >> 16:
        return _Element(kind & 0xFFFF, at + 4, kind >> 16, at + 8)
    (size,) = struct.unpack_from(f"{order}I", content, at + 4)
    return _Element(kind, at + 8, size, at + 8 + size + -size % 8)
