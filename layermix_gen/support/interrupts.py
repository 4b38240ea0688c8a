"""Ctrl-C while modules are imported: an exit without a word, for nothing is begun yet that could be lost or resumed."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
