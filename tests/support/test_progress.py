"""Progress: a bar on a terminal, lines where there is none, nothing where nobody asked or nothing can be written."""

import logging
import os
import re
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from layermix_gen.support import progress
from layermix_gen.support.progress import ProgressLines, log_shown, progress_bar, say, say_without_bar, warn


@contextmanager
def terminal() -> Iterator[Callable[[], str]]:
    """Make standard error a terminal of 80 columns; yield a function that reads what was written since its last call.

    No fixture, as pytest sets standard error again after the fixtures.
    """
    screen, program = os.openpty()
    termios.tcsetwinsize(screen, (24, 80))
    with os.fdopen(program, "w") as stream, os.fdopen(screen, "rb", 0) as reader, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)

        def read() -> str:
            stream.write("\0")  # the kernel hands text over a little later than it is written
            stream.flush()
            text = b""
            while not text.endswith(b"\0"):
                text += reader.read(65536)
            return text[:-1].decode()

        yield read


def lines(text: str) -> list[str]:
    """What a terminal shows in the end: what follows a carriage return is written over the line."""
    written = []
    for line in text.split("\r\n"):
        row = ""
        for part in line.split("\r"):
            row = part + row[len(part) :]
        written.append(row.rstrip())
    return written


def test_a_bar_is_drawn_on_a_terminal() -> None:
    with terminal() as shown:
        with progress_bar(30, "image", True, initial=10, desc="making") as bar:
            assert "10/30" in lines(shown())[-1]
            bar.update(20)
        assert bar.n == 30
        last, below = lines(shown())
    assert re.fullmatch(r"making: 100%\|.*\| 30/30 \[.*image/s\]", last)
    assert below == ""


def test_a_line_stands_above_a_bar() -> None:
    with log_shown(), terminal() as shown, progress_bar(30, "image", True) as bar:
        assert "0/30" in shown()
        say("a.png cannot be read")
        line, below = lines(shown())
        assert line == "a.png cannot be read"
        assert "0/30" in below
        bar.update(30)


def test_a_bar_that_nobody_asked_for_is_not_drawn() -> None:
    with terminal() as shown:
        with progress_bar(30, "image", False) as bar:
            bar.update(30)
        assert shown() == ""


def test_without_a_terminal_no_bar_is_drawn(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "layermix_gen")
    with progress_bar(30, "image", True) as bar:
        bar.update(30)
        say("a line")
        warn("another")
    assert [(one.name, one.levelname, one.message) for one in caplog.records] == [
        ("layermix_gen", "INFO", "a line"),
        ("layermix_gen", "WARNING", "another"),
    ]


class Clock:
    """The time that progress bars see."""

    def __init__(self) -> None:
        self.seconds = 1e9

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Clock:
    """A clock that stands still unless a test moves it; what is logged meanwhile is in `caplog`."""
    caplog.set_level(logging.INFO, "layermix_gen")
    clock = Clock()
    monkeypatch.setattr(progress, "monotonic", clock)
    return clock


def test_without_a_terminal_a_line_is_logged_every_30_seconds(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with progress_bar(1000, "image", True, "building", initial=100, delay=1, unit_scale=True) as bar:
        for _ in range(16):
            clock.seconds += 5
            bar.update(50)
        assert caplog.messages == [
            "building: 400 of 1000 images (40%), 10 images/s, 60 s left",
            "building: 700 of 1000 images (70%), 10 images/s, 30 s left",
        ]
        bar.update(100)
    assert caplog.messages[2:] == ["building: 1000 of 1000 images (100%), 11 images/s, in 80 s"]
    assert {one.name for one in caplog.records} == {"layermix_gen.progress"}


def test_how_often_a_line_is_logged_can_be_set(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", 2.0)
    with progress_bar(None, "image", True, "listing", leave=False) as bar:
        for _ in range(5):
            clock.seconds += 1
            bar.update(1000)
    assert caplog.messages == ["listing: 2000 images, 1000 images/s", "listing: 4000 images, 1000 images/s"]


def test_work_of_less_than_30_seconds_logs_no_progress(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with progress_bar(30, "image", True, "building") as bar:
        clock.seconds += 29
        bar.update(10)
    with progress_bar(30, "image", False, "building") as bar:
        clock.seconds += 60
        bar.update(10)
    assert caplog.messages == []


def test_while_nothing_is_done_lines_say_for_how_long(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "STILL", 20.0)
    outer = progress_bar(2, "part", True, "checking")
    bar = progress_bar(4, "image", True, "reading", leave=False)
    assert isinstance(outer, ProgressLines)
    assert isinstance(bar, ProgressLines)

    def later(seconds: float) -> float:
        """Let time pass, and both threads look; return how long that of the inner bar will wait."""
        clock.seconds += seconds
        outer.log_if_due(progress.STILL)
        return bar.log_if_due(progress.STILL)

    with outer:
        with bar:
            assert later(15) == 5
            assert later(5) == 20
            bar.update(1)
            assert later(5) == 15
            later(15)
            later(20)
            bar.update(0)
            bar.update(3)
            later(30)
            later(30)
        clock.seconds += 20
        outer.log_if_due(progress.STILL)
    assert caplog.messages == [
        "reading: 0 of 4 images (0%), no image for 20 s",
        "reading: 1 of 4 images (25%), 0.025 images/s, 2.0 minutes left",
        "reading: 1 of 4 images (25%), no image for 40 s",
        "reading: 4 of 4 images (100%), 0.047 images/s, in 90 s",
        "reading: 4 of 4 images (100%), finishing for 60 s",
        "checking: 0 of 2 parts (0%), no part for 2.3 minutes",
    ]


def test_lines_are_logged_while_nothing_is_done_and_none_after_the_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "layermix_gen")
    monkeypatch.setattr(progress, "STILL", 0.001)
    written = threading.Event()
    monkeypatch.setattr(progress, "_log", lambda *_: written.set())
    with progress_bar(4, "image", True, "building"):
        assert written.wait(30)
    written.clear()
    assert not written.wait(0.02)
    assert "progress lines" not in {thread.name for thread in threading.enumerate()}


def test_what_is_done_changes_with_the_next_line(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with progress_bar(4, "image", True, "corrupting") as bar:
        bar.set_description("fog")
        clock.seconds += 60
        bar.update(1)
        assert caplog.messages == ["fog: 1 of 4 images (25%), 0.017 images/s, 3.0 minutes left"]


def without_logging(code: str) -> "subprocess.CompletedProcess[str]":
    """Run code in a process that has not set up logging; nothing it writes is a terminal."""
    script = f"import logging\nfrom layermix_gen.support.progress import *\n{code}"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)


def test_where_logging_is_not_set_up_lines_go_to_standard_error() -> None:
    run = without_logging("say('a line\\n'); warn('another'); say_without_bar('more')")
    assert (run.stdout, run.stderr) == ("", "a line\\n\nwarning: another\nmore\n")


def test_where_logging_is_set_up_it_has_the_lines() -> None:
    run = without_logging("logging.basicConfig(format='%(name)s: %(message)s')\nsay('a line'); warn('another')")
    assert (run.stdout, run.stderr) == ("", "layermix_gen: another\n")


def test_a_line_in_place_of_a_bar_is_written_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with log_shown():
        with terminal() as shown:
            say_without_bar("a line")
            assert shown() == ""
            say("a line")
            assert lines(shown()) == ["a line", ""]
        say_without_bar("a line")
    say("not shown")
    assert capsys.readouterr() == ("", "a line\n")


def test_without_standard_error_nothing_is_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell closes it by `2>&-`."""
    monkeypatch.setattr(sys, "stderr", None)
    with log_shown(), progress_bar(30, "image", True) as bar:
        bar.update(30)
        say("a line")
        say_without_bar("a line")
    assert capsys.readouterr() == ("", "")
