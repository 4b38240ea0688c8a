"""Progress: a bar on a terminal, lines where there is none, nothing where nobody asked or nothing can be written."""

import os
import re
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from layermix_gen.support.progress import progress_bar, say, say_without_bar


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
    with terminal() as shown, progress_bar(30, "image", True) as bar:
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


def test_without_a_terminal_no_bar_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(30, "image", True) as bar:
        bar.update(30)
        say("a line")
    assert capsys.readouterr() == ("", "a line\n")


def test_a_line_in_place_of_a_bar_is_written_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal() as shown:
        say_without_bar("a line")
        assert shown() == ""
        say("a line")
        assert lines(shown()) == ["a line", ""]
    say_without_bar("a line")
    assert capsys.readouterr() == ("", "a line\n")


def test_without_standard_error_nothing_is_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell closes it by `2>&-`."""
    monkeypatch.setattr(sys, "stderr", None)
    with progress_bar(30, "image", True) as bar:
        bar.update(30)
        say("a line")
        say_without_bar("a line")
    assert capsys.readouterr() == ("", "")
    assert bar.disable
