"""A dataset in an object store, written by way of a temporary folder.

The folder mirrors all files of the dataset but its tars: plan, listing, indexes, manifest and what describes them, and
the mixing set that travels with the dataset. Tars are in it only until their shard is complete. Objects are written in
an order in which the dataset is finished, or is resumed, wherever a process is killed: the tars of a shard before its
index, the mixing set before the plan, all else before the manifest.
"""

import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from layermix_gen.dataset.names import (
    DECLARED,
    INDEX,
    INDEX_FILE,
    LISTING,
    MANIFEST,
    MIXING_SET,
    OF_A_PLANE,
    PLAN,
    PLANE,
    SMALL_FILES,
    TAR,
    index_path,
)
from layermix_gen.dataset.outlets.leases import ALONE, NO_SHARD, PLANNING, SECONDS, Claim, Lease, check_held, farewell
from layermix_gen.dataset.outlets.object_store import ObjectStore, StoredObject
from layermix_gen.errors import BadImage, LayerMixError, StoreError
from layermix_gen.support.locks import busy
from layermix_gen.support.remote import LARGEST

PATIENCE = SECONDS + 30  # that a process waits for others: a dead one on another machine has lost its lease by then
PAUSE = 0.5  # seconds between two looks at the leases, at least; twice that at most
MIRRORED = re.compile(
    "|".join(
        [
            INDEX_FILE,
            *map(re.escape, (*SMALL_FILES, MIXING_SET)),
            *(f"({PLANE})/{re.escape(name)}" for name in OF_A_PLANE),
        ]
    )
)
OURS = re.compile(f"{TAR}|{MIRRORED.pattern}")  # names of what a build uploads

Stamp = tuple[int, int]  # the size of a file, and the time of its last change


class _Copy(NamedTuple):
    """A file of the folder that is as the store's: the version there, "" for one that we have sent, and its stamp."""

    version: str
    stamp: Stamp


class StoreOutlet:
    """The outlet to an object store. Another process that it is sent to holds the lease of the process it is from.

    Without `mixes`, the mixing set is left where it is.
    """

    def __init__(self, store: ObjectStore, *, mixes: bool = True) -> None:
        self.store, self.lease, self._mixes = store, Lease(store), mixes
        self._held = ""  # the name of the lease, in another process
        self._tars: dict[str, int] = {}
        self._copies: dict[str, _Copy] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without the lease, which this process goes on to hold, and without the record of the folder."""
        return {
            "store": self.store,
            "_held": self.lease.name,
            "_tars": self._tars,
            "_copies": {},
            "_mixes": self._mixes,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.lease = Lease(self.store)

    def place(self, root: Path) -> str:
        """The URL."""
        return self.store.location

    def scratch(self, root: Path) -> Path | None:
        """The temporary folder."""
        return root

    def tar_bytes(self, root: Path, name: str) -> int | None:
        """The size of a tar when the store was listed last."""
        return self._tars.get(name)

    def refresh(self, root: Path) -> None:
        """List the store, and make the folder its mirror: fetch what is new there, remove what is gone."""
        self.bring(root, self.store.listing())

    def bring(self, root: Path, listing: dict[str, StoredObject]) -> None:
        """Make the folder a mirror of what has been listed."""
        self._tars = {name: stored.size for name, stored in listing.items() if re.fullmatch(TAR, name)}
        there = {name: stored for name, stored in listing.items() if MIRRORED.fullmatch(name)}
        if not self._mixes:
            there.pop(MIXING_SET, None)
        for name in _mirrored(root) - there.keys():
            (root / name).unlink(missing_ok=True)
            self._copies.pop(name, None)
        for folder in {name.partition("/")[0] for name in self._tars}:  # in which all else is written
            (root / folder).mkdir(exist_ok=True)
        self.store.at_once(lambda name: self._bring(root, name, there[name]), there)

    def bring_index(self, root: Path, number: int) -> None:
        """Fetch the index of one shard, for a process that has no mirror."""
        path = index_path(root, number)
        path.parent.mkdir(exist_ok=True)
        self._fetched(path.relative_to(root).as_posix(), path, 0)

    def _bring(self, root: Path, name: str, stored: StoredObject) -> None:
        path, copy = root / name, self._copies.get(name)
        stamp = _stamp(path)
        is_ours = stamp is not None and stamp[0] == stored.size  # written here, by a worker, say
        if copy and copy.stamp == stamp:
            is_ours &= copy.version in ("", stored.version)
        elif copy:
            is_ours &= copy.version != stored.version
        if is_ours or self._fetched(name, path, stored.size):
            self._copies[name] = _Copy(stored.version, _stamp(path) or (0, 0))

    def _fetched(self, name: str, path: Path, size: int) -> bool:
        """Fetch a file, of another size perhaps than when it was listed; tell whether it is still there."""
        try:
            self.store.copy_file(name, path, LARGEST + 2 * size)
        except BadImage as error:
            if self.store.exists(name):
                raise LayerMixError(f"{error}; run the same command again") from error
            path.unlink(missing_ok=True)
            self._copies.pop(name, None)
            return False
        return True

    def take_shard(self, root: Path, tars: Sequence[str], index: str) -> None:
        """Upload tars one after the other, then the index, and remove the tars from the folder.

        The index stays only if all has reached the store.
        """
        try:
            for name in (*tars, index):
                self._check_held()
                self.store.upload(root / name, name)
            self._copies[index] = _Copy("", _stamp(root / index) or (0, 0))
        except BaseException:
            (root / index).unlink(missing_ok=True)
            raise
        finally:
            for name in tars:
                (root / name).unlink(missing_ok=True)

    def publish(self, root: Path, planes: Collection[str] | None = None) -> None:
        """Upload what has changed in the folder, remove what is gone, and the tars that are of none of the `planes`.

        While planes are added, the manifest names indexes that were put aside, so it is written after these; the plan,
        which promises more, after the manifest. Planes that are given up lose their tars before the plan forgets them.
        """
        self._check_held()
        found = {name: _stamp(root / name) for name in _mirrored(root)}
        changed = {name for name, stamp in found.items() if stamp != getattr(self._copies.get(name), "stamp", None)}
        gone = self._copies.keys() - found.keys()
        strays = {name for name in self._tars if planes is not None and name.partition("/")[0] not in planes}
        whole, last = {MANIFEST}, {PLAN, LISTING}
        aside = {name for name in changed | gone if name.startswith(f"{DECLARED}/")}
        indexes = {name for name in changed | gone if name.startswith(f"{INDEX}/")} - aside
        others = changed - indexes - aside - whole - last
        self._remove(gone & whole)
        self._send(root, changed & aside)
        self._send(root, changed & indexes)
        self._remove((gone & indexes) | strays | (gone - indexes - aside - whole))
        for names in (others, changed & whole, changed & {PLAN}, changed & {LISTING}):
            self._send(root, names)
        self._remove(gone & aside)

    def _send(self, root: Path, names: Iterable[str]) -> None:
        def send(name: str) -> None:
            stamp = _stamp(root / name)
            self.store.upload(root / name, name)
            self._copies[name] = _Copy("", stamp or (0, 0))

        self.store.at_once(send, sorted(names))

    def _remove(self, names: Collection[str]) -> None:
        self.store.remove(sorted(names))
        for name in names:
            self._copies.pop(name, None)
            self._tars.pop(name, None)

    def _check_held(self) -> None:
        check_held(self.store, self.lease.name or self._held)

    @contextmanager
    def alone(self, root: Path) -> Iterator[None]:
        """Hold a lease alone, without uploads of killed processes, and with a fresh mirror."""
        try:
            if self.lease.take(ALONE):
                raise busy(self.store.location)
            self.store.abort_uploads(OURS)
            self.refresh(root)
            yield
        finally:
            farewell(self.lease.drop)

    @contextmanager
    def planning(self, root: Path, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold a lease of its own, with a fresh mirror: builds that are at work go on."""
        lease, is_waiting = Lease(self.store, PLANNING), False
        try:
            while lease.take(ALONE):
                if not is_waiting:
                    waiting()
                is_waiting = True
                time.sleep(PAUSE * (1 + secrets.randbelow(1000) / 1000))
            self.refresh(root)
            yield
        finally:
            farewell(lease.drop)

    @contextmanager
    def together(
        self,
        root: Path,
        plan: str,
        partition: tuple[int, int] | None,
        *,
        prepare: Callable[[], None],
        is_prepared: Callable[[], bool],
        waiting: Callable[[], None],
    ) -> Iterator[None]:
        """Hold a lease of a partition, after somebody has prepared the dataset alone."""
        claim, end, is_waiting = Claim(plan, *(partition or NO_SHARD)), time.monotonic() + PATIENCE, False
        asking = time.monotonic() + SECONDS  # the clock of this machine may be late: then only `take` can tell
        try:
            while True:
                others = self.lease.others() if time.monotonic() < asking else []
                if not others and not (others := self.lease.take(ALONE)):
                    self.store.abort_uploads(OURS)
                    self.refresh(root)
                    prepare()
                    self.lease.convert(claim)
                    break
                rivals = [one for one in others if claim.excludes(one)] or self.lease.take(claim)
                if not rivals:
                    self.refresh(root)
                    if is_prepared():
                        break
                    self.lease.drop()
                if rivals and all(one.plan == plan for one in rivals):
                    if not is_waiting:
                        waiting()
                    is_waiting, end = True, time.monotonic() + PATIENCE
                if time.monotonic() > end:
                    raise busy(self.store.location)
                time.sleep(PAUSE * (1 + secrets.randbelow(1000) / 1000))
            yield
        finally:
            farewell(self._leave)

    def _leave(self) -> None:
        """Remove what is left of uploads, if no other process is at work, and give the lease back."""
        with suppress(StoreError):
            if self.lease.name and self.lease.is_last():
                self.store.abort_uploads(OURS)
        self.lease.drop()


def _mirrored(root: Path) -> set[str]:
    """The names of the files in a folder that are mirrored."""
    found = (
        path.relative_to(root).as_posix() for pattern in ("*", "*/*", f"{DECLARED}/*") for path in root.glob(pattern)
    )
    return {name for name in found if MIRRORED.fullmatch(name)}


def _stamp(path: Path) -> Stamp | None:
    """The stamp of a file; None where there is none."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_size, facts.st_mtime_ns
