"""Deliver batches in order while a few threads read the next ones: a few batches ahead, in parts.

No thread coordinates the others: each request for a batch submits the next one, and the pool's threads do the rest.
Memory is used again once nobody holds the batch that was in it: fresh memory would cost a tenth of the time that
decoding into it takes.
"""

import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import get_worker_info

from layermix_gen.reading.batches.loader import Batch
from layermix_gen.support.processes import available_cpus

PARTS = 4  # of a batch, for each of several threads: so small that they end together, so large that they cost little
MIN_PART = 16  # images


class Buffers:
    """Reusable uint8 arrays: each is free again when the last reference to it is gone."""

    def __init__(self, keep: int, *, pinned: bool) -> None:
        self._pinned, self._keep = pinned, keep
        self._free: dict[tuple[int, ...], list[npt.NDArray[np.uint8]]] = {}

    def take(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """An array of undefined content, which is not handed out again as long as a view of it exists."""
        free = self._free.setdefault(shape, [])
        memory = free.pop() if free else self._allocate(shape)
        lent = np.asarray(memory.data)  # not memory.view(): views of that would hold `memory` itself
        weakref.finalize(lent, self._give_back, free, memory).atexit = False
        return lent

    def _allocate(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        return torch.empty(shape, dtype=torch.uint8, pin_memory=True).numpy() if self._pinned else np.empty(shape, "u1")

    def _give_back(self, free: list[npt.NDArray[np.uint8]], memory: npt.NDArray[np.uint8]) -> None:
        if len(free) < self._keep:
            free.append(memory)


class Filler(Protocol):
    """What fills batches, in any thread."""

    def fill(self, batch: Batch, begin: int, end: int) -> None:
        """Fill a batch from image `begin` to `end`."""


def thread_count(asked: int | None, *, small: bool) -> int:
    """How many threads read in this process: worker processes share the CPUs, and one thread reads small images."""
    worker = get_worker_info()
    cpus = 1 if small else available_cpus() // (worker.num_workers if worker else 1)
    return asked or max(1, cpus)


def deliver(batches: Iterable[Batch], loader: Filler, threads: int, prefetch: int) -> Iterator[Batch]:
    """Fill `batches` and yield them in order, while up to `prefetch` of the next ones are read ahead.

    Unlike `mapped_ahead`, it has several threads fill one batch, and holds no batch that it has handed out.
    """
    waiting: deque[tuple[Batch, list[Future[None]]]] = deque()
    todo = iter(batches)
    with ThreadPoolExecutor(threads, "layermix-reader") as pool:
        try:
            while True:
                for batch in islice(todo, prefetch + 1 - len(waiting)):
                    waiting.append((batch, _submit(pool, loader, batch, threads)))
                if not waiting:
                    return
                batch, parts = waiting.popleft()
                for part in parts:
                    part.result()
                yield batch
                del batch
        finally:
            for _, parts in waiting:  # not cancel_futures: it fails at exit, with half of its modules gone
                for part in parts:
                    part.cancel()


def _submit(pool: ThreadPoolExecutor, loader: Filler, batch: Batch, threads: int) -> list[Future[None]]:
    size = len(batch.rows)
    part = max(MIN_PART, -(-size // (PARTS * threads))) if threads > 1 else size
    return [pool.submit(loader.fill, batch, begin, min(begin + part, size)) for begin in range(0, size, part)]
