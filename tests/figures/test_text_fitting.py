"""Text fits its width, keeps what tells names apart, and is left alone where it fits. Widths are in characters here."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen.figures.text_fitting import ELLIPSIS, in_two_lines, shortened, shortened_inside, wrapped

words = st.text("ab_-/ ", max_size=30)


@pytest.mark.parametrize("fit", [shortened, shortened_inside])
@given(text=words, width=st.integers(1, 40))
def test_a_line_is_no_wider_than_its_width(fit: Callable[..., str], text: str, width: int) -> None:
    assert len(fit(text, width, len)) <= width


@given(text=words, width=st.integers(4, 40))
def test_two_lines_are_no_wider_than_their_width(text: str, width: int) -> None:
    lines = in_two_lines(text, width, len)
    assert len(lines) <= 2
    assert max(map(len, lines)) <= width


@given(text=words)
def test_what_fits_is_left_alone(text: str) -> None:
    assert shortened_inside(text, len(text), len) == text
    assert in_two_lines(text, len(text), len) == [text]
    assert shortened(text, len(text), len) == " ".join(text.split())


@given(text=st.text("ab (/", max_size=40), width=st.integers(1, 12))
def test_lines_that_need_no_shortening_hold_the_whole_text(text: str, width: int) -> None:
    lines = wrapped(text, width, len)
    assert max(map(len, lines)) <= width
    if not any(line.endswith(ELLIPSIS) for line in lines):
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (shortened("resnet18-layermix-seed0", 12, len), "resnet18-la" + ELLIPSIS),
        (shortened_inside("resnet18-layermix-seed0", 12, len), "resnet" + ELLIPSIS + "seed0"),
        (in_two_lines("resnet18-layermix-seed0", 18, len), ["resnet18-", "layermix-seed0"]),
        (wrapped("add(rotate(image, 12.5), picture)", 14, len), ["add(rotate(", "image, 12.5),", "picture)"]),
    ],
)
def test_where_text_is_cut_and_broken(found: object, expected: object) -> None:
    assert found == expected
