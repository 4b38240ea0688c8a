"""The types that all methods share: the settings for drawing, the recipe that is drawn, and the method itself."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.images.views import PictureView
from layermix_gen.mixing.operations import DEFAULT_OPERATIONS, OPERATIONS
from layermix_gen.mixing.recipe import Expression
from layermix_gen.support.checks import check_choice, check_number

PRESETS = tuple(DEFAULT_OPERATIONS)


@dataclass(frozen=True, slots=True)
class DrawSettings:
    """How recipes are drawn. Nothing here depends on a single image."""

    size: int  # side of the views, in pixels
    pictures: int  # how many pictures the mixing set has, 0 where the method needs none
    picture_size: int  # their side, in pixels
    preset: str = "paper"
    magnitude: float = 8.0  # m of 10
    blending_ratio: float = 3.0  # β of the blends' beta distributions
    ops: tuple[str, ...] = ()  # names of operations; empty: the preset's

    def __post_init__(self) -> None:
        check_choice("preset", self.preset, PRESETS)
        check_number("magnitude", self.magnitude, 0.1, 10)
        check_number("blending-ratio", self.blending_ratio, 0.01, 100)
        if not self.ops:
            object.__setattr__(self, "ops", DEFAULT_OPERATIONS[self.preset])
        if isinstance(self.ops, str):
            raise LayerMixError(f"expected a sequence of operations, got {self.ops!r}; give ({self.ops!r},)")
        for name in self.ops:
            if name not in OPERATIONS or getattr(OPERATIONS[name], self.preset) is None:
                known = ", ".join(row.name for row in OPERATIONS.values() if getattr(row, self.preset))
                raise LayerMixError(f"no operation {name!r} in preset {self.preset}; --ops takes {known}")
        if twice := [name for name, times in Counter(self.ops).items() if times > 1]:
            raise LayerMixError(f"expected each operation once, got {twice[0]!r} again; take it out of --ops")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One drawn variant: the expression that makes it, and the choices behind it as plain values for queries."""

    method: str
    expression: Expression
    layer: int = 0  # 1, 2 or 3 as in the paper's figure 2; 0 for an image left as it is
    op: str = ""
    op_args: tuple[float, ...] = ()  # the operation's arguments in the order of evaluation
    blends: tuple[str, ...] = ()
    blend_args: tuple[float, ...] = ()
    picture: PictureView | None = None  # the crop of the picture, where the expression uses one


@dataclass(frozen=True, slots=True)
class Shares:
    """How often a method makes each choice on average: shares of all variants or, for blends, of all blends drawn."""

    layers: dict[int, float]
    ops: dict[str, float]
    blends: dict[str, float]


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its name, how it draws a recipe, and how often it makes each choice."""

    name: str
    draw: Callable[[np.random.Generator, DrawSettings], Recipe]
    shares: Callable[[DrawSettings], Shares]
    mixes_pictures: bool  # whether recipes use the pictures of a mixing set
