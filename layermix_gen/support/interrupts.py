"""Ctrl-C: a silent exit while modules are imported, answered by a handler, or held back until work is handed out."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED = 130  # the exit status after Ctrl-C


@contextmanager
def quiet_interrupts() -> Iterator[None]:
    """End this process at once on Ctrl-C meanwhile.

    An exception instead would be a traceback, or pass through the initialization of a library in C, which may abort.
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
    from multiprocessing import resource_tracker  # here, for `--help` has no use for it

    came: list[int] = []
    resource_tracker.ensure_running()  # starting it unblocks the signal
    with on_interrupt(lambda number, _: came.append(number)):  # which another thread may take
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    if came:
        signal.raise_signal(signal.SIGINT)
