"""Windows of scaled images and crops of pictures: each compiled level gives the bytes of the formulas in NumPy."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen.kernels import scaling
from tests.kernels.levels import LIBRARIES, guarded, using
from tests.strategies import KINDS, make_image, steady

MOST = 300  # pixels on a side


@pytest.fixture(params=LIBRARIES.values(), ids=[*LIBRARIES], scope="module", autouse=True)
def level(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test runs with the library of each level that this processor can run."""
    with using(request.param):
        yield


# --- windows -------------------------------------------------------------------------------------------------------

SIDES = st.one_of(st.integers(1, 12), st.integers(1, 80), st.integers(1, MOST))
WINDOWS = st.integers(1, 70)


@st.composite
def axes(draw: st.DrawFn) -> tuple[int, int, int, int, int, int]:
    """The source's size, a box in it, the size that is scaled to, and a window of that, which may reach outside."""
    size = draw(SIDES)
    length = draw(st.integers(1, size))
    scaled = draw(SIDES | st.just(length))
    begin = draw(st.integers(0, size - length))
    if draw(st.booleans()):
        return size, begin, length, scaled, 0, scaled
    window = draw(WINDOWS)
    return size, begin, length, scaled, draw(st.integers(-window - 3, scaled + 3)), window


@steady(max_examples=150)
@given(axes(), axes(), st.sampled_from(KINDS), st.integers(0, 2**32 - 1), st.booleans())
def test_any_window_of_any_box(
    rows: tuple[int, ...], columns: tuple[int, ...], kind: str, seed: int, flip: bool
) -> None:
    (height, top, tall, to_rows, window_top, window_tall) = rows
    (width, left, wide, to_columns, window_left, window_wide) = columns
    source = make_image(kind, height, width, seed)
    source.flags.writeable = bool(seed % 2)
    shape, place = (to_rows, to_columns), (window_top, window_left)
    with guarded((window_tall, window_wide, 3)) as out:
        scaling.cut_scaled(source, (top, left, tall, wide), shape, place, flip, out)
    part = source[top : top + tall, left : left + wide]
    np.testing.assert_array_equal(out, scaling.scaled(part, shape, place, out.shape[:2], flip))


@pytest.mark.parametrize("width", range(1, 41))
def test_every_width_of_source_and_window(width: int) -> None:
    """The ends of rows, where vectors do not fit."""
    source = make_image("random", 9, width, width)
    for wide in range(1, 26):
        with guarded((3, wide, 3)) as out:
            scaling.cut_scaled(source, (0, 0, 9, width), (3, wide), (0, 0), False, out)
        np.testing.assert_array_equal(out, scaling.scaled(source, (3, wide), (0, 0), (3, wide), False))


@pytest.mark.parametrize(
    ("shape", "to", "place"),
    [
        pytest.param((3, 33_000), (16, 176_000), (0, 87_000), id="wide, enlarged"),
        pytest.param((40_000, 20), (32_000, 16), (31_990, -4), id="tall, reduced a little"),
        pytest.param((5, 60_000), (4, 16), (0, 0), id="wide, reduced much"),
        pytest.param((30_000, 7), (16, 4), (0, 0), id="tall, reduced much"),
    ],
)
def test_strips(shape: tuple[int, int], to: tuple[int, int], place: tuple[int, int]) -> None:
    source = make_image("random", *shape, seed=1)
    with guarded((16, 16, 3)) as out:
        scaling.cut_scaled(source, (0, 0, *shape), to, place, True, out)
    np.testing.assert_array_equal(out, scaling.scaled(source, to, place, (16, 16), True))


def test_threads_do_not_disturb_each_other() -> None:
    images = [make_image("random", 90 + i, 120 - i, i) for i in range(8)]

    def small(image: np.ndarray) -> bytes:
        out = np.empty((40, 40, 3), np.uint8)
        scaling.cut_scaled(image, (0, 0, *image.shape[:2]), (40, 40), (0, 0), False, out)
        return out.tobytes()

    alone = [small(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(small, images * 20)) == alone * 20


# --- weights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "scaled"), [(7, 3), (3, 7), (224, 224), (375, 224), (40, 224), (1, 5), (5, 1), (500, 9)]
)
def test_weights_are_those_of_the_triangle(size: int, scaled: int) -> None:
    """Against fractions: within one unit, each output's sum exact, and no input that is left out weighs anything."""
    inputs, weights = scaling.taps(size, scaled, np.arange(scaled))
    unit, reach = 1 << scaling.UNIT_BITS, max(Fraction(size, scaled), Fraction(1))
    assert (weights.sum(axis=1) == unit).all()
    for i in {0, 1 % scaled, scaled // 2, scaled - 1}:
        centre = (i + Fraction(1, 2)) * Fraction(size, scaled)
        ideal = [max(Fraction(0), 1 - abs(k + Fraction(1, 2) - centre) / reach) for k in range(size)]
        found = np.zeros(size, int)
        np.add.at(found, inputs[i], weights[i])
        scale = unit / sum(ideal)
        assert max(abs(value - scale * one) for value, one in zip(found.tolist(), ideal, strict=True)) < 1


# --- pictures ------------------------------------------------------------------------------------------------------


@steady(max_examples=100)
@given(st.integers(1, 90), st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.booleans(), st.data())
def test_any_crop_of_any_picture(
    side: int, seed: int, color: bool, flip_h: bool, flip_v: bool, data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, side))
    place = data.draw(st.tuples(st.integers(0, side - size), st.integers(0, side - size)))
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (3, side, side, 3) if color else (3, side, side), np.uint8)
    pictures.flags.writeable = bool(seed % 2)
    with guarded((size, size, 3)) as out:
        scaling.cut_picture(pictures, seed % 3, place, flip_h, flip_v, out)
    np.testing.assert_array_equal(out, scaling.crop(pictures[seed % 3], place, flip_h, flip_v, size))
