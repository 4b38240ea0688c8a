"""RandAugment and TrivialAugment draw from torchvision's operations, magnitudes and signs, and make its pixels."""

from functools import cache
from itertools import product
from typing import Any

import pytest

from layermix_gen import LayerMixError
from layermix_gen.mixing.methods import METHODS, DrawSettings, Recipe
from layermix_gen.mixing.methods.randaugment import CHOICES, OPS, RandAugmentOptions
from layermix_gen.mixing.operations import OPERATIONS
from tests.mixing.methods.test_autoaugment import COUNT, assert_outcomes
from tests.mixing.methods.torchvision_ops import (
    CLOSE,
    SIZE,
    Space,
    Step,
    choices,
    differences,
    generator,
    randaugment_space,
    trivialaugment_space,
)
from tests.mixing.test_drawing import assert_shares, uniform_over
from tests.strategies import make_image

BOTH = pytest.mark.parametrize("method", ["randaugment", "trivialaugment"])


@cache
def drawn(method: str, **options: Any) -> list[Recipe]:
    rng, settings = generator(4), DrawSettings(SIZE, 0, 0, METHODS[method].options(**options))
    return [METHODS[method].draw(rng, settings) for _ in range(COUNT)]


def outcomes(space: Space, length: int, levels: range) -> dict[tuple[Step, ...], float]:
    """How likely each chain of operations with their arguments is, from torchvision's space."""
    each = [(step, share / len(space)) for name in space for step, share in choices(space, name, levels)]
    found: dict[tuple[Step, ...], float] = {}
    for way in product(each, repeat=length):
        chain, likely = tuple(step for step, _ in way if step[0] != "identity"), 1.0
        for _, share in way:
            likely *= share
        found[chain] = found.get(chain, 0.0) + likely
    return found


def test_operations_are_torchvisions() -> None:
    assert list(randaugment_space()) == list(trivialaugment_space()) == list(CHOICES)
    assert set(OPS) <= set(OPERATIONS)


def test_operations_and_signs_of_randaugment() -> None:
    assert_outcomes(drawn("randaugment"), outcomes(randaugment_space(), 2, range(9, 10)))
    assert_outcomes(drawn("randaugment", num_ops=1, magnitude=30), outcomes(randaugment_space(), 1, range(30, 31)))


def test_operations_magnitudes_and_signs_of_trivialaugment() -> None:
    assert_outcomes(drawn("trivialaugment"), outcomes(trivialaugment_space(), 1, range(31)))


def test_defaults_are_torchvisions() -> None:
    assert RandAugmentOptions() == RandAugmentOptions(num_ops=2, magnitude=9)
    assert METHODS["trivialaugment"].options.kinds() == {}


@BOTH
def test_shares_are_exact(method: str) -> None:
    shares = METHODS[method].shares(DrawSettings(SIZE, 0, 0, METHODS[method].options()))
    assert (shares.layers, shares.blends) == ({}, {})
    assert shares.ops == pytest.approx(dict.fromkeys(OPS, 1 / 13))
    assert_shares([recipe.ops[0] for recipe in drawn(method) if recipe.ops], uniform_over(OPS))


@pytest.mark.parametrize("num_ops", [1, 2, 3, 32])
def test_as_many_operations_as_asked_but_the_identity(num_ops: int) -> None:
    options = RandAugmentOptions(num_ops=num_ops)
    rng, settings = generator(0), DrawSettings(SIZE, 0, 0, options)
    recipes = [METHODS["randaugment"].draw(rng, settings) for _ in range(2000)]
    assert options.most == (num_ops, 0)
    assert max(len(recipe.ops) for recipe in recipes) <= num_ops
    steps = sum(len(recipe.ops) for recipe in recipes) / len(recipes) / num_ops
    assert steps == pytest.approx(13 / 14, abs=0.03)
    for recipe in recipes[:200]:
        assert str(recipe.expression).count("(") == len(recipe.ops) == len(recipe.op_args)
        assert (str(recipe.expression) == "image") == (not recipe.ops)
        assert not {"identity", ""} & {*recipe.ops}


@BOTH
def test_pixels_are_torchvisions(method: str) -> None:
    images = [make_image(kind, SIZE, SIZE, seed=1) for kind in ("random", "narrow", "ramp")]
    found = differences(drawn(method)[:80], images)
    assert found.keys() == set(OPS)
    assert {name: gap for name, gap in found.items() if gap > CLOSE[name]} == {}


WRONG = [
    ({"num_ops": 0}, "num-ops must be a whole number in [1, 32], got 0; change --num-ops"),
    ({"num_ops": 33}, "num-ops must be a whole number in [1, 32], got 33; change --num-ops"),
    ({"num_ops": 2.0}, "num-ops must be a whole number in [1, 32], got 2.0; change --num-ops"),
    ({"num_ops": None}, "num-ops must be a whole number in [1, 32], got None; change --num-ops"),
    ({"magnitude": 31}, "magnitude must be a whole number in [0, 30], got 31; change --magnitude"),
    ({"magnitude": -1}, "magnitude must be a whole number in [0, 30], got -1; change --magnitude"),
    ({"magnitude": True}, "magnitude must be a whole number in [0, 30], got True; change --magnitude"),
    ({"magnitude": 8.5}, "magnitude must be a whole number in [0, 30], got 8.5; change --magnitude"),
]


@pytest.mark.parametrize(("options", "line"), WRONG, ids=[str(options) for options, _ in WRONG])
def test_wrong_options(options: dict[str, Any], line: str) -> None:
    with pytest.raises(LayerMixError) as caught:
        METHODS["randaugment"].options_of(options)
    assert str(caught.value) == line
