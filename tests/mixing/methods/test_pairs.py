"""Mixup and CutMix: weights, boxes and labels have the distribution of their papers, and labels fit the pixels."""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from layermix_gen.mixing.methods import METHODS, DrawSettings, Recipe
from layermix_gen.mixing.renderer import render

COUNT, P, SIZE = 20_000, 1e-4, 32
WHITE, BLACK = np.full((SIZE, SIZE, 3), 255, np.uint8), np.zeros((SIZE, SIZE, 3), np.uint8)


@cache
def drawn(method: str, size: int = SIZE, **options: float) -> list[Recipe]:
    rng = np.random.Generator(np.random.Philox(key=1))
    settings = DrawSettings(size, 0, 0, METHODS[method].options_of(options))
    return [METHODS[method].draw(rng, settings) for _ in range(COUNT)]


@pytest.mark.parametrize(("size", "options", "alpha"), [(32, {}, 1.0), (224, {}, 0.2), (64, {"alpha": 3}, 3.0)])
def test_weights_of_mixup_have_a_beta_distribution(size: int, options: dict[str, float], alpha: float) -> None:
    recipes = drawn("mixup", size, **options)
    weights = np.array([recipe.label_weight for recipe in recipes])
    expected = np.random.default_rng(0).beta(alpha, alpha, 5 * COUNT).round(4)  # as many are next to 0 and 1
    assert stats.ks_2samp(weights, expected).pvalue > P
    assert [str(recipe.expression) for recipe in recipes[:5]] == [f"mean(image, other, {w})" for w in weights[:5]]
    assert stats.kstest([recipe.other for recipe in recipes], stats.uniform.cdf).pvalue > P


def test_boxes_of_cutmix_have_their_area_and_a_uniform_centre() -> None:
    """Where no border cuts a box, its side is known; whether one does depends on side and centre alone."""
    size, rng = 256, np.random.default_rng(0)
    boxes = np.array([recipe.expression.arguments for recipe in drawn("cutmix", size)])
    heights, widths, tops, lefts = boxes.T
    sides = (size * np.sqrt(rng.random(COUNT))).astype(int)  # 1 - λ is uniform for α = 1
    for found, start in ((heights, tops), (widths, lefts)):
        centres = rng.integers(size, size=COUNT)
        begins, ends = np.maximum(centres - sides // 2, 0), np.minimum(centres + sides // 2, size)
        assert stats.ks_2samp(found, ends - begins).pvalue > P
        assert stats.ks_2samp(start, begins).pvalue > P
    assert stats.ks_2samp(heights * widths, (ends - begins) * np.random.default_rng(1).permutation(heights)).pvalue < P
    assert (boxes >= 0).all()
    assert (tops + heights <= size).all()
    assert (lefts + widths <= size).all()


def test_sides_of_a_box_are_equal_and_even_where_no_border_cuts_it() -> None:
    boxes = np.array([recipe.expression.arguments for recipe in drawn("cutmix")])
    heights, widths, tops, lefts = boxes.T
    inside = (tops > 0) & (lefts > 0) & (tops + heights < SIZE) & (lefts + widths < SIZE)
    assert inside.sum() > 1000
    assert (heights == widths)[inside].all()
    assert {*heights[inside].tolist()} == {*range(0, SIZE, 2)}


def test_an_empty_box_leaves_the_image_and_its_label() -> None:
    """λ near 1 gives a box of less than 2 px."""
    recipes = [recipe for recipe in drawn("cutmix") if 0 in recipe.expression.arguments[:2]]
    assert stats.binomtest(len(recipes), COUNT, (2 / SIZE) ** 2).pvalue > P
    for recipe in recipes[:20]:
        assert recipe.label_weight == 1
        assert (render(recipe.expression, WHITE, other=BLACK) == WHITE).all()


@pytest.mark.parametrize("method", ["mixup", "cutmix"])
def test_labels_are_weighted_as_the_pixels_are(method: str) -> None:
    """White mixed with black has the weight of the image as its mean; Mixup rounds it to whole levels."""
    for recipe in drawn(method)[:300]:
        mean = render(recipe.expression, WHITE, other=BLACK).mean() / 255
        assert recipe.label_weight == pytest.approx(mean, abs=0.5 / 255 if method == "mixup" else 1e-12)


def test_cutmix_leaves_a_share_of_the_images() -> None:
    recipes = drawn("cutmix", probability=0.5)
    left = [recipe for recipe in recipes if recipe.other is None]
    assert stats.binomtest(len(left), COUNT, 0.5).pvalue > P
    assert {(str(recipe.expression), recipe.label_weight, recipe.blends) for recipe in left} == {("image", 1.0, ())}
