"""Work in this process or in several: with how many workers, with what state, and what ends it early.

Workers are spawned, use one OpenCV thread each, leave Ctrl-C to their parent, and end when the parent is gone.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cv2

from layermix_gen.errors import LayerMixError
from layermix_gen.support.checks import check_whole
from layermix_gen.support.worker_pool import WorkerProcesses

S_co = TypeVar("S_co", covariant=True)  # the state of workers
T = TypeVar("T")
R = TypeVar("R")

CONTROL_GROUP = Path("/sys/fs/cgroup")  # of a container
CPU_SECONDS = 60  # that an image may take for each plane, and once more to be decoded: a thousand times what is usual


def available_cpus() -> int:
    """The number of CPUs that this process may use, by its affinity and by the quota of its control group, if any."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (CONTROL_GROUP / "cpu.max").read_text(encoding="ascii").split()
        return max(1, min(cpus, int(quota) // int(period)))
    except (OSError, ValueError):  # no such file, or "max"
        return cpus


def usable_memory() -> int:
    """The bytes of memory that this process may use: those of the machine, or fewer in a container."""
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # Windows: no bound is known
        physical = sys.maxsize
    try:
        return min(physical, int((CONTROL_GROUP / "memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no control group, or "max"
        return physical


def checked_workers(workers: int | None) -> int:
    """The number of workers, by default one for each CPU. Raises `LayerMixError` for less than one."""
    if workers is None:
        return available_cpus()
    check_whole("workers", workers, 1)
    return workers


class Workers(Protocol[S_co]):
    """An executor of tasks with a state, in this process or in several, each with a copy of the state."""

    def in_order(self, work: Callable[[S_co, T], R], tasks: Iterable[T]) -> Iterator[R]:
        """The results of `work(state, task)`, in the order of the tasks."""

    def as_completed(self, work: Callable[[S_co, T], R], tasks: Iterable[T]) -> Iterator[R]:
        """The results of `work(state, task)`, each as soon as it is ready."""


@dataclass(frozen=True, slots=True)
class ThisProcess(Workers[S_co]):
    """An executor in this process: one task after the other, each when its result is asked for."""

    state: S_co

    def in_order(self, work: Callable[[S_co, T], R], tasks: Iterable[T]) -> Iterator[R]:
        return (work(self.state, task) for task in tasks)

    def as_completed(self, work: Callable[[S_co, T], R], tasks: Iterable[T]) -> Iterator[R]:
        return self.in_order(work, tasks)


@contextmanager
def working(state: T, workers: int) -> Iterator[Workers[T]]:
    """Yield an executor with a state: `workers` processes or, for one, this process with one OpenCV thread."""
    if workers > 1:
        with worker_processes(state, workers) as pool:
            yield pool
        return
    with one_opencv_thread():
        yield ThisProcess(state)


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Let OpenCV use a single thread of this process, as it does in each worker process."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


@contextmanager
def worker_processes(state: T, workers: int, shared: Any = None) -> Iterator[WorkerProcesses[T]]:
    """Start `workers` processes with a copy of the state each. Tasks not begun when the context ends are dropped.

    At Ctrl-C, tasks that have begun are waited for; at a second one, or SIGTERM, the processes are killed. Raises
    `LayerMixError` if a worker dies, or if none could start.
    """
    pool = WorkerProcesses(state, workers, shared)
    try:
        yield pool
    finally:
        pool.end()


@contextmanager
def memory_errors(
    remedy: str = "run the same command to resume, perhaps with fewer --workers, or start over with a smaller --size",
) -> Iterator[None]:
    """Turn an out-of-memory error, here or in a worker, into a `LayerMixError` that ends with the remedy."""
    try:
        yield
    except (MemoryError, cv2.error) as error:
        if isinstance(error, cv2.error) and f"({cv2.Error.STS_NO_MEM}:" not in str(error):  # workers send only text
            raise
        raise LayerMixError(f"the memory has run out; {remedy}") from error


def limit_cpu(seconds: float) -> None:
    """Let this process end when it has taken `seconds` more of CPU time, even in C code; 0 lifts the limit.

    A disk that is slow takes no CPU time. Windows has no such limit.
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)  # by default, its signal ends the process
