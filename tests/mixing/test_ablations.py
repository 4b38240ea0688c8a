"""The ablations of LayerMix: each option changes the distribution that it names, and no other."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy import stats

from layermix_gen import LayerMixError
from layermix_gen.mixing.methods import METHODS, DrawSettings, LayerMixOptions, Recipe
from layermix_gen.mixing.methods.layermix import BLEND_WEIGHTS

COUNT = 20_000
P = 1e-4


def drawn(**options: Any) -> list[Recipe]:
    rng = np.random.Generator(np.random.Philox(key=5))
    settings = DrawSettings(32, 50, 36, LayerMixOptions(**options))
    return [METHODS["layermix"].draw(rng, settings) for _ in range(COUNT)]


def assert_shares(values: list[Any], weights: dict[Any, float]) -> None:
    counts = Counter(values)
    assert counts.keys() == {name for name, weight in weights.items() if weight}
    total = sum(weights.values())
    expected = [len(values) * weights[name] / total for name in counts]
    assert len(counts) == 1 or stats.chisquare(list(counts.values()), expected).pvalue > P


@pytest.mark.parametrize("weights", [(1, 1, 1), (1, 2, 5), (0, 0, 3), (0.5, 0, 0.1)], ids=str)
def test_layers_have_weights(weights: tuple[float, ...]) -> None:
    assert_shares([recipe.layer for recipe in drawn(layers=weights)], dict(zip((1, 2, 3), weights, strict=True)))


@pytest.mark.parametrize("weights", [(2, 2, 1, 1), (1, 1, 0, 0), (0, 0, 0, 1), (1, 2, 3, 4)], ids=str)
def test_blends_have_weights(weights: tuple[float, ...]) -> None:
    recipes, shares = drawn(blends=weights, layers={"3": 1}), dict(zip(BLEND_WEIGHTS, weights, strict=True))
    for place in (0, 1):
        assert_shares([recipe.blends[place] for recipe in recipes], shares)
    pairs = {(one, other): shares[one] * shares[other] for one in BLEND_WEIGHTS for other in BLEND_WEIGHTS}
    assert_shares([recipe.blends for recipe in recipes], pairs)  # independent of each other


def test_one_blend_can_serve_both_places() -> None:
    recipes = drawn(blend_covariance="shared", layers={"3": 1})
    assert all(recipe.blends[0] == recipe.blends[1] for recipe in recipes)
    assert_shares([recipe.blends[0] for recipe in recipes], BLEND_WEIGHTS)
    assert all(recipe.blend_args[:2] != recipe.blend_args[2:] for recipe in recipes)  # as strengths, drawn again


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_pictures_are_mirrored_or_not(preset: str) -> None:
    for flips in (True, False):
        views = [recipe.picture for recipe in drawn(preset=preset, picture_flips=flips, layers=(0, 0, 1))]
        coins = [(view.flip_h, view.flip_v) for view in views if view]
        assert len(coins) == COUNT
        fair = {(h, v): 1.0 for h in (False, True) for v in (False, True)}
        assert_shares(coins, fair if flips else {(False, False): 1.0})


def test_pictures_are_gray_or_in_colour() -> None:
    for options, color in (
        ({}, False),
        ({"preset": "released"}, True),
        ({"pictures": "color"}, True),
        ({"preset": "released", "pictures": "gray"}, False),
    ):
        assert LayerMixOptions(**options).resolve(32).color is color  # type: ignore[arg-type]


WRONG = [
    ({"layers": (0, 0, 0)}, "layers must have a weight above 0, got none; change --layers"),
    ({"layers": (1, 1)}, "layers must be 3 weights, got 2; change --layers"),
    ({"layers": (1, 1, -1)}, "layers must be weights in [0, 1000], got -1; change --layers"),
    ({"layers": 1}, "layers must be several values, got 1; write layers=(1,)"),
    ({"blends": {"ad": 1}}, "blends must be one of add, multiply, pixel, element, got 'ad'; change --blends"),
    ({"blends": (1, 1, 1, True)}, "blends must be weights in [0, 1000], got True; change --blends"),
    ({"blends": (1, 1, 1, float("nan"))}, "blends must be weights in [0, 1000], got nan; change --blends"),
    (
        {"blend_covariance": "yes"},
        "blend covariance must be one of independent, shared, got 'yes'; change --blend-covariance",
    ),
    ({"picture_flips": 1}, "picture_flips must be True or False, got 1; change --picture-flips"),
    ({"pictures": "red"}, "pictures must be one of gray, color, got 'red'; change --pictures"),
]


@pytest.mark.parametrize(("options", "line"), WRONG, ids=[str(options) for options, _ in WRONG])
def test_wrong_options(options: dict[str, Any], line: str) -> None:
    with pytest.raises(LayerMixError) as caught:
        LayerMixOptions(**options)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, {}),
        ({"preset": "released"}, {"preset": "released"}),
        ({"pictures": "gray", "picture_flips": True, "magnitude": 8, "layers": (1, 1, 1)}, {}),
        ({"preset": "released", "pictures": "gray"}, {"preset": "released", "pictures": "gray"}),
        ({"ops": ("rotate",), "layers": {"2": 1}}, {"ops": ("rotate",), "layers": {"2": 1.0}}),
    ],
    ids=str,
)
def test_what_was_chosen_is_what_differs_from_the_defaults(options: dict[str, Any], chosen: dict[str, Any]) -> None:
    made = LayerMixOptions(**options)
    assert made.resolve(32).chosen(32) == chosen
