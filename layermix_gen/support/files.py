"""Files that are there completely or not at all."""

import errno
import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.support.text import as_text

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DRAFT_SECONDS = 3600  # a draft of another host that has not grown for so long belongs to nobody


def temporary(path: Path) -> Path:
    """A name beside `path` that no other process on any machine uses; hidden, and swept up when the dataset is done."""
    return path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")


def sweep(root: Path) -> None:
    """Remove the temporary files that killed processes left in `root` and the folders in it.

    Those of live processes stay: of this host's by their number, of other hosts' while they are young.
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
        return state not in "ZX"  # killed, though its parent has not noticed
    except ProcessLookupError:
        return False
    except OSError:  # another user's, or a system without /proc
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
    """Yield a temporary path; once it is written, sync it and give it the name `path`. On an error it is removed."""
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


def file_digest(path: Path) -> str:
    """The sha256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_text(value: Any) -> str:
    """What `write_json` writes: indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with replacing(path) as draft:
        draft.write_text(json_text(value), encoding="utf-8")


def read_json(path: Path, remedy: str = "restore it, or build into another folder") -> Any:
    """Read what `write_json` wrote. Raises `LayerMixError` where it is damaged, FileNotFoundError without it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise LayerMixError(f"expected JSON in {path}, found something else ({error}); {remedy}") from error


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep other processes that ask for this, too, off a folder meanwhile. Raises `LayerMixError` where one has it."""
    path = root / ".lock"
    with disk_errors(root):
        file = path.open("ab")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.fstat(file.fileno()).st_nlink:  # the one who had it has just let go, and removed the file
                raise BlockingIOError
        except OSError as error:
            raise LayerMixError(f"another process is writing to {root}; wait for it, then run this again") from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def reason(error: OSError) -> str:
    """Why the system refused, in lower case: "permission denied"."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def cannot_read(path: str | Path, why: str, remedy: str) -> LayerMixError:
    """The error of a file that cannot be read: "cannot read PATH: why; remedy"."""
    return LayerMixError(f"cannot read {as_text(path)}: {why}; {remedy}")


@contextmanager
def reading(path: str | Path, remedy: str = "check the path and its permissions") -> Iterator[None]:
    """Turn what the system says about reading `path` (the name too long, not permitted) into one line."""
    try:
        yield
    except OSError as error:
        raise cannot_read(path, reason(error), remedy) from error


@contextmanager
def writing(path: str | Path, remedy: str = "give another path") -> Iterator[None]:
    """Turn what the system says about writing `path` into one line."""
    try:
        yield
    except OSError as error:
        raise LayerMixError(f"cannot write {as_text(path)}: {reason(error)}; {remedy}") from error


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the system says about writing below `folder` (full, read-only, not permitted) into one line."""
    try:
        yield
    except OSError as error:
        remedy = "make room" if error.errno in FULL else "mend it"
        place = error.filename if isinstance(error, FileExistsError) else folder  # the one that is in the way
        raise LayerMixError(
            f"cannot write to {place}: {reason(error)}; {remedy}, then run the same command to resume"
        ) from error
