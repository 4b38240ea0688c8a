"""IPMix (Huang et al., NeurIPS 2023, arXiv 2310.04780), as its authors' code has it: a mean of chains of two kinds.

    (1 - m) image + m (w1 chain1 + w2 chain2 + w3 chain3)

Each chain starts with the image and makes 0 to t steps: operations one after another (image level), or blends within
boxes of the image (patch level; `add`, `multiply`, `pixel` or `element`). All these choices are equally likely. The
weights w are drawn from Dirichlet(1), and m from Beta(1, 1).

A patch has one of the sizes 4, 8, 16, 32, 64 that are below the image's, or that of the image. Its corner is drawn so
that a square of that size fits. Half of the patches are such squares; the others start at that corner and have sides
from 2 to that size. Patches blend with the picture; above 64 px half of them, with one operation on the image instead.
The defaults of beta and severity are those of the authors' code for CIFAR up to 64 px, and for ImageNet above.

The paper does not say that its models were trained with AugMix's loss (Jensen-Shannon), but the authors' code and its
README do: the clean view is compared with two variants of it, so build with `--view-mode shared`.

What differs from their code: values of a patch below 0 and above 255 are clipped, theirs wrap around; patches and means
round to whole levels, while theirs cut off the fractions of patches and take one mean of floats; two variants of an
image have pictures of their own, theirs share one; the share that a mask chooses is a multiple of 1/256; shears are
about the centre of the image, theirs about its corner; autocontrast and the operations after it are drawn with
`all_ops` at any size, which their CIFAR code lacks, and autocontrast ignores no extreme values, while theirs ignores
the outermost 7 to 10 percent on both sides; sizes of images other than 32 and 224 px are ours. Their mixing set, which
they offer, has pictures in colour, fractals among them; the fractals that a build renders by default are gray. A folder
of pictures is packed in colour.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from layermix_gen.images import SMALL
from layermix_gen.mixing.blends import DRAWN_BLENDS, patch_name
from layermix_gen.mixing.methods.base import Draft, DrawSettings, Recipe, Shares, drawn_of, even
from layermix_gen.mixing.methods.chains import (
    OPS,
    OVERLAPPING,
    PictureOptions,
    augment,
    draw_picture_of,
    mean_of_chains,
    strengths_of,
)
from layermix_gen.mixing.methods.option_fields import whole
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call, Expression
from layermix_gen.support.seeds import Random

IPMIX_OPS = (*(name for name in OPS if name != "autocontrast"), "mirror", "invert")
PATCH_SIZES = (4, 8, 16, 32, 64)  # px; and the whole image
SHORTEST = 2  # px; side of a patch that is no square of one of the sizes


@dataclass(frozen=True, slots=True)
class IPMixOptions(PictureOptions):
    """The options of IPMix; the defaults are those of its authors' code."""

    k: int = whole(3, 1, 6, "How many chains are mixed.")
    t: int = whole(3, 1, 6, "Most operations or patches of a chain; their number is drawn from 0 to t.")

    @property
    def ops(self) -> tuple[str, ...]:
        return (*IPMIX_OPS, "autocontrast", *OVERLAPPING) if self.all_ops else IPMIX_OPS

    @property
    def most(self) -> tuple[int, int]:
        return self.k * self.t, self.k * self.t + 1


def shares(settings: DrawSettings) -> Shares:
    """Return how often `draw` makes each choice."""
    options: IPMixOptions = settings.options
    without = (0.5 + 0.5 / (options.t + 1)) ** options.k  # no chain has a patch, so that the mean is the only blend
    patches = {patch_name(name): (1 - without) / len(DRAWN_BLENDS) for name in DRAWN_BLENDS}
    return Shares(ops=even(options.ops), blends={**patches, "mean": without}, strengths=strengths_of(settings))


def draw(rng: Random, settings: DrawSettings) -> Recipe:
    """Draw one recipe."""
    options: IPMixOptions = settings.options
    draft = Draft()

    def chain() -> Expression:
        x: Expression = IMAGE
        has_patches = rng.random() < 0.5
        for _ in range(int(rng.random() * (options.t + 1))):
            x = _patch(rng, draft, x, settings) if has_patches else augment(rng, draft, x, settings)
        return x

    mix = mean_of_chains(rng, draft, options.k, 1.0, chain)
    return draft.recipe("ipmix", mix, picture=draw_picture_of(rng, mix, settings))


def _patch(rng: Random, draft: Draft, x: Expression, settings: DrawSettings) -> Call:
    """One blend within a box of `x`."""
    sizes = [*(size for size in PATCH_SIZES if size < settings.size), settings.size]
    size, name = sizes[int(rng.random() * len(sizes))], drawn_of(rng, tuple(DRAWN_BLENDS))
    is_picture = settings.size <= SMALL or rng.random() < 0.5
    y = PICTURE if is_picture else augment(rng, draft, IMAGE, settings)
    box = _draw_box(rng, size, settings.size)
    return draft.blend(patch_name(name), x, y, (*DRAWN_BLENDS[name](rng, settings.options.beta), *box))


def _draw_box(rng: Random, size: int, side: int) -> Sequence[int]:
    """Height, width, top and left of a patch."""
    left, top = (int(rng.random() * (side - size + 1)) for _ in range(2))
    if rng.random() < 0.5:
        return size, size, top, left
    width, height = (SHORTEST + int(rng.random() * (size - SHORTEST + 1)) for _ in range(2))
    return height, width, top, left
