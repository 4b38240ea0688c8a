"""AutoAugment (Cubuk et al., "AutoAugment: Learning Augmentation Strategies from Data", 2019): the published policies.

A policy has 25 sub-policies, all equally likely, of two steps each: an operation, its probability, and its level.
Policies, magnitudes of ten levels and signs are those of torchvision 0.28: see `layermix_gen.mixing.magnitudes`.
torchvision, and so this method, departs from the published code for CIFAR-10: a level is a ninth of a range, not a
tenth; shifts reach 150/331 of the image's side instead of 10 pixels; posterizing leaves 8 to 4 bits instead of 4 to 1;
the sign of brightness, color, contrast and sharpness is drawn, where the code has one range from dark to bright.

Deviations from torchvision: warps sample bilinearly, where its default is the nearest pixel; shears keep the centre in
place, where its keep the upper left corner; tone values are rounded, where its are cut. The paper erases a square after
the policy, as `cutout` does; this method does not.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from layermix_gen.images import SMALL
from layermix_gen.mixing.magnitudes import narrow
from layermix_gen.mixing.methods.base import Draft, DrawSettings, Recipe, Shares
from layermix_gen.mixing.methods.option_fields import MethodOptions, choice
from layermix_gen.mixing.recipe import IMAGE, Expression
from layermix_gen.support.seeds import Random

LAST = 9  # level

_TABLES = {  # in each line the two steps of a sub-policy: operation, probability, and level where magnitudes have any
    "cifar10": """
        invert 0.1, contrast 0.2 6
        rotate 0.7 2, translate_x 0.3 9
        sharpness 0.8 1, sharpness 0.9 3
        shear_y 0.5 8, translate_y 0.7 9
        autocontrast 0.5, equalize 0.9
        shear_y 0.2 7, posterize 0.3 7
        color 0.4 3, brightness 0.6 7
        sharpness 0.3 9, brightness 0.7 9
        equalize 0.6, equalize 0.5
        contrast 0.6 7, sharpness 0.6 5
        color 0.7 7, translate_x 0.5 8
        equalize 0.3, autocontrast 0.4
        translate_y 0.4 3, sharpness 0.2 6
        brightness 0.9 6, color 0.2 8
        solarize 0.5 2, invert 0.0
        equalize 0.2, autocontrast 0.6
        equalize 0.2, equalize 0.6
        color 0.9 9, equalize 0.6
        autocontrast 0.8, solarize 0.2 8
        brightness 0.1 3, color 0.7 0
        solarize 0.4 5, autocontrast 0.9
        translate_y 0.9 9, translate_y 0.7 9
        autocontrast 0.9, solarize 0.8 3
        equalize 0.8, invert 0.1
        translate_y 0.7 9, autocontrast 0.9
    """,
    "imagenet": """
        posterize 0.4 8, rotate 0.6 9
        solarize 0.6 5, autocontrast 0.6
        equalize 0.8, equalize 0.6
        posterize 0.6 7, posterize 0.6 6
        equalize 0.4, solarize 0.2 4
        equalize 0.4, rotate 0.8 8
        solarize 0.6 3, equalize 0.6
        posterize 0.8 5, equalize 1.0
        rotate 0.2 3, solarize 0.6 8
        equalize 0.6, posterize 0.4 6
        rotate 0.8 8, color 0.4 0
        rotate 0.4 9, equalize 0.6
        equalize 0.0, equalize 0.8
        invert 0.6, equalize 1.0
        color 0.6 4, contrast 1.0 8
        rotate 0.8 8, color 1.0 2
        color 0.8 8, solarize 0.8 7
        sharpness 0.4 7, invert 0.6
        shear_x 0.6 5, equalize 1.0
        color 0.4 0, equalize 0.6
        equalize 0.4, solarize 0.2 4
        solarize 0.6 5, autocontrast 0.6
        invert 0.6, equalize 1.0
        color 0.6 4, contrast 1.0 8
        equalize 0.8, equalize 0.6
    """,
    "svhn": """
        shear_x 0.9 4, invert 0.2
        shear_y 0.9 8, invert 0.7
        equalize 0.6, solarize 0.6 6
        invert 0.9, equalize 0.6
        equalize 0.6, rotate 0.9 3
        shear_x 0.9 4, autocontrast 0.8
        shear_y 0.9 8, invert 0.4
        shear_y 0.9 5, solarize 0.2 6
        invert 0.9, autocontrast 0.8
        equalize 0.6, rotate 0.9 3
        shear_x 0.9 4, solarize 0.3 3
        shear_y 0.8 8, invert 0.7
        equalize 0.9, translate_y 0.6 6
        invert 0.9, equalize 0.6
        contrast 0.3 3, rotate 0.8 4
        invert 0.8, translate_y 0.0 2
        shear_y 0.7 6, solarize 0.4 8
        invert 0.6, rotate 0.8 4
        shear_y 0.3 7, translate_x 0.9 3
        shear_x 0.1 6, invert 0.6
        solarize 0.7 2, translate_y 0.6 7
        shear_y 0.8 4, invert 0.8
        shear_x 0.7 9, translate_y 0.8 3
        shear_y 0.8 5, autocontrast 0.7
        shear_x 0.7 2, invert 0.1
    """,
}


class PolicyStep(NamedTuple):
    """An operation of a sub-policy, how likely it is applied, and the level of its magnitude."""

    name: str
    probability: float
    level: int


def _step(name: str, probability: str, level: str = "0") -> PolicyStep:
    return PolicyStep(name, float(probability), int(level))


POLICIES = {
    policy: [[_step(*step.split()) for step in line.split(",")] for line in table.strip().splitlines()]
    for policy, table in _TABLES.items()
}


@dataclass(frozen=True, slots=True)
class AutoAugmentOptions(MethodOptions):
    """The options of AutoAugment."""

    policy: str | None = choice(
        None, tuple(POLICIES), f"For which images it was found; default: cifar10 up to {SMALL} px, else imagenet."
    )

    @property
    def most(self) -> tuple[int, int]:
        return 2, 0

    def resolve(self, size: int) -> Self:
        return replace(self, policy=self.policy or ("cifar10" if size <= SMALL else "imagenet"))


def shares(settings: DrawSettings) -> Shares:
    """Return how often each operation is the first one that is applied."""
    chances: dict[str, float] = defaultdict(float)
    for one, two in POLICIES[settings.options.policy]:
        chances[one.name] += one.probability
        chances[two.name] += (1 - one.probability) * two.probability
    return Shares(ops={name: chance / sum(chances.values()) for name, chance in chances.items()})


def draw(rng: Random, settings: DrawSettings) -> Recipe:
    """Draw a sub-policy, then whether each of its steps is applied, and its sign."""
    policy, magnitudes = POLICIES[settings.options.policy], narrow(settings.size, LAST)
    draft = Draft()
    expression: Expression = IMAGE
    for step in policy[int(rng.random() * len(policy))]:
        if rng.random() < step.probability:
            expression = draft.operation(step.name, expression, magnitudes.strength(rng, step.name, step.level))
    return draft.recipe("autoaugment", expression)
