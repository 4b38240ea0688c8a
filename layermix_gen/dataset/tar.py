"""Plain USTAR archives, written by hand: no PAX headers, no times, no owners; the same bytes for the same samples.

Python's tarfile takes six times as long to write a header, and webdataset's writer adds a PAX header of 1 KiB to every
member. A member is one header block of 512 bytes and its data, padded to whole blocks; two empty blocks end a tar.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK = 512
END = 2 * BLOCK  # bytes of the mark at the end
MAX_NAME = 100  # bytes
MAX_SIZE = 8**11 - 1  # bytes of a member: eleven octal digits
_SIZE, _CHECKSUM = slice(124, 135), slice(148, 155)
_BUFFER = 1 << 18  # bytes that are hashed and written at once


_BEFORE_SIZE = b"0000644\0" + b"0000000\0" * 2  # mode, uid, gid
_AFTER_SIZE = b"\0" + b"0" * 11 + b"\0"  # and mtime
_AFTER_CHECKSUM = (b"\0 0" + bytes(100) + b"ustar\x0000").ljust(BLOCK - _CHECKSUM.stop + 1, b"\0")  # 0 is a file
# Its rule takes the checksum field for eight spaces.
_SUM = sum(_BEFORE_SIZE) + sum(_AFTER_SIZE) + sum(_AFTER_CHECKSUM) + sum(b" " * 7)


def header(name: bytes, size: int) -> bytes:
    """The header block of a regular file: `name` of at most 100 bytes, `size` of at most `MAX_SIZE`."""
    digits = b"%011o" % size
    checksum = b"%06o" % (_SUM + sum(name) + sum(digits))
    return b"".join((name.ljust(MAX_NAME, b"\0"), _BEFORE_SIZE, digits, _AFTER_SIZE, checksum, _AFTER_CHECKSUM))


def data_size(head: bytes) -> int:
    """The size of a member's data by its header block. Raises ValueError where that is damaged."""
    digits = head[_SIZE]
    if not digits.isdigit():  # which a sign or a space is not
        raise ValueError(f"{digits!r} as the size of a member")
    return int(digits, 8)


def member_bytes(size: int) -> int:
    """How many bytes a member with `size` bytes of data takes in a tar."""
    return BLOCK + size + -size % BLOCK


@dataclass(frozen=True, slots=True)
class TarSummary:
    """A finished tar: its size in bytes and its sha256."""

    bytes: int
    sha256: str


class TarWriter:
    """A writer of one tar at `path`; only `close` completes the tar."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")
        self._hash = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._written = self._position = 0

    def add(self, name: str, data: bytes) -> int:
        """Append a member and return the offset of its data."""
        size = len(data)
        self._waiting += (header(name.encode("ascii"), size), data, bytes(-size % BLOCK))
        offset = self._position + BLOCK
        self._position += member_bytes(size)
        if self._position - self._written >= _BUFFER:
            self._write()
        return offset

    def _write(self) -> None:
        block = b"".join(self._waiting)
        self._waiting.clear()
        self._file.write(block)
        self._hash.update(block)
        self._written = self._position

    def close(self) -> TarSummary:
        """Write the end, sync the file to disk and close it."""
        self._waiting.append(bytes(END))
        self._position += END
        self._write()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return TarSummary(self._position, self._hash.hexdigest())

    def abandon(self) -> None:
        """Close the unfinished file, ignoring errors of the disk."""
        with suppress(OSError):
            self._file.close()
