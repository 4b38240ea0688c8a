"""Worker processes: how many there are, how they begin and how they end. Builds and renderings of fractals share this.

Workers are spawned, use one OpenCV thread each, leave Ctrl-C to their parent, and end when it is gone.
"""

import multiprocessing.connection
import multiprocessing.process
import multiprocessing.resource_tracker
import multiprocessing.util
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2

from layermix_gen.errors import LayerMixError
from layermix_gen.support.checks import check_whole


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


@contextmanager
def spawned(
    workers: int, begin: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """A pool of worker processes, each of which calls `begin(*arguments)` first.

    Submit inside of `interrupts_held()`, so that workers never hear Ctrl-C. What has not begun when the context ends
    never does. Raises `LayerMixError` where a worker dies, and where none could begin.
    """
    _check_script()
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (begin, arguments))
    try:
        yield pool
    except BrokenProcessPool as error:
        raise LayerMixError(
            "a worker process died: it was killed, or the machine ran out of memory; "
            "run the same command to resume, perhaps with fewer --workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def on_interrupt(handler: Any, *signals: signal.Signals) -> Iterator[None]:
    """Let `handler` answer `signals`, by default Ctrl-C, meanwhile.

    Only the main thread can say so, and only it would be interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in signals or (signal.SIGINT,)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back meanwhile, and answer it afterwards, if it came.

    Processes that are started meanwhile never hear it: they inherit that the signal is blocked. To ignore it instead
    would lose one that comes at this moment.
    """
    came: list[int] = []
    multiprocessing.resource_tracker.ensure_running()  # starting it unblocks the signal
    with on_interrupt(lambda number, _: came.append(number)):  # which another thread may take
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    if came:
        signal.raise_signal(signal.SIGINT)


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


def _begin(begin: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """The first thing in a worker."""
    cv2.setNumThreads(1)
    leave, leaving = multiprocessing.Pipe(duplex=False)
    guard = threading.Thread(target=_end_with_parent, args=(leave,), daemon=True)
    guard.start()
    # A thread still running when the interpreter is torn down makes DuckDB's bindings complain of leaks.
    multiprocessing.util.Finalize(None, _leave, args=(leaving, guard), exitpriority=0)
    if begin:
        begin(*arguments)


def _leave(leaving: Connection, guard: threading.Thread) -> None:
    leaving.send(None)
    guard.join()


def _end_with_parent(leave: Connection) -> None:
    """Wait for the parent to die, then end this process; or for the worker to leave in order."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.sentinel in multiprocessing.connection.wait([parent.sentinel, leave]):
        os._exit(1)
