"""The local engines: this process, or spawned worker processes with one shard each.

Workers report through an array in shared memory, two counters per shard: nothing that a dying worker could hold locked,
so the engine never waits for the dead. A worker ends by itself when its parent is gone.
"""

import multiprocessing.connection
import multiprocessing.util
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from ctypes import c_bool, c_int64
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2

from layermix_gen.engines.base import Engine, Watch
from layermix_gen.errors import LayerMixError
from layermix_gen.plan import Plan
from layermix_gen.shards import ShardResult, build_shard

POLL_SECONDS = 0.1


def available_cpus() -> int:
    """The CPUs that this process may use: by its affinity, and by the quota of its control group where it has one."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(cpus, int(quota) // int(period)))
    except (OSError, ValueError):  # no such file, or "max"
        return cpus


def in_this_process(plan: Plan, numbers: Sequence[int], watch: Watch) -> Iterator[ShardResult]:
    """Build the shards one after the other, here. Ctrl-C is answered between two inputs: then files can be removed."""
    threads, finished, interrupted = cv2.getNumThreads(), Counter[str](), threading.Event()
    cv2.setNumThreads(1)

    def tick(done: int, skipped: int) -> bool:
        return watch(finished["done"] + done, finished["skipped"] + skipped) and not interrupted.is_set()

    try:
        with _on_interrupt(lambda *_: interrupted.set()):
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
    pool = ProcessPoolExecutor(workers, context, _begin_worker, (plan, counters, stop))
    try:
        with _on_interrupt(signal.SIG_IGN):  # workers inherit this: only the parent answers Ctrl-C
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
    except BrokenProcessPool as error:
        raise LayerMixError(
            "a worker process died: it was killed, or the machine ran out of memory; "
            "run the same command to resume, perhaps with fewer --workers"
        ) from error
    finally:
        stop.value = True
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _on_interrupt(handler: Any) -> Iterator[None]:
    """Let `handler` answer Ctrl-C meanwhile. Only the main thread can say so, and only it would be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# --- in a worker ---------------------------------------------------------------------------------------------------

_worker: tuple[Plan, Any, Any]  # the plan, the counters and the flag to stop, for the life of the process


def _begin_worker(plan: Plan, counters: Any, stop: Any) -> None:
    global _worker
    _worker = (plan, counters, stop)
    cv2.setNumThreads(1)
    leave, leaving = multiprocessing.Pipe(duplex=False)
    guard = threading.Thread(target=_end_with_parent, args=(leave,), daemon=True)
    guard.start()
    # A thread still running when the interpreter is torn down makes DuckDB's bindings complain of leaks.
    multiprocessing.util.Finalize(None, _leave, args=(leaving, guard), exitpriority=0)


def _leave(leaving: Connection, guard: threading.Thread) -> None:
    leaving.send(None)
    guard.join()


def _end_with_parent(leave: Connection) -> None:
    """Wait for the parent to die, then end this process; or for the worker to leave in order."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.sentinel in multiprocessing.connection.wait([parent.sentinel, leave]):
        os._exit(1)


def _work(number: int, slot: int) -> ShardResult:
    plan, counters, stop = _worker

    def tick(done: int, skipped: int) -> bool:
        counters[2 * slot], counters[2 * slot + 1] = done, skipped
        return not stop.value

    return build_shard(plan, number, tick)
