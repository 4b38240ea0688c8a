"""PixMix (Hendrycks et al., CVPR 2022, arXiv 2112.05135), as its published code has it: rounds of blends.

    x = image, or f(image)
    x = blend(x, f(image)), or blend(x, picture)       0 to k times

Each f is one operation, drawn anew with its strength; blends are `add` and `multiply`. All choices are equally likely,
the number of rounds included. All rounds use the same crop of one picture. The defaults of beta and severity are those
of the authors' code for CIFAR up to 64 px, and for ImageNet above.

What differs from their code: each blend rounds to whole levels, where theirs only clips floats; shears are about the
centre of the image, theirs about its corner; coefficients and shears keep four decimals; and autocontrast, color and
contrast compute as torchvision does, within a few levels of Pillow. Their mixing set has fractals and feature
visualizations in colour; the fractals that a build renders by default are gray. A folder of pictures is packed in
colour.
"""

from dataclasses import dataclass

from layermix_gen.mixing.blends import DRAWN_BLENDS, settled_blend
from layermix_gen.mixing.methods.base import Draft, DrawSettings, Recipe, Shares, drawn_of, even
from layermix_gen.mixing.methods.chains import PictureOptions, augment, draw_picture_of, strengths_of
from layermix_gen.mixing.methods.option_fields import whole
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Expression
from layermix_gen.support.seeds import Random

PIXMIX_BLENDS = ("add", "multiply")


@dataclass(frozen=True, slots=True)
class PixMixOptions(PictureOptions):
    """The options of PixMix; the defaults are those of its published code."""

    k: int = whole(4, 1, 16, "Most rounds of blending; their number is drawn from 0 to k.")

    @property
    def most(self) -> tuple[int, int]:
        return self.k + 1, self.k


def shares(settings: DrawSettings) -> Shares:
    """Return how often `draw` makes each choice."""
    return Shares(
        ops=even(settings.options.ops),
        blends=even(PIXMIX_BLENDS),
        strengths=strengths_of(settings),
        coefficients={name: settled_blend(name, settings.options.beta) for name in PIXMIX_BLENDS},
    )


def draw(rng: Random, settings: DrawSettings) -> Recipe:
    """Draw one recipe."""
    draft = Draft()

    def augmented_or(other: Expression) -> Expression:
        return augment(rng, draft, IMAGE, settings) if rng.random() < 0.5 else other

    x = augmented_or(IMAGE)
    for _ in range(int(rng.random() * (settings.options.k + 1))):
        operand, blend = augmented_or(PICTURE), drawn_of(rng, PIXMIX_BLENDS)
        x = draft.blend(blend, x, operand, DRAWN_BLENDS[blend](rng, settings.options.beta))
    return draft.recipe("pixmix", x, picture=draw_picture_of(rng, x, settings))
