"""Whatever the recipe language can say renders to the pixels that its calls give one by one."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from layermix_gen import parse, render
from layermix_gen.mixing.recipe import IMAGE, PICTURE, SIGNATURES, Call
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
