"""A picture of all methods: each in a row, on the same photographs and from the same seeds.

    python benchmarks/methods.py docs/images/methods.jpg

The photographs are scikit-image's. Methods that mix two images take the next photograph as the second one.
"""

import argparse
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from layermix_gen import Mixer
from layermix_gen.figures.canvas import DENSITY, Canvas, scaled
from layermix_gen.figures.palette import QUIET
from layermix_gen.images import Image
from layermix_gen.images.views import draw_center, render_view
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing_sets.provision import resolve_mixing_set

NAMES = ("chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png")
EACH, SIZE = 2, 224  # variants of each photograph; their side in pixels
SIDE, GAP, MARGIN, LABEL = 80 * DENSITY, 5 * DENSITY, 16 * DENSITY, 22 * DENSITY  # device pixels


def photographs() -> list[Image]:
    """The centre squares of the photographs, uint8 (SIZE, SIZE, 3)."""
    rng, views = np.random.default_rng(0), []
    for name in NAMES:
        with PillowImage.open(str(files("skimage") / "data" / name)) as opened:
            pixels = np.asarray(opened.convert("RGB"))
        views.append(render_view(pixels, draw_center(rng, pixels.shape[0], pixels.shape[1], SIZE), SIZE))
    return views


def row(name: str, views: list[Image]) -> list[Image]:
    """Variants of each photograph by a method."""
    method = METHODS[name]
    mix = Mixer(name, resolve_mixing_set(None, SIZE) if method.mixes_pictures else None)
    made = []
    for number, view in enumerate(views):
        other = views[(number + 1) % len(views)] if method.mixes_labels else None
        made += [mix(view, np.random.default_rng((number, variant)), other)[0] for variant in range(EACH)]
    return made


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out, views = parser.parse_args().out, photographs()
    columns, pitch = EACH * len(views), SIDE + LABEL + GAP
    sheet = Canvas(2 * MARGIN + columns * (SIDE + GAP) - GAP, 2 * MARGIN + len(METHODS) * pitch - GAP)
    for number, name in enumerate(METHODS):
        top = MARGIN + number * pitch
        sheet.text((MARGIN, top + LABEL - 8 * DENSITY), name, 11, QUIET, bold=True)
        for column, pixels in enumerate(row(name, views)):
            sheet.image(scaled(pixels, SIDE), MARGIN + column * (SIDE + GAP), top + LABEL)
    sheet.picture.save(out, quality=75)


if __name__ == "__main__":
    main()
