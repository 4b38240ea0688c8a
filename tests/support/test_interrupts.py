"""Ctrl-C while work is handed out to processes: it is neither lost nor received by them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from layermix_gen.support.interrupts import interruptible, interrupts_held


def interrupted(work: Callable[[], object]) -> bool:
    """Do work while Ctrl-C is held; return whether it ended before KeyboardInterrupt, which has to come."""
    ended = False
    try:
        with interrupts_held():
            work()
            ended = True
    except KeyboardInterrupt:
        return ended
    pytest.fail("Ctrl-C is lost")


def test_ctrl_c_is_answered_afterwards() -> None:
    assert interrupted(lambda: signal.raise_signal(signal.SIGINT))


def test_so_is_one_that_another_thread_takes() -> None:
    begun, ended = threading.Event(), threading.Event()

    def take() -> None:
        begun.wait()
        os.kill(os.getpid(), signal.SIGINT)  # this thread does not block it
        ended.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert interrupted(lambda: (begun.set(), ended.wait()))
    thread.join()


def test_without_one_nothing_happens() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts_held():
        pass
    assert signal.getsignal(signal.SIGINT) == before
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_processes_that_are_started_meanwhile_never_hear_it() -> None:
    code = "import sys; print('here', flush=True); sys.stdin.read(); print('still here')"
    with interrupts_held():
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate()[0] == "still here\n"
    assert process.returncode == 0


CLEANING_UP = """
import signal, time
from layermix_gen.support.interrupts import end_quietly, interruptible
end_quietly()
try:
    with interruptible():
        try:
            print("working", flush=True)
            time.sleep(100)
        finally:
            print("cleaning up", flush=True)
            time.sleep(100)
finally:
    print("never said")
"""


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_process_at_once(first: signal.Signals, second: signal.Signals) -> None:
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", CLEANING_UP], stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    process.send_signal(first)
    assert process.stdout.readline() == "cleaning up\n"
    process.send_signal(second)
    printed, said = process.communicate(timeout=20)
    assert (process.returncode, printed) == (130, "")
    assert said == "Interrupted: run the same command to resume\n"


def test_handlers_come_back_and_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    of_others = signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as Ray sets one
    try:
        with interruptible():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, of_others)
    with interruptible():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
