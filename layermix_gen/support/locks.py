"""Locks between processes, also of several machines: of a folder that is written to, and of a single file.

Any number of processes may hold a lock together, as builds hold their output, or one alone. The file of a lock is
removed by the last to leave. On a file system without locks, and on Windows, every process gets its lock, and none is
ever sure to be alone.
"""

import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import gcd
from pathlib import Path
from typing import IO

from layermix_gen.errors import LayerMixError
from layermix_gen.support.files import AS_IS, disk_errors, sweep

try:
    import fcntl
except ImportError:  # Windows: its locks would keep others from reading the file, and cannot be converted
    fcntl = None  # type: ignore[assignment]

NAME = ".lock"  # of the lock in a folder
PATIENCE, PAUSE = 60.0, 0.05  # seconds in all, and between two tries, that a process waits for others to prepare
UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class Lock:
    """A lock by a file at `path`, not held at first. Raises OSError where the file cannot be made, or is no file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self.works = fcntl is not None  # False on a file system without locks, too

    def take(self, *, together: bool = False) -> bool:
        """Take the lock alone, or together with others, and tell whether that is granted; never waits.

        A lock that is held is converted; if that is not granted, it is lost.
        """
        while True:
            self._file = self._file or _opened(self._path)
            if not self._flock(self._file, together):
                self.drop()
                return False
            if self._is_current(self._file):
                return True
            self.drop()  # the last holder of this file has just removed it

    def wait(self, waiting: Callable[[], None] = lambda: None) -> None:
        """Take the lock alone as soon as nobody else holds it; call `waiting()` first where somebody does."""
        if not self.take():
            waiting()
            while not self.take():
                time.sleep(PAUSE)

    def drop(self) -> None:
        """Give the lock back; its file stays."""
        if self._file:
            self._file.close()
            self._file = None

    def leave(self) -> None:
        """Give the lock back; whoever is the last to hold it removes its file."""
        if fcntl is None:  # Windows removes no file that is open
            self.drop()
            with suppress(PermissionError):
                self._path.unlink(missing_ok=True)
            return
        if self.is_last():
            self._path.unlink(missing_ok=True)
        self.drop()

    def is_last(self) -> bool:
        """Whether this process holds the lock, and from now on alone."""
        return bool(self._file and self._flock(self._file, together=False) and self._is_current(self._file))

    def _flock(self, file: IO[bytes], together: bool) -> bool:
        if fcntl is None:
            return True
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if together else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            self.works = False
        return True

    def _is_current(self, file: IO[bytes]) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False


def _opened(path: Path) -> IO[bytes]:
    """The file of a lock, made if it is missing. Raises OSError for a link, which may lead anywhere, and for a pipe."""
    if path.is_symlink():
        raise FileExistsError(errno.EEXIST, "a link, not the file of a lock", str(path))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | AS_IS, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileExistsError(errno.EEXIST, "not a regular file", str(path))
    return os.fdopen(descriptor, "ab")


def refuse_without_locks() -> None:
    """Raise `LayerMixError` on Windows, which lacks what keeps a build whole when it is killed or has rivals."""
    if fcntl is None:
        raise LayerMixError(
            "expected Linux or macOS to write shards on, found Windows, which can only read them; build there, or "
            "in WSL"
        )


def busy(what: str | Path) -> LayerMixError:
    """The error for a folder or file that another process is writing."""
    return LayerMixError(f"another process is writing to {what}; wait for it, then run this again")


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Write to the folder `root` alone, without drafts of killed processes. Raises `LayerMixError` if it is busy."""
    lock = Lock(root / NAME)
    try:
        with disk_errors(root):
            if not lock.take():
                raise busy(root)
            sweep(root, alone=lock.works)
        yield
    finally:
        lock.leave()


@contextmanager
def in_turn(root: Path, partition: tuple[int, int], waiting: Callable[[], None]) -> Iterator[None]:
    """Work on a partition of the folder `root` alone: (i, n) is every n-th shard from shard i on.

    Where others hold partitions that overlap with it, call `waiting()` and wait until they have ended.
    """
    first, step = partition
    gate, lock = Lock(root / f"{NAME}-turn"), Lock(root / f"{NAME}-{first}-{step}")
    is_waiting = False
    try:
        while not _granted(gate, lock, root, partition):
            if not is_waiting:
                waiting()
            is_waiting = True
            time.sleep(PAUSE)
        yield
    finally:
        lock.leave()


def _granted(gate: Lock, lock: Lock, root: Path, partition: tuple[int, int]) -> bool:
    """Take the lock of a partition unless one that overlaps is held; the gate lets one process at a time look."""
    try:
        gate.wait()
        rivals = (path for path in root.glob(f"{NAME}-*-*") if _overlaps(partition, path.name))
        return not any(map(_is_held, rivals)) and lock.take()
    finally:
        gate.leave()


def _overlaps(partition: tuple[int, int], name: str) -> bool:
    """Whether the lock of this name is of a partition that has a shard in common with this one, of how many ever."""
    match = re.fullmatch(rf"{re.escape(NAME)}-([0-9]+)-([0-9]+)", name)
    first, step = partition
    return match is not None and (int(match[1]) - first) % gcd(int(match[2]), step) == 0


def _is_held(path: Path) -> bool:
    lock = Lock(path)
    try:
        return not lock.take()
    finally:
        lock.leave()


@contextmanager
def together(root: Path, prepare: Callable[[], None], is_prepared: Callable[[], bool]) -> Iterator[None]:
    """Write to the folder `root` together with others that are content with the same preparation of it.

    `prepare()` is called by a process that is alone, `is_prepared()` tells each that it may go on. Raises
    `LayerMixError` if the folder is busy for a minute and not prepared.
    """
    lock = Lock(root / NAME)
    end = time.monotonic() + PATIENCE
    try:
        while True:
            if lock.take():
                sweep(root, alone=lock.works)
                prepare()
            if lock.take(together=True) and is_prepared():
                break
            lock.drop()
            if time.monotonic() > end:
                raise busy(root)
            time.sleep(PAUSE)
        yield
    finally:
        if lock.is_last():
            sweep(root, alone=lock.works)
        lock.leave()
