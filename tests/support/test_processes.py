"""Worker processes: results in order, errors and killed workers as one line, Ctrl-C for the parent alone."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.support.processes import (
    ThisProcess,
    available_cpus,
    checked_workers,
    limit_cpu,
    memory_errors,
    worker_processes,
    working,
)
from layermix_gen.support.worker_pool import DeadWorkerError
from tests.helpers import alive, wait_until

# --- what workers do: functions of a state and a task, which processes import from here ------------------------------


def product(factor: int, task: int) -> int:
    return factor * task


def wait_and_leave(folder: Path, task: tuple[str, str]) -> str:
    """Wait for a file, the second of the task, if it names one; then leave the first."""
    name, awaited = task
    wait_until((folder / awaited).exists, awaited)
    (folder / name).touch()
    return name


def grow(state: list[int], task: int) -> list[int]:
    state.append(task)
    return state


def die_or_leave(folder: Path, name: str | None) -> str:
    """Abort for None, else return the name."""
    if name is None:
        os.abort()
    return name


def compute(seconds: float, rounds: int) -> None:
    limit_cpu(seconds)
    hashlib.pbkdf2_hmac("sha256", b"", b"", rounds)
    limit_cpu(0)


def end_process() -> None:
    os._exit(1)


class Unloadable:
    """A state whose loading ends the process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return end_process, ()


def raise_it(_: object, error: Exception) -> None:
    raise error


def kill_worker(_: None, number: int) -> None:
    os.kill(os.getpid(), number)


def interrupt_parent(folder: Path, task: int) -> None:
    """Leave a file with the number of this process; the first task sends Ctrl-C to the parent."""
    (folder / f"{task:03d}").write_text(str(os.getpid()))
    if task == 0:
        os.kill(os.getppid(), signal.SIGINT)
    time.sleep(0.02)


def opencv_threads(*_: object) -> int:
    return cv2.getNumThreads()


# --- results ---------------------------------------------------------------------------------------------------------


def test_results_come_in_order_or_as_soon_as_they_are_ready(tmp_path: Path) -> None:
    with worker_processes(tmp_path, 2) as pool:
        assert list(pool.in_order(wait_and_leave, [("first", "second"), ("second", "")])) == ["first", "second"]
        results = pool.as_completed(wait_and_leave, [("third", "ours"), ("fourth", "")])
        assert next(results) == "fourth"
        (tmp_path / "ours").touch()
        assert list(results) == ["third"]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_no_result(workers: int) -> None:
    with working(3, workers) as pool:
        assert list(pool.in_order(product, range(20))) == list(range(0, 60, 3))
        assert sorted(pool.as_completed(product, range(20))) == list(range(0, 60, 3))
        assert list(pool.in_order(product, [])) == []


def test_processes_work_on_copies_of_the_state() -> None:
    state = [7]
    with worker_processes(state, 1) as pool:
        assert list(pool.in_order(grow, [1, 2])) == [[7, 1], [7, 1, 2]]
    assert state == [7]


def test_this_process_works_when_a_result_is_asked_for() -> None:
    state: list[int] = []
    results = ThisProcess(state).in_order(grow, [1, 2])
    assert state == []
    next(results)
    assert state == [1]


@pytest.fixture
def three_opencv_threads() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(3)
    yield
    cv2.setNumThreads(threads)


@pytest.mark.usefixtures("three_opencv_threads")
def test_a_worker_has_one_opencv_thread() -> None:
    with worker_processes(None, 1) as processes:
        assert list(processes.in_order(opencv_threads, "ab")) == [1, 1]
    with working(None, 1) as pool:
        assert list(pool.in_order(opencv_threads, "ab")) == [1, 1]
    assert cv2.getNumThreads() == 3
    with pytest.raises(ValueError, match="odd"), working(None, 1):
        raise ValueError("odd")
    assert cv2.getNumThreads() == 3


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_raised_where_its_result_is_used(workers: int) -> None:
    no_memory = cv2.error("OpenCV(5.0.0) a.cpp:1: error: (-4:Insufficient memory)")
    other = cv2.error("OpenCV(5.0.0) a.cpp:1: error: (-215:Assertion failed)")
    with working(None, workers) as pool:
        for error in (LayerMixError("two\nlines"), BadImage("a.png is no image"), ValueError("odd")):
            with pytest.raises(type(error)) as caught:
                list(pool.in_order(raise_it, [error]))
            assert str(caught.value) == str(error)
        for fault in (MemoryError(), no_memory):
            with pytest.raises(LayerMixError, match=r"^the memory has run out; buy some$"), memory_errors("buy some"):
                list(pool.as_completed(raise_it, [fault]))
        with pytest.raises(cv2.error, match="-215"), memory_errors():
            list(pool.in_order(raise_it, [other]))


def test_a_killed_worker_is_one_line() -> None:
    with pytest.raises(LayerMixError) as caught, worker_processes(None, 2) as pool:
        list(pool.in_order(kill_worker, [signal.SIGKILL]))
    assert str(caught.value) == (
        "a worker process died: it was killed, or the machine ran out of memory; "
        "run the same command to resume, perhaps with fewer --workers"
    )


# --- Ctrl-C, and the death of the parent -----------------------------------------------------------------------------


def test_workers_leave_ctrl_c_to_their_parent() -> None:
    with worker_processes(None, 1) as pool:
        try:
            assert list(pool.in_order(kill_worker, [signal.SIGINT] * 4)) == [None] * 4
        except KeyboardInterrupt:  # would end the tests
            pytest.fail("a worker heard Ctrl-C")


def test_ctrl_c_cancels_the_tasks_not_begun_and_ends_the_workers(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), worker_processes(tmp_path, 2) as pool:
        list(pool.in_order(interrupt_parent, range(500)))
    begun = sorted(tmp_path.iterdir())
    assert 1 <= len(begun) < 500
    assert not any(alive(int(file.read_text())) for file in begun)


WAIT = """
import os, time

def wait(_, task):
    print(os.getpid(), flush=True)
    time.sleep(100)
"""
SCRIPT = """
from waiting import wait
from layermix_gen.support.processes import worker_processes

def work():
    with worker_processes(None, 2) as pool:
        list(pool.in_order(wait, range(2)))

"""


def started(script: Path, text: str) -> "subprocess.Popen[str]":
    """Start a script, written to a file, next to one with the function that workers call."""
    script.write_text(text)
    script.with_name("waiting.py").write_text(WAIT)
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, script], stdout=pipe, stderr=pipe, text=True)


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    with started(tmp_path / "script.py", f"{SCRIPT}work()\n") as process:
        assert process.stdout is not None
        workers = [int(process.stdout.readline()) for _ in range(2)]
        assert all(map(alive, workers))
        process.kill()
    wait_until(lambda: not any(map(alive, workers)), "the workers")


CAUGHT = """
before = signal.getsignal(signal.SIGINT)
try:
    work()
except KeyboardInterrupt:
    print(signal.getsignal(signal.SIGINT) is before)
"""


def test_a_second_ctrl_c_ends_workers_that_are_at_a_task(tmp_path: Path) -> None:
    with started(tmp_path / "script.py", f"import signal\n{SCRIPT}{CAUGHT}") as process:
        assert process.stdout is not None
        workers = [int(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):  # the tasks are waited for
            process.wait(timeout=0.5)
        assert all(map(alive, workers))
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=20)  # the tasks take 100 s
    assert (process.returncode, printed, said) == (0, "True\n", "")
    assert not any(map(alive, workers))


def test_a_signal_at_the_end_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the processes end in order, Ctrl-C kills them; then it is answered."""
    join = BaseProcess.join

    def interrupted(process: BaseProcess, timeout: float | None = None) -> None:
        signal.raise_signal(signal.SIGINT)
        join(process, timeout)

    def work() -> None:
        with worker_processes(3, 1) as pool:
            assert list(pool.in_order(product, [5])) == [15]
            monkeypatch.setattr(BaseProcess, "join", interrupted)

    with pytest.raises(KeyboardInterrupt):
        work()


# --- deaths ----------------------------------------------------------------------------------------------------------


def test_a_process_that_dies_takes_its_task_alone(tmp_path: Path) -> None:
    with worker_processes(tmp_path, 2) as pool:
        ended = [one for one in pool.ended(die_or_leave, deque([None, "a", "b", "c"])) if one]
        assert {one.task for one in ended} == {None, "a", "b", "c"}
        assert [one.task for one in ended if isinstance(one.error, DeadWorkerError)] == [None]
        assert {one.result() for one in ended if one.error is None} == {"a", "b", "c"}


def test_what_takes_too_much_cpu_time_dies() -> None:
    with worker_processes(0.2, 1) as pool:
        died, lived = (one for one in pool.ended(compute, deque([2**31 - 1, 1])) if one)
    assert isinstance(died.error, DeadWorkerError)
    assert lived.error is None


def test_workers_whose_state_cannot_be_loaded_are_one_line() -> None:
    with pytest.raises(DeadWorkerError), worker_processes(Unloadable(), 1) as pool:
        list(pool.in_order(raise_it, [ValueError()]))


# --- how many, and in which scripts ----------------------------------------------------------------------------------


TWICE = """
from layermix_gen.support.processes import worker_processes
from operator import mul
with worker_processes(7, 2) as pool:
    print(list(pool.in_order(mul, [2, 3])))
"""


@pytest.mark.parametrize("way", ["file", "input", "argument"])
def test_a_script_needs_neither_a_guard_nor_a_file(way: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(TWICE)
    arguments = {"file": [str(script)], "input": ["-"], "argument": ["-c", TWICE]}[way]
    run = subprocess.run(
        [sys.executable, *arguments], input=TWICE, capture_output=True, text=True, timeout=60, check=True
    )
    assert (run.stdout, run.stderr) == ("[14, 21]\n", "")


@pytest.mark.parametrize("workers", [0, -1, 1.0, True, "2"])
def test_the_number_of_workers_is_checked(workers: Any) -> None:
    with pytest.raises(LayerMixError) as caught:
        checked_workers(workers)
    assert str(caught.value) == f"workers must be a whole number from 1 on, got {workers!r}; change --workers"


def test_by_default_each_cpu_has_a_worker() -> None:
    assert checked_workers(5) == 5
    assert checked_workers(None) == available_cpus() >= 1


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [
        ("max 100000", 4),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("900000 100000", 4),
        ("", 4),
        (FileNotFoundError, 4),
    ],
)
def test_cpus_are_counted_by_affinity_and_quota(
    quota: str | type[OSError], cpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_text(path: Path, encoding: str) -> str:
        assert (str(path), encoding) == ("/sys/fs/cgroup/cpu.max", "ascii")
        if isinstance(quota, str):
            return quota
        raise quota

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 4, 7})
    monkeypatch.setattr(Path, "read_text", read_text)
    found = available_cpus()
    monkeypatch.undo()
    assert found == cpus


def page_faults(state: int, rounds: int) -> int:
    """How many pages the system has to provide for images that are made and freed, some at a time."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        [np.ones(state, np.uint8) for _ in range(8)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_workers_keep_freed_memory() -> None:
    """Else 8 MB are returned and provided again in each round: 2,000 pages of 4 KB."""
    with worker_processes(1 << 20, 1) as pool:
        first, *later = pool.in_order(page_faults, [2, 50])
    assert first > 1000
    assert max(later) < 1000
