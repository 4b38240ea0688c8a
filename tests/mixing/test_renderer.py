"""Rendering: folding changes no value, saves the lookups that it promises, and inputs are left alone."""

import warnings
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen import LayerMixError, parse, render
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.methods import METHODS, DrawSettings, LayerMixOptions
from layermix_gen.mixing.methods.layermix import PRESETS
from layermix_gen.mixing.operations import OPERATIONS, KernelKind
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call, Leaf
from tests.strategies import make_image, pairs, steady

ALL = {preset: tuple(row.name for row in OPERATIONS.values() if getattr(row, preset)) for preset in PRESETS}
TONES = {
    "equalize": (),
    "autocontrast": (),
    "invert": (),
    "posterize": (3,),
    "solarize": (0.4,),
    "brightness": (1.3,),
    "contrast": (0.7,),
}


def one_by_one(expression, image, picture):
    """Render without folding: each call by itself, from uint8 to uint8."""
    if isinstance(expression, Leaf):
        return {"image": image, "picture": picture}[expression.name]
    operands = [one_by_one(operand, image, picture) for operand in expression.operands]
    leaves = (IMAGE, PICTURE)[: len(operands)]
    return render(Call(expression.name, leaves, expression.arguments), *operands)


@pytest.fixture
def lookups(monkeypatch):
    """What cv2.LUT was called with, call by call."""
    seen = []
    lut = cv2.LUT

    def counted(*arguments):
        seen.append(arguments)
        return lut(*arguments)

    monkeypatch.setattr(cv2, "LUT", counted)
    return seen


@pytest.fixture
def kernels(monkeypatch):
    """The names of the operations and blends that touched pixels, call by call."""
    seen = []

    def counted(name, kernel):
        def count(*arguments):
            seen.append(name)
            return kernel(*arguments)

        return count

    for name, row in OPERATIONS.items():
        if row.kind is KernelKind.PIXELS:
            monkeypatch.setitem(OPERATIONS, name, replace(row, kernel=counted(name, row.kernel)))
    for name, blend in BLENDS.items():
        monkeypatch.setitem(BLENDS, name, replace(blend, images=counted(name, blend.images)))
    return seen


# --- folding -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(32, 32), (17, 40), (5, 3)])
@pytest.mark.parametrize("preset", PRESETS)
def test_folding_changes_nothing(preset, shape):
    rng = np.random.default_rng(shape[1])
    drawing = DrawSettings(32, 10, 36, LayerMixOptions(preset, ops=ALL[preset]))
    kinds = ("random", "narrow", "ramp", "gray")
    inputs = [(make_image(kind, *shape, seed=1), make_image("random", *shape, seed=2)) for kind in kinds]  # type: ignore[misc]
    for i in range(700):
        expression = METHODS["layermix"].draw(rng, drawing).expression
        image, picture = inputs[i % len(inputs)]
        expected = one_by_one(expression, image, picture)
        np.testing.assert_array_equal(render(expression, image, picture), expected, err_msg=str(expression))


def tone_calls(inner):
    calls = [
        inner.map(lambda x, name=name, numbers=numbers: Call(name, (x,), numbers)) for name, numbers in TONES.items()
    ]
    factors = st.floats(0, 2).map(lambda value: round(value, 2)), st.floats(-1, 1).map(lambda value: round(value, 2))
    blends = st.builds(Call, st.sampled_from(["add", "multiply"]), st.tuples(inner, inner), st.tuples(*factors))
    return st.one_of(*calls, blends)


@steady(max_examples=150)
@given(st.recursive(st.just(IMAGE), tone_calls, max_leaves=6), pairs)
def test_folding_tones_changes_nothing(expression, inputs):
    np.testing.assert_array_equal(render(expression, *inputs), one_by_one(expression, *inputs))


def test_half_values_round_alike_in_tables_and_images():
    """0.5 · 1 + 0.5 · 2 is 1.5: coefficients of four decimals often hit such values, give or take float's precision."""
    rng = np.random.default_rng(0)
    image = make_image("ramp", 16, 16, seed=0)
    for _ in range(1500):
        a, b = np.round(rng.random(2) * [1, 0.5], 4).tolist()
        expression = Call("add", (IMAGE, Call("invert", (IMAGE,))), (a, b))
        np.testing.assert_array_equal(render(expression, image), one_by_one(expression, image, None))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("posterize(image, 3)", id="one"),
        pytest.param("invert(solarize(posterize(brightness(image, 1.2), 5), 0.4))", id="a chain"),
        pytest.param("equalize(posterize(image, 3))", id="a chain with a histogram"),
        pytest.param("brightness(contrast(autocontrast(equalize(image)), 1.4), 0.8)", id="histograms after each other"),
        pytest.param("add(posterize(image, 2), solarize(image, 0.3), 0.7, 0.2)", id="a blend"),
        pytest.param("multiply(equalize(image), brightness(image, 1.3), 0.9, 0.2)", id="a blend with a histogram"),
        pytest.param("multiply(image, invert(image), 0.9, 0.2)", id="a blend with the image itself"),
        pytest.param("equalize(add(equalize(image), equalize(image), 1.1, -0.2))", id="two layers of one operation"),
    ],
)
def test_tones_of_one_image_cost_one_lookup(text, lookups, kernels):
    image = make_image("random", 20, 31, seed=4)
    rendered = render(text, image)
    assert len(lookups) == 1
    assert kernels == []
    np.testing.assert_array_equal(rendered, one_by_one(parse(text), image, None))


def test_a_table_before_a_warp_is_one_lookup(lookups, kernels):
    render(
        "posterize(invert(rotate(solarize(posterize(image, 4), 0.5), 10.0)), 5)", make_image("random", 20, 31, seed=4)
    )
    assert (len(lookups), kernels) == (2, ["rotate"])


def test_what_occurs_twice_is_rendered_once(lookups, kernels):
    turned = "rotate(image, 10.0)"
    image = make_image("random", 20, 31, seed=4)
    render(f"add(mirror({turned}), pixel({turned}, {turned}, 100, 7), 0.5, 0.5)", image)
    assert sorted(kernels) == ["add", "mirror", "pixel", "rotate"]
    kernels.clear()
    render(f"add({turned}, invert({turned}), 0.5, 0.5)", image)
    assert kernels == ["rotate"]  # and the blend is one of tables
    assert len(lookups) == 1


def test_a_deep_recipe_of_equal_halves_is_quick(kernels):
    text = "image"
    for _ in range(9):
        text = f"pixel({text}, {text}, 128, 3)"  # 511 calls, 9 of them different
    render(text, make_image("random", 8, 8, seed=0))
    assert len(kernels) == 9


def test_histograms_are_counted_once(monkeypatch):
    counted = []
    histogram = cv2.calcHist
    monkeypatch.setattr(cv2, "calcHist", lambda *arguments: counted.append(1) or histogram(*arguments))
    render("add(equalize(image), autocontrast(contrast(image, 1.2)), 0.5, 0.5)", make_image("random", 9, 9, seed=0))
    assert len(counted) == 3  # one for each channel


# --- inputs and results --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_inputs_stay_and_results_are_new(preset):
    rng = np.random.default_rng(5)
    drawing = DrawSettings(32, 10, 36, LayerMixOptions(preset, ops=ALL[preset]))
    image, picture = make_image("random", 13, 21, seed=1), make_image("random", 13, 21, seed=2)
    image.flags.writeable = picture.flags.writeable = False
    before = image.copy(), picture.copy()
    for _ in range(300):
        expression = METHODS["layermix"].draw(rng, drawing).expression
        result = render(expression, image, picture)
        assert not any(np.shares_memory(result, given) for given in (image, picture))
        assert result.flags.c_contiguous
        assert result.flags.writeable
        assert (result.dtype, result.shape) == (np.uint8, image.shape)
        np.testing.assert_array_equal(render(str(expression), image, picture), result)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(picture, before[1])


@pytest.mark.parametrize("text", ["image", "picture", "sharpness(image, 1.5)", "mirror(mirror(image))"])
def test_what_changes_nothing_is_a_copy(text, tmp_path):
    mapped = np.memmap(tmp_path / "image", np.uint8, "w+", shape=(2, 9, 3))  # too small to sharpen
    for image in (mapped, mapped[:, ::-1], np.asarray(mapped)):
        result = render(text, image, image)
        assert type(result) is np.ndarray
        assert not np.shares_memory(result, image)
        np.testing.assert_array_equal(result, image)


@steady(max_examples=30)
@given(pairs)
def test_other_memory_layouts_render_alike(inputs):
    text = "multiply(rotate(image, 20.0), posterize(picture, 3), 0.8, 0.3)"
    fortran = [np.asfortranarray(one) for one in inputs]
    reversed_ = [np.ascontiguousarray(one[:, ::-1])[:, ::-1] for one in inputs]
    expected = render(text, *inputs)
    np.testing.assert_array_equal(render(text, *fortran), expected)
    np.testing.assert_array_equal(render(text, *reversed_), expected)


@steady(max_examples=60)
@given(pairs, st.sampled_from(["add", "multiply"]), st.sampled_from([-2.0, -1.0, 0.0, 2.0]))
def test_no_warnings_at_the_bounds(inputs, name, b):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        render(f"{name}(image, picture, 2, {b})", *inputs)
        render(f"{name}(image, invert(image), 2, {b})", *inputs)


GOOD = make_image("random", 6, 7, seed=0)


@pytest.mark.parametrize(
    ("text", "image", "picture", "message"),
    [
        pytest.param("picture", GOOD, None, "uses 'picture', which was not given; pass picture=", id="no picture"),
        pytest.param("add(image, picture, 1, 0)", GOOD, None, "uses 'picture'", id="no picture to blend"),
        pytest.param("image", GOOD, GOOD[:5], r"one shape, got \(6, 7, 3\) and \(5, 7, 3\)", id="unequal"),
        pytest.param("image", GOOD, GOOD.transpose(1, 0, 2), "one shape", id="transposed"),
        pytest.param("image", GOOD / 255, None, r"uint8 array \(H, W, 3\) .* got float64 \(6, 7, 3\)", id="floats"),
        pytest.param("image", GOOD.astype(np.int64), None, "got int64", id="integers"),
        pytest.param("image", GOOD[..., 0], None, r"got uint8 \(6, 7\)", id="gray"),
        pytest.param("image", np.dstack([GOOD, GOOD[..., :1]]), None, r"got uint8 \(6, 7, 4\)", id="alpha"),
        pytest.param("image", GOOD.transpose(2, 0, 1), None, r"got uint8 \(3, 6, 7\)", id="channels first"),
        pytest.param("image", GOOD[None], None, "got uint8", id="a batch"),
        pytest.param("image", GOOD[:0], None, "at least one pixel", id="no rows"),
        pytest.param("image", GOOD.tolist(), None, "got list", id="a list"),
        pytest.param("image", None, None, "got NoneType", id="nothing"),
        pytest.param("image", GOOD, GOOD / 255, "got float64", id="a picture of floats"),
        pytest.param("image", GOOD, "picture.png", "got str", id="a picture's name"),
        pytest.param("turn(image)", GOOD, None, "expected one of image", id="no recipe"),
    ],
)
def test_refuses(text, image, picture, message):
    with pytest.raises(LayerMixError, match=message) as refusal:
        render(text, image, picture)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_picture_that_is_not_used_may_be_there():
    np.testing.assert_array_equal(render("invert(image)", GOOD, GOOD), 255 - GOOD)
