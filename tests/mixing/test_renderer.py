"""Rendering: folding changes no value, what occurs twice is evaluated once, and inputs are left alone."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen import LayerMixError, parse, render
from layermix_gen.kernels import programs
from layermix_gen.kernels.programs import node
from layermix_gen.mixing.methods import METHODS, DrawSettings, LayerMixOptions
from layermix_gen.mixing.methods.layermix import PRESETS
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call, Leaf
from layermix_gen.mixing.renderer import nodes_of
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


def test_what_occurs_twice_is_evaluated_once():
    turned = "rotate(image, 10.0)"
    nodes = nodes_of(parse(f"add(mirror({turned}), pixel({turned}, {turned}, 100, 7), 0.5, 0.5)"))
    assert nodes == b"".join(
        [
            node("image"),
            node("rotate", 0, 0, (10.0,)),
            node("mirror", 1, 1),
            node("pixel", 1, 1, (100, 7)),
            node("add", 2, 3, (0.5, 0.5)),
        ]
    )


def test_a_deep_recipe_of_equal_halves_is_quick():
    text = "image"
    for _ in range(9):
        text = f"pixel({text}, {text}, 128, 3)"  # 511 calls, 9 of them different
    assert len(nodes_of(parse(text))) == 10 * len(node("image"))


def test_a_call_without_a_kernel_is_made_by_numpy(monkeypatch):
    """So that an operation or blend can be added in NumPy alone."""
    monkeypatch.delitem(programs.NUMBERS, "mirror")
    image = make_image("random", 6, 7, seed=0)
    np.testing.assert_array_equal(render("invert(mirror(image))", image), 255 - image[:, ::-1])


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


@pytest.mark.parametrize("shape", [(26_760, 26_760, 3), (2**31 + 3, 1, 3), (1, 2**32, 3)])
def test_refuses_what_the_kernels_cannot_count(shape):
    image = np.broadcast_to(np.uint8(0), shape)  # which takes one byte
    with pytest.raises(LayerMixError, match=r"^expected an image of less than 2 GB with a border"):
        render("rotate(image, 0.0)", image)


@pytest.mark.parametrize("text", ["solarize(image, 1e-40)", "multiply(image, picture, 1e-320, 0.3)"])
def test_subnormal_numbers_are_0(text):
    """As they are where a library lets the processor flush them: torch.set_flush_denormal."""
    expected = re.sub(r"1e-\d+", "0", text)
    np.testing.assert_array_equal(render(text, GOOD * 0, GOOD), render(expected, GOOD * 0, GOOD))


def test_a_picture_that_is_not_used_may_be_there():
    np.testing.assert_array_equal(render("invert(image)", GOOD, GOOD), 255 - GOOD)
