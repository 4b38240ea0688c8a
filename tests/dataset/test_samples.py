"""Samples: what each of them is drawn from, and the text of their metadata."""

import json

import numpy as np
import pytest

from layermix_gen.dataset.samples import SampleMaker, lengths_of, metadata, metadata_json
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
    for drawn in made.draw(SOURCE, ITEM, variants):
        assert drawn.view == shared
        if drawn.variant != CLEAN:
            assert drawn.recipe == METHODS["layermix"].draw(generator(5, "a.png", drawn.variant), made.drawing)


@pytest.mark.parametrize("variants", [[CLEAN, 0, 1], [0], [1, 0]], ids=str)
def test_a_view_of_its_own_is_drawn_before_the_recipe(variants: list[int]) -> None:
    made = maker("independent")
    for drawn in made.draw(SOURCE, ITEM, variants):
        rng = generator(5, "a.png", drawn.variant)
        assert drawn.view == VIEWS["rrc"](rng, 50, 40, 32)
        assert drawn.recipe == METHODS["none" if drawn.variant == CLEAN else "layermix"].draw(rng, made.drawing)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("view", VIEWS)
def test_the_text_of_metadata_is_that_of_json(name: str, view: str) -> None:
    """For whole and other numbers, true and false, second images, and names that JSON escapes."""
    settings = BuildSettings(size=32, view=view, method=name).resolve(None)
    made, lengths = SampleMaker(settings, POOL), lengths_of(settings.options)
    for item in (Item("a.png", 0, 1), Item('Käfer/"猫"\\\n\x7f.png', -1, 1)):
        for drawn in made.draw(SOURCE, item, [CLEAN, *range(60)]):
            if drawn.recipe.other is not None:
                drawn = drawn._replace(other=item)
            facts = metadata(drawn, item, item.id[:5], lengths)
            assert metadata_json(drawn, item, item.id[:5], lengths) == json.dumps(facts, ensure_ascii=False)
