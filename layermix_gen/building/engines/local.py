"""The local engines: this process, or spawned worker processes with one shard each.

Workers report through an array in shared memory, two counters per shard: nothing that a dying worker could hold locked,
so the engine never waits for the dead.
"""

import multiprocessing
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from ctypes import c_bool, c_int64
from functools import partial
from typing import Any

import cv2

from layermix_gen.building.engines.base import Engine, Watch
from layermix_gen.building.shard_builder import ShardResult, build_shard
from layermix_gen.dataset.plan import Plan
from layermix_gen.support.processes import interrupts_held, on_interrupt, spawned

POLL_SECONDS = 0.1


def in_this_process(plan: Plan, numbers: Sequence[int], watch: Watch) -> Iterator[ShardResult]:
    """Build the shards one after the other, here. Ctrl-C is answered between two inputs: then files can be removed."""
    threads, finished, interrupted = cv2.getNumThreads(), Counter[str](), threading.Event()
    cv2.setNumThreads(1)

    def tick(done: int, skipped: int) -> bool:
        return watch(finished["done"] + done, finished["skipped"] + skipped) and not interrupted.is_set()

    try:
        with on_interrupt(lambda *_: interrupted.set(), signal.SIGINT, signal.SIGTERM):
            for number in numbers:
                result = build_shard(plan, number, tick)
                if interrupted.is_set():
                    raise KeyboardInterrupt
                yield result
                if result.summary is None:
                    return
                finished.update(done=result.summary.inputs, skipped=len(result.skipped))
    finally:
        cv2.setNumThreads(threads)


def in_processes(workers: int) -> Engine:
    """The engine that builds shards in so many spawned processes."""
    return partial(_in_processes, workers)


def _in_processes(workers: int, plan: Plan, numbers: Sequence[int], watch: Watch) -> Iterator[ShardResult]:
    context = multiprocessing.get_context("spawn")
    counters: Any = context.RawArray(c_int64, 2 * len(numbers))  # inputs done and skipped, shard by shard
    stop: Any = context.RawValue(c_bool, False)
    with spawned(workers, _begin_work, (plan, counters, stop)) as pool:
        try:
            with interrupts_held():
                pending = {pool.submit(_work, number, slot) for slot, number in enumerate(numbers)}
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


# --- in a worker ---------------------------------------------------------------------------------------------------

_job: tuple[Plan, Any, Any]  # the plan, the counters and the flag to stop, for the life of the process


def _begin_work(plan: Plan, counters: Any, stop: Any) -> None:
    global _job
    _job = (plan, counters, stop)


def _work(number: int, slot: int) -> ShardResult:
    plan, counters, stop = _job

    def tick(done: int, skipped: int) -> bool:
        counters[2 * slot], counters[2 * slot + 1] = done, skipped
        return not stop.value

    return build_shard(plan, number, tick)
