"""The ablations of LayerMix: each option changes the distribution that it names, and no other."""

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from layermix_gen import BuildSettings, LayerMixError
from layermix_gen.mixing.methods import METHODS, DrawSettings, LayerMixOptions, Recipe
from layermix_gen.mixing.methods.layermix import BLEND_WEIGHTS
from layermix_gen.mixing.recipe import Call
from layermix_gen.mixing.renderer import render
from tests.mixing.test_drawing import assert_shares

COUNT = 20_000


def drawn(**options: Any) -> list[Recipe]:
    rng = np.random.Generator(np.random.Philox(key=5))
    settings = DrawSettings(32, 50, 36, LayerMixOptions(**options))
    return [METHODS["layermix"].draw(rng, settings) for _ in range(COUNT)]


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


LAYERS_ARE = "layers must be 3 weights, of 1, 2, 3 in this order, or a mapping of these names"
WRONG = [
    ({"layers": (0, 0, 0)}, "layers must have a weight above 0, got none; change --layers"),
    ({"layers": (1, 1)}, LAYERS_ARE + ", got (1, 1); change --layers"),
    ({"layers": "1,1,1"}, LAYERS_ARE + ", got '1,1,1'; change --layers"),
    ({"layers": None}, LAYERS_ARE + ", got None; change --layers"),
    ({"layers": {3, 2, 1}}, LAYERS_ARE + ", got {1, 2, 3}; change --layers"),
    ({"layers": frozenset({4.5})}, LAYERS_ARE + ", got frozenset({4.5}); change --layers"),
    ({"layers": 1}, LAYERS_ARE + ", got 1; change --layers"),
    ({"layers": {1: 1, "1": 2}}, "expected each name of layers once, got {1: 1, '1': 2}; change --layers"),
    ({"layers": {True: 1}}, "layers must be one of 1, 2, 3, got True; change --layers"),
    ({"layers": {0: 1}}, "layers must be one of 1, 2, 3, got '0'; change --layers"),
    ({"ops": {"rotate"}}, "ops must be in an order, which a set has not, got {'rotate'}; give a list"),
    ({"layers": (1, 1, -1)}, "layers must be weights in [0, 1000], got -1; change --layers"),
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
    ("layers", "kept"),
    [
        ({1: 1, 2: 1}, {"1": 1, "2": 1}),
        ({3: 2, "1": 4}, {"1": 2, "3": 1}),
        ((2, 2, 2), {"1": 1, "2": 1, "3": 1}),
        ((0.1, 0.2, 0.3), {"1": 1, "2": 2, "3": 3}),
        ((0.5, 0, 0.1), {"1": 5, "3": 1}),
        (np.array([0, 0, 1 / 3]), {"3": 1}),
        pytest.param(iter((1000, 500, 2.5)), {"1": 400, "2": 200, "3": 1}, id="an iterator"),
        ((1000, 500, 2.5), {"1": 400, "2": 200, "3": 1}),
        ((1000, 500, 0.25), {"1": 1000, "2": 500, "3": 0.25}),  # whole numbers would be too large to be read again
        ((1, 1e-300, 1000), {"1": 1, "2": 1e-300, "3": 1000}),
        ((0.123456789, 1, 0), {"1": 0.123456789, "2": 1}),
    ],
    ids=str,
)
def test_weights_of_the_same_shares_are_equal(layers: Any, kept: dict[str, float]) -> None:
    made = LayerMixOptions(layers=layers)
    assert made.layers == kept
    assert all(type(weight) is float for weight in made.layers.values())
    assert LayerMixOptions(layers=made.layers) == made
    assert list(made.layers) == sorted(made.layers)


def test_settings_that_mean_the_same_are_equal() -> None:
    assert BuildSettings(options={"layers": (3, 3, 3), "blends": (4, 4, 2, 2)}) == BuildSettings()
    assert BuildSettings(options={"blends": {"element": 7}}) == BuildSettings(options={"blends": (0, 0, 0, 0.1)})


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


# --- covariance between stages (section 3.1) -------------------------------------------------------------------------

LEVEL = 102  # the one gray level of a toy image: each stage makes another number of it
LEVELS = 0.01 + 0.79 * (np.arange(20_000) + 0.5) / 20_000  # of strengths: evenly through U(0.1, 8) / 10
OUTCOMES = {  # what each operation makes of the toy, over all strengths, by its definition
    "invert": np.full(2, 255.0 - LEVEL),
    "brightness": np.concatenate([LEVEL * (1 + 0.9 * LEVELS), LEVEL * (1 - 0.9 * LEVELS)]),
    "solarize": np.where(LEVEL / 255 >= 1 - LEVELS, 255.0 - LEVEL, LEVEL),
    "posterize": np.array([LEVEL & (256 - (1 << (8 - bits))) for bits in 4 - (4 * LEVELS).astype(int)], float),
}


def stages(covariance: str) -> npt.NDArray[np.float64]:
    """The outputs (recipes, 2) of the two stages of layer 2 on the toy."""
    rng = np.random.Generator(np.random.Philox(key=3))
    options = LayerMixOptions(covariance=covariance, layers={"2": 1}, ops=tuple(OUTCOMES))
    settings, toy = DrawSettings(32, 1, 32, options), np.full((1, 1, 3), LEVEL, np.uint8)
    recipes = [METHODS["layermix"].draw(rng, settings) for _ in range(20_000)]
    blends = [recipe.expression for recipe in recipes if isinstance(recipe.expression, Call)]
    return np.array([[render(stage, toy)[0, 0, 0] for stage in blend.operands] for blend in blends], float)


@pytest.mark.parametrize("covariance", ["shared", "independent"])
def test_stages_have_the_covariance_of_equation_5(covariance: str) -> None:
    """Off the diagonal E[μ²] - E[μ]² over the operations where they share one, and 0 where each draws its own."""
    means, variances = (np.array([measure(values) for values in OUTCOMES.values()]) for measure in (np.mean, np.var))
    shared = (means**2).mean() - means.mean() ** 2
    outputs = stages(covariance)
    products = np.prod(outputs - outputs.mean(0), axis=1)
    expected = shared if covariance == "shared" else 0.0
    error = products.std() / len(products) ** 0.5
    assert shared > 50 * error  # so that the one cannot pass for the other
    assert abs(products.mean() - expected) < 4 * error
    for stage in outputs.T:
        squares = (stage - stage.mean()) ** 2
        assert abs(squares.mean() - (variances.mean() + shared)) < 4 * squares.std() / len(stage) ** 0.5


def test_an_operation_of_its_own_for_each_stage() -> None:
    recipes = drawn(covariance="independent", layers={"3": 1}, ops=("rotate", "equalize", "posterize"))
    triples = product(("rotate", "equalize", "posterize"), repeat=3)
    assert_shares([recipe.ops for recipe in recipes], dict.fromkeys(triples, 1))
    for recipe in recipes[:200]:
        assert recipe.op == (recipe.ops[0] if len(set(recipe.ops)) == 1 else "")
        assert [bool(strength) for strength in recipe.op_args] == [op != "equalize" for op in recipe.ops]
