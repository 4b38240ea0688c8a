"""Recipes rendered by the compiled kernels are those that NumPy renders, bit for bit, at every level of processors."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen import kernels
from layermix_gen.kernels import programs
from layermix_gen.kernels.masks import random_bytes
from layermix_gen.mixing.methods import METHODS, DrawSettings, LayerMixOptions
from layermix_gen.mixing.methods.layermix import PRESETS
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import SIGNATURES, Call, Leaf
from layermix_gen.mixing.renderer import evaluated, nodes_of
from tests.kernels.levels import COMPILED_CALLS, every_level, guarded
from tests.mixing.test_any_recipe import LEAVES, calls
from tests.mixing.test_renderer import ALL
from tests.strategies import images_of, make_image, steady

HEADER = (Path(kernels.__file__).parent / "kernels.h").read_text("utf-8")
SIDES = st.one_of(st.integers(1, 40), st.integers(41, 300))


def compiled(operations):
    """Those of some operations that have a kernel."""
    return tuple(name for name in operations if (OPERATIONS[name].renders_as or name) in COMPILED_CALLS)


def rendered(library, expression, inputs):
    """The pixels that a library renders, and nothing beside them."""
    nodes = nodes_of(expression)
    assert nodes
    with guarded(inputs[0].shape) as out:
        programs.run(library, nodes, inputs, out)
    return out


def test_both_sides_number_the_calls_alike():
    body = re.search(r"enum call \{(.*?)\}", HEADER, re.DOTALL)
    assert body
    names = re.sub(r"/\*.*?\*/", "", body[1]).replace(",", " ").split()
    assert [name.lower() for name in names] == list(programs.CALLS)
    assert max(len(SIGNATURES[name][1]) for name in COMPILED_CALLS) == programs.ARGUMENTS


@every_level
@steady(max_examples=150)
@given(
    expression=st.recursive(LEAVES, calls, max_leaves=8).filter(nodes_of),
    inputs=st.tuples(SIDES, SIDES).flatmap(lambda shape: st.tuples(*[images_of(*shape)] * 3)),
)
def test_any_recipe(library, expression, inputs):
    expected = evaluated(expression, dict(zip(programs.LEAVES, inputs, strict=True)))
    np.testing.assert_array_equal(rendered(library, expression, inputs), expected)


@every_level
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [32, 131])
def test_drawn_recipes(library, method, size):
    rng = np.random.default_rng(size)
    inputs = [make_image(kind, size, size, seed=3) for kind in ("random", "ramp", "narrow")]
    for preset in PRESETS if method == "layermix" else [""]:
        options = LayerMixOptions(preset, ops=compiled(ALL[preset])) if preset else METHODS[method].options()
        for _ in range(40 if size == 32 else 4):
            expression = METHODS[method].draw(rng, DrawSettings(size, 10, 300, options)).expression
            expected = evaluated(expression, dict(zip(programs.LEAVES, inputs, strict=True)))
            np.testing.assert_array_equal(rendered(library, expression, inputs), expected, str(expression))


@every_level
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2), (3, 7), (16, 16), (17, 33), (64, 1)])
def test_every_call_in_every_shape(library, shape):
    inputs = [make_image("random", shape[0], shape[1], seed) for seed in range(3)]
    leaves = tuple(map(Leaf, programs.LEAVES))
    for name in COMPILED_CALLS:
        operands, parameters = SIGNATURES[name]
        for share in (0.0, 0.3, 0.77, 1.0):
            numbers = tuple(max(one.low, -40) + share * (min(one.high, 40) - max(one.low, -40)) for one in parameters)
            whole = tuple(int(n) if one.whole else n for one, n in zip(parameters, numbers, strict=True))
            call = Call(name, leaves[:operands], whole)
            expected = evaluated(call, dict(zip(programs.LEAVES, inputs, strict=True)))
            np.testing.assert_array_equal(rendered(library, call, inputs), expected, str(call))


@every_level
def test_masks_have_numpys_bytes(library):
    """By a blend of white and black: its white values are where a byte lies below the cut."""
    white, black = np.full((50, 41, 3), 255, np.uint8), np.zeros((50, 41, 3), np.uint8)
    for seed in (0, 1, 2**32 - 1, 123456789):
        for cut in (0, 1, 100, 255, 256):
            for name, count in (("pixel", 50 * 41), ("element", 50 * 41 * 3)):
                call = Call(name, (Leaf("image"), Leaf("picture")), (cut, seed))
                below = (random_bytes(seed, count) < cut).reshape(50, 41, -1)
                found = rendered(library, call, [white, black, None])
                np.testing.assert_array_equal(found == 255, np.broadcast_to(below, found.shape))
