"""Handle Ctrl-C and SIGTERM: end quietly, stop the work once and the process next, or hold the signal back a moment."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

INTERRUPTED = 130  # the exit status after Ctrl-C
SIGNALS = (signal.SIGINT, signal.SIGTERM)  # clusters send SIGTERM before they take a node away


def end_quietly() -> None:
    """From now on, let Ctrl-C and SIGTERM end this process at once, without a traceback, unless they are ignored.

    The usual exception would show a traceback, or pass through the initialization of a C library, which may abort.
    """
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)


def quiet_interrupts() -> AbstractContextManager[None]:
    """As `end_quietly`, within the context, for the signals that are handled at all."""
    return on_interrupt(_end)


def _end(*_: Any) -> None:
    os._exit(INTERRUPTED)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM raise KeyboardInterrupt within the context; the next ends this process at once.

    Worker processes are killed then, and what is unfinished stays for the next run to remove, as after any kill.
    """

    def stop(*_: Any) -> None:
        for number in SIGNALS:
            if signal.getsignal(number) == stop:
                signal.signal(number, _end_at_once)
        raise KeyboardInterrupt

    with on_interrupt(stop):
        yield


def _end_at_once(*_: Any) -> None:
    from multiprocessing import active_children  # here, because `--help` does not need it

    try:
        for process in active_children():
            process.kill()
        os.write(2, b"Interrupted: run the same command to resume\n")
    finally:
        os._exit(INTERRUPTED)


@contextmanager
def on_interrupt(handler: Any) -> Iterator[None]:
    """Install `handler` for Ctrl-C and SIGTERM within the context, where they are handled: neither ignored nor fatal.

    Does nothing in other threads: only the main thread can set handlers, and only it is interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS if callable(signal.getsignal(number))}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back within the context, and raise them afterwards if they came, two at the most.

    Processes that are started within it never receive Ctrl-C: they inherit the blocked signal. To ignore the signal
    instead would lose a Ctrl-C that comes at this moment. On Windows, which cannot block signals, they do receive it.
    """
    came: list[int] = []
    with on_interrupt(lambda number, _: came.append(number)), _blocked_interrupt():
        yield
    try:
        if came:
            signal.raise_signal(signal.Signals(came[0]))
    finally:
        if len(came) > 1:  # the second ends at once
            signal.raise_signal(signal.Signals(came[1]))


@contextmanager
def _blocked_interrupt() -> Iterator[None]:
    """Block Ctrl-C within the context, in all threads but those that run already."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker  # here, because `--help` does not need it

    resource_tracker.ensure_running()  # before blocking, because starting it unblocks the signal
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
