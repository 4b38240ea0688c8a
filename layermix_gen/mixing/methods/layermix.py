"""LayerMix (arXiv 2501.04861, section 3): one operation, used at every stage, and up to two blends.

    x1 = f(image)                        layer 1 ends here
    x2 = blend(x1, f(image))             layer 2 ends here
    x3 = f(blend(x2, picture))           layer 3

The layer, the operation f and each blend are drawn once; f's strength is drawn again for each of its uses.
"""

import numpy as np

from layermix_gen.images.views import draw_picture_view
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.methods.base import DrawSettings, Recipe, Shares
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call, Expression

LAYERS = 3
# Each blend is repeated by its weight, so that one uniform draw picks it.
WEIGHTED_BLENDS = tuple(row for row in BLENDS.values() for _ in range(row.weight))


def shares(settings: DrawSettings) -> Shares:
    """Return how often `draw` makes each choice: layers and operations uniformly, blends by their weights."""
    blends = [row.name for row in WEIGHTED_BLENDS]
    return Shares(
        layers={1 + layer: 1 / LAYERS for layer in range(LAYERS)},
        ops={name: 1 / len(settings.ops) for name in settings.ops},
        blends={name: blends.count(name) / len(blends) for name in dict.fromkeys(blends)},
    )


def draw(rng: np.random.Generator, settings: DrawSettings) -> Recipe:
    """Draw one recipe."""
    layer = 1 + int(rng.random() * LAYERS)
    op = OPERATIONS[settings.ops[int(rng.random() * len(settings.ops))]]
    sample_strength = getattr(op, settings.preset)
    op_args: tuple[float, ...] = ()
    blends: tuple[str, ...] = ()
    blend_args: tuple[float, ...] = ()

    def augment(x: Expression) -> Expression:
        nonlocal op_args
        strength = sample_strength(rng, settings.magnitude, settings.size)
        op_args += strength
        return Call(op.renders_as or op.name, (x,), strength)

    def blend(x: Expression, y: Expression) -> Expression:
        nonlocal blends, blend_args
        row = WEIGHTED_BLENDS[int(rng.random() * len(WEIGHTED_BLENDS))]
        numbers = row.sample(rng, settings.blending_ratio)
        blends += (row.name,)
        blend_args += numbers
        return Call(row.name, (x, y), numbers)

    expression, picture = augment(IMAGE), None
    if layer > 1:
        expression = blend(expression, augment(IMAGE))
    if layer > 2:
        expression = augment(blend(expression, PICTURE))
        flips = settings.preset == "paper"
        picture = draw_picture_view(rng, settings.pictures, settings.picture_size, settings.size, flips)
    return Recipe("layermix", expression, layer, op.name, op_args, blends, blend_args, picture)
