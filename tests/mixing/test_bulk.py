"""Many variants rendered by one call: the same pixels as one by one, in the right places."""

import ctypes

import numpy as np
import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.images.views import PictureView
from layermix_gen.mixing.bulk import NO_PICTURES, ImageRows, programs_of, render_programs
from layermix_gen.mixing.methods import METHODS, DrawSettings, Recipe
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call
from layermix_gen.mixing.renderer import render
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.support.seeds import KeyedRandom
from tests.kernels.levels import every_level

SIZE, COUNT = 16, 40
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (COUNT + 1, SIZE, SIZE, 3), np.uint8)
ROWS = RNG.permutation(COUNT)


@every_level
@pytest.mark.parametrize("name", ["layermix", "ipmix", "cutmix", "random_erasing", "none"])
@pytest.mark.parametrize("color", [False, True], ids=["gray", "color"])
def test_they_are_rendered_as_one_by_one(library: ctypes.CDLL, name: str, color: bool) -> None:
    method, pictures = METHODS[name], RNG.integers(0, 256, (5, 20, 20, 3) if color else (5, 20, 20), np.uint8)
    mixing_set = MixingSet(pictures)
    settings = DrawSettings(SIZE, 5, 20, method.options())
    recipes = [method.draw(KeyedRandom(0, "", variant), settings) for variant in range(COUNT)]
    others = np.where([recipe.other is None for recipe in recipes], -1, ROWS[::-1])
    found = np.zeros((COUNT, 3, SIZE, SIZE, 3), np.uint8)
    programs = programs_of(recipes)
    assert programs
    clean, second, out = ImageRows(IMAGES, ROWS), ImageRows(IMAGES, others), ImageRows.all_of(found[:, 1])
    used = pictures if method.mixes_pictures else NO_PICTURES
    render_programs(library, programs, clean, second, used, out)
    for i, recipe in enumerate(recipes):
        picture = mixing_set.view(recipe.picture, SIZE) if recipe.picture else None
        expected = render(recipe.expression, IMAGES[ROWS[i]], picture, second.image(i))
        np.testing.assert_array_equal(found[i, 1], expected)
    assert not found[:, ::2].any()  # nothing beside them


@every_level
@pytest.mark.parametrize("place", [(5, 4, 4), (4, 5, 4), (4, 4, -1)])
def test_a_crop_outside_of_its_picture_is_refused(library: ctypes.CDLL, place: tuple[int, int, int]) -> None:
    picture = PictureView(*place, False, True)
    programs = programs_of([Recipe("layermix", Call("add", (IMAGE, PICTURE), (0.5, 0.5)), picture=picture)])
    out, first = np.zeros((1, SIZE, SIZE, 3), np.uint8), ImageRows(IMAGES, np.array([0]))
    assert programs
    with pytest.raises(LayerMixError, match=r"expected crops of 16 px inside 5 pictures of 20 px, found picture \d at"):
        render_programs(library, programs, first, None, np.zeros((5, 20, 20), np.uint8), ImageRows.all_of(out))
    assert not out.any()


def test_images_with_gaps_are_refused() -> None:
    with pytest.raises(ValueError, match="without gaps"):
        ImageRows(IMAGES[:, :8, :8], ROWS).addresses()
