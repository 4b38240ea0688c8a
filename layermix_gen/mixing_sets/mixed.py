"""Render recipes with the pictures of a mixing set: many by one call of the kernels, or one after the other."""

import ctypes
from collections.abc import Sequence

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image
from layermix_gen.kernels.native import library
from layermix_gen.kernels.programs import Programs
from layermix_gen.mixing.bulk import NO_PICTURES, ImageRows, Mixed, programs_of, render_programs
from layermix_gen.mixing.recipe import IMAGE
from layermix_gen.mixing.renderer import rendered
from layermix_gen.mixing_sets.mixing_set import MixingSet


def render_mixed(
    recipe: Mixed,
    mixing_set: MixingSet | None,
    image: Image,
    other: Image | None = None,
    out: Image | None = None,
    room: Image | None = None,
) -> Image:
    """Render a recipe on a clean image and a second one (H, W, 3), to `out`, or to new memory where it mixes anything.

    `room` (H, W, 3) is memory for the crop of the picture. Raises `LayerMixError` where there is no such picture.
    """
    if recipe.expression == IMAGE and out is None:
        return image
    picture = None
    if recipe.picture:
        if mixing_set is None:
            raise LayerMixError("expected a mixing set for the picture of a recipe, found none; restore the manifest")
        picture = mixing_set.view(recipe.picture, len(image), room)
    return rendered(recipe.expression, image, picture, other, out)


def render_all_mixed(
    recipes: Sequence[Mixed], mixing_set: MixingSet | None, clean: ImageRows, other: ImageRows | None, out: ImageRows
) -> None:
    """Render recipes to as many images, of clean images (H, W, 3), and of second ones where they use them."""
    compiled = library()
    if compiled and (programs := programs_of(recipes)):
        render_drawn(compiled, programs, mixing_set, clean, other, out)
        return
    for i, recipe in enumerate(recipes):
        image, second = clean.images[clean.rows[i]], other.image(i) if other else None
        render_mixed(recipe, mixing_set, image, second, out.images[out.rows[i]])


def render_drawn(
    compiled: ctypes.CDLL,
    programs: Programs,
    mixing_set: MixingSet | None,
    clean: ImageRows,
    other: ImageRows | None,
    out: ImageRows,
) -> None:
    """Render recipes, as the kernels read them, as `render_all_mixed` does."""
    pictures = mixing_set.pictures if mixing_set else NO_PICTURES
    render_programs(compiled, programs, clean, other, pictures, out)
