"""Whatever the recipe language can say renders to the pixels that its calls give one by one."""

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from layermix_gen import LayerMixError, parse, render
from layermix_gen.mixing.recipe import IMAGE, MAX_CALLS, MAX_DEPTH, PICTURE, SIGNATURES, Call, Expression, Leaf
from tests.mixing.test_renderer import one_by_one
from tests.strategies import make_image, pairs, steady

EXTREMES = (0.0, 0.5, 1.0, 1.5, -0.5, -1.0, 1e-6, 1e-320, 1e5, 1e6, -1e6, 256.0, 2**31, 2**32 - 1)


def number_of(parameter):
    """Numbers within the bounds of a parameter: both bounds, others that often make trouble, and any."""
    inside = [value for value in EXTREMES if parameter.low <= value <= parameter.high]
    edges = st.sampled_from([parameter.low, parameter.high, *inside])
    if parameter.whole:
        return st.one_of(edges.map(int), st.integers(int(parameter.low), int(parameter.high)))
    usual = st.floats(max(parameter.low, -2), min(parameter.high, 2))
    return st.one_of(edges, usual, st.floats(parameter.low, parameter.high))


def calls(inner):
    return st.one_of(
        [
            st.builds(Call, st.just(name), st.tuples(*[inner] * operands), st.tuples(*map(number_of, parameters)))
            for name, (operands, parameters) in SIGNATURES.items()
        ]
    )


LEAVES = st.sampled_from([IMAGE, IMAGE, PICTURE])  # an image twice is what can be folded


@steady(max_examples=150)
@given(st.recursive(LEAVES, calls, max_leaves=8), pairs)
@example(parse("add(image, equalize(image), 0.5, 0.5)"), (make_image("ramp", 5, 9, 0), make_image("flat", 5, 9, 0)))
def test_any_recipe_renders_as_its_calls_do_one_by_one(expression, inputs):
    before = [one.copy() for one in inputs]
    rendered = render(str(expression), *inputs)
    np.testing.assert_array_equal(rendered, one_by_one(expression, *inputs))
    assert (rendered.dtype, rendered.shape) == (np.uint8, inputs[0].shape)
    np.testing.assert_array_equal(inputs, before)


@pytest.mark.parametrize("blend", ["add", "multiply"])
@pytest.mark.parametrize("tables", [("image", "equalize(image)"), ("autocontrast(image)", "invert(image)")])
def test_tables_of_one_and_of_three_channels_blend(blend, tables):
    image = make_image("random", 12, 7, seed=3)
    for x, y in (tables, tables[::-1]):
        text = f"{blend}({x}, {y}, 0.5, 0.5)"
        np.testing.assert_array_equal(render(text, image), one_by_one(parse(text), image, None))


def nested(depth):
    expression: Expression = IMAGE
    for _ in range(depth):
        expression = Call("invert", (expression,))
    return expression


def doubled(depth):
    """An expression of 2^depth - 1 calls that takes next to no memory: each call has another twice."""
    expression: Expression = IMAGE
    for _ in range(depth):
        expression = Call("add", (expression, expression), (0.5, 0.5))
    return expression


def balanced(calls):
    """An expression of so many calls, nested as little as possible."""
    if calls == 0:
        return IMAGE
    return Call("add", (balanced((calls - 1) // 2), balanced(calls - 1 - (calls - 1) // 2)), (0.5, 0.5))


SMALL = make_image("random", 4, 3, seed=0)


@pytest.mark.parametrize("recipe", [nested(MAX_DEPTH), balanced(MAX_CALLS)], ids=["deep", "long"])
def test_the_largest_recipes_render(recipe):
    np.testing.assert_array_equal(render(recipe, SMALL), render(str(recipe), SMALL))


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        pytest.param("invert(" * 10_000 + "image" + ")" * 10_000, f"at most {MAX_DEPTH} nested calls", id="deep text"),
        pytest.param(str(balanced(MAX_CALLS + 1)), f"at most {MAX_CALLS} calls", id="long text"),
        pytest.param(nested(MAX_DEPTH + 1), f"at most {MAX_DEPTH} nested calls", id="deep"),
        pytest.param(nested(100_000), f"at most {MAX_DEPTH} nested calls", id="deeper than the stack"),
        pytest.param(balanced(MAX_CALLS + 1), f"at most {MAX_CALLS} calls", id="long"),
        pytest.param(doubled(MAX_DEPTH), f"at most {MAX_CALLS} calls", id="longer than the age of the universe"),
        pytest.param(None, "in a recipe, found None", id="nothing"),
        pytest.param(("image",), r"found \('image',\)", id="a tuple"),
        pytest.param(Leaf("photo"), "found 'photo'", id="another leaf"),
        pytest.param(Call("turn", (IMAGE,)), "found 'turn'", id="another call"),
        pytest.param(Call("posterize_increasing", (IMAGE,), (3,)), "found 'posterize_increasing'", id="a sampler"),
        pytest.param(Call("invert", (cast("Any", "image"),)), "found 'image'", id="text as an operand"),
        pytest.param(Call("invert", (IMAGE, IMAGE)), "1 expressions and 0 numbers for invert, found 2 and 0", id="two"),
        pytest.param(Call("rotate", (IMAGE,)), "1 expressions and 1 numbers for rotate, found 1 and 0", id="no number"),
        pytest.param(
            Call("rotate", cast("Any", 5)), "expected tuples of expressions and numbers", id="a number of operands"
        ),
        pytest.param(Call("rotate", cast("Any", [IMAGE]), (3.0,)), "expected tuples of expressions", id="a list"),
        pytest.param(Call(cast("Any", ["a"]), (), ()), r"found \['a'\]", id="a list as a name"),
        pytest.param(Leaf(cast("Any", ["x"])), r"found \['x'\]", id="a list as a leaf"),
        pytest.param(Call("rotate", (IMAGE,), (float("nan"),)), "as degrees of rotate, found nan", id="nan"),
        pytest.param(Call("rotate", (IMAGE,), (float("inf"),)), "as degrees of rotate, found inf", id="infinite"),
        pytest.param(
            Call("rotate", (IMAGE,), (cast("Any", "3"),)), "as degrees of rotate, found '3'", id="text as a number"
        ),
        pytest.param(Call("posterize", (IMAGE,), (2.5,)), r"whole number in \[0, 8\] as bits", id="a half"),
        pytest.param(Call("pixel", (IMAGE, IMAGE), (1, -1)), r"as seed of pixel, found -1", id="out of range"),
    ],
)
def test_what_is_no_recipe_is_refused_in_one_line(recipe, message):
    with pytest.raises(LayerMixError, match=message) as refusal:
        render(recipe, SMALL)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("text", [None, 5, b"image", parse("image")])
def test_only_text_is_parsed(text):
    with pytest.raises(LayerMixError, match=r"^expected the text of a recipe, got "):
        parse(text)
