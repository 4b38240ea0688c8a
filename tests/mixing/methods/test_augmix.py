"""AugMix: the chains that it draws, exact shares, and its definition as one mean of floats."""

from collections import Counter

import numpy as np
import pytest

from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing.recipe import IMAGE
from layermix_gen.mixing.renderer import render
from tests.mixing.methods.test_chains import calls, chains, drawn, draws, settings_of
from tests.mixing.test_drawing import Given, assert_shares, uniform_over
from tests.strategies import make_image


def depths(recipe):
    return tuple(len(calls(chain)) for chain in chains(recipe.expression)[2])


def test_chains_are_of_one_to_three_operations() -> None:
    found = [depths(recipe) for recipe in drawn("augmix")]
    assert_shares(found, uniform_over([(i, j, k) for i in (1, 2, 3) for j in (1, 2, 3) for k in (1, 2, 3)]))


def test_chains_start_with_the_image_and_are_operations_alone() -> None:
    for recipe in drawn("augmix")[:1000]:
        for chain in chains(recipe.expression)[2]:
            assert all(len(call.operands) == 1 for call in calls(chain))
            assert calls(chain)[0].operands == (IMAGE,)


@pytest.mark.parametrize("width", [1, 2, 8])
@pytest.mark.parametrize("depth", [1, 5, None])
def test_width_and_depth_are_options(width, depth):
    recipes = draws("augmix", 32, 50, width=width, depth=depth)
    for recipe in recipes:
        assert len(depths(recipe)) == width
        assert set(depths(recipe)) <= ({depth} if depth else {1, 2, 3})
    most = settings_of("augmix", 32, width=width, depth=depth).options.most
    assert most == (width * (depth or 3), 1)
    assert max(len(recipe.ops) for recipe in recipes) <= most[0]


def test_the_mean_with_the_image_is_noted() -> None:
    for recipe in drawn("augmix")[:1000]:
        assert recipe.blends == ("mean",)
        assert recipe.blend_args == (recipe.expression.arguments[0], 0.0)


@pytest.mark.parametrize("all_ops", [False, True])
def test_shares_are_exact(all_ops):
    settings = settings_of("augmix", 32, all_ops=all_ops)
    count = 100 * len(settings.options.ops)
    grid = (np.arange(count) + 0.5) / count
    found = Counter(METHODS["augmix"].draw(Given(0.5, number), settings).ops[0] for number in grid.tolist())
    shares = METHODS["augmix"].shares(settings)
    assert found == pytest.approx({name: share * count for name, share in shares.ops.items()})
    assert (shares.blends, shares.layers) == ({"mean": 1}, {})


def test_fifty_recipes_are_one_mean_of_floats() -> None:
    """Rounding of each mean shifts a value by less than two levels."""
    image = make_image("random", 32, 32, 4)
    for recipe in draws("augmix", 32, 50):
        of_image, weights, parts = chains(recipe.expression)
        mix = sum(weight * render(part, image) for weight, part in zip(weights, parts, strict=True))
        assert np.abs(render(recipe.expression, image) - (of_image * image + mix)).max() < 2
