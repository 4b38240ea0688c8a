"""Each operation, on images of any shape, against a second implementation in float64 that shares no code with it."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import IMAGE, Call
from layermix_gen.mixing.renderer import render
from tests.strategies import images, make_image, steady

WEIGHTS = (0.2989, 0.587, 0.114)


def operate(name, image, *arguments):
    return render(Call(name, (IMAGE,), arguments), image)


# --- the second implementation: floats in [0, 1], (H, W, 3), not yet clipped ----------------------------------------


def gray_of(x):
    return x[..., 0] * WEIGHTS[0] + x[..., 1] * WEIGHTS[1] + x[..., 2] * WEIGHTS[2]


def grayscale(x):
    return np.stack([gray_of(x)] * 3, axis=-1)


def autocontrast(x):
    low, high = x.min(axis=(0, 1)), x.max(axis=(0, 1))
    return np.stack(
        [
            x[..., i] if low[i] == high[i] else (x[..., i] - low[i]) / (high[i] - low[i])  # a flat channel stays
            for i in range(3)
        ],
        axis=-1,
    )


def equalize(x):
    """Value by value, as Pillow's ImageOps does."""
    values = np.rint(x * 255).astype(int)
    result = values.copy()
    for channel in range(3):
        counts = [int((values[..., channel] == value).sum()) for value in range(256)]
        occupied = [count for count in counts if count]
        step = sum(occupied[:-1]) // 255
        if step == 0:
            continue
        table, seen = [], step // 2
        for count in counts:
            table.append(min(seen // step, 255))
            seen += count
        result[..., channel] = np.array(table)[values[..., channel]]
    return result / 255


def posterize(x, bits):
    values = np.rint(x * 255).astype(int)
    return values // 2 ** (8 - bits) * 2 ** (8 - bits) / 255


def contrast(x, factor):
    return factor * x + (1 - factor) * gray_of(x).mean()


def sharpness(x, factor):
    height, width = x.shape[:2]
    if min(height, width) < 3:
        return x
    blurred = x.copy()
    for i in range(1, height - 1):
        for j in range(1, width - 1):
            blurred[i, j] = (x[i - 1 : i + 2, j - 1 : j + 2].sum(axis=(0, 1)) + 4 * x[i, j]) / 13
    return factor * x + (1 - factor) * blurred


def bilinear(x, rows, columns):
    """`x` at places between its pixels, black outside."""
    height, width = x.shape[:2]
    result = np.zeros((*rows.shape, 3))
    for i in (np.floor(rows), np.floor(rows) + 1):
        for j in (np.floor(columns), np.floor(columns) + 1):
            weight = (1 - abs(rows - i)) * (1 - abs(columns - j))
            inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
            at = x[np.clip(i, 0, height - 1).astype(int), np.clip(j, 0, width - 1).astype(int)]
            result += (weight * inside)[..., None] * at
    return result


def warp(x, places):
    """Each pixel from `places(right, down)`, in pixels from the centre."""
    height, width = x.shape[:2]
    down, right = np.mgrid[:height, :width] - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    columns, rows = places(right, down)
    return bilinear(x, rows + (height - 1) / 2, columns + (width - 1) / 2)


def rotate(x, degrees):
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return warp(x, lambda right, down: (cosine * right - sine * down, sine * right + cosine * down))


def erase(x, height, width, top, left, *color):
    rows, columns = np.indices(x.shape[:2])
    inside = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return np.where(inside[..., None], np.array(color) / 255, x)


REFERENCES: dict[str, Any] = {
    "equalize": equalize,
    "autocontrast": autocontrast,
    "grayscale": grayscale,
    "invert": lambda x: 1 - x,
    "mirror": lambda x: x[:, ::-1],
    "posterize": posterize,
    "solarize": lambda x, threshold: np.where(x.astype(np.float32) >= np.float32(threshold), 1 - x, x),
    "brightness": lambda x, factor: factor * x,
    "contrast": contrast,
    "color": lambda x, factor: factor * x + (1 - factor) * grayscale(x),
    "sharpness": sharpness,
    "rotate": rotate,
    "shear_x": lambda x, factor: warp(x, lambda right, down: (right + factor * down, down)),
    "shear_y": lambda x, factor: warp(x, lambda right, down: (right, down + factor * right)),
    "translate_x": lambda x, pixels: warp(x, lambda right, down: (right - pixels, down)),
    "translate_y": lambda x, pixels: warp(x, lambda right, down: (right, down - pixels)),
    "erase": erase,
}
NAMES = sorted(REFERENCES)


def numbers(low, high):
    return st.floats(low, high).map(lambda value: round(value, 4) + 0.0)


SHIFTS = st.one_of(numbers(-80, 80), st.integers(-40, 40).map(float), st.sampled_from([1e-4, -1e-4, 1e6, -1e6]))
ARGUMENTS = {
    "posterize": st.integers(0, 8),
    "solarize": st.one_of(numbers(0, 1), st.integers(0, 255).map(lambda value: value / 255)),
    **dict.fromkeys(("brightness", "contrast", "color", "sharpness"), numbers(0, 4)),
    "rotate": st.one_of(numbers(-400, 400), st.sampled_from([90.0, -90.0, 180.0, 45.0, 360.0])),
    **dict.fromkeys(("shear_x", "shear_y"), numbers(-3, 3)),
    **dict.fromkeys(("translate_x", "translate_y"), SHIFTS),
    "erase": st.tuples(*[st.one_of(st.integers(0, 40), st.just(2**20))] * 4, *[st.integers(0, 255)] * 3),
}
AT_REST = {
    "rotate": 0,
    "shear_x": 0,
    "shear_y": 0,
    "translate_x": 0,
    "translate_y": 0,
    "brightness": 1,
    "contrast": 1,
    "color": 1,
    "sharpness": 1,
    "posterize": 8,
}


def difference(rendered, reference):
    """The largest distance to the clipped reference, in units of 1/255."""
    return np.abs(rendered - 255 * np.clip(reference, 0, 1)).max()


def calls(name):
    """The strategy of an operation's arguments, as a tuple."""
    strategy = ARGUMENTS.get(name, st.just(()))
    return strategy.map(lambda value: value if isinstance(value, tuple) else (value,))


def test_every_operation_has_a_reference():
    assert set(REFERENCES) == {row.name for row in OPERATIONS.values() if not row.renders_as}
    assert {name for name, row in OPERATIONS.items() if row.parameters and not row.renders_as} == set(ARGUMENTS)


@pytest.mark.parametrize("name", NAMES)
@steady(max_examples=40)
@given(st.data())
def test_is_its_reference(name, data):
    image, arguments = data.draw(images), data.draw(calls(name))
    bound = 1.0 if name == "posterize" else 0.51
    assert difference(operate(name, image, *arguments), REFERENCES[name](image / 255, *arguments)) <= bound


@pytest.mark.parametrize("name", NAMES)
@steady(max_examples=15)
@given(st.data())
def test_makes_a_new_image_of_the_same_shape(name, data):
    image, arguments = data.draw(images), data.draw(calls(name))
    before = image.copy()
    result = operate(name, image, *arguments)
    assert (result.dtype, result.shape) == (np.uint8, image.shape)
    assert result.flags.c_contiguous
    assert not np.shares_memory(result, image)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(operate(name, image, *arguments), result)


@pytest.mark.parametrize("name", AT_REST)
@steady(max_examples=15)
@given(images)
def test_at_rest_changes_nothing(name, image):
    np.testing.assert_array_equal(operate(name, image, AT_REST[name]), image)


@pytest.mark.parametrize("name", ["mirror", "invert"])
@steady(max_examples=50)
@given(images)
def test_twice_is_nothing(name, image):
    np.testing.assert_array_equal(render(f"{name}({name}(image))", image), image)


@steady(max_examples=50)
@given(images)
def test_solarize_at_its_bounds(image):
    np.testing.assert_array_equal(operate("solarize", image, 0.0), 255 - image)
    np.testing.assert_array_equal(operate("solarize", image, 1.0), np.where(image == 255, 0, image))


@steady(max_examples=50)
@given(images)
def test_posterize_to_no_bits_is_black(image):
    assert not operate("posterize", image, 0).any()


@pytest.mark.parametrize("name", ["equalize", "autocontrast"])
@steady(max_examples=50)
@given(images)
def test_stretching_a_second_time_changes_little(name, image):
    once = operate(name, image)
    if name == "autocontrast":
        np.testing.assert_array_equal(operate(name, once), once)
    flat = image.min(axis=(0, 1)) == image.max(axis=(0, 1))
    np.testing.assert_array_equal(once[..., flat], image[..., flat])


@pytest.mark.parametrize(("name", "axis"), [("translate_x", 1), ("translate_y", 0)])
@steady(max_examples=50)
@given(images, st.integers(-40, 40))
@example(make_image("random", 2, 3, 0), 10**6)
@example(make_image("random", 1, 1, 0), -(10**6))
@example(make_image("random", 1, 1, 0), 1)
def test_whole_shifts_move_pixels(name, axis, image, pixels):
    side = image.shape[axis]
    expected = np.zeros_like(image)
    if abs(pixels) < side:
        take, put = slice(max(-pixels, 0), side - max(pixels, 0)), slice(max(pixels, 0), side + min(pixels, 0))
        pick = (slice(None),) * axis
        expected[(*pick, put)] = image[(*pick, take)]
    np.testing.assert_array_equal(operate(name, image, float(pixels)), expected)


@pytest.mark.parametrize("pixels", [5.0, 5.5, 6.0, -5.0, -5.5, -6.0, 1e6, -1e6])
@pytest.mark.parametrize("name", ["translate_x", "translate_y"])
def test_far_shifts_leave_nothing(name, pixels):
    """As far as anyone may write them, without memory for what lies outside."""
    assert not operate(name, make_image("random", 5, 5, 0), pixels).any()
    assert operate(name, make_image("random", 5, 5, 0), math.copysign(4.5, pixels)).any()


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 17), (17, 1), (3, 3)])
@pytest.mark.parametrize("name", NAMES)
def test_tiny_images(name, shape):
    image = make_image("random", *shape, seed=7)  # type: ignore[misc]
    boxes = (1, 2, 0, 0, 9, 8, 7), (3, 3, 1, 1, 0, 255, 128)
    values = {"posterize": (1, 5), "solarize": (0.3, 0.7), "erase": boxes}
    for value in values.get(name, (0.5, 1.9) if name in ARGUMENTS else ((),)):
        arguments = value if isinstance(value, tuple) else (value,)
        assert difference(operate(name, image, *arguments), REFERENCES[name](image / 255, *arguments)) <= 1.0


def test_rotation_is_counter_clockwise_about_the_centre():
    image = np.zeros((5, 5, 3), np.uint8)
    image[2, 4] = 255  # to the right of the centre
    turned = operate("rotate", image, 90.0)
    assert turned[0, 2].tolist() == [255] * 3  # above it
    assert np.count_nonzero(turned) == 3


@steady(max_examples=20)
@given(images, st.floats(-60, 60))
def test_rotating_a_flat_image_darkens_only_towards_the_border(image, degrees):
    assume(min(image.shape[:2]) >= 5)
    white = np.full_like(image, 255)
    turned = operate("rotate", white, degrees)
    height, width = (side // 2 for side in white.shape[:2])
    assert turned[height, width].tolist() == [255] * 3


def test_a_large_image_is_within_the_bound_everywhere():
    image = make_image("random", 224, 300, seed=3)
    for name, value in (("rotate", 23.7), ("shear_x", -0.2391), ("shear_y", 0.3), ("translate_x", -41.3337)):
        assert difference(operate(name, image, value), REFERENCES[name](image / 255, value)) <= 0.51
