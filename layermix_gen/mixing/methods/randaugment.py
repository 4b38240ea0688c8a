"""RandAugment and TrivialAugment: operations drawn from fourteen, all equally likely, of one magnitude or of any.

RandAugment (Cubuk et al., "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space", 2020):
`num_ops` operations one after the other, all of the magnitude `magnitude`. TrivialAugment (Müller and Hutter,
"TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", 2021), its wide space: one operation, of any of 31
magnitudes. Operations, magnitudes and signs are those of torchvision 0.28: see `layermix_gen.mixing.magnitudes`, also
for the one that differs. One of the fourteen is the identity; it leaves no call in the recipe and is not recorded.

RandAugment's `magnitude` is on torchvision's scale, which ends at 30. The scale of the paper and of its authors' code
ends at 10: their 9 rotates by 27 degrees, 9 here by 9 degrees. 27 here rotates and shears as far as their 9.

Deviations: warps sample bilinearly, where torchvision's default is the nearest pixel; shears keep the centre in place,
where torchvision's keep the upper left corner; tone values are rounded, where torchvision's are cut. TrivialAugment
shifts by up to 32 pixels at any size, in torchvision as here, so images of 32 px can become black.
"""

from dataclasses import dataclass

from layermix_gen.mixing.magnitudes import WIDE, narrow
from layermix_gen.mixing.methods.base import Draft, DrawSettings, Recipe, Shares, drawn_of, even
from layermix_gen.mixing.methods.option_fields import MethodOptions, whole
from layermix_gen.mixing.recipe import IMAGE, MAX_DEPTH, Expression
from layermix_gen.support.seeds import Random

OPS = (
    *("shear_x", "shear_y", "translate_x", "translate_y", "rotate"),
    *("brightness", "color", "contrast", "sharpness", "posterize", "solarize", "autocontrast", "equalize"),
)
CHOICES = ("identity", *OPS)
LAST = 30  # level


@dataclass(frozen=True, slots=True)
class RandAugmentOptions(MethodOptions):
    """The options of RandAugment; the defaults are torchvision's."""

    num_ops: int = whole(2, 1, MAX_DEPTH, "Operations in each variant, some of which may change nothing.")
    magnitude: int = whole(9, 0, LAST, "Level of all magnitudes, up to 30 (the paper's scale ends at 10).")

    @property
    def most(self) -> tuple[int, int]:
        return self.num_ops, 0


@dataclass(frozen=True, slots=True)
class TrivialAugmentOptions(MethodOptions):
    """The options of TrivialAugment, which has none."""

    @property
    def most(self) -> tuple[int, int]:
        return 1, 0


def shares(settings: DrawSettings) -> Shares:
    """Return how often each operation is the first one, of both methods."""
    return Shares(ops=even(OPS))


def draw_randaugment(rng: Random, settings: DrawSettings) -> Recipe:
    """Draw one operation after the other, each with its sign."""
    options: RandAugmentOptions = settings.options
    magnitudes, draft = narrow(settings.size, LAST), Draft()
    expression: Expression = IMAGE
    for _ in range(options.num_ops):
        name = drawn_of(rng, CHOICES)
        if name in OPS:
            expression = draft.operation(name, expression, magnitudes.strength(rng, name, options.magnitude))
    return draft.recipe("randaugment", expression)


def draw_trivialaugment(rng: Random, settings: DrawSettings) -> Recipe:
    """Draw one operation, its level and its sign."""
    name, draft = drawn_of(rng, CHOICES), Draft()
    if name not in OPS:
        return draft.recipe("trivialaugment", IMAGE)
    level = int(rng.random() * (LAST + 1))
    return draft.recipe("trivialaugment", draft.operation(name, IMAGE, WIDE.strength(rng, name, level)))
