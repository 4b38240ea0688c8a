"""Worker processes: how many there are, what they work on, how they begin and end; the one way to use several cores.

Workers are spawned, use one OpenCV thread each, leave Ctrl-C to their parent, and end when it is gone.
"""

import multiprocessing.connection
import multiprocessing.process
import multiprocessing.util
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cv2

from layermix_gen.errors import LayerMixError
from layermix_gen.support.checks import check_whole
from layermix_gen.support.interrupts import interrupts_held

S_co = TypeVar("S_co", covariant=True)  # the state of workers
T = TypeVar("T")
R = TypeVar("R")


def available_cpus() -> int:
    """The CPUs that this process may use: by its affinity, and by the quota of its control group where it has one."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(cpus, int(quota) // int(period)))
    except (OSError, ValueError):  # no such file, or "max"
        return cpus


def checked_workers(workers: int | None) -> int:
    """The number of workers, by default one for each CPU.

    Raises `LayerMixError` for less than one, and in a worker that is still importing the script that started it: but
    for a guard there, the script would start itself again and again.
    """
    if getattr(multiprocessing.process.current_process(), "_inheriting", False):
        raise LayerMixError(
            "expected the call below `if __name__ == '__main__':`, as worker processes import the script"
        )
    if workers is None:
        return available_cpus()
    check_whole("workers", workers, 1)
    return workers


class Workers(Protocol[S_co]):
    """What works on tasks with a state, here or in several processes, which each have a copy of the state."""

    def in_order(self, work: Callable[[S_co, T], R], tasks: Iterable[T]) -> Iterator[R]:
        """The results of `work(state, task)`, in the order of the tasks."""

    def as_completed(self, work: Callable[[S_co, T], R], tasks: Iterable[T]) -> Iterator[R]:
        """The results of `work(state, task)`, each as soon as it is there."""


@dataclass(frozen=True, slots=True)
class ThisProcess(Workers[S_co]):
    """Works here, on one task after the other, each when its result is asked for."""

    state: S_co

    def in_order(self, work: Callable[[S_co, T], R], tasks: Iterable[T]) -> Iterator[R]:
        return (work(self.state, task) for task in tasks)

    def as_completed(self, work: Callable[[S_co, T], R], tasks: Iterable[T]) -> Iterator[R]:
        return self.in_order(work, tasks)


@dataclass(frozen=True, slots=True)
class WorkerProcesses(Workers[S_co]):
    """Works in spawned processes. Functions and tasks travel to them, the state did when they began."""

    pool: ProcessPoolExecutor

    def submit(self, work: Callable[[S_co, T], R], tasks: Iterable[T]) -> list[Future[R]]:
        """Hand the tasks out; Ctrl-C is held back until that is done, so that workers never hear it."""
        with interrupts_held():
            return [self.pool.submit(_work_on, work, task) for task in tasks]

    def in_order(self, work: Callable[[S_co, T], R], tasks: Iterable[T]) -> Iterator[R]:
        return (future.result() for future in self.submit(work, tasks))

    def as_completed(self, work: Callable[[S_co, T], R], tasks: Iterable[T]) -> Iterator[R]:
        return (future.result() for future in as_completed(self.submit(work, tasks)))


@contextmanager
def working(state: T, workers: int) -> Iterator[Workers[T]]:
    """What works with a state: so many processes or, for one worker, this process with one OpenCV thread."""
    if workers > 1:
        with worker_processes(state, workers) as pool:
            yield pool
        return
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield ThisProcess(state)
    finally:
        cv2.setNumThreads(threads)


@contextmanager
def worker_processes(state: T, workers: int) -> Iterator[WorkerProcesses[T]]:
    """So many processes with a copy of the state each. What has not begun when the context ends never does.

    Raises `LayerMixError` where a worker dies, and where none could begin.
    """
    _check_script()
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (state,))
    try:
        yield WorkerProcesses(pool)
    except BrokenProcessPool as error:
        raise LayerMixError(
            "a worker process died: it was killed, or the machine ran out of memory; "
            "run the same command to resume, perhaps with fewer --workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _check_script() -> None:
    """Refuse a script that workers could not import, as one from standard input."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script and getattr(sys.modules["__main__"], "__spec__", None) is None and not Path(script).exists():
        raise LayerMixError(
            f"expected the call in a file, for worker processes import it, got {script}; save it, or use 1 worker"
        )


@contextmanager
def memory_errors(
    remedy: str = "run the same command to resume, perhaps with fewer --workers, or begin anew with a smaller --size",
) -> Iterator[None]:
    """Turn memory that runs out, here or in a worker, into one line that ends with the remedy."""
    try:
        yield
    except (MemoryError, cv2.error) as error:
        if isinstance(error, cv2.error) and f"({cv2.Error.STS_NO_MEM}:" not in str(error):  # all that travels is text
            raise
        raise LayerMixError(f"the memory has run out; {remedy}") from error


# --- in a worker ---------------------------------------------------------------------------------------------------

_state: Any  # for the life of the process


def _begin(state: Any) -> None:
    """The first thing in a worker."""
    global _state
    _state = state
    cv2.setNumThreads(1)
    leave, leaving = multiprocessing.Pipe(duplex=False)
    guard = threading.Thread(target=_end_with_parent, args=(leave,), daemon=True)
    guard.start()
    # A thread still running when the interpreter is torn down makes DuckDB's bindings complain of leaks.
    multiprocessing.util.Finalize(None, _leave, args=(leaving, guard), exitpriority=0)


def _work_on(work: Callable[[Any, T], R], task: T) -> R:
    return work(_state, task)


def _leave(leaving: Connection, guard: threading.Thread) -> None:
    leaving.send(None)
    guard.join()


def _end_with_parent(leave: Connection) -> None:
    """Wait for the parent to die, then end this process; or for the worker to leave in order."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.sentinel in multiprocessing.connection.wait([parent.sentinel, leave]):
        os._exit(1)
