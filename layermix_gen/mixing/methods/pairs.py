"""Mixup and CutMix: the image mixed with a second training image, and the labels of both with it.

- Mixup (Zhang et al. 2018): λ · image + (1 - λ) · other, and as much of the labels; λ ~ Beta(α, α).
- CutMix (Yun et al. 2019): a box of the second image is pasted into the image. Its sides are √(1 - λ) of the image's,
  λ ~ Beta(α, α), its centre is uniform, and it is cut at the border; the label's weight is the area that is left. As
  in the authors' code, it reaches as many whole pixels to both sides of the centre: its sides are even before it is
  cut, and a box of less than 2 px is empty, so that nothing is pasted and the label has the weight 1.

Where they differ from the papers: the second image is one of those that follow in the shard's random order, not one of
the batch; λ is drawn for each sample, not for each batch; and pixels are mixed before normalisation, which changes
nothing but the rounding to whole levels. CutMix's code for CIFAR leaves half of the batches as they are: `probability`
0.5.
"""

from dataclasses import dataclass, replace
from math import sqrt
from typing import Self

from layermix_gen.images import SMALL
from layermix_gen.mixing.methods.base import Draft, DrawSettings, Recipe, Shares
from layermix_gen.mixing.methods.option_fields import MethodOptions, number
from layermix_gen.mixing.recipe import IMAGE, OTHER
from layermix_gen.mixing.strengths import rounded
from layermix_gen.support.seeds import Random


@dataclass(frozen=True, slots=True)
class MixupOptions(MethodOptions):
    """The options of Mixup."""

    alpha: float | None = number(
        None, 0.01, 100, "Parameter of the weights' beta distribution; default: 1 up to 64 px, 0.2 above."
    )

    @property
    def most(self) -> tuple[int, int]:
        return 0, 1

    def resolve(self, size: int) -> Self:
        return replace(self, alpha=self.alpha or (1.0 if size <= SMALL else 0.2))


@dataclass(frozen=True, slots=True)
class CutMixOptions(MethodOptions):
    """The options of CutMix."""

    alpha: float = number(1, 0.01, 100, "Parameter of the beta distribution of the area that is kept.")
    probability: float = number(1, 0, 1, "How often a box is pasted.")

    @property
    def most(self) -> tuple[int, int]:
        return 0, 1


def draw_mixup(rng: Random, settings: DrawSettings) -> Recipe:
    """Draw one recipe of Mixup."""
    draft, weight = Draft(), rounded(rng.beta(settings.options.alpha, settings.options.alpha))
    mixed = draft.blend("mean", IMAGE, OTHER, (weight,))
    return draft.recipe("mixup", mixed, other=rng.random(), label_weight=weight)


def draw_cutmix(rng: Random, settings: DrawSettings) -> Recipe:
    """Draw one recipe of CutMix."""
    options: CutMixOptions = settings.options
    size, draft = settings.size, Draft()
    if rng.random() >= options.probability:
        return draft.recipe("cutmix", IMAGE)
    side = int(size * sqrt(1 - rng.beta(options.alpha, options.alpha)))
    (top, height), (left, width) = (_cut(int(rng.random() * size), side, size) for _ in range(2))
    pasted = draft.blend("paste", IMAGE, OTHER, (height, width, top, left))
    return draft.recipe("cutmix", pasted, other=rng.random(), label_weight=1 - height * width / size**2)


def _cut(centre: int, side: int, size: int) -> tuple[int, int]:
    """Where a side of a box around a centre begins, and how much of it lies in the image."""
    begin, end = max(centre - side // 2, 0), min(centre + side // 2, size)
    return begin, end - begin


def shares_of_mixup(settings: DrawSettings) -> Shares:
    """Return how often `draw_mixup` makes each choice."""
    return Shares(blends={"mean": 1.0})


def shares_of_cutmix(settings: DrawSettings) -> Shares:
    """Return how often `draw_cutmix` makes each choice."""
    return Shares(blends={"paste": 1.0})
