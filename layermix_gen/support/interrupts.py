"""Handle Ctrl-C: exit silently during imports, call a handler, or hold the signal back until work is handed out."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED = 130  # the exit status after Ctrl-C


@contextmanager
def quiet_interrupts() -> Iterator[None]:
    """Let Ctrl-C end this process at once, without a traceback, within the context.

    The usual exception would show a traceback, or pass through the initialization of a C library, which may abort.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before == signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def on_interrupt(handler: Any, *signals: signal.Signals) -> Iterator[None]:
    """Install `handler` for `signals`, by default Ctrl-C, within the context.

    Does nothing in other threads: only the main thread can set handlers, and only it is interrupted.
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
    """Hold Ctrl-C back within the context, and raise it afterwards if it came.

    Processes that are started within it never receive Ctrl-C: they inherit the blocked signal. To ignore the signal
    instead would lose a Ctrl-C that comes at this moment.
    """
    from multiprocessing import resource_tracker  # here, because `--help` does not need it

    came: list[int] = []
    resource_tracker.ensure_running()  # before blocking, because starting it unblocks the signal
    with on_interrupt(lambda number, _: came.append(number)):  # another thread may take the signal
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    if came:
        signal.raise_signal(signal.SIGINT)
