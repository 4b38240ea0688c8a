"""Plain text for people."""

import errno
import os
import pickle
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen.errors import LayerMixError, printable
from layermix_gen.support.text import as_text, count, duration, facts, first_line, message_of, one_line, table


def test_facts() -> None:
    assert facts({"images": "12", "errors": "", "time": "3 s"}) == "images  12\ntime    3 s"
    assert facts({}) == ""


def test_table() -> None:
    rows = [{"key": "a", "layer": 3}, {"key": "long", "layer": 12}]
    assert table(rows) == "key   layer\na         3\nlong     12"
    assert table([]) == "no rows"


def test_count() -> None:
    assert [count(number, "image") for number in (0, 1, 2)] == ["0 images", "1 image", "2 images"]


def test_duration() -> None:
    shown = [duration(seconds) for seconds in (0.42, 90, 150, 43200)]
    assert shown == ["0.4 s", "90 s", "2.5 minutes", "12.0 hours"]


def test_one_line() -> None:
    assert one_line(" a\n\tb\x1b[1m \u2028c\x85") == "a b [1m c"
    assert one_line("a\udcff\u202eb") == "a\\udcff\\u202eb"


HOSTILE = "\x1b[31m\x07\r\n\t\x00\x7f\x85\x9b\u061c\u200e\u2028\u2029\u202e\u2066\udcff"
SHOWN = r"\x1b[31m\x07\r\n\t\x00\x7f\x85\x9b\u061c\u200e\u2028\u2029\u202e\u2066\udcff"


def test_what_moves_hides_or_breaks_text_is_an_escape() -> None:
    assert printable(HOSTILE) == SHOWN
    assert printable(SHOWN) == SHOWN
    assert printable("é 猫 \U0001f408 a\\b") == "é 猫 \U0001f408 a\\b"
    assert str(LayerMixError(HOSTILE)) == SHOWN
    assert str(pickle.loads(pickle.dumps(LayerMixError(HOSTILE)))) == SHOWN  # noqa: S301
    assert facts({"class": HOSTILE}) == f"class  {SHOWN}"
    assert table([{"class": HOSTILE, "n": 1}]).splitlines()[1] == f"{SHOWN}  1"


@given(st.text())
def test_what_is_printable_is_one_line_in_utf_8(text: str) -> None:
    shown = printable(text)
    assert shown.splitlines() == ([shown] if shown else [])
    shown.encode("utf-8")
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in shown)


def test_the_middle_of_a_long_message_is_left_out() -> None:
    said = str(LayerMixError(f"expected a name, found {'x' * 10**6}; mend it"))
    assert len(said) < 2100
    assert said.startswith("expected a name, found xxx")
    assert said.endswith("xxx; mend it")
    assert str(LayerMixError("x" * 2000)) == "x" * 2000


def test_paths_are_valid_text_and_stay_apart() -> None:
    assert as_text(Path("ä/b")) == "ä/b"
    assert as_text(os.fsdecode(b"a\xff")) == "a\\xff"
    assert as_text("a\\xff") == "a\\x5cxff"


@pytest.mark.parametrize(
    ("error", "first", "message"),
    [
        (KeyError("x"), "KeyError: 'x'", "'x'"),
        (ValueError("one\ntwo"), "ValueError: one", "one two"),
        (ValueError(), "ValueError", "ValueError"),
        (OSError(errno.ENOENT, "gone"), "FileNotFoundError: [Errno 2] gone", "[Errno 2] gone"),
        (RuntimeError("x" * 300), f"RuntimeError: {'x' * 200}", "x" * 200),
    ],
)
def test_errors_of_others(error: BaseException, first: str, message: str) -> None:
    assert (first_line(error), message_of(error)) == (first, message)
