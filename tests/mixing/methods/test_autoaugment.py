"""AutoAugment draws torchvision's policies, with their probabilities, magnitudes and signs, and makes its pixels."""

from collections import Counter, defaultdict
from functools import cache
from itertools import product

import numpy as np
import pytest
from scipy import stats

from layermix_gen import LayerMixError
from layermix_gen.mixing.methods import METHODS, DrawSettings, Recipe
from layermix_gen.mixing.methods.autoaugment import POLICIES, AutoAugmentOptions
from tests.mixing.methods.torchvision_ops import (
    CLOSE,
    SIZE,
    Step,
    autoaugment_space,
    choices,
    differences,
    generator,
    sub_policies,
)
from tests.mixing.test_drawing import P
from tests.strategies import make_image

COUNT = 20_000
METHOD = METHODS["autoaugment"]
EACH = pytest.mark.parametrize("policy", POLICIES)


@cache
def drawn(policy: str) -> list[Recipe]:
    rng, settings = generator(3), DrawSettings(SIZE, 0, 0, AutoAugmentOptions(policy))
    return [METHOD.draw(rng, settings) for _ in range(COUNT)]


def outcomes(policy: str) -> dict[tuple[Step, ...], float]:
    """How likely each chain of operations with their arguments is, from torchvision's tables."""
    space, found = autoaugment_space(), defaultdict[tuple[Step, ...], float](float)
    table = sub_policies(policy)
    for steps in table:
        ways = [
            [(None, 1 - chance), *((step, chance * share) for step, share in choices(space, name, [level]))]
            for name, chance, level in steps
        ]
        for way in product(*ways):
            share = way[0][1] * way[1][1] / len(table)
            if share:
                found[tuple(step for step, _ in way if step)] += share
    return found


def assert_outcomes(recipes: list[Recipe], expected: dict[tuple[Step, ...], float]) -> None:
    """Chi-square, with the rarest outcomes in one cell."""
    counts = Counter(outcome_of(recipe) for recipe in recipes)
    assert counts.keys() <= expected.keys()
    assert sum(expected.values()) == pytest.approx(1)
    often = [outcome for outcome, share in expected.items() if share * len(recipes) >= 5]
    cells = [(counts[outcome], expected[outcome] * len(recipes)) for outcome in often]
    rest = [len(recipes) - sum(column) for column in zip(*cells, strict=True)]
    if rest[1] >= 5:
        cells.append((int(rest[0]), rest[1]))
    found, wanted = np.array(cells).T
    assert stats.chisquare(found, wanted * found.sum() / wanted.sum()).pvalue > P


def outcome_of(recipe: Recipe) -> tuple[Step, ...]:
    assert len(recipe.ops) == len(recipe.op_args)
    plain = ("autocontrast", "equalize", "invert")
    pairs = zip(recipe.ops, recipe.op_args, strict=True)
    return tuple((op, () if op in plain else (argument,)) for op, argument in pairs)


@EACH
def test_policies_are_torchvisions(policy: str) -> None:
    assert [[tuple(step) for step in steps] for steps in POLICIES[policy]] == sub_policies(policy)
    assert len(POLICIES[policy]) == 25


@EACH
def test_sub_policies_probabilities_magnitudes_and_signs(policy: str) -> None:
    assert_outcomes(drawn(policy), outcomes(policy))


@EACH
def test_shares_are_exact(policy: str) -> None:
    first = defaultdict[str, float](float)
    for outcome, share in outcomes(policy).items():
        if outcome:
            first[outcome[0][0]] += share
    shares = METHOD.shares(DrawSettings(SIZE, 0, 0, AutoAugmentOptions(policy))).ops
    assert shares == pytest.approx({name: share / sum(first.values()) for name, share in first.items()}, abs=1e-12)
    counts = Counter(recipe.ops[0] for recipe in drawn(policy) if recipe.ops)
    expected = [share * sum(counts.values()) for share in shares.values()]
    assert stats.chisquare([counts[name] for name in shares], expected).pvalue > P


@EACH
def test_recipes_are_chains_of_what_is_recorded(policy: str) -> None:
    for recipe in drawn(policy)[:500]:
        text = "image"
        for op, arguments in outcome_of(recipe):
            text = f"{op}({', '.join([text, *map(str, arguments)])})"
        assert str(recipe.expression) == text
        assert (recipe.layer, recipe.picture, recipe.other, recipe.label_weight) == (0, None, None, 1.0)
        assert len(recipe.ops) <= METHOD.options().most[0]
    assert any(not recipe.ops for recipe in drawn(policy))


@EACH
def test_pixels_are_torchvisions(policy: str) -> None:
    images = [make_image(kind, SIZE, SIZE, seed=1) for kind in ("random", "narrow", "ramp")]
    one_of_each = {op: recipe for recipe in drawn(policy) for op in recipe.ops}
    found = differences([*drawn(policy)[:60], *one_of_each.values()], images)
    assert found.keys() == {step.name for steps in POLICIES[policy] for step in steps if step.probability}
    assert {name: gap for name, gap in found.items() if gap > CLOSE[name]} == {}


@pytest.mark.parametrize(
    ("size", "given", "policy"),
    [
        (8, None, "cifar10"),
        (64, None, "cifar10"),
        (65, None, "imagenet"),
        (224, None, "imagenet"),
        (32, "svhn", "svhn"),
    ],
)
def test_the_policy_goes_with_the_size(size: int, given: str | None, policy: str) -> None:
    assert AutoAugmentOptions(given).resolve(size).policy == policy


@pytest.mark.parametrize("policy", ["CIFAR10", "", "cifar", 1, True, ("cifar10",)], ids=repr)
def test_another_policy_is_refused(policy: str) -> None:
    with pytest.raises(LayerMixError) as caught:
        AutoAugmentOptions(policy)
    assert str(caught.value) == f"policy must be one of cifar10, imagenet, svhn, got {policy!r}; change --policy"
