"""Cutout and Random Erasing: one box of the image is filled with gray.

Cutout (DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017), as their
published code has it: the centre of a square is any pixel, and what lies beyond the border is cut off. Deviation: a
side of an odd number of pixels stays odd, where their code takes one pixel less.

Random Erasing (Zhong et al., "Random Erasing Data Augmentation", 2020), as torchvision 0.28 has it: a box that is
smaller than the image both ways, drawn up to ten times; if none is, nothing is erased. The authors' code differs: areas
up to 0.4 (here 0.33), aspects uniform in [0.3, 1/0.3] (here log-uniform in [0.3, 3.3]), and 100 tries. Deviation from
both: a box without pixels, which only images below 7 px can have, is drawn again.

What is written differs, too. Cutout's code and torchvision's default write 0 into normalized images, which is the mean
of the training images in each channel. The paper of Random Erasing gives each pixel a random level of 0 to 255, and its
authors' code writes 0.4914 into normalized images. Samples are not normalized yet, and the mean is not known as they
are built: the level `fill` is written, the same in all channels. The default is 128 of 255; the means of CIFAR-10 are
125, 123 and 114, those of ImageNet 124, 116 and 104.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

from layermix_gen.mixing.methods.base import Draft, DrawSettings, Recipe, Shares
from layermix_gen.mixing.methods.option_fields import MethodOptions, number, whole
from layermix_gen.mixing.recipe import IMAGE
from layermix_gen.mixing.strengths import uniform
from layermix_gen.support.seeds import Random

AREA = (0.02, 0.33)  # of the image
ASPECT = (0.3, 3.3)  # height by width
TRIES = 10
FILL = "Gray that is written, from 0 (black) to 1 (white)."


@dataclass(frozen=True, slots=True)
class CutoutOptions(MethodOptions):
    """The options of Cutout."""

    length: int | None = whole(None, 1, 4096, "Side of the square in px; default: half of the image's.")
    fill: float = number(0.5, 0, 1, FILL)

    @property
    def most(self) -> tuple[int, int]:
        return 1, 0

    def resolve(self, size: int) -> Self:
        return replace(self, length=self.length or max(size // 2, 1))


@dataclass(frozen=True, slots=True)
class RandomErasingOptions(MethodOptions):
    """The options of Random Erasing."""

    probability: float = number(0.5, 0, 1, "How often a box is erased.")
    fill: float = number(0.5, 0, 1, FILL)

    @property
    def most(self) -> tuple[int, int]:
        return 1, 0


def shares(settings: DrawSettings) -> Shares:
    """Return the share of the only operation, of both methods."""
    return Shares(ops={"erase": 1.0})


def draw_cutout(rng: Random, settings: DrawSettings) -> Recipe:
    """Draw the centre of the square: its row, then its column."""
    length, size = settings.options.length, settings.size
    starts = [int(rng.random() * size) - length // 2 for _ in range(2)]
    top, left = (max(start, 0) for start in starts)
    bottom, right = (min(start + length, size) for start in starts)
    return _erased("cutout", (bottom - top, right - left, top, left), settings)


def draw_random_erasing(rng: Random, settings: DrawSettings) -> Recipe:
    """Draw whether a box is erased, then its area, aspect and place."""
    size = settings.size
    if rng.random() < settings.options.probability:
        for _ in range(TRIES):
            area = uniform(rng, *AREA) * size**2
            aspect = math.exp(uniform(rng, *map(math.log, ASPECT)))
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < height < size and 0 < width < size:
                top, left = (int(rng.random() * (size - side + 1)) for side in (height, width))
                return _erased("random_erasing", (height, width, top, left), settings)
    return Recipe("random_erasing", IMAGE)


def _erased(method: str, box: tuple[int, ...], settings: DrawSettings) -> Recipe:
    draft, gray = Draft(), round(255 * settings.options.fill)
    return draft.recipe(method, draft.operation("erase", IMAGE, (*box, gray, gray, gray)))
