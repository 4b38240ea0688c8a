"""Samples: what each of them is drawn from."""

import numpy as np
import pytest

from layermix_gen.dataset.samples import SampleMaker
from layermix_gen.dataset.settings import CLEAN, BuildSettings
from layermix_gen.images.views import VIEWS
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.sources import Item
from layermix_gen.support.seeds import generator

ITEM = Item("a.png", 0, 100)
SOURCE = np.random.default_rng(0).integers(0, 256, (50, 40, 3), np.uint8)
POOL = MixingSet(np.random.default_rng(1).integers(0, 256, (3, 36, 36), np.uint8))


def maker(view_mode: str) -> SampleMaker:
    return SampleMaker(BuildSettings(size=32, view="rrc", view_mode=view_mode, seed=5).resolve(None), POOL)


@pytest.mark.parametrize("variants", [[CLEAN, 0, 1], [0], [1, 0]], ids=str)
def test_a_shared_view_is_drawn_by_the_generator_of_the_clean_one(variants: list[int]) -> None:
    """Recipes are drawn by generators of their own: with numbers of the view's, a recipe would depend on the view."""
    shared = VIEWS["rrc"](generator(5, "a.png", CLEAN), 50, 40, 32)
    made = maker("shared")
    for sample in made.make(SOURCE, ITEM, variants):
        assert sample.view == shared
        if sample.variant != CLEAN:
            assert sample.recipe == METHODS["layermix"].draw(generator(5, "a.png", sample.variant), made.drawing)


@pytest.mark.parametrize("variants", [[CLEAN, 0, 1], [0], [1, 0]], ids=str)
def test_a_view_of_its_own_is_drawn_before_the_recipe(variants: list[int]) -> None:
    made = maker("independent")
    for sample in made.make(SOURCE, ITEM, variants):
        rng = generator(5, "a.png", sample.variant)
        assert sample.view == VIEWS["rrc"](rng, 50, 40, 32)
        assert sample.recipe == METHODS["none" if sample.variant == CLEAN else "layermix"].draw(rng, made.drawing)
