"""Fetch tars ahead of their use into a folder of bounded size, in the order in which an epoch uses them.

An epoch's order is known before it begins, so nothing is guessed: the next tar to be fetched is the next to be used,
and to make room for it, the cache removes the tar whose next use lies furthest ahead (Belady's rule: no other rule
needs fewer fetches).
"""

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from layermix_gen.reading.order import Ints
from layermix_gen.reading.storage.base import TarUse
from layermix_gen.reading.storage.memory_maps import Maps
from layermix_gen.support.files import inside

FETCHES = 4  # at a time
NEVER = 2**62


def spans(batches: Iterable[tuple[int, Ints]], count: int) -> tuple[Ints, Ints]:
    """The first and the last batch in which each number below `count` occurs; if it does not occur, the last is -1."""
    first, last = np.full(count, NEVER), np.full(count, -1)
    for batch, numbers in batches:
        first[numbers] = np.minimum(first[numbers], batch)
        last[numbers] = batch
    return first, last


def bytes_at_once(uses: Sequence[TarUse], ahead: int) -> int:
    """The most bytes in use at the same time if `ahead` batches are read beyond the next to be handed out."""
    begins, ends = [(use.first - ahead, use.size) for use in uses], [(use.last + 1, -use.size) for use in uses]
    held = peak = 0
    for _, change in sorted(begins + ends):  # at the same batch, ends come before begins
        held += change
        peak = max(peak, held)
    return peak


class TarCache:
    """A cache of tars in `folder`: `expect` begins an epoch, `handed_out` tells its progress, `open` waits for a tar.

    `fetch(name, path)` writes a tar to `path` or raises `BadImage`; `sizes` has the bytes of every tar of the dataset.
    Raises `LayerMixError` for a tar that a name or a link leads out of the folder.
    """

    def __init__(self, folder: Path, sizes: Mapping[str, int], fetch: Callable[[str, Path], None]) -> None:
        self._folder, self._sizes, self._fetch = folder, sizes, fetch
        self._maps = Maps(folder)
        self._changed = threading.Condition(threading.RLock())
        self._pool = ThreadPoolExecutor(FETCHES, "layermix-fetch")
        self._uses: dict[str, TarUse] = {}
        self._todo: list[TarUse] = []  # the next one to fetch is last
        self._limit = self._batch = 0
        self._tars: dict[str, Future[None]] = {}  # fetched, or being fetched
        for name, size in sizes.items():
            path = inside(folder, name)
            if path.is_file() and path.stat().st_size == size:
                self._tars[name] = Future()
                self._tars[name].set_result(None)

    def expect(self, uses: Sequence[TarUse], limit: int) -> None:
        """Begin an epoch that uses these tars, and hold `limit` bytes at most from now on."""
        with self._changed:
            failed = [name for name, tar in self._tars.items() if tar.done() and tar.exception()]
            for name in failed:  # try them again
                del self._tars[name]
            self._uses, self._limit, self._batch = {use.name: use for use in uses}, limit, 0
            self._todo = sorted(uses, key=lambda use: (use.first, use.name), reverse=True)
            self._go_on()

    def handed_out(self, batch: int) -> None:
        """Report that this batch and all earlier batches need no tar any more."""
        with self._changed:
            self._batch = batch + 1
            self._go_on()

    def open(self, name: str) -> memoryview:
        """Wait for a tar that is expected and return its bytes. Raises `BadImage` if it cannot be fetched or read."""
        with self._changed:
            self._changed.wait_for(lambda: name in self._tars)
            tar = self._tars[name]
        tar.result()
        return self._maps.open(name, self._sizes[name])

    def _go_on(self) -> None:
        """Begin to fetch the tars that come next, as far as there is room."""
        while self._todo and sum(not tar.done() for tar in self._tars.values()) < FETCHES:
            use = self._todo[-1]
            if use.name not in self._tars and not self._make_room(use):
                return
            self._todo.pop()
            if use.name not in self._tars:
                tar = self._pool.submit(self._fetch, use.name, self._folder / use.name)
                self._tars[use.name] = tar
                self._changed.notify_all()
                tar.add_done_callback(partial(_fetched, weakref.ref(self)))  # runs at once if it is done already

    def _make_room(self, use: TarUse) -> bool:
        """Remove tars whose next use comes later than `use`, until its tar fits; return whether it does."""
        while sum(self._sizes[name] for name in self._tars) + use.size > self._limit:
            name = max((name for name, tar in self._tars.items() if tar.done()), key=self._next_use, default=use.name)
            if self._next_use(name) <= use.first:
                return False
            del self._tars[name]
            self._maps.close(name)
            (self._folder / name).unlink(missing_ok=True)
        return True

    def _next_use(self, name: str) -> int:
        use = self._uses.get(name)
        return use.first if use and use.last >= self._batch else NEVER


def _fetched(cache: "weakref.ref[TarCache]", _: Future[None]) -> None:
    """Let the cache go on, if it still exists.

    The reference is weak: a tar's future that held the cache would keep it, its threads and its folder until the next
    garbage collection.
    """
    if found := cache():
        with found._changed, suppress(RuntimeError):  # from a pool that is shut down because the program ends
            found._go_on()
