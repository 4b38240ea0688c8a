"""LayerMix (arXiv 2501.04861, section 3): one operation, used at every stage, and up to two blends.

    x1 = f(image)                        layer 1 ends here
    x2 = blend(x1, f(image))             layer 2 ends here
    x3 = f(blend(x2, picture))           layer 3

The layer, the operation f and each blend are drawn once; f's strength is drawn again for each of its uses. The options
that the paper does not have are ablations of its choices: of the weights of layers (section 3.4) and blends (3.3), of
one blend for both places (left open in its section 5.1), and of gray and mirrored pictures (3.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.images.views import draw_picture_view
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.methods.base import DrawSettings, Recipe, Shares
from layermix_gen.mixing.methods.option_fields import MethodOptions, choice, number, operations, switch, weights
from layermix_gen.mixing.operations import DEFAULT_OPERATIONS, OPERATIONS
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call, Expression

PRESETS = tuple(DEFAULT_OPERATIONS)
LAYERS = {"1": 1.0, "2": 1.0, "3": 1.0}
BLEND_WEIGHTS = {row.name: float(row.weight) for row in BLENDS.values()}


@dataclass(frozen=True, slots=True)
class LayerMixOptions(MethodOptions):
    """The options of LayerMix; the defaults are the paper's."""

    preset: str = choice("paper", PRESETS, "The paper's distribution, or that of its released code.")
    magnitude: float = number(8, 0.1, 10, "Upper bound of the operations' strengths, up to 10.")
    blending_ratio: float = number(3, 0.01, 100, "Parameter of the blends' beta distributions.")
    ops: tuple[str, ...] = operations("Operations to draw from; default: those of the preset.")
    layers: dict[str, float] = weights(LAYERS, "How often each layer is drawn.")  # noqa: RUF009 - it makes a field
    blends: dict[str, float] = weights(BLEND_WEIGHTS, "How often each blend is drawn.")  # noqa: RUF009
    blend_covariance: str = choice(
        "independent", ("independent", "shared"), "A blend for each place of a sample, or one for both."
    )
    pictures: str | None = choice(
        None, ("gray", "color"), "How a folder of pictures is packed; default: gray, and color with preset released."
    )
    picture_flips: bool | None = switch(None, "Mirror pictures at random; default: not with preset released.")

    def __post_init__(self) -> None:
        MethodOptions.__post_init__(self)
        for name in self.ops:
            if getattr(OPERATIONS[name], self.preset) is None:
                known = ", ".join(row.name for row in OPERATIONS.values() if getattr(row, self.preset))
                raise LayerMixError(f"no operation {name!r} in preset {self.preset}; --ops takes {known}")

    def resolve(self, size: int) -> Self:
        is_paper = self.preset == "paper"
        return replace(
            self,
            ops=self.ops or DEFAULT_OPERATIONS[self.preset],
            pictures=self.pictures or ("gray" if is_paper else "color"),
            picture_flips=is_paper if self.picture_flips is None else self.picture_flips,
        )

    @property
    def color(self) -> bool:
        return self.pictures == "color"


def shares(settings: DrawSettings) -> Shares:
    """Return how often `draw` makes each choice."""
    options: LayerMixOptions = settings.options
    return Shares(
        layers={int(layer): share for layer, share in _shares(options.layers).items()},
        ops=_shares(dict.fromkeys(options.ops, 1)),
        blends=_shares(options.blends),
    )


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def draw(rng: np.random.Generator, settings: DrawSettings) -> Recipe:
    """Draw one recipe."""
    options: LayerMixOptions = settings.options
    layer = int(_drawn(rng, options.layers))
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
        is_drawn = not blends or options.blend_covariance == "independent"
        row = BLENDS[_drawn(rng, options.blends) if is_drawn else blends[0]]
        numbers = row.sample(rng, options.blending_ratio)
        blends += (row.name,)
        blend_args += numbers
        return Call(row.name, (x, y), numbers)

    expression, picture = augment(IMAGE), None
    if layer > 1:
        expression = blend(expression, augment(IMAGE))
    if layer > 2:
        expression = augment(blend(expression, PICTURE))
        picture = draw_picture_view(
            rng, settings.pictures, settings.picture_size, settings.size, bool(options.picture_flips)
        )
    return Recipe("layermix", expression, layer, op.name, op_args, blends, blend_args, picture)


def _drawn(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    """One of the names, drawn by their weights."""
    place = rng.random() * sum(weights.values())
    for name, weight in weights.items():
        place -= weight
        if place < 0:
            return name
    return name  # where rounding leaves 0
