"""Write files completely or not at all, read them with patience, and report system errors in one line."""

import errno
import hashlib
import json
import os
import re
import reprlib
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from layermix_gen.errors import LayerMixError, OutOfResources
from layermix_gen.support.parsing import parse_object
from layermix_gen.support.text import as_text

CHECKSUM = "checksum"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SHORTAGES = {
    errno.EMFILE: "raise the limit of open files (`ulimit -n`), or use fewer workers",
    errno.ENFILE: "close other programs: the machine has no more open files to give",
    errno.ENOMEM: "free memory, or use fewer workers",
}
"""What the machine may run out of, no matter which file is opened, and the remedy."""
MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
OF_THE_FILE = (*MISSING, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENXIO, errno.ENODEV, errno.EINVAL)
"""What is the fault of the file, and not of the machine."""
WITHOUT_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)  # what file systems without hard links say
WHEN_IT_IS_OVER = (
    "this is no fault of the file: when it is over, run the same command to resume; if it stays, restore the file or, "
    "where it is lost, build into another folder"
)
PAUSES = (0.2, 1.0)  # seconds before the second and the third try of a read
DRAFT = re.compile(r"\..+-[0-9a-f]{16}\.tmp")  # the names that `temporary` gives
DRAFT_SECONDS = 3600  # a temporary file or folder that has not grown for so long is abandoned
WINDOWS = os.name == "nt"
AS_IS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
"""Flags to open what is there, as far as a system has them: no link is followed, and no pipe waits for a writer."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

T = TypeVar("T")


@cache
def machine() -> str:
    """A name that the processes of this machine share until it is started anew, and no other machine has."""
    try:
        return BOOT_ID.read_text("utf-8").replace("-", "")[:8]
    except (OSError, ValueError):  # not Linux; containers of several machines may share the name of their host
        return socket.gethostname()


def temporary(path: Path) -> Path:
    """A new hidden name next to `path` that nobody else uses; `sweep` removes abandoned ones."""
    return path.with_name(f".{path.name}.{machine()}-{secrets.token_hex(8)}.tmp")


def sweep(root: Path, *, alone: bool = False) -> None:
    """Remove the temporary files and folders that killed processes left in `root` and the folders in it, but no links'.

    Those that have not grown for an hour are, by the clock of the file system: that of this machine may be wrong. A
    process that is `alone` in the folder knows that all files of its own machine are; of other machines it cannot be
    sure, because not every network file system shares its locks, and of folders neither: samples are extracted without
    a lock.
    """
    own = f".{machine()}-"
    folders = [root, *(path for path in root.glob("*/") if not path.is_symlink())]
    drafts = [path for folder in folders for path in folder.glob(".*.tmp") if DRAFT.fullmatch(path.name)]
    now = _clock_of(root) if drafts else 0.0
    for draft in drafts:
        with suppress(OSError):  # a draft that stays is in nobody's way
            facts = draft.lstat()
            abandoned = now - facts.st_mtime > DRAFT_SECONDS
            if not stat.S_ISDIR(facts.st_mode):
                if abandoned or (alone and own in draft.name):
                    draft.unlink()
            elif abandoned:
                shutil.rmtree(draft)


def _clock_of(folder: Path) -> float:
    """The time that the file system of a folder gives to a new file; 0 where there can be none."""
    mark = temporary(folder / "clock")
    try:
        mark.touch()
        return mark.stat().st_mtime
    except OSError:
        return 0.0
    finally:
        with suppress(OSError):
            mark.unlink()


def remove_folder(path: Path) -> None:
    """Remove a folder with all in it, as far as that goes; leave anything else, such as a pipe or a link, as it is."""
    if path.is_dir() and not path.is_symlink():  # at a pipe, rmtree would wait for a writer
        shutil.rmtree(path, ignore_errors=True)


def sync(path: Path) -> None:
    """Make the content of a file durable, or the names in a folder."""
    if WINDOWS and path.is_dir():  # no folder can be opened there
        return
    descriptor = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)  # which syncs only what may be written to
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path, *, new: bool = False) -> Iterator[Path]:
    """Yield a temporary path; once it is written, sync it and rename it to `path`. On an error, remove it.

    With `new`, a file that another process has written at `path` by then is kept: raises FileExistsError.
    """
    draft = temporary(path)
    try:
        yield draft
        sync(draft)
        if new:
            link_or_copy(draft, path)
        else:
            draft.replace(path)
        sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def link_or_copy(path: Path, other: Path) -> None:
    """Give a file a second name, or copy it where the file system has no hard links.

    Raises FileExistsError where the name is taken, but on such a file system replaces that file.
    """
    try:
        os.link(path, other)
    except OSError as error:
        if error.errno not in WITHOUT_LINKS:
            raise
        with replacing(other) as draft:
            shutil.copyfile(path, draft)


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
        raise OSError(errno.ENODEV, "not a regular file", str(path))
    return path


def read_file(path: Path, remedy: str) -> bytes:
    """Read a whole file. Raises `LayerMixError` with the `remedy`."""
    with reading(path, remedy):
        return with_retries(path.read_bytes, path)


def file_digest(path: Path) -> str:
    """The sha256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_text(value: Any) -> str:
    """The text that `write_json` writes: indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any, *, new: bool = False) -> None:
    """Write `value` as indented JSON, atomically. With `new`, raises FileExistsError where `path` is there already."""
    with replacing(path, new=new) as draft:
        draft.write_text(json_text(value), encoding="utf-8")


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with a checksum added: the sha256 of the others, as JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True)
    return {**value, CHECKSUM: hashlib.sha256(text.encode()).hexdigest()}


def unsealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object of `sealed` without its checksum. Raises ValueError if that does not fit the others."""
    others = {name: part for name, part in value.items() if name != CHECKSUM}
    if sealed(others) != value:
        raise ValueError("its checksum does not fit its content")
    return others


def read_json(path: Path, remedy: str = "restore it, or build into another folder") -> dict[str, Any]:
    """Read an object that `write_json` wrote. Raises `LayerMixError` if it is damaged, FileNotFoundError if missing."""
    try:
        return parse_object(with_retries(lambda: regular(path).read_bytes(), path))
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


def reason(error: OSError) -> str:
    """The reason that a system error gives, in lower case: "permission denied"."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def refuse_shortage(error: OSError) -> None:
    """Raise `OutOfResources` where a system error says that open files or memory have run out: no file is to blame."""
    if error.errno in SHORTAGES:
        raise OutOfResources(f"{reason(error)}; {SHORTAGES[error.errno]}") from error


def cannot_read(path: str | Path, why: str, remedy: str) -> LayerMixError:
    """The error for a file that cannot be read: "cannot read PATH: why; remedy"."""
    return LayerMixError(f"cannot read {as_text(path)}: {why}; {remedy}")


def with_retries(read: Callable[[], T], path: str | Path, tries: int = 0) -> T:
    """The result of `read()`, called again after a fault of the machine: up to three times within two seconds.

    Raises OSError, at once, where the file at `path` is at fault: missing, forbidden or of the wrong kind. Raises
    `LayerMixError` where it is the machine to the last (input/output error, stale handle, too many open files).
    """
    try:
        return read()
    except OSError as error:
        if error.errno is None or error.errno in OF_THE_FILE:  # None: what a library says of the content
            raise
        if tries == len(PAUSES):
            refuse_shortage(error)
            raise cannot_read(path, f"{reason(error)}, {tries + 1} times", WHEN_IT_IS_OVER) from error
        time.sleep(PAUSES[tries])
    return with_retries(read, path, tries + 1)


@contextmanager
def reading(path: str | Path, remedy: str = "check the path and its permissions") -> Iterator[None]:
    """Turn a system error in reading `path` (name too long, not permitted) into a one-line `LayerMixError`."""
    try:
        yield
    except OSError as error:
        refuse_shortage(error)
        raise cannot_read(path, reason(error), remedy) from error


@contextmanager
def writing(path: str | Path, remedy: str = "give another path") -> Iterator[None]:
    """Turn a system error in writing `path` into a one-line `LayerMixError`."""
    try:
        yield
    except OSError as error:
        refuse_shortage(error)
        raise LayerMixError(f"cannot write {as_text(path)}: {reason(error)}; {remedy}") from error


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a system error in writing to `folder` (full, read-only, not permitted) into a one-line `LayerMixError`."""
    try:
        yield
    except OSError as error:
        refuse_shortage(error)
        if isinstance(error, FileNotFoundError) and not folder.exists():
            raise LayerMixError(f"{folder} was removed while it was written to; run the same command again") from error
        remedy = "make room" if error.errno in FULL else "mend it"
        is_in_the_way = isinstance(error, FileExistsError | IsADirectoryError | NotADirectoryError)
        place = (is_in_the_way and (error.filename2 or error.filename)) or folder
        raise LayerMixError(
            f"cannot write to {place}: {reason(error)}; {remedy}, then run the same command to resume"
        ) from error
