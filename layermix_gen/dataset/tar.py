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
_BUFFER = 1 << 20


def _blank_header() -> bytes:
    """A header of a regular file without name and size; its checksum field holds spaces, as USTAR's rule demands."""
    fields = (b"0000644\0", b"0000000\0", b"0000000\0", bytes(12), b"0" * 11 + b"\0", b" " * 8, b"0")
    mode_to_type = b"".join(fields)  # mode, uid, gid, size, mtime, checksum, type
    return (bytes(100) + mode_to_type + bytes(100) + b"ustar\x0000").ljust(BLOCK, b"\0")


_BLANK = _blank_header()
_BLANK_SUM = sum(_BLANK)


def header(name: bytes, size: int) -> bytes:
    """The header block of a member: `name` of at most 100 bytes, `size` of at most `MAX_SIZE`."""
    block = bytearray(_BLANK)
    digits = b"%011o" % size
    block[: len(name)] = name
    block[_SIZE] = digits
    block[_CHECKSUM] = b"%06o\0" % (_BLANK_SUM + sum(name) + sum(digits))
    return bytes(block)


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
        self._file: BinaryIO = path.open("wb", buffering=_BUFFER)
        self._hash = hashlib.sha256()
        self._position = 0

    def add(self, name: str, data: bytes) -> int:
        """Append a member and return the offset of its data."""
        member = b"".join((header(name.encode("ascii"), len(data)), data, bytes(-len(data) % BLOCK)))
        self._file.write(member)
        self._hash.update(member)
        offset = self._position + BLOCK
        self._position += len(member)
        return offset

    def close(self) -> TarSummary:
        """Write the end, sync the file to disk and close it."""
        end = bytes(END)
        self._file.write(end)
        self._hash.update(end)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return TarSummary(self._position + len(end), self._hash.hexdigest())

    def abandon(self) -> None:
        """Close the unfinished file, ignoring errors of the disk."""
        with suppress(OSError):
            self._file.close()
