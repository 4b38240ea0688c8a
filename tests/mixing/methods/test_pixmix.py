"""PixMix: the start, the rounds, their operands and blends, and exact shares."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call
from tests.mixing.methods.test_chains import drawn, draws, settings_of
from tests.mixing.test_drawing import Given, assert_shares, assert_spread, uniform_over

BLENDS = ("add", "multiply")


def rounds(expression):
    """What a recipe starts with, and its blends in their order."""
    found = []
    while isinstance(expression, Call) and expression.name in BLENDS:
        found.append(expression)
        expression = expression.operands[0]
    return expression, found[::-1]


def is_one_operation(expression):
    return isinstance(expression, Call) and expression.operands == (IMAGE,)


STARTS_AND_ROUNDS = [rounds(recipe.expression) for recipe in drawn("pixmix")]


def test_the_start_and_the_number_of_rounds() -> None:
    found = []
    for start, blends in STARTS_AND_ROUNDS:
        assert start == IMAGE or is_one_operation(start)
        found.append((start == IMAGE, len(blends)))
    assert_shares(found, uniform_over([(is_image, count) for is_image in (True, False) for count in range(5)]))


@pytest.mark.parametrize("k", [1, 16])
def test_the_most_rounds_are_an_option(k):
    recipes = draws("pixmix", 32, 1000, k=k)
    assert_shares([len(recipe.blends) for recipe in recipes], uniform_over(range(k + 1)))
    most = settings_of("pixmix", 32, k=k).options.most
    assert most == (k + 1, k)
    assert max(len(recipe.ops) for recipe in recipes) <= most[0]


def test_operands_and_blends() -> None:
    found = []
    for _, blends in STARTS_AND_ROUNDS:
        for number, blend in enumerate(blends):
            operand = blend.operands[1]
            assert operand == PICTURE or is_one_operation(operand)
            found.append((number, operand == PICTURE, blend.name))
    kinds = [(is_picture, name) for is_picture in (True, False) for name in BLENDS]
    assert_shares(found, {(number, *kind): 4 - number for number in range(4) for kind in kinds})


@pytest.mark.parametrize(("size", "beta"), [(32, 3), (224, 4)])
def test_coefficients(size, beta):
    for name in BLENDS:
        pairs = [
            blend.arguments
            for recipe in drawn("pixmix", size)
            for blend in rounds(recipe.expression)[1]
            if blend.name == name
        ]
        amplified = [(a, b) for a, b in pairs if a > 1 or b < 0]
        means = [(a, b) for a, b in pairs if a <= 1 and b >= 0]
        assert_spread([a for a, _ in means], stats.beta(beta, 1))
        assert_spread([b for _, b in means], stats.beta(1, beta))
        assert_spread([a - 1 for a, _ in amplified], stats.beta(1, beta))
        assert_spread([-b for _, b in amplified], stats.beta(1, beta))


def test_blends_are_noted_as_they_are_called() -> None:
    for recipe, (_, blends) in zip(drawn("pixmix"), STARTS_AND_ROUNDS, strict=True):
        assert recipe.blends == tuple(blend.name for blend in blends)
        assert recipe.blend_args == tuple(number for blend in blends for number in blend.arguments)


@pytest.mark.parametrize("all_ops", [False, True])
@pytest.mark.parametrize(
    ("choice", "before"),
    [(lambda recipe: recipe.ops[0], (0.1,)), (lambda recipe: recipe.blends[0], (0.9, 0.99, 0.9))],
    ids=["operations", "blends"],
)
def test_shares_are_exact(choice, before, all_ops):
    settings = settings_of("pixmix", 32, all_ops=all_ops)
    count = 200 * len(settings.options.ops)
    grid = (np.arange(count) + 0.5) / count
    found = Counter(choice(METHODS["pixmix"].draw(Given(*before, number), settings)) for number in grid.tolist())
    shares = METHODS["pixmix"].shares(settings)
    expected = next(each for each in (shares.ops, shares.blends) if each.keys() == found.keys())
    assert found == pytest.approx({name: share * count for name, share in expected.items()})
