"""What AugMix, PixMix and IPMix share, for all three: options, operations and strengths, the mean of chains, pixels."""

from collections import defaultdict
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats

from layermix_gen import LayerMixError, parse
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.methods import METHODS, DrawSettings
from layermix_gen.mixing.methods.base import Draft
from layermix_gen.mixing.methods.chains import mean_of_chains
from layermix_gen.mixing.recipe import IMAGE, MAX_CALLS, MAX_DEPTH, PICTURE, Call, Leaf
from layermix_gen.mixing.renderer import render
from tests.mixing.test_blends import REFERENCES as BLEND_REFERENCES
from tests.mixing.test_drawing import P, assert_fair, assert_shares, assert_spread, uniform, uniform_over
from tests.strategies import make_image

COUNT = 20_000  # recipes of 32 px; what only depends on the size is drawn more seldom
NAMES = ("augmix", "pixmix", "ipmix")
SIZES = {32: (3, 36), 224: (1, 256)}  # px: the authors' severity, and the side of their pictures
SHEARS_AND_SHIFTS = ["shear_x", "shear_y", "translate_x", "translate_y"]
OF_AUGMIX = (
    ["autocontrast", "equalize", "posterize", "rotate", "solarize", *SHEARS_AND_SHIFTS],
    ["color", "contrast", "brightness", "sharpness"],
)
OF_IPMIX = (
    ["equalize", "posterize", "rotate", "solarize", *SHEARS_AND_SHIFTS, "mirror", "invert"],
    ["autocontrast", "color", "contrast", "brightness", "sharpness"],
)
OPS = {"augmix": OF_AUGMIX, "pixmix": OF_AUGMIX, "ipmix": OF_IPMIX}
LONGEST_TEXT = 4096  # characters of a recipe that an index of a dataset takes
MOST_OPTIONS = {"augmix": {"width": 8, "depth": 16}, "pixmix": {"k": 16}, "ipmix": {"k": 6, "t": 6}}
FEWEST_OPTIONS = {"augmix": {"width": 1, "depth": 1}, "pixmix": {"k": 1}, "ipmix": {"k": 1, "t": 1}}


def settings_of(name, size, **options):
    return DrawSettings(size, 50, SIZES.get(size, (1, size))[1], METHODS[name].options(**options))


def draws(name, size, count, **options):
    rng, settings = np.random.Generator(np.random.Philox(key=7)), settings_of(name, size, **options)
    return [METHODS[name].draw(rng, settings) for _ in range(count)]


def drawn(name, size=32):
    """Many recipes of the default options."""
    return _drawn(name, size)


@cache
def _drawn(name, size):
    return draws(name, size, COUNT if size == 32 else COUNT // 2 if name == "ipmix" else COUNT // 4)


@cache
def of_all_ops(name, size):
    """Recipes of all operations, with some 20,000 of them."""
    count = {"augmix": 160, "pixmix": 4000, "ipmix": 2000}[name]
    return draws(name, size, count, all_ops=True, **MOST_OPTIONS[name])


def calls(expression):
    """All calls of an expression, operands first."""
    if isinstance(expression, Leaf):
        return []
    return [call for operand in expression.operands for call in calls(operand)] + [expression]


def chains(expression):
    """The weight of the image and of each chain, and the chains, of a mean of the image and chains."""
    image, mix = expression.operands
    assert (expression.name, image) == ("mean", IMAGE)
    rest, weights, found = 1 - expression.arguments[0], [], []
    while isinstance(mix, Call) and mix.name == "mean":
        mix, last = mix.operands[0], (mix.operands[1], mix.arguments[0])
        weights.append(rest * (1 - last[1]))
        rest *= last[1]
        found.append(last[0])
    return expression.arguments[0], [rest, *weights[::-1]], [mix, *found[::-1]]


# --- options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "severity", "beta"), [(8, 3, 3), (32, 3, 3), (64, 3, 3), (65, 1, 4), (224, 1, 4)])
@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_the_authors_for_the_size(name, size, severity, beta):
    options = settings_of(name, size).options
    assert options.severity == severity
    assert options.chosen(size) == {}
    assert getattr(options, "beta", beta) == beta
    assert options.color is (name != "augmix")


@pytest.mark.parametrize("name", NAMES)
def test_chosen_options_stay(name):
    options = settings_of(name, 224, severity=3, all_ops=True).options
    assert options.chosen(224) == {"severity": 3.0, "all_ops": True}


WRONG = [
    ("augmix", {"width": 9}, "width must be a whole number in [1, 8], got 9; change --width"),
    ("augmix", {"depth": 0}, "depth must be a whole number in [1, 16], got 0; change --depth"),
    ("augmix", {"depth": 2.0}, "depth must be a whole number in [1, 16], got 2.0; change --depth"),
    ("augmix", {"alpha": 0}, "alpha must be in [0.01, 100], got 0; change --alpha"),
    ("augmix", {"severity": float("nan")}, "severity must be in [0.1, 10], got nan; change --severity"),
    ("pixmix", {"severity": 10.1}, "severity must be in [0.1, 10], got 10.1; change --severity"),
    ("pixmix", {"k": True}, "k must be a whole number in [1, 16], got True; change --k"),
    ("pixmix", {"beta": "3"}, "beta must be in [0.01, 100], got '3'; change --beta"),
    ("ipmix", {"all_ops": 1}, "all_ops must be True or False, got 1; change --all-ops"),
    ("ipmix", {"k": 7}, "k must be a whole number in [1, 6], got 7; change --k"),
    ("ipmix", {"t": 0}, "t must be a whole number in [1, 6], got 0; change --t"),
]


@pytest.mark.parametrize(("name", "options", "line"), WRONG, ids=str)
def test_wrong_options(name, options, line):
    with pytest.raises(LayerMixError) as caught:
        METHODS[name].options_of(options)
    assert str(caught.value) == line


@pytest.mark.parametrize("severity", [0.1, 10])
@pytest.mark.parametrize("size", [8, 4096])
@pytest.mark.parametrize("name", NAMES)
def test_extreme_options_draw_recipes_that_an_index_takes(name, size, severity):
    """The bound is that of as many of the longest single steps as the options allow."""
    few, many = ({**options[name], "severity": severity, "all_ops": True} for options in (FEWEST_OPTIONS, MOST_OPTIONS))
    most, steps = settings_of(name, size, **many).options.most, settings_of(name, size, **few).options.most
    for recipe in draws(name, size, 20, **many):
        text = str(recipe.expression)
        assert parse(text) == recipe.expression
        assert len(recipe.ops) <= most[0]
        assert len(recipe.blends) <= most[1]
    mean = 0 if name == "pixmix" else len("mean(image, image, 0.1234)")
    longest = max(len(str(recipe.expression)) for recipe in draws(name, size, 500, **few)) - mean
    assert most[0] / steps[0] * longest + (many.get("width") or many["k"]) * mean < LONGEST_TEXT
    assert most[0] + 2 * most[1] + 8 < MAX_CALLS
    assert max(many.get("depth", 0) + many.get("width", 0), many.get("k", 0) + many.get("t", 0)) < MAX_DEPTH


# --- operations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_operations(name, size):
    recipes, (usual, overlapping) = drawn(name, size), OPS[name]
    assert_shares([op for recipe in recipes for op in recipe.ops], uniform_over(usual))
    assert_shares([recipe.ops[0] for recipe in recipes if recipe.ops], uniform_over(usual))
    pairs = [recipe.ops[:2] for recipe in recipes if len(recipe.ops) > 1]
    assert_shares(pairs, uniform_over([(one, other) for one in usual for other in usual]))  # independent
    every = [op for recipe in of_all_ops(name, size) for op in recipe.ops]
    assert_shares(every, uniform_over([*usual, *overlapping]))


@pytest.mark.parametrize("name", NAMES)
def test_operations_are_noted_as_they_are_called(name):
    for recipe in drawn(name)[:2000]:
        made = [(call.name, [*call.arguments, 0.0][0]) for call in calls(recipe.expression) if call.name not in BLENDS]
        assert made == list(zip(recipe.ops, recipe.op_args, strict=True))


def whole_shares(most, low, high):
    """The share of each int(level · most / 10), level being uniform in [low, high], with its sign."""
    edges = np.clip(10 / most * np.arange(int(high * most / 10) + 2), low, high)
    return {number: share for number, share in enumerate(np.diff(edges) / (high - low)) if share > 0}


def signed_shares(shares):
    halves = {sign * number: share / 2 for number, share in shares.items() for sign in (1, -1) if number}
    return {**halves, **({0: shares[0]} if 0 in shares else {})}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_strengths_are_the_authors(name, size):
    severity, strengths = SIZES[size][0], defaultdict(list)
    for recipe in (*drawn(name, size), *of_all_ops(name, size)):
        for op, argument in zip(recipe.ops, recipe.op_args, strict=True):
            strengths[op].append(argument)
    for op in ("rotate", "translate_x", "translate_y"):
        most = 30 if op == "rotate" else size / 3
        assert_shares(strengths[op], signed_shares(whole_shares(most, 0.1, severity)))
    for op in ("shear_x", "shear_y"):
        assert_spread(np.abs(strengths[op]), uniform(0.1 * 0.03, severity * 0.03))
        assert_fair(np.sum(np.array(strengths[op]) > 0), len(strengths[op]))
    assert_shares([4 - bits for bits in strengths["posterize"]], whole_shares(4, 0.1, severity))
    lowest = np.ceil(np.array(strengths["solarize"]) * 255)  # of the values that are inverted
    assert_shares((256 - lowest).tolist(), whole_shares(256, 0.1, severity))
    for op in ("color", "contrast", "brightness", "sharpness"):
        assert_spread(strengths[op], uniform(0.1 + 0.1 * 0.18, 0.1 + severity * 0.18))


PHOTOGRAPH = make_image("ramp", 48, 48, 3)
OF_PILLOW: dict[str, Any] = {  # as the authors call them
    "autocontrast": lambda image: ImageOps.autocontrast(image),
    "equalize": lambda image: ImageOps.equalize(image),
    "invert": lambda image: ImageOps.invert(image),
    "mirror": lambda image: ImageOps.mirror(image),
    "posterize": lambda image, bits: ImageOps.posterize(image, bits),
    "solarize": lambda image, threshold: ImageOps.solarize(image, int(np.ceil(threshold * 255))),
    "rotate": lambda image, degrees: image.rotate(degrees, resample=Image.Resampling.BILINEAR),
    "shear_x": lambda image, slope: affine(image, (1, slope, -slope * image.height / 2, 0, 1, 0)),
    "shear_y": lambda image, slope: affine(image, (1, 0, 0, slope, 1, -slope * image.width / 2)),
    "translate_x": lambda image, pixels: affine(image, (1, 0, -pixels, 0, 1, 0)),
    "translate_y": lambda image, pixels: affine(image, (1, 0, 0, 0, 1, -pixels)),
    "color": lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "sharpness": lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor),
}


def affine(image, matrix):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR)


@pytest.mark.parametrize("op", OF_PILLOW)
def test_operations_are_pillows(op):
    """Within four levels nearly everywhere: the weights of gray, and the outermost pixels of warps, differ."""
    noise = np.random.default_rng(5).integers(0, 40, (48, 48, 3), np.uint8)
    image = PHOTOGRAPH // 2 + 40 + noise
    recipes = [recipe for name in ("augmix", "ipmix") for recipe in draws(name, 48, 300, all_ops=True)]
    found = {call for recipe in recipes for call in calls(recipe.expression) if call.name == op}
    assert found
    for arguments in sorted({call.arguments for call in found})[:12]:
        expected = np.asarray(OF_PILLOW[op](Image.fromarray(image), *arguments))
        differs = np.abs(render(Call(op, (IMAGE,), arguments), image) - expected.astype(int))[2:-2, 2:-2] > 4
        assert differs.mean() < 0.03, arguments


# --- the mean of chains --------------------------------------------------------------------------------------------


class Weights(np.random.Generator):
    """A generator that draws the given weights of chains, and 1 - `image` as m."""

    def __init__(self, weights, image=0.5):
        super().__init__(np.random.PCG64(0))
        self.weights, self.image = np.array(weights, float), image

    def dirichlet(self, alpha):  # type: ignore[override]
        assert len(alpha) == len(self.weights)
        return self.weights

    def beta(self, a, b):  # type: ignore[override]
        return 1 - self.image


def mean_of(rng, count):
    """The mean of chains with names of their own."""
    numbers = iter(range(count))
    return mean_of_chains(rng, Draft(), count, 1, lambda: Call("rotate", (IMAGE,), (float(next(numbers)),)))


@pytest.mark.parametrize(
    "weights",
    [(1,), (0.3, 0.7), (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0.4, 0.6), (1e-9, 1e-9, 1 - 2e-9), (0.125,) * 8]
    + [tuple(np.random.default_rng(seed).dirichlet([alpha] * 8)) for seed in range(4) for alpha in (0.1, 1, 9)],
    ids=lambda weights: ", ".join(f"{weight:.2g}" for weight in weights),
)
@pytest.mark.parametrize("image", [0.0, 0.25, 1.0])
def test_means_of_two_have_the_weights_of_all(weights, image):
    expression = mean_of(Weights(weights, image), len(weights))
    of_image, found, parts = chains(expression)
    assert [part.arguments for part in parts] == [(float(number),) for number in range(len(weights))]
    assert of_image == image
    np.testing.assert_allclose(found, (1 - image) * np.array(weights), atol=1e-3)
    assert parse(str(expression)) == expression


@pytest.mark.parametrize("alpha", [0.1, 0.3, 4, 100])
def test_weights_are_of_dirichlet_and_beta(alpha):
    recipes = draws("augmix", 32, 5000, alpha=alpha, depth=1, width=4)
    found = [chains(recipe.expression) for recipe in recipes]
    assert_binned([image for image, _, _ in found], stats.beta(alpha, alpha))
    for chain in range(4):
        weights = [parts[chain] / (1 - image) for image, parts, _ in found if image < 0.9]
        assert_binned(weights, stats.beta(alpha, 3 * alpha))


def assert_binned(values, distribution):
    """Chi-square in bins of a tenth of the distribution, as far as these are wider than what rounding leaves out."""
    edges = np.unique(np.round(distribution.ppf(np.arange(1, 10) / 10), 3))
    edges = np.concatenate([[-1], edges[(edges > 0.02) & (edges < 0.98)] + 5e-5, [2]])
    expected = np.diff(distribution.cdf(edges)) * len(values)
    assert stats.chisquare(np.histogram(values, edges)[0], expected).pvalue > P


@pytest.mark.parametrize("name", ["augmix", "ipmix"])
def test_weights_are_uniform_by_default(name):
    found = [chains(recipe.expression) for recipe in drawn(name)]
    assert_spread([image for image, _, _ in found], uniform(0, 1))
    usable = [(image, np.array(weights) / (1 - image)) for image, weights, _ in found if image < 0.98]
    for chain in range(3):
        assert_spread([weights[chain] for _, weights in usable], stats.beta(1, 2))
    first = [weights[0] / (weights[0] + weights[1]) for _, weights in usable if weights[2] < 0.98]
    assert_spread(first, uniform(0, 1))
    assert stats.spearmanr([image for image, _ in usable], [weights[0] for _, weights in usable]).pvalue > P


# --- pictures and pixels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["pixmix", "ipmix"])
def test_one_crop_of_a_picture_where_it_is_used(name, size):
    views = []
    for recipe in drawn(name, size):
        uses = any(PICTURE in call.operands for call in calls(recipe.expression))
        assert (recipe.picture is not None) == uses
        views += [recipe.picture] if uses else []
    assert_shares([view.index for view in views], uniform_over(range(50)))
    for corners in ([view.top for view in views], [view.left for view in views]):
        assert_shares(corners, uniform_over(range(SIZES[size][1] - size + 1)))
    assert not any(view.flip_h or view.flip_v for view in views)


def test_augmix_takes_no_picture():
    assert not any(recipe.picture for recipe in drawn("augmix"))
    assert not METHODS["augmix"].mixes_pictures


def levels(values):
    return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)


def reference(expression, image, picture):
    """The float image, (H, W, 3) in [0, 1], by the definition: only what is put into an operation has whole levels."""
    if isinstance(expression, Leaf):
        return {"image": image, "picture": picture}[expression.name]
    parts = [reference(operand, image, picture) for operand in expression.operands]
    if expression.name not in BLENDS:
        return render(Call(expression.name, (IMAGE,), expression.arguments), levels(parts[0])) / 255
    if expression.name == "mean":
        (weight,) = expression.arguments
        return weight * parts[0] + (1 - weight) * parts[1]
    blend, _, is_patch = expression.name.partition("_")
    own, box = (expression.arguments[:2], expression.arguments[2:]) if is_patch else (expression.arguments, ())
    height, width, top, left = box or (*image.shape[:2], 0, 0)
    result = parts[0].copy()
    within = np.s_[top : top + height, left : left + width]
    assert result[within].shape == (height, width, 3)  # the box lies in the image
    result[within] = np.clip(BLEND_REFERENCES[blend](parts[0][within], parts[1][within], *own), 0, 1)
    return result


@pytest.mark.parametrize("size", [32, 80])
@pytest.mark.parametrize("name", NAMES)
def test_fifty_recipes_by_definition(name, size):
    image, picture = (make_image(kind, size, size, seed) for kind, seed in (("random", 1), ("ramp", 2)))
    for recipe in draws(name, size, 50, all_ops=True, severity=5):
        expected = 255 * reference(recipe.expression, image / 255, picture / 255)
        difference = np.abs(render(recipe.expression, image, picture) - expected)
        assert np.quantile(difference, 0.98) <= 2, recipe.expression
