"""LayerMix (arXiv 2501.04861, section 3): one operation, used at every stage, and up to two blends.

    x1 = f(image)                        layer 1 ends here
    x2 = blend(x1, f(image))             layer 2 ends here
    x3 = f(blend(x2, picture))           layer 3

The layer, the operation f and each blend are drawn once; f's strength is drawn again for each of its uses.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.images.views import draw_picture_view
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.methods.base import DrawSettings, Recipe, Shares
from layermix_gen.mixing.methods.option_fields import MethodOptions, choice, number, operations
from layermix_gen.mixing.operations import DEFAULT_OPERATIONS, OPERATIONS
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call, Expression

LAYERS = 3
PRESETS = tuple(DEFAULT_OPERATIONS)
# Each blend is repeated by its weight, so that one uniform draw picks it.
WEIGHTED_BLENDS = tuple(row for row in BLENDS.values() for _ in range(row.weight))


@dataclass(frozen=True, slots=True)
class LayerMixOptions(MethodOptions):
    """The options of LayerMix; the defaults are the paper's."""

    preset: str = choice("paper", PRESETS, "The paper's distribution, or that of its released code.")
    magnitude: float = number(8, 0.1, 10, "Upper bound of the operations' strengths, up to 10.")
    blending_ratio: float = number(3, 0.01, 100, "Parameter of the blends' beta distributions.")
    ops: tuple[str, ...] = operations("Operations to draw from; default: those of the preset.")

    def __post_init__(self) -> None:
        MethodOptions.__post_init__(self)
        for name in self.ops:
            if getattr(OPERATIONS[name], self.preset) is None:
                known = ", ".join(row.name for row in OPERATIONS.values() if getattr(row, self.preset))
                raise LayerMixError(f"no operation {name!r} in preset {self.preset}; --ops takes {known}")

    def resolve(self, size: int) -> Self:
        return replace(self, ops=self.ops or DEFAULT_OPERATIONS[self.preset])

    @property
    def color(self) -> bool:
        """The released code mixes with fractals in colour."""
        return self.preset == "released"


def shares(settings: DrawSettings) -> Shares:
    """Return how often `draw` makes each choice: layers and operations uniformly, blends by their weights."""
    blends, ops = [row.name for row in WEIGHTED_BLENDS], settings.options.ops
    return Shares(
        layers={1 + layer: 1 / LAYERS for layer in range(LAYERS)},
        ops={name: 1 / len(ops) for name in ops},
        blends={name: blends.count(name) / len(blends) for name in dict.fromkeys(blends)},
    )


def draw(rng: np.random.Generator, settings: DrawSettings) -> Recipe:
    """Draw one recipe."""
    options: LayerMixOptions = settings.options
    layer = 1 + int(rng.random() * LAYERS)
    op = OPERATIONS[options.ops[int(rng.random() * len(options.ops))]]
    sample_strength = getattr(op, options.preset)
    op_args: tuple[float, ...] = ()
    blends: tuple[str, ...] = ()
    blend_args: tuple[float, ...] = ()

    def augment(x: Expression) -> Expression:
        nonlocal op_args
        strength = sample_strength(rng, options.magnitude, settings.size)
        op_args += strength
        return Call(op.renders_as or op.name, (x,), strength)

    def blend(x: Expression, y: Expression) -> Expression:
        nonlocal blends, blend_args
        row = WEIGHTED_BLENDS[int(rng.random() * len(WEIGHTED_BLENDS))]
        numbers = row.sample(rng, options.blending_ratio)
        blends += (row.name,)
        blend_args += numbers
        return Call(row.name, (x, y), numbers)

    expression, picture = augment(IMAGE), None
    if layer > 1:
        expression = blend(expression, augment(IMAGE))
    if layer > 2:
        expression = augment(blend(expression, PICTURE))
        flips = options.preset == "paper"
        picture = draw_picture_view(rng, settings.pictures, settings.picture_size, settings.size, flips)
    return Recipe("layermix", expression, layer, op.name, op_args, blends, blend_args, picture)
