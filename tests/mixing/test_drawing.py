"""What is drawn has the paper's distribution: 100,000 recipes of each preset against tables, by scipy's tests.

Every sample is drawn from a fixed seed, so a p-value never changes by itself; `P` is far below what the right
distribution gives and far above what a wrong one gives, which the last tests show.
"""

import json
import random
from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest
from scipy import stats

from layermix_gen import BuildSettings, LayerMixError
from layermix_gen.mixing.methods import METHODS, DrawSettings, LayerMixOptions
from layermix_gen.mixing.methods.option_fields import NoOptions
from layermix_gen.mixing.operations import DEFAULT_OPERATIONS, OPERATIONS
from layermix_gen.mixing.renderer import render
from layermix_gen.support.seeds import KeyedRandom, generator, shuffled

COUNT = 100_000
P = 1e-4
SIZE, PICTURES, PICTURE_SIZE = 224, 500, 256
OF_THE_PAPER = [name for name, row in OPERATIONS.items() if row.paper]
OF_PRESETS = [name for name, row in OPERATIONS.items() if row.paper or row.released]
BLEND_SHARES = {"add": 1 / 3, "multiply": 1 / 3, "pixel": 1 / 6, "element": 1 / 6}


class Drawn:
    """Many recipes, sorted out."""

    def __init__(self, count=COUNT, seed=0, **choices):
        rng = np.random.Generator(np.random.Philox(key=seed))
        settings = DrawSettings(SIZE, PICTURES, PICTURE_SIZE, LayerMixOptions(**choices))
        self.layers, self.ops, self.pictures = [], [], []
        self.blends, self.strengths, self.numbers = defaultdict(list), defaultdict(list), defaultdict(list)
        for _ in range(count):
            recipe = METHODS["layermix"].draw(rng, settings)
            self.layers.append(recipe.layer)
            self.ops.append(recipe.op)
            self.strengths[recipe.op] += recipe.op_args if OPERATIONS[recipe.op].parameters else ()
            pairs = zip(recipe.blend_args[::2], recipe.blend_args[1::2], strict=True)
            for place, (name, pair) in enumerate(zip(recipe.blends, pairs, strict=True)):
                self.blends[recipe.layer, place].append(name)
                self.numbers[name].append(pair)
            if recipe.picture:
                self.pictures.append(recipe.picture)
        self.settings = settings


@cache
def drawn(preset):
    return Drawn(preset=preset)


def assert_shares(values, weights):
    """Chi-square: each of `weights` occurs in `values` as often as its weight says, and nothing else does."""
    expected = {name: weight for name, weight in weights.items() if weight}
    counts = dict.fromkeys(expected, 0)
    for value in values:
        counts[value] += 1  # a value that is not expected is a KeyError
    shares = np.array(list(expected.values())) / sum(expected.values())
    assert len(shares) == 1 or stats.chisquare(list(counts.values()), shares * len(values)).pvalue > P


def assert_spread(values, distribution):
    """Kolmogorov-Smirnov: `values`, rounded to four decimals, are a sample of scipy's `distribution`, end to end."""
    assert len(values) > 1000
    assert stats.kstest(values, distribution.cdf).pvalue > P
    low, high = distribution.support()
    assert low - 1e-4 < min(values)
    assert max(values) < high + 1e-4
    ends = -np.log(P) / len(values)  # a sample ends this far, in probability, from where the distribution does
    assert distribution.cdf(min(values) - 1e-4) < ends
    assert distribution.sf(max(values) + 1e-4) < ends


def assert_fair(hits, count, share=0.5):
    assert stats.binomtest(int(hits), int(count), share).pvalue > P


def uniform(low, high):
    return stats.uniform(min(low, high), abs(high - low))


def uniform_over(values):
    return dict.fromkeys(values, 1)


# --- the pipeline --------------------------------------------------------------------------------------------------

BOTH = pytest.mark.parametrize("preset", ["paper", "released"])


@BOTH
def test_layers(preset):
    assert_shares(drawn(preset).layers, uniform_over([1, 2, 3]))


class Given(np.random.Generator):
    """A generator whose first uniform numbers are given; the next ones are drawn."""

    def __init__(self, *first):
        super().__init__(np.random.PCG64(0))
        self.first = list(first)

    def random(self, *shape):  # type: ignore[override]
        return self.first.pop(0) if self.first and not shape else super().random(*shape)


@BOTH
@pytest.mark.parametrize(
    ("choice", "before"),
    [
        (lambda recipe: recipe.layer, ()),
        (lambda recipe: recipe.op, (0.5,)),
        (lambda recipe: recipe.blends[0], (0.5, 0)),
    ],
    ids=["layers", "operations", "blends"],
)
def test_shares_are_exact(choice, before, preset):
    """Over uniform numbers on a fine grid each choice is made as often as its share says, to one number."""
    settings = DrawSettings(SIZE, PICTURES, PICTURE_SIZE, LayerMixOptions(preset))
    count = 6 * len(settings.options.ops) * 100
    grid = (np.arange(count) + 0.5) / count
    found = Counter(choice(METHODS["layermix"].draw(Given(*before, number), settings)) for number in grid.tolist())
    shares = METHODS["layermix"].shares(settings)
    expected = next(each for each in (shares.layers, shares.ops, shares.blends) if each.keys() == found.keys())
    assert found == pytest.approx({name: share * count for name, share in expected.items()})


@pytest.mark.parametrize(("number", "layer"), [(0, 1), (1 / 3, 2), (2 / 3, 3), (np.nextafter(1, 0), 3)])
def test_the_bounds_between_layers(number, layer):
    settings = DrawSettings(SIZE, PICTURES, PICTURE_SIZE, LayerMixOptions())
    assert METHODS["layermix"].draw(Given(number), settings).layer == layer
    if layer > 1 and number < 0.9:
        assert METHODS["layermix"].draw(Given(np.nextafter(number, 0)), settings).layer == layer - 1


def test_operations_of_the_paper():
    names = (
        "equalize grayscale autocontrast rotate brightness posterize solarize shear_x shear_y translate_x translate_y"
    )
    assert_shares(drawn("paper").ops, uniform_over(names.split()))


def test_operations_released():
    names = (
        "equalize grayscale autocontrast rotate posterize posterize_increasing solarize solarize_increasing "
        "shear_x shear_y translate_x translate_y"
    )
    assert_shares(drawn("released").ops, uniform_over(names.split()))


@BOTH
def test_layers_and_operations_are_independent(preset):
    table = np.zeros((3, len(set(drawn(preset).ops))))
    names = sorted(set(drawn(preset).ops))
    for layer, op in zip(drawn(preset).layers, drawn(preset).ops, strict=True):
        table[layer - 1, names.index(op)] += 1
    assert stats.chi2_contingency(table).pvalue > P


@BOTH
@pytest.mark.parametrize("where", [(2, 0), (3, 0), (3, 1)], ids=["layer 2", "layer 3, first", "layer 3, second"])
def test_blends(preset, where):
    assert set(drawn(preset).blends) == {(2, 0), (3, 0), (3, 1)}
    assert_shares(drawn(preset).blends[where], BLEND_SHARES)


@BOTH
def test_the_two_blends_of_layer_three_are_drawn_anew(preset):
    blends = drawn(preset).blends
    both = list(zip(blends[3, 0], blends[3, 1], strict=True))
    assert_shares(both, {(x, y): BLEND_SHARES[x] * BLEND_SHARES[y] for x in BLEND_SHARES for y in BLEND_SHARES})


@BOTH
def test_one_operation_at_every_stage_with_strengths_drawn_anew(preset):
    rng = np.random.default_rng(1)
    settings = DrawSettings(SIZE, PICTURES, PICTURE_SIZE, LayerMixOptions(preset, ops=("rotate",)))
    strengths = []
    for _ in range(6000):
        recipe = METHODS["layermix"].draw(rng, settings)
        assert len(recipe.op_args) == recipe.layer
        assert str(recipe.expression).count("rotate(") == recipe.layer
        if recipe.layer == 3:
            strengths.append(recipe.op_args)
    assert abs(np.corrcoef(np.array(strengths).T)[np.triu_indices(3, 1)]).max() < 0.1


@BOTH
def test_the_shape_of_each_layer(preset):
    """Layer 1 is f(image), layer 2 blend(f(image), f(image)), layer 3 f(blend(layer 2, picture))."""
    rng = np.random.default_rng(1)
    settings = DrawSettings(SIZE, PICTURES, PICTURE_SIZE, LayerMixOptions(preset))
    for _ in range(300):
        recipe = METHODS["layermix"].draw(rng, settings)
        call = recipe.expression
        op = {"posterize_increasing": "posterize", "solarize_increasing": "solarize"}.get(recipe.op, recipe.op)
        if recipe.layer == 3:
            assert call.name == op
            (call,) = call.operands
            assert call.name == recipe.blends[1]
            assert str(call.operands[1]) == "picture"
            call = call.operands[0]
        if recipe.layer >= 2:
            assert call.name == recipe.blends[0]
            assert [str(operand).split("image")[0] for operand in call.operands] == [f"{op}("] * 2
        else:
            assert str(call).startswith(f"{op}(image")
        assert (recipe.picture is not None) == (recipe.layer == 3) == ("picture" in str(recipe.expression))


# --- strengths -----------------------------------------------------------------------------------------------------
# Of each value: its absolute value is uniform in these bounds and its sign fair. Written out for m = 8, size 224.

SIGNED = {
    "paper": {
        "rotate": (0.3, 24),
        "shear_x": (0.003, 0.24),
        "shear_y": (0.003, 0.24),
        "translate_x": (0.7392, 59.136),
        "translate_y": (0.7392, 59.136),
    },
    "released": {
        "rotate": (0.1, 24),
        "shear_x": (0.1, 0.24),
        "shear_y": (0.1, 0.24),
        "translate_x": (0.1, 58.4),  # 0.8 · int(0.33 · 224), where the paper's has 73.92
        "translate_y": (0.1, 58.4),
    },
}


@pytest.mark.parametrize(("preset", "name"), [(preset, name) for preset, names in SIGNED.items() for name in names])
def test_signed_strengths(preset, name):
    values = np.array(drawn(preset).strengths[name])
    low, high = SIGNED[preset][name]
    assert_spread(abs(values), uniform(low, high))
    assert_fair((values > 0).sum(), len(values))
    assert_spread(values[values < 0], uniform(-high, -low))


def test_brightness():
    values = np.array(drawn("paper").strengths["brightness"])
    assert_spread(abs(values - 1), uniform(0.009, 0.72))
    assert_fair((values > 1).sum(), len(values))
    assert "brightness" not in drawn("released").strengths


def test_posterize():
    # 4 - int(4 · level / 10), level in (0.1, 8): below 2.5 nothing is taken off, then a bit more at each 2.5
    assert_shares(drawn("paper").strengths["posterize"], {4: 2.4, 3: 2.5, 2: 2.5, 1: 0.5})
    # int(U(0.1, 3.2)): black in 29%
    assert_shares(drawn("released").strengths["posterize"], {0: 0.9, 1: 1, 2: 1, 3: 0.2})
    assert_shares(drawn("released").strengths["posterize_increasing"], {4: 0.9, 3: 1, 2: 1, 1: 0.2})


def test_solarize():
    assert_spread(drawn("paper").strengths["solarize"], uniform(0.2, 0.99))
    assert_spread(drawn("released").strengths["solarize"], uniform(0.1, 0.8))
    increasing = np.array(drawn("released").strengths["solarize_increasing"])
    assert_fair((increasing == 0).sum(), len(increasing), 0.875)  # U(0.1, -0.7): a full inversion where negative
    assert_spread(increasing[increasing > 0], uniform(0, 0.1))


@BOTH
def test_operations_without_a_strength(preset):
    for name in ("equalize", "grayscale", "autocontrast"):
        assert drawn(preset).strengths[name] == []


@BOTH
@pytest.mark.parametrize("name", ["color", "contrast", "sharpness"])
def test_factors_on_request(preset, name):
    values = np.array(Drawn(6000, preset=preset, ops=(name,)).strengths[name])
    assert_spread(abs(values - 1), uniform(0.009, 0.72))
    assert_fair((values > 1).sum(), len(values))


@pytest.mark.parametrize("magnitude", [0.1, 1, 5, 10])
def test_other_magnitudes(magnitude):
    names = ("rotate", "brightness", "translate_x", "solarize", "posterize")
    paper = Drawn(12000, preset="paper", magnitude=magnitude, ops=names).strengths
    share = magnitude / 10
    if magnitude == 0.1:  # level is U(0.1, 0.1)
        assert {abs(value) for value in paper["rotate"]} == {0.3}
        assert {round(abs(value - 1), 4) for value in paper["brightness"]} == {0.009}
        assert set(paper["solarize"]) == {0.99}
    else:
        assert_spread(np.abs(paper["rotate"]), uniform(0.3, 30 * share))
        assert_spread(np.abs(np.array(paper["brightness"]) - 1), uniform(0.009, 0.9 * share))
        assert_spread(np.abs(paper["translate_x"]), uniform(0.7392, 73.92 * share))
        assert_spread(paper["solarize"], uniform(1 - share, 0.99))
    assert min(paper["posterize"]) == {0.1: 4, 1: 4, 5: 3, 10: 1}[magnitude]
    names = ("rotate", "shear_x", "solarize", "solarize_increasing", "posterize_increasing")
    released = Drawn(12000, preset="released", magnitude=magnitude, ops=names).strengths
    assert_spread(np.abs(released["rotate"]), uniform(0.1, 30 * share))
    assert_spread(np.abs(released["shear_x"]), uniform(0.1, 0.3 * share))
    if magnitude > 1:
        assert_spread(released["solarize"], uniform(0.1, share))
    increasing = np.array(released["solarize_increasing"])
    if magnitude > 1:
        assert_fair((increasing == 0).sum(), len(increasing), (magnitude - 1) / magnitude)
    else:
        assert np.mean(increasing == 0) < 0.01  # by rounding
    assert set(released["posterize_increasing"]) == {0.1: {4}, 1: {4}, 5: {3, 4}, 10: {1, 2, 3, 4}}[magnitude]


@pytest.mark.parametrize("size", [32, 96])
def test_shifts_go_with_the_size(size):
    rng = np.random.default_rng(3)
    for preset, side in (("paper", 0.33 * size), ("released", int(0.33 * size))):
        settings = DrawSettings(size, 10, size + 4, LayerMixOptions(preset, ops=("translate_y",)))
        values = [value for _ in range(3000) for value in METHODS["layermix"].draw(rng, settings).op_args]
        low = 0.01 * side if preset == "paper" else 0.1
        assert_spread(np.abs(values), uniform(low, 0.8 * side))


# --- blends' numbers -----------------------------------------------------------------------------------------------


def assert_coefficients(pairs, ratio):
    """Heads: a ~ Beta(ratio, 1), b ~ Beta(1, ratio). Tails: a - 1 ~ Beta(1, ratio), -b ~ Beta(1, ratio)."""
    a, b = np.array(pairs).T
    heads = (a < 1) | ((a == 1) & (b >= 0))  # 1 is possible on both sides, by rounding
    assert (b[heads] >= 0).all()
    assert (b[~heads] <= 0).all()
    assert_fair(heads.sum(), len(heads))
    assert_spread(a[heads], stats.beta(ratio, 1))
    assert_spread(b[heads], stats.beta(1, ratio))
    assert_spread(a[~heads] - 1, stats.beta(1, ratio))
    assert_spread(-b[~heads], stats.beta(1, ratio))
    for side in (heads, ~heads):
        assert abs(stats.spearmanr(a[side], b[side]).statistic) < 5 / np.sqrt(side.sum())


@BOTH
@pytest.mark.parametrize("name", ["add", "multiply"])
def test_coefficients(preset, name):
    assert_coefficients(drawn(preset).numbers[name], 3)


@pytest.mark.parametrize("ratio", [0.5, 1, 5])
def test_coefficients_of_other_ratios(ratio):
    assert_coefficients(Drawn(15000, blending_ratio=ratio, ops=("invert",)).numbers["add"], ratio)


@BOTH
@pytest.mark.parametrize("name", ["pixel", "element"])
def test_masks(preset, name):
    cuts, seeds = np.array(drawn(preset).numbers[name]).T
    assert_shares(cuts.tolist(), uniform_over(range(257)))
    assert_spread(seeds, uniform(0, 2**32))
    assert len(set(seeds)) > 0.999 * len(seeds)
    assert abs(stats.spearmanr(cuts, seeds).statistic) < 5 / np.sqrt(len(cuts))


# --- pictures ------------------------------------------------------------------------------------------------------


@BOTH
def test_pictures(preset):
    pictures = drawn(preset).pictures
    places = uniform_over(range(PICTURE_SIZE - SIZE + 1))
    assert_shares([picture.index for picture in pictures], uniform_over(range(PICTURES)))
    assert_shares([picture.top for picture in pictures], places)
    assert_shares([picture.left for picture in pictures], places)
    flips = [(picture.flip_h, picture.flip_v) for picture in pictures]
    if preset == "paper":
        assert_shares(flips, uniform_over([(False, False), (False, True), (True, False), (True, True)]))
    else:
        assert set(flips) == {(False, False)}


# --- choices -------------------------------------------------------------------------------------------------------


def test_a_choice_of_operations():
    names = ("mirror", "color", "rotate")
    some = Drawn(6000, ops=names)
    assert_shares(some.ops, uniform_over(names))
    assert_shares(some.layers, uniform_over([1, 2, 3]))


def test_default_operations():
    """11 and 12; those that overlap with the corruptions of the benchmark only on request."""
    assert [len(names) for names in DEFAULT_OPERATIONS.values()] == [11, 12]
    on_request = {"color", "contrast", "sharpness", "invert", "mirror"}
    assert not on_request & {name for names in DEFAULT_OPERATIONS.values() for name in names}
    assert on_request < set(OPERATIONS)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"preset": "published"}, "preset must be one of paper, released, got 'published'"),
        ({"magnitude": 0}, r"magnitude must be in \[0.1, 10\], got 0; change --magnitude"),
        ({"magnitude": 10.5}, "got 10.5"),
        ({"magnitude": float("nan")}, "got nan"),
        ({"blending_ratio": 0}, r"blending-ratio must be in \[0.01, 100\], got 0; change --blending-ratio"),
        ({"blending_ratio": float("inf")}, "got inf"),
        ({"ops": ("rotate", "turn")}, f"ops must be one of {', '.join(OF_PRESETS)}, got 'turn'; change --ops$"),
        ({"ops": ("rotate", ["turn"])}, r"got \['turn'\]; change --ops$"),
        ({"ops": "rotate"}, r"^ops must be several values, got 'rotate'; write ops=\('rotate',\)$"),
        (
            {"ops": ("posterize_increasing",)},
            f"no operation 'posterize_increasing' in preset paper; --ops takes {', '.join(OF_THE_PAPER)}$",
        ),
        ({"ops": ("brightness",), "preset": "released"}, "no operation 'brightness' in preset released"),
    ],
)
def test_refuses(choices, message):
    with pytest.raises(LayerMixError, match=message) as refusal:
        DrawSettings(SIZE, PICTURES, PICTURE_SIZE, LayerMixOptions(**choices))
    assert len(str(refusal.value).splitlines()) == 1
    with pytest.raises(LayerMixError, match=message):
        BuildSettings(options=choices)


def test_the_method_none_draws_nothing():
    rng = np.random.default_rng(0)
    before = json.dumps(rng.bit_generator.state, default=str)
    recipe = METHODS["none"].draw(rng, DrawSettings(SIZE, 0, 0, NoOptions()))
    assert (str(recipe.expression), recipe.layer, recipe.op, recipe.picture) == ("image", 0, "", None)
    assert json.dumps(rng.bit_generator.state, default=str) == before


@pytest.mark.parametrize("name", METHODS)
@BOTH
def test_every_method_draws_recipes_that_can_be_rendered(name, preset):
    """They have the method's name, a picture only where it mixes pictures, and nothing that its shares leave out."""
    method, rng = METHODS[name], np.random.default_rng(0)
    pictures = (PICTURES, 36) if method.mixes_pictures else (0, 0)
    options = method.options_of({"preset": preset} if name == "layermix" else None)
    settings = DrawSettings(32, *pictures, options)
    shares = method.shares(settings)
    image, picture = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)
    for _ in range(200):
        recipe = method.draw(rng, settings)
        assert recipe.method == name
        assert (recipe.picture is not None) == ("picture" in str(recipe.expression))
        assert method.mixes_pictures or recipe.picture is None
        assert recipe.layer in (0, *shares.layers)
        assert set(recipe.ops[:1]) <= set(shares.ops)
        assert set(recipe.blends[:1]) <= set(shares.blends)
        most_ops, most_blends = settings.options.most
        assert len(recipe.ops) == len(recipe.op_args) <= most_ops
        assert 2 * len(recipe.blends) == len(recipe.blend_args) <= 2 * most_blends
        assert (recipe.other is not None) == ("other" in str(recipe.expression))
        assert method.mixes_labels or recipe.other is None
        mixed = render(recipe.expression, image, None if recipe.picture is None else picture, picture)
        assert (mixed.shape, mixed.dtype) == (image.shape, np.uint8)


# --- a pure function -----------------------------------------------------------------------------------------------


def draw(seed, source_id, variant, preset="paper"):
    settings = DrawSettings(SIZE, PICTURES, PICTURE_SIZE, LayerMixOptions(preset))
    return METHODS["layermix"].draw(KeyedRandom(seed, source_id, variant), settings)


NEVER_CHANGES = [
    (
        (0, "cat/001.png", 0, "paper"),
        2,
        "solarize",
        "pixel(solarize(image, 0.5937), solarize(image, 0.8998), 97, 798864290)",
        None,
    ),
    (
        (1, "n01440764/n01440764_10026.JPEG", 1, "paper"),
        1,
        "shear_x",
        "shear_x(image, 0.1412)",
        None,
    ),
    (
        (1, "n01440764/n01440764_10026.JPEG", 4, "paper"),
        3,
        "translate_y",
        "translate_y(multiply(multiply(translate_y(image, -28.8371), translate_y(image, "
        "-42.7402), 0.9488, 0.0463), picture, 0.8241, 0.007), -3.416)",
        (370, 23, 7, True, True),
    ),
    (
        (1, "n01440764/n01440764_10026.JPEG", 7, "paper"),
        2,
        "translate_y",
        "element(translate_y(image, -1.0958), translate_y(image, -38.2216), 93, 3781682003)",
        None,
    ),
    (
        (0, "cat/001.png", 12, "paper"),
        3,
        "grayscale",
        "grayscale(pixel(add(grayscale(image), grayscale(image), 1.0414, -0.3299), picture, 241, 1306512997))",
        (165, 18, 31, True, False),
    ),
    (
        (0, "cat/001.png", 0, "released"),
        2,
        "solarize_increasing",
        "pixel(solarize(image, 0.0), solarize(image, 0.0087), 97, 798864290)",
        None,
    ),
    (
        (1, "n01440764/n01440764_10026.JPEG", 1, "released"),
        1,
        "shear_x",
        "shear_x(image, 0.1816)",
        None,
    ),
    (
        (1, "n01440764/n01440764_10026.JPEG", 4, "released"),
        3,
        "translate_y",
        "translate_y(multiply(multiply(translate_y(image, -28.1513), translate_y(image, "
        "-42.0313), 0.9488, 0.0463), picture, 0.8241, 0.007), -2.7724)",
        (370, 23, 7, False, False),
    ),
    (
        (1, "n01440764/n01440764_10026.JPEG", 7, "released"),
        2,
        "translate_y",
        "element(translate_y(image, -0.456), translate_y(image, -37.5202), 93, 3781682003)",
        None,
    ),
    (
        (0, "cat/001.png", 12, "released"),
        3,
        "grayscale",
        "grayscale(pixel(add(grayscale(image), grayscale(image), 1.0414, -0.3299), picture, 241, 1306512997))",
        (165, 18, 31, False, False),
    ),
]


@pytest.mark.parametrize(("key", "layer", "op", "text", "picture"), NEVER_CHANGES)
def test_recipes_never_change(key, layer, op, text, picture):
    recipe = draw(*key)
    assert (recipe.layer, recipe.op, str(recipe.expression)) == (layer, op, text)
    found = recipe.picture
    assert (found and (found.index, found.top, found.left, found.flip_h, found.flip_v)) == picture


def test_a_generator_depends_on_all_of_its_key_and_on_nothing_else():
    keys = [(0, "cat/1.png", 0), (1, "cat/1.png", 0), (0, "cat/2.png", 0), (0, "cat/1.png", 1), (0, "cat/1.png", -1)]
    first = [generator(*key).random() for key in keys]
    assert len(set(first)) == len(keys)
    assert [generator(*key).random() for key in reversed(keys)] == first[::-1]
    assert generator(1, "2\n3", 4).random() != generator(1, "3", 42).random()
    assert 0 <= generator(0, "caf\udce9.png", 0).random() < 1  # a name that is no UTF-8


def test_global_generators_play_no_part():
    expected = [draw(5, f"{i}.png", 2) for i in range(20)]
    for seed in (0, 1):
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        before = np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]  # noqa: NPY002
        assert [draw(5, f"{i}.png", 2) for i in range(20)] == expected
        assert (np.random.get_state()[1].tolist(), random.getstate()) == before  # type: ignore[index]  # noqa: NPY002


def test_shuffled():
    assert sorted(shuffled(1000, 7)) == list(range(1000))
    assert shuffled(1000, 7).tolist() == shuffled(1000, 7).tolist() != shuffled(1000, 8).tolist()
    assert shuffled(10, 0).tolist() == [0, 7, 8, 6, 9, 5, 1, 3, 2, 4]
    assert abs(stats.spearmanr(shuffled(10000, 1), np.arange(10000)).statistic) < 0.05


# --- a wrong distribution does not pass ----------------------------------------------------------------------------

WRONG = {
    "layers": lambda: assert_shares(drawn("paper").layers, {1: 1, 2: 1, 3: 1.05}),
    "operations": lambda: assert_shares(
        drawn("paper").ops, {name: 1.15 if name == "rotate" else 1 for name in DEFAULT_OPERATIONS["paper"]}
    ),
    "an operation that should not be there": lambda: assert_shares(drawn("paper").ops, uniform_over(["rotate"])),
    "blends equally often": lambda: assert_shares(drawn("paper").blends[2, 0], uniform_over(BLEND_SHARES)),
    "black never": lambda: assert_shares(drawn("released").strengths["posterize"], {0: 1, 1: 1, 2: 1, 3: 0.2}),
    "level from 0": lambda: assert_spread(np.abs(drawn("paper").strengths["rotate"]), uniform(0, 24)),
    "released level": lambda: assert_spread(np.abs(drawn("paper").strengths["shear_x"]), uniform(0.1, 0.24)),
    "magnitude 8.2": lambda: assert_spread(np.abs(drawn("paper").strengths["rotate"]), uniform(0.3, 24.6)),
    "no int in the shift": lambda: assert_spread(
        np.abs(drawn("released").strengths["translate_x"]), uniform(0.1, 59.136)
    ),
    "always inverted": lambda: assert_fair(
        np.equal(drawn("released").strengths["solarize_increasing"], 0).sum(),
        len(drawn("released").strengths["solarize_increasing"]),
        0.9,
    ),
    "another ratio": lambda: assert_coefficients(drawn("paper").numbers["add"], 3.2),
    "signs not coupled": lambda: assert_coefficients([(a, -b) for a, b in drawn("paper").numbers["add"]], 3),
    "one sided": lambda: assert_coefficients([(a, b) for a, b in drawn("paper").numbers["add"] if a < 1], 3),
    "cuts below 256": lambda: assert_shares(
        [cut for cut, _ in drawn("paper").numbers["pixel"]], uniform_over(range(256))
    ),
    "places": lambda: assert_shares([picture.top for picture in drawn("paper").pictures], uniform_over(range(32))),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_distribution_fails(name):
    with pytest.raises((AssertionError, KeyError)):
        WRONG[name]()
