"""LayerMix (arXiv 2501.04861, section 3): one operation, used at every stage, and up to two blends.

    x1 = f(image)                        layer 1 ends here
    x2 = blend(x1, f(image))             layer 2 ends here
    x3 = f(blend(x2, picture))           layer 3

The layer, the operation f and each blend are drawn once; f's strength is drawn again for each of its uses. The options
that the paper does not have are ablations of its choices: of the one operation for all stages (section 3.1), of the
weights of layers (3.4) and blends (3.3), of one blend for both places (left open in its section 5.1), and of gray and
mirrored pictures (3.2).
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.images.views import draw_picture_view
from layermix_gen.kernels.laws import STRENGTH, STRENGTH_FIELDS, Law
from layermix_gen.kernels.programs import NUMBERS
from layermix_gen.mixing.blends import DRAWN_BLENDS, settled_blend
from layermix_gen.mixing.methods.base import Draft, DrawSettings, Recipe, Shares, drawn_by, drawn_of, even
from layermix_gen.mixing.methods.option_fields import MethodOptions, choice, number, operations, switch, weights
from layermix_gen.mixing.operations import DEFAULT_OPERATIONS, OPERATIONS
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Expression
from layermix_gen.mixing.strengths import Strength, settled
from layermix_gen.support.seeds import Random

PRESETS = tuple(DEFAULT_OPERATIONS)
LAYERS = {"1": 1.0, "2": 1.0, "3": 1.0}
BLEND_WEIGHTS = {"add": 2.0, "multiply": 2.0, "pixel": 1.0, "element": 1.0}  # the paper's table I
COVARIANCES = ("independent", "shared")


@dataclass(frozen=True, slots=True)
class LayerMixOptions(MethodOptions):
    """The options of LayerMix; the defaults are the paper's."""

    preset: str = choice("paper", PRESETS, "The paper's distribution, or that of its released code.")
    magnitude: float = number(8, 0.1, 10, "Upper bound of the operations' strengths, up to 10.")
    blending_ratio: float = number(3, 0.01, 100, "Parameter of the blends' beta distributions.")
    ops: tuple[str, ...] = operations("Operations to draw from; default: those of the preset.")
    layers: dict[str, float] = weights(LAYERS, "How often each layer is drawn.")  # noqa: RUF009 - it makes a field
    blends: dict[str, float] = weights(BLEND_WEIGHTS, "How often each blend is drawn.")  # noqa: RUF009
    covariance: str = choice("shared", COVARIANCES, "One operation for all stages of a sample, or one for each.")
    blend_covariance: str = choice(
        "independent", COVARIANCES, "One blend for both places of a sample, or one for each."
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

    @property
    def most(self) -> tuple[int, int]:
        return 3, 2

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
    layers, blends = (
        {name: weight / sum(weights.values()) for name, weight in weights.items()}
        for weights in (options.layers, options.blends)
    )
    has_blends = any(layers.get(layer) for layer in ("2", "3"))
    return Shares(
        {int(layer): share for layer, share in layers.items()},
        even(options.ops),
        blends if has_blends else {},
        strengths={op: _strength(op, settings) for op in options.ops},
        coefficients={
            name: settled_blend(name, options.blending_ratio) for name, share in blends.items() if share and has_blends
        },
    )


def _strength(op: str, settings: DrawSettings) -> Strength:
    options: LayerMixOptions = settings.options
    return settled(getattr(OPERATIONS[op], options.preset), options.magnitude, settings.size)


def draw(rng: Random, settings: DrawSettings) -> Recipe:
    """Draw one recipe."""
    options: LayerMixOptions = settings.options
    layer = int(drawn_by(rng, options.layers))
    draft = Draft()

    def augment(x: Expression) -> Expression:
        is_drawn = not draft.ops or options.covariance == "independent"
        op = drawn_of(rng, options.ops) if is_drawn else draft.ops[0]
        return draft.operation(op, x, _strength(op, settings)(rng))

    def blend(x: Expression, y: Expression) -> Expression:
        is_drawn = not draft.blends or options.blend_covariance == "independent"
        name = drawn_by(rng, options.blends) if is_drawn else draft.blends[0]
        return draft.blend(name, x, y, DRAWN_BLENDS[name](rng, options.blending_ratio))

    expression, picture = augment(IMAGE), None
    if layer > 1:
        expression = blend(expression, augment(IMAGE))
    if layer > 2:
        expression = augment(blend(expression, PICTURE))
        picture = draw_picture_view(
            rng, settings.pictures, settings.picture_size, settings.size, bool(options.picture_flips)
        )
    return draft.recipe("layermix", expression, layer=layer, picture=picture)


def law(settings: DrawSettings) -> Law:
    """How `draw` draws, in the terms of the kernels."""
    options: LayerMixOptions = settings.options
    rows = [(OPERATIONS[op].renders_as or op, _strength(op, settings)) for op in options.ops]
    columns = STRENGTH_FIELDS[1:]
    return Law(
        np.array([(NUMBERS[call], *(getattr(row, name) for name in columns)) for call, row in rows], STRENGTH),
        options.layers,
        options.blends,
        options.blending_ratio,
        size=settings.size,
        pictures=settings.pictures,
        picture_size=settings.picture_size,
        has_flips=bool(options.picture_flips),
        is_one_operation=options.covariance == "shared",
        is_one_blend=options.blend_covariance == "shared",
    )
