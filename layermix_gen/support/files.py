"""Write files completely or not at all, lock folders, and report system errors in one line."""

import errno
import fcntl
import hashlib
import json
import os
import reprlib
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.support.parsing import parse_object
from layermix_gen.support.text import as_text

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DRAFT_SECONDS = 3600  # a temporary file of another host that has not grown for so long is abandoned


def temporary(path: Path) -> Path:
    """A hidden name next to `path` that no other process on any machine uses; `sweep` removes abandoned ones."""
    return path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")


def sweep(root: Path) -> None:
    """Remove the temporary files that killed processes left in `root` and the folders in it.

    Files of live processes stay: on this host known by the process id, on other hosts by a recent change.
    """
    for draft in (*root.glob(".*.tmp"), *root.glob("*/.*.tmp")):
        with suppress(FileNotFoundError):
            if _is_abandoned(draft):
                draft.unlink()


def _is_abandoned(draft: Path) -> bool:
    host, _, number = draft.name.removesuffix(".tmp").rpartition("-")
    if host.endswith(f".{socket.gethostname()}") and number.isdecimal():
        return not _is_alive(int(number))
    return time.time() - draft.stat().st_mtime > DRAFT_SECONDS


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
        return state not in "ZX"  # killed, but not yet reaped by its parent
    except ProcessLookupError:
        return False
    except OSError:  # another user's process, or a system without /proc
        return True


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; once it is written, sync it and rename it to `path`. On an error, remove it."""
    draft = temporary(path)
    try:
        yield draft
        descriptor = os.open(draft, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def inside(folder: Path, name: str) -> Path:
    """The path of a file below a folder. Raises `LayerMixError` where its name, or a link, leads out of the folder."""
    path = folder / name
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):  # which links in a circle pass, too
        raise LayerMixError(
            f"expected {as_text(path)} in {as_text(folder)}, found a link out of it; put the file there"
        )
    return path


def regular(path: Path) -> Path:
    """The path of a regular file. Raises OSError for any other: a pipe waits for a writer, a device may never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path


def file_digest(path: Path) -> str:
    """The sha256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_text(value: Any) -> str:
    """The text that `write_json` writes: indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with replacing(path) as draft:
        draft.write_text(json_text(value), encoding="utf-8")


def read_json(path: Path, remedy: str = "restore it, or build into another folder") -> dict[str, Any]:
    """Read an object that `write_json` wrote. Raises `LayerMixError` if it is damaged, FileNotFoundError if missing."""
    try:
        return parse_object(regular(path).read_bytes())
    except ValueError as error:
        raise LayerMixError(f"expected JSON in {path}, found something else ({error}); {remedy}") from error
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise cannot_read(path, reason(error), remedy) from error


def check_format(found: Any, expected: str, place: str | Path) -> None:
    """Raise `LayerMixError` unless the format that the file at `place` declares is the expected one."""
    if found != expected:
        raise LayerMixError(
            f"expected {expected!r} in {place}, found {reprlib.repr(found)}; use the version that wrote it"
        )


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the lock of a folder against other processes. Raises `LayerMixError` if one of them holds it."""
    path = root / ".lock"
    with disk_errors(root):
        file = path.open("ab")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.fstat(file.fileno()).st_nlink:  # its last holder has just released and removed it
                raise BlockingIOError
        except OSError as error:
            raise LayerMixError(f"another process is writing to {root}; wait for it, then run this again") from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def reason(error: OSError) -> str:
    """The reason that a system error gives, in lower case: "permission denied"."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def cannot_read(path: str | Path, why: str, remedy: str) -> LayerMixError:
    """The error for a file that cannot be read: "cannot read PATH: why; remedy"."""
    return LayerMixError(f"cannot read {as_text(path)}: {why}; {remedy}")


@contextmanager
def reading(path: str | Path, remedy: str = "check the path and its permissions") -> Iterator[None]:
    """Turn a system error in reading `path` (name too long, not permitted) into a one-line `LayerMixError`."""
    try:
        yield
    except OSError as error:
        raise cannot_read(path, reason(error), remedy) from error


@contextmanager
def writing(path: str | Path, remedy: str = "give another path") -> Iterator[None]:
    """Turn a system error in writing `path` into a one-line `LayerMixError`."""
    try:
        yield
    except OSError as error:
        raise LayerMixError(f"cannot write {as_text(path)}: {reason(error)}; {remedy}") from error


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a system error in writing to `folder` (full, read-only, not permitted) into a one-line `LayerMixError`."""
    try:
        yield
    except OSError as error:
        remedy = "make room" if error.errno in FULL else "mend it"
        place = error.filename if isinstance(error, FileExistsError) else folder  # the file that is in the way
        raise LayerMixError(
            f"cannot write to {place}: {reason(error)}; {remedy}, then run the same command to resume"
        ) from error
