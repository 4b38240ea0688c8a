"""A pool of worker processes that loses nothing but one task with a process that dies, and never waits for a dead one.

Each process is connected to its parent by a pipe of its own and has one task at a time. There is neither a lock that a
dying process could hold nor a thread that would have to be waited for.
"""

import ctypes
import multiprocessing.connection
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any, Generic, NoReturn, TypeVar, cast

import cv2

from layermix_gen.errors import LayerMixError
from layermix_gen.support.interrupts import interrupts_held, on_interrupt

MALLOPT = {-3: 2**25, -1: 2**28}  # bytes: M_MMAP_THRESHOLD, the largest there is, and M_TRIM_THRESHOLD
AWAKE = 0.2  # seconds to wait at once: a signal that comes just before a wait is handled after it

S = TypeVar("S")  # the state of workers
T = TypeVar("T")
R = TypeVar("R")


class DeadWorkerError(LayerMixError):
    """The process that was at a task has died."""

    def __init__(self) -> None:
        super().__init__(
            "a worker process died: it was killed, or the machine ran out of memory; "
            "run the same command to resume, perhaps with fewer --workers"
        )


@dataclass(frozen=True, slots=True)
class Ended(Generic[T, R]):
    """A task that has ended, with its value or with what it raised: `DeadWorkerError` if its process has died."""

    task: T
    value: R | None
    error: BaseException | None

    def result(self) -> R:
        """Return the value, or raise what the task raised."""
        if self.error is not None:
            raise self.error
        return cast(R, self.value)


class WorkerProcesses(Generic[S]):
    """An executor in spawned processes: functions and tasks are sent to them, the state when they have started.

    `shared` is for shared memory, which only a process that is being started can be given: with it, the state in the
    processes is the pair of both. One thread at a time may use the pool.
    """

    def __init__(self, state: S, workers: int, shared: Any = None) -> None:
        self._state, self._count, self._shared = state, workers, shared
        self._workers: list[_Worker] = []

    def in_order(self, work: Callable[[S, T], R], tasks: Iterable[T]) -> Iterator[R]:
        """The results of `work(state, task)`, in the order of the tasks."""
        waiting: dict[int, Ended[tuple[int, T], R]] = {}
        following = 0
        for ended in self.ended(partial(_without_number, work), deque(enumerate(tasks))):
            if ended:
                waiting[ended.task[0]] = ended
            while following in waiting:
                yield waiting.pop(following).result()
                following += 1

    def as_completed(self, work: Callable[[S, T], R], tasks: Iterable[T]) -> Iterator[R]:
        """The results of `work(state, task)`, each as soon as it is ready."""
        return (ended.result() for ended in self.ended(work, deque(tasks)) if ended)

    def ended(
        self, work: Callable[[Any, T], R], todo: deque[T], seconds: float | None = None
    ) -> Iterator[Ended[T, R] | None]:
        """Yield each task of `todo` as soon as it has ended, and None where none has for `seconds`.

        A process that has died is replaced. Raises `DeadWorkerError` if one died before it could take a task.
        """
        begun: dict[_Worker, T] = {}
        while todo or begun:
            self._start(min(self._count, len(todo) + len(begun)))
            for worker in self._workers:
                if todo and worker.phase is _Phase.IDLE:
                    begun[worker] = todo.popleft()
                    worker.send((work, begun[worker]), _Phase.BUSY)
            ready = multiprocessing.connection.wait([worker.pipe for worker in self._workers], seconds or AWAKE)
            if not ready and seconds:
                yield None
            for worker in [worker for worker in self._workers if worker.pipe in ready]:
                phase, answer = worker.phase, worker.receive()
                if answer is None:
                    self._workers.remove(worker)
                    if phase in (_Phase.STARTING, _Phase.LOADING):
                        raise DeadWorkerError
                    answer = (None, DeadWorkerError())
                elif phase is _Phase.STARTING:
                    worker.send(self._state, _Phase.LOADING)
                if worker in begun:  # else nobody waits for it: an iteration was left before its end
                    yield Ended(begun.pop(worker), *answer)

    def _start(self, count: int) -> None:
        """Start what is missing to `count` processes. Signals wait until that is done, so that none is half started."""
        if len(self._workers) < count:
            with interrupts_held():
                while len(self._workers) < count:
                    self._workers.append(_Worker(self._shared))

    def end(self) -> None:
        """End all processes at once, but those at a task when it is done, or when a signal comes."""
        came: list[int] = []

        def hurry(number: int, _: Any) -> None:
            came.append(number)
            _kill(self._workers)

        with on_interrupt(hurry):
            _kill(worker for worker in self._workers if worker.phase is not _Phase.BUSY)
            for worker in self._workers:
                worker.pipe.close()
            for worker in self._workers:
                while worker.process.is_alive():
                    worker.process.join(AWAKE)
        if came and sys.exception() is None:  # else the work ends early already
            signal.raise_signal(signal.Signals(came[0]))


class _Phase(Enum):
    """What a worker does: it starts, loads the state, is idle, or is at a task."""

    STARTING, LOADING, IDLE, BUSY = range(4)


class _Worker:
    """A worker process and its parent's end of the pipe."""

    def __init__(self, shared: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.phase = _Phase.STARTING
        self.pipe, theirs = context.Pipe()
        with theirs, _without_script():  # closed here, so that the pipe ends with the process
            self.process = context.Process(target=_work, args=(theirs, shared), daemon=True)
            self.process.start()

    def send(self, message: Any, phase: _Phase) -> None:
        """Send what begins a phase. If the process has died, `receive` will tell."""
        self.phase = phase
        with suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(message)

    def receive(self) -> Any:
        """The answer that ends the phase, or None if the process has died."""
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):
            self.pipe.close()
            self.process.kill()
            self.process.join()
            return None
        self.phase = _Phase.IDLE
        return answer


@contextmanager
def _without_script() -> Iterator[None]:
    """Let a process that is started import what its tasks need, and not the script that is run here.

    That need not be in a file, nor keep its calls below `if __name__ == "__main__":`.
    """
    script, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _kill(workers: Iterable[_Worker]) -> None:
    for worker in workers:
        worker.process.kill()


# --- in a worker ---------------------------------------------------------------------------------------------------


def _work(pipe: Connection, shared: Any) -> NoReturn:
    """Greet the parent, then answer to the state and to each task until it closes the pipe."""
    cv2.setNumThreads(1)
    keep_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        pipe.send(())
        state = pipe.recv()
        pipe.send(())
        while True:
            work, task = pipe.recv()
            pipe.send(_outcome(work, state if shared is None else (state, shared), task))
    os._exit(0)  # a thread running while the interpreter is torn down would make DuckDB's bindings report leaks


def keep_memory() -> None:
    """Let the allocator of glibc, if it is that, keep freed memory for the next image instead of returning it."""
    with suppress(OSError, AttributeError, TypeError):  # of macOS, and of Windows
        mallopt = ctypes.CDLL(None).mallopt
        for option, size in MALLOPT.items():
            mallopt(option, size)


def _outcome(work: Callable[[Any, T], R], state: Any, task: T) -> tuple[R | None, BaseException | None]:
    try:
        return work(state, task), None
    except BaseException as error:
        if not isinstance(error, LayerMixError):  # a fault of the code: say where
            error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)))
        return None, error


def _without_number(work: Callable[[S, T], R], state: S, task: tuple[int, T]) -> R:
    return work(state, task[1])


def _end_with_parent() -> None:
    """End this process when its parent dies."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
