"""Tars that are fetched ahead of their use into a bounded folder, each epoch's in the order in which it uses them.

An epoch's order is known before it begins, so nothing is guessed: the next tar to be fetched is the next to be used, and
what makes room for it is the tar whose next use lies furthest ahead (Belady's rule, the fewest fetches that there can be).
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.reading.order import Ints
from layermix_gen.reading.storage import map_tar

FETCHES = 4  # at a time
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Use:
    """A tar of `size` bytes, and the first and the last batch of the epoch that read it."""

    name: str
    size: int
    first: int
    last: int


def spans(batches: Iterable[tuple[int, Ints]], count: int) -> tuple[Ints, Ints]:
    """The first and the last batch in which each number below `count` occurs; first is `NEVER` where it does not."""
    first, last = np.full(count, NEVER), np.full(count, -1)
    for batch, numbers in batches:
        seen = np.unique(numbers)
        first[seen] = np.minimum(first[seen], batch)
        last[seen] = batch
    return first, last


def bytes_at_once(uses: Sequence[Use], ahead: int) -> int:
    """How many bytes are in use at once, at most, while up to `ahead` batches are read beyond the one handed out."""
    changes = [(use.first - ahead, use.size) for use in uses] + [(use.last + 1, -use.size) for use in uses]
    held = np.cumsum([size for _, size in sorted(changes, key=lambda change: change[0])] or [0])
    return int(held.max())


class TarCache:
    """Tars in `folder`, of at most `limit` bytes together. `fetch(name, path)` brings one there, or raises `BadImage`.

    `expect` says what an epoch will use, `handed_out` how far it is, and `open` gives a tar, waiting for it if need be.
    """

    def __init__(self, folder: Path, fetch: Callable[[str, Path], None]) -> None:
        self.folder, self._fetch = folder, fetch
        self.limit = 0
        self._lock = threading.RLock()
        self._pool = ThreadPoolExecutor(FETCHES, "layermix-fetch")
        self._uses: dict[str, Use] = {}
        self._next: list[Use] = []  # to be fetched, the next one last
        self._batch = self._ahead = 0
        self._tars: dict[str, Future[memoryview]] = {}  # here, or on their way
        self._sizes: dict[str, int] = {}

    def expect(self, uses: Sequence[Use], limit: int, ahead: int) -> None:
        """Begin an epoch that uses these tars, reading up to `ahead` batches beyond the one handed out.

        Raises `LayerMixError` where what it uses at once is more than `limit` bytes.
        """
        needed = bytes_at_once(uses, ahead)
        if needed > limit:
            raise LayerMixError(
                f"cache_bytes must be at least {needed} for tars that are read at once, got {limit}; raise it, or read "
                "by order='shards' with a smaller window"
            )
        with self._lock:
            self.limit, self._batch, self._ahead = limit, 0, ahead
            self._uses = {use.name: use for use in uses}
            self._next = sorted(uses, key=lambda use: (use.first, use.name), reverse=True)
            self._top_up()
