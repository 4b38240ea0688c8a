"""IPMix: the two kinds of chains, the patches with their sizes, places, blends and operands, and exact shares."""

from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest
from scipy import stats

from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call
from tests.mixing.methods.test_chains import calls, chains, drawn, draws, settings_of
from tests.mixing.test_drawing import Given, assert_fair, assert_shares, assert_spread, uniform_over

PATCHES = ("add_patch", "multiply_patch", "pixel_patch", "element_patch")
PATCH_SIZES = {
    8: (4, 8),
    28: (4, 8, 16, 28),
    32: (4, 8, 16, 32),
    64: (4, 8, 16, 32, 64),
    80: (4, 8, 16, 32, 64, 80),
    224: (4, 8, 16, 32, 64, 224),
}


def steps(chain):
    """The operations or patches of a chain, in their order."""
    found = []
    while isinstance(chain, Call):
        found.append(chain)
        chain = chain.operands[0]
    assert chain == IMAGE
    return found[::-1]


def steps_of(recipes):
    return [steps(chain) for recipe in recipes for chain in chains(recipe.expression)[2]]


@cache
def patches(size):
    found = [step for one in steps_of(drawn("ipmix", size)) for step in one if step.name in PATCHES]
    return found[:20_000] if size != 32 else found


def chain_shares(t):
    """Of each kind and length of a chain; without steps, both kinds are the same."""
    lengths = {(kind, count): 0.5 / (t + 1) for kind in ("patches", "operations") for count in range(1, t + 1)}
    return {**lengths, ("none", 0): 1 / (t + 1)}


@pytest.mark.parametrize(("size", "t", "k"), [(32, 3, 3), (224, 3, 3), (32, 1, 1), (32, 6, 6)])
def test_kinds_and_lengths_of_chains(size, t, k):
    found = []
    for recipe in drawn("ipmix", size) if (t, k) == (3, 3) else draws("ipmix", size, 500, t=t, k=k):
        parts = chains(recipe.expression)[2]
        assert len(parts) == k
        found += [steps(part) for part in parts]
    kinds = []
    for chain in found:
        are_patches = {step.name in PATCHES for step in chain}
        assert len(are_patches) < 2  # of one kind throughout
        kinds.append(("none" if not chain else "patches" if True in are_patches else "operations", len(chain)))
    assert_shares(kinds, chain_shares(t))


@pytest.mark.parametrize("size", [32, 224])
def test_blends_and_operands_of_patches(size):
    found = []
    for patch in patches(size):
        operand = patch.operands[1]
        assert operand == PICTURE or operand.operands == (IMAGE,)
        found.append((patch.name, operand == PICTURE))
    pictures = (True, False) if size > 64 else (True,)
    assert_shares(found, uniform_over([(name, is_picture) for name in PATCHES for is_picture in pictures]))


@pytest.mark.parametrize(("size", "is_mixed"), [(64, False), (65, True)])
def test_patches_of_operations_begin_above_64_px(size, is_mixed):
    found = [step for one in steps_of(draws("ipmix", size, 300)) for step in one if step.name in PATCHES]
    assert any(patch.operands[1] != PICTURE for patch in found) is is_mixed


def box_shares(side):
    """How often a patch has each height, width and top: {(height, width): share}, {(height, top): share}.

    By the authors' `patch_mixing`: a size, a corner so that its square fits; then that square, or sides of 2 to it.
    """
    boxes: dict[tuple[int, int], float] = defaultdict(float)
    places: dict[tuple[int, int], float] = defaultdict(float)
    sizes = PATCH_SIZES[side]
    for size in sizes:
        sides = {**dict.fromkeys(range(2, size), 0.5 / (size - 1)), size: 0.5 + 0.5 / (size - 1)}
        for height, share in sides.items():
            for top in range(side - size + 1):
                places[height, top] += share / len(sizes) / (side - size + 1)
        boxes[size, size] += 0.5 / len(sizes)
        for height in range(2, size + 1):
            for width in range(2, size + 1):
                boxes[height, width] += 0.5 / len(sizes) / (size - 1) ** 2
    return boxes, places


def assert_rare_shares(values, shares):
    """Chi-square; values that are expected fewer than ten times count as one."""
    usual = {value for value, share in shares.items() if share * len(values) >= 10}
    assert set(values) <= shares.keys()
    merged = {value: share for value, share in shares.items() if value in usual}
    if rest := sum(share for value, share in shares.items() if value not in usual):
        merged["rare"] = rest
    assert_shares([value if value in usual else "rare" for value in values], merged)


@pytest.mark.parametrize("side", PATCH_SIZES)
def test_sizes_and_places_of_patches(side):
    found = (
        patches(side)
        if side in (32, 224)
        else [step for one in steps_of(draws("ipmix", side, 800)) for step in one if step.name in PATCHES]
    )
    boxes, places = box_shares(side)
    arguments = [patch.arguments[2:] for patch in found]
    assert all(type(number) is int for box in arguments for number in box)
    assert_rare_shares([(height, width) for height, width, _, _ in arguments], boxes)
    assert_rare_shares([(height, top) for height, _, top, _ in arguments], places)
    assert_rare_shares([(width, left) for _, width, _, left in arguments], places)
    corners = [(top, left) for _, _, top, left in arguments if top + left]
    assert_fair(sum(top > left for top, left in corners), sum(top != left for top, left in corners))


@pytest.mark.parametrize(("size", "beta"), [(32, 3), (224, 4)])
def test_arguments_of_patches(size, beta):
    pairs = [patch.arguments[:2] for patch in patches(size) if patch.name == "add_patch"]
    means = [(a, b) for a, b in pairs if a <= 1 and b >= 0]
    assert_spread([a for a, _ in means], stats.beta(beta, 1))
    assert_spread([b for _, b in means], stats.beta(1, beta))
    cuts = [patch.arguments[0] for patch in patches(size) if patch.name == "pixel_patch"]
    assert_shares([cut // 32 for cut in cuts if cut < 256], uniform_over(range(8)))


def test_blends_are_noted_as_they_are_called() -> None:
    for recipe in (*drawn("ipmix")[:1000], *drawn("ipmix", 224)[:1000]):
        made = [call for call in calls(recipe.expression) if call.name in PATCHES]
        assert recipe.blends == (*(call.name for call in made), "mean")
        last = (recipe.expression.arguments[0], 0.0)
        assert recipe.blend_args == (*(number for call in made for number in call.arguments[:2]), *last)


@pytest.mark.parametrize("all_ops", [False, True])
def test_shares_of_operations_are_exact(all_ops):
    settings = settings_of("ipmix", 32, all_ops=all_ops)
    count = 100 * len(settings.options.ops)
    grid = (np.arange(count) + 0.5) / count
    found = Counter(METHODS["ipmix"].draw(Given(0.9, 0.99, number), settings).ops[0] for number in grid.tolist())
    assert found == pytest.approx(
        {name: share * count for name, share in METHODS["ipmix"].shares(settings).ops.items()}
    )


@pytest.mark.parametrize("t", [1, 3, 6])
def test_shares_of_the_first_blend_are_exact(t):
    """For one chain over a grid of all choices that matter; for three chains, of which each may have patches, alike."""
    settings, method = settings_of("ipmix", 32, t=t, k=1), METHODS["ipmix"]
    choices = [(0.25, 0.75), [(number + 0.5) / (t + 1) for number in range(t + 1)], [0.1, 0.3, 0.6, 0.8]]
    grid = [(kind, length, 0.5, name) for kind in choices[0] for length in choices[1] for name in choices[2]]
    found = Counter(method.draw(Given(*numbers), settings).blends[0] for numbers in grid)
    shares = method.shares(settings).blends
    assert found == pytest.approx({name: share * len(grid) for name, share in shares.items()})
    three = method.shares(settings_of("ipmix", 32, t=t)).blends
    assert three["mean"] == pytest.approx(shares["mean"] ** 3)
    assert sum(three.values()) == pytest.approx(1)


@pytest.mark.parametrize("size", [32, 224])
def test_shares_of_the_first_blend(size):
    shares = dict(METHODS["ipmix"].shares(settings_of("ipmix", size)).blends)
    assert_shares([recipe.blends[0] for recipe in drawn("ipmix", size)], shares)
