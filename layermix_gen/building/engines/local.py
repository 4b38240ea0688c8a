"""The local engines: they build shards in this process, or in spawned worker processes, each one shard at a time.

Workers report through an array in shared memory, with two counters for each shard. There is no lock that a dying worker
could hold, so the engine never waits for a dead one.
"""

import multiprocessing
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from ctypes import c_bool, c_int64
from dataclasses import dataclass
from functools import partial
from typing import Any

from layermix_gen.building.engines.base import Engine, Watch
from layermix_gen.building.shard_builder import ShardResult, build_shard
from layermix_gen.dataset.plan import Plan
from layermix_gen.support.interrupts import on_interrupt
from layermix_gen.support.processes import one_opencv_thread, worker_processes

POLL_SECONDS = 0.1


def in_this_process(plan: Plan, numbers: Sequence[int], watch: Watch) -> Iterator[ShardResult]:
    """Build the shards one by one in this process. Ctrl-C takes effect between inputs, when files can be removed."""
    finished, interrupted = Counter[str](), threading.Event()

    def tick(done: int, skipped: int) -> bool:
        return watch(finished["done"] + done, finished["skipped"] + skipped) and not interrupted.is_set()

    with one_opencv_thread(), on_interrupt(lambda *_: interrupted.set(), signal.SIGINT, signal.SIGTERM):
        for number in numbers:
            result = build_shard(plan, number, tick)
            if interrupted.is_set():
                raise KeyboardInterrupt
            yield result
            if result.summary is None:
                return
            finished.update(done=result.summary.inputs, skipped=len(result.skipped))


def in_processes(workers: int) -> Engine:
    """The engine that builds shards in `workers` spawned processes."""
    return partial(_in_processes, workers)


def _in_processes(workers: int, plan: Plan, numbers: Sequence[int], watch: Watch) -> Iterator[ShardResult]:
    context = multiprocessing.get_context("spawn")
    counters: Any = context.RawArray(c_int64, 2 * len(numbers))  # inputs done and skipped, shard by shard
    stop: Any = context.RawValue(c_bool, False)
    with worker_processes(_Work(plan, counters, stop), workers) as pool:
        try:
            pending = set(pool.submit(_build, [(number, slot) for slot, number in enumerate(numbers)]))
            while pending:
                finished, pending = wait(pending, POLL_SECONDS, FIRST_COMPLETED)
                if not watch(sum(counters[::2]), sum(counters[1::2])):
                    stop.value = True
                    for future in pending:
                        future.cancel()
                for future in finished:
                    if not future.cancelled():
                        yield future.result()
        finally:
            stop.value = True


@dataclass(frozen=True, slots=True)
class _Work:
    """What each worker is given: the plan, the counters of all shards and the flag to stop."""

    plan: Plan
    counters: Any
    stop: Any


def _build(work: _Work, task: tuple[int, int]) -> ShardResult:
    """Build a shard in a worker; `task` is the number of the shard and the slot of its counters."""
    number, slot = task

    def tick(done: int, skipped: int) -> bool:
        work.counters[2 * slot], work.counters[2 * slot + 1] = done, skipped
        return not work.stop.value

    return build_shard(work.plan, number, tick)
