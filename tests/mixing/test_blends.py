"""Each blend against the formulas in float64, and the masks against their definition."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen.kernels.masks import mask, random_bytes
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call
from layermix_gen.mixing.renderer import render
from tests.strategies import make_image, pairs, steady

RAMP = np.arange(256, dtype=np.uint8)


def blend(name, x, y, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy's, about overflow
        return render(Call(name, (IMAGE, PICTURE), arguments), x, y)


def defined_bytes(seed, count):
    """The mask's definition, byte by byte."""
    words = np.random.Philox(key=seed).random_raw(-(-count // 8))
    return b"".join(int(word).to_bytes(8, "little") for word in words)[:count]


def add(x, y, a, b):
    return (a * (2 * x - 1) + b * (2 * y - 1) + 1) / 2


def multiply(x, y, a, b):
    return (2 * x) ** a * np.maximum(2 * y, 1e-37) ** b / 2


def pixel(x, y, cut, seed):
    chosen = np.frombuffer(defined_bytes(seed, x[..., 0].size), np.uint8) < cut
    return np.where(chosen.reshape(*x.shape[:2], 1), x, y)


def element(x, y, cut, seed):
    chosen = np.frombuffer(defined_bytes(seed, x.size), np.uint8) < cut
    return np.where(chosen.reshape(x.shape), x, y)


def mean(x, y, weight):
    return weight * x + (1 - weight) * y


def within(blend):
    """The reference of `blend` within a box alone, as far as the box lies in the image."""

    def patch(x, y, *arguments):
        *own, height, width, top, left = arguments
        rows, columns = (np.arange(side) for side in x.shape[:2])
        box = np.ix_((rows >= top) & (rows < top + height), (columns >= left) & (columns < left + width))
        result = x.copy()
        if x[box].size:
            result[box] = blend(x[box], y[box], *own)
        return result

    return patch


DRAWN = {"add": add, "multiply": multiply, "pixel": pixel, "element": element}
REFERENCES = {
    **DRAWN,
    "mean": mean,
    "paste": within(lambda x, y: y),
    **{f"{name}_patch": within(reference) for name, reference in DRAWN.items()},
}


def coefficients(low, high):
    return st.floats(low, high).map(lambda value: round(value, 4) + 0.0)


MASKS = st.tuples(st.integers(0, 256), st.integers(0, 2**32 - 1))
ARGUMENTS: dict[str, st.SearchStrategy[Any]] = {
    "add": st.tuples(coefficients(-2, 2), coefficients(-2, 2)),
    "multiply": st.tuples(coefficients(0, 2), coefficients(-2, 2)),
    "pixel": MASKS,
    "element": MASKS,
}
BOXES = st.tuples(*[st.integers(0, 20)] * 4)
ARGUMENTS |= {
    f"{name}_patch": st.tuples(own, BOXES).map(lambda both: (*both[0], *both[1])) for name, own in ARGUMENTS.items()
}
ARGUMENTS |= {"mean": st.tuples(coefficients(0, 1)), "paste": BOXES}


def difference(rendered, reference):
    return np.abs(rendered - 255 * np.clip(reference, 0, 1)).max()


def test_every_blend_has_a_reference():
    assert list(REFERENCES) == list(BLENDS)


@pytest.mark.parametrize("name", REFERENCES)
@steady(max_examples=70)
@given(st.data())
def test_is_its_reference(name, data):
    (x, y), arguments = data.draw(pairs), data.draw(ARGUMENTS[name])
    assert difference(blend(name, x, y, *arguments), REFERENCES[name](x / 255, y / 255, *arguments)) <= 0.51


@pytest.mark.parametrize("name", REFERENCES)
@steady(max_examples=25)
@given(st.data())
def test_makes_a_new_image_of_the_same_shape(name, data):
    (x, y), arguments = data.draw(pairs), data.draw(ARGUMENTS[name])
    before = x.copy(), y.copy()
    result = blend(name, x, y, *arguments)
    assert (result.dtype, result.shape) == (np.uint8, x.shape)
    assert result.flags.c_contiguous
    assert not np.shares_memory(result, x)
    assert not np.shares_memory(result, y)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])
    np.testing.assert_array_equal(blend(name, x, y, *arguments), result)


@pytest.mark.parametrize("name", ["add", "multiply"])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param(1.0, 0.0, id="x alone"),
        pytest.param(0.0, 1.0, id="y alone"),
        pytest.param(0.0, 0.0, id="neither"),
        pytest.param(0.8123, 0.1877, id="weights of one"),
        pytest.param(1.25, -0.25, id="y taken off"),
        pytest.param(2.0, -1.0, id="as far as is drawn"),
        pytest.param(0.3, -2.0, id="a power of 1e-37 that float32 does not hold"),
        pytest.param(2.0, 2.0, id="overflow"),
        pytest.param(1.0, -0.0001, id="a little taken off black"),
    ],
)
def test_every_pair_of_values(name, a, b):
    x, y = (np.ascontiguousarray(np.stack([plane] * 3, axis=-1)) for plane in np.meshgrid(RAMP, RAMP))
    assert difference(blend(name, x, y, a, b), REFERENCES[name](x / 255, y / 255, a, b)) <= 0.51


def test_multiply_with_black():
    black, gray, white = (np.full((2, 3, 3), value, np.uint8) for value in (0, 100, 255))
    assert not blend("multiply", black, gray, 0.7, 0.2).any()
    assert not blend("multiply", black, black, 1.5, -0.9).any()  # 0 times anything
    assert not blend("multiply", white, black, 0.7, 0.5).any()
    assert (blend("multiply", gray, black, 1.5, -0.5) == 255).all()  # the reciprocal of black is far past white


def test_random_bytes_never_change():
    assert random_bytes(0, 16).tobytes().hex() == "9bd8e40864baf402b2c5a89c0b2bd63d"
    assert random_bytes(123456789, 13).tobytes().hex() == "f28597eb076585d3fbac439d23"
    assert random_bytes(2**32 - 1, 8).tobytes().hex() == "d8b8a6e20fb57e9b"


@steady(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 100))
def test_random_bytes_are_as_defined(seed, count):
    assert random_bytes(seed, count).tobytes() == defined_bytes(seed, count)


def test_a_mask_never_changes():
    assert mask((3, 8), 77, 123456789).tolist() == [
        [0, 0, 0, 0, 255, 0, 0, 0],
        [0, 0, 255, 0, 255, 255, 0, 0],
        [0, 0, 0, 0, 0, 0, 255, 0],
    ]


@pytest.mark.parametrize("name", ["pixel", "element"])
def test_the_cut_at_its_bounds(name):
    x, y = make_image("random", 9, 14, 1), make_image("random", 9, 14, 2)
    np.testing.assert_array_equal(blend(name, x, y, 0, 5), y)
    np.testing.assert_array_equal(blend(name, x, y, 256, 5), x)


@pytest.mark.parametrize("cut", [1, 64, 128, 200, 255])
def test_the_share_of_a_mask(cut):
    count = 300 * 400
    share = np.mean(mask((300, 400), cut, seed=cut) == 255)
    deviation = np.sqrt(cut / 256 * (1 - cut / 256) / count)
    assert abs(share - cut / 256) < 4 * deviation


def test_masks_of_other_seeds_are_independent():
    chosen = np.array([mask((64, 64), 128, seed).ravel() == 255 for seed in range(40)])
    correlations = np.corrcoef(chosen)[np.triu_indices(40, 1)]
    assert abs(correlations).max() < 5 / 64


def test_pixel_keeps_the_channels_together_and_element_does_not():
    x, y = np.full((20, 30, 3), 255, np.uint8), np.zeros((20, 30, 3), np.uint8)
    pixels, elements = blend("pixel", x, y, 128, 3), blend("element", x, y, 128, 3)
    assert np.ptp(pixels, axis=-1).max() == 0
    assert np.ptp(elements, axis=-1).max() == 255
