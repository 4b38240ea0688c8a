"""A mixing set on disk: `SET.npy`, a uint8 array (N, S, S) or (N, S, S, 3), and `SET.json`, which says how it was made.

Both are written under temporary names and renamed when they are whole, the array last: if `SET.npy` exists, the set is
complete. Unfinished work is kept as `SET.npy.part` (the pictures) and `SET.json.part` (a line that describes the set,
then one line per finished picture), so that a process that was stopped can be resumed. A lock keeps two processes from
writing the same set.
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Pictures
from layermix_gen.support.checks import check_whole
from layermix_gen.support.files import disk_errors, regular, replacing, sync
from layermix_gen.support.locks import Lock, busy

JsonObject = Mapping[str, Any]
BLOCK = 1 << 24  # bytes that are hashed at a time
MAX_COUNT, MAX_SIZE = 10**7, 8192  # pictures of a set, and pixels a side of one


def digest_of(pictures: Pictures) -> str:
    """The sha256 (hex) of the shape and the bytes of `pictures`, however they were made."""
    digest = hashlib.sha256(json.dumps(pictures.shape).encode())
    for first in range(0, len(pictures), step := max(1, BLOCK // pictures[0].nbytes)):
        digest.update(np.ascontiguousarray(pictures[first : first + step]).data)
    return digest.hexdigest()


def read_about(path: Path) -> dict[str, Any]:
    """What `SET.json` says about the set at `path` (`SET.npy`); empty if it is missing or not by this module."""
    try:
        about = json.loads(regular(path.with_suffix(".json")).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) and {"digest", "made_by"} <= about.keys() else {}


def recorded_digest(path: Path) -> str | None:
    """The digest in `SET.json` if `SET.npy` has the size and time with which it was written, else None."""
    about = read_about(path)
    try:
        same = bool(about) and about.get("file") == _stamp(path)
    except OSError:  # gone by now
        return None
    return about["digest"] if same and isinstance(about["digest"], str) else None


class SetWriter:
    """A context that writes one set, picture by picture; leaving it without `finish` keeps the finished pictures.

    `made_by` describes the set before it is made. Work left by an earlier process is continued if its description is
    the same, and else discarded; `done` is the number of pictures that are there already. Without `resume`, or if no
    picture is finished, nothing is left behind.
    """

    def __init__(self, out: Path, shape: tuple[int, ...], made_by: JsonObject, resume: bool = True) -> None:
        """Open the set at `out` for pictures of shape `shape[1:]`, at most `shape[0]` of them.

        Raises `LayerMixError` for more pictures or pixels than a set may have, if `out` or a foreign `SET.json` exists,
        if `out` is not named `.npy` or is being written by another process, and if the disk has no room.
        """
        check_whole("count", shape[0], 1, MAX_COUNT)
        check_whole("size", shape[1], 1, MAX_SIZE)
        if out.suffix != ".npy":
            raise LayerMixError(f"expected a mixing set's name to end in .npy, got {out}; name it {out.name}.npy")
        self.out, self.shape, self.done = out, shape, 0
        self._resume = resume
        self._rows_path, self._records_path = out.with_name(out.name + ".part"), out.with_suffix(".json.part")
        self._lock = Lock(self._records_path)
        self._first_line = json.dumps(made_by, sort_keys=True)
        self._header = _header(shape)
        self._picture_bytes = int(np.prod(shape[1:]))

    def __enter__(self) -> Self:
        with disk_errors(self.out):
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self._records = self._open_records()
            self._rows = _open_updating(self._rows_path)
            try:
                self._continue_earlier()
            except BaseException:
                self._close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if not (self.done and self._resume):  # after `finish`, no file has these names any more
            self._discard()
        self._close()

    def append(self, pictures: Sequence[Pictures], records: Sequence[JsonObject]) -> None:
        """Write the next pictures, each with the JSON-able record of how it was made."""
        with disk_errors(self.out):
            self._rows.seek(len(self._header) + self.done * self._picture_bytes)
            for picture in pictures:
                self._rows.write(np.ascontiguousarray(picture).data)
            os.fsync(self._rows.fileno())
            self._records.write("".join(json.dumps(record) + "\n" for record in records).encode())
        self.done += len(pictures)

    def pictures(self) -> Pictures:
        """The finished pictures."""
        return np.lib.format.open_memmap(self._rows_path, mode="r")[: self.done]

    def records(self) -> list[dict[str, Any]]:
        """The records of the finished pictures."""
        return [json.loads(line) for line in self._records_path.read_bytes().splitlines()[1:]]

    def finish(self) -> Path:
        """Complete the files, give them the set's name and return the path of the array."""
        with disk_errors(self.out):
            shape = (self.done, *self.shape[1:])
            self._rows.seek(0)
            self._rows.write(_header(shape))
            self._rows.truncate(len(self._header) + self.done * self._picture_bytes)
            os.fsync(self._rows.fileno())
            about = {
                "shape": shape,
                "digest": digest_of(self.pictures()),
                "file": _stamp(self._rows_path),
                "made_by": json.loads(self._first_line),
            }
            _write_json(self.out.with_suffix(".json"), about, self.records())
            self._rows_path.rename(self.out)
            sync(self.out.parent)
            self._records_path.unlink()
        return self.out

    def _discard(self) -> None:
        self._rows_path.unlink(missing_ok=True)
        self._records_path.unlink(missing_ok=True)

    def _open_records(self) -> IO[bytes]:
        if not self._lock.take():
            raise busy(self.out)
        if taken := self._taken():
            self._lock.leave()
            raise LayerMixError(f"expected a new mixing set, but {taken} exists; remove it or give another name")
        return _open_updating(self._records_path)

    def _taken(self) -> Path | None:
        """The file that has one of the set's names, if any; our own `SET.json` without its array does not count."""
        about = self.out.with_suffix(".json")
        if os.path.lexists(self.out):
            return self.out
        return about if os.path.lexists(about) and not read_about(self.out) else None

    def _continue_earlier(self) -> None:
        """Keep the pictures that an earlier process finished of this very set, and reserve room for the rest."""
        lines = self._records.read().split(b"\n")[:-1]  # what follows the last newline was cut off
        same = self._resume and lines[:1] == [self._first_line.encode()]
        self.done = len(lines) - 1 if same else 0
        self._records.seek(0)
        self._records.write(b"".join(line + b"\n" for line in lines) if same else self._first_line.encode() + b"\n")
        self._records.truncate()
        try:
            self._rows.write(self._header)
            size = len(self._header) + self.shape[0] * self._picture_bytes
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._rows.fileno(), 0, size)
            else:  # macOS: a full disk shows later
                self._rows.truncate(size)
        except OSError:
            self._discard()
            raise

    def _close(self) -> None:
        self._rows.close()
        self._records.close()
        self._lock.drop()


def _open_updating(path: Path) -> IO[bytes]:
    path.touch()
    return path.open("r+b", buffering=0)


def _header(shape: tuple[int, ...]) -> bytes:
    """The `.npy` header; numpy leaves room in it for a longer first axis, so its length does not depend on that."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return out.getvalue()


def _stamp(path: Path) -> dict[str, int]:
    """The size and modification time of a file, which change with its content."""
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _write_json(path: Path, about: JsonObject, pictures: Sequence[JsonObject]) -> None:
    head = json.dumps(about, indent=1)
    rows = ",\n".join("  " + json.dumps(picture) for picture in pictures)
    with replacing(path) as draft:
        draft.write_text(f'{head[:-2]},\n "pictures": [\n{rows}\n ]\n}}\n', encoding="utf-8")
