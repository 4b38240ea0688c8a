"""Digests of the pixels of recipes, views and pictures: they are these on every machine, in this version and the next.

Nothing here is drawn: images and boxes are made by whole numbers, recipes stand in `recipes.txt`. If a digest changes,
datasets that were built before can no longer be built again or verified: the format of datasets needs a new version.
"""

from collections.abc import Iterable
from ctypes import CDLL
from hashlib import sha256
from pathlib import Path

import numpy as np

from layermix_gen.images import Image
from layermix_gen.images.views import View, render_view, scaled_shape
from layermix_gen.kernels import programs, scaling
from layermix_gen.mixing.recipe import Expression, parse
from layermix_gen.mixing.renderer import evaluated, names_in, nodes_of
from tests.kernels.levels import every_kernel, using

RECIPES = [parse(line) for line in (Path(__file__).parent / "recipes.txt").read_text("utf-8").splitlines()]


def image_of(height: int, width: int, number: int) -> Image:
    """An image of whole numbers: slopes and waves of each channel, noise on them, and a flat part."""
    y, x, channel = np.ogrid[:height, :width, :3]
    slope = (3 + number) * x + 5 * y + 40 * channel
    noise = (x * 7919 + y * 104729 + channel * 1299709 + number) ** 2 // 64 % 61
    flat = (x // 8 + y // 8) % 5 == number % 5
    return np.ascontiguousarray(np.where(flat, 20 + 90 * channel, (slope + noise) % 256).astype(np.uint8))


def digest(images: Iterable[Image]) -> str:
    return sha256(b"".join(image.tobytes() for image in images)).hexdigest()


# --- recipes -------------------------------------------------------------------------------------------------------


def test_every_call_that_has_a_kernel_is_among_the_recipes() -> None:
    assert {*programs.CALLS} == {name for recipe in RECIPES for name in names_in(recipe)}


@every_kernel
def test_recipes(library: CDLL | None) -> None:
    leaves = [image_of(40, 53, number) for number in range(3)]

    def pixels(recipe: Expression) -> Image:
        if library is None:
            return evaluated(recipe, dict(zip(programs.LEAVES, leaves, strict=True)))
        out = np.empty_like(leaves[0])
        programs.run(library, nodes_of(recipe), leaves, out)
        return out

    assert digest(map(pixels, RECIPES)) == "b236986249dfc041c718c91fbaf719e6fee06d2636e56037fdc2cb22897704fa"


# --- views and pictures --------------------------------------------------------------------------------------------


def views() -> Iterable[tuple[Image, View, int]]:
    """Sources, views of them, and sizes: boxes inside, as of `rrc`; squares with 4 pixels around; centres."""
    for i in range(51):
        height, width, size = 12 + 53 * i % 211, 9 + 97 * i % 307, (32, 48, 19, 64)[i % 4]
        source, flip, short = image_of(height, width, i), i % 2 == 1, min(height, width)
        if i % 3 == 0:
            rows, columns = 1 + 31 * i % height, 1 + 43 * i % width
            yield source, View(17 * i % (height - rows + 1), 29 * i % (width - columns + 1), rows, columns, flip), size
            continue
        margins = [side - size for side in scaled_shape(height, width, size)]
        places = [i * 37 % (most + 9) - 4 for most in margins] if i % 3 == 1 else [most // 2 for most in margins]
        top, left = (round(place * short / size, 4) for place in places)
        yield source, View(top, left, short, short, flip), size


@every_kernel
def test_views(library: CDLL | None) -> None:
    with using(library):
        found = digest(render_view(source, view, size) for source, view, size in views())
    assert found == "a0ce762e0d1fd39bb92d5b9445ead2e27d9f018e3befec0fac13e8b5902b526b"


@every_kernel
def test_pictures(library: CDLL | None) -> None:
    color = np.stack([image_of(50, 50, number) for number in range(4)])
    crops = []
    with using(library):
        for i in range(16):
            size = 50 - 3 * i
            crops.append(np.empty((size, size, 3), np.uint8))
            pictures = color if i % 2 else np.ascontiguousarray(color[..., 0])
            place = i, 2 * i
            scaling.cut_picture(pictures, i % 4, place, i % 3 == 0, i % 5 < 2, crops[-1])
    assert digest(crops) == "1040e75f725a333864de88195f6b234d6a586ab1686f0992cd7921ab9f1a4804"
