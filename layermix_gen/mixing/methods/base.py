"""The types that all methods share: the settings for drawing, the recipe that is drawn, and the method itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.images.views import PictureView
from layermix_gen.mixing.methods.option_fields import MethodOptions
from layermix_gen.mixing.recipe import Expression


@dataclass(frozen=True, slots=True)
class DrawSettings:
    """How recipes are drawn. Nothing here depends on a single image."""

    size: int  # side of the views, in pixels
    pictures: int  # how many pictures the mixing set has, 0 where the method needs none
    picture_size: int  # their side, in pixels
    options: Any  # the method's; choices that these leave open are made for the size

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", self.options.resolve(self.size))


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
    """One method: its name, its options, how it draws a recipe, and how often it makes each choice."""

    name: str
    options: type[MethodOptions]
    draw: Callable[[np.random.Generator, DrawSettings], Recipe]
    shares: Callable[[DrawSettings], Shares]
    mixes_pictures: bool  # whether recipes use the pictures of a mixing set

    def options_of(self, options: Any) -> MethodOptions:
        """Options of this method, from such options, from names and values, or the defaults for None.

        Raises `LayerMixError` for options of another method, and for values that an option does not take.
        """
        if isinstance(options, self.options):
            return options
        if options is None:
            return self.options()
        known = self.options.kinds()
        if not isinstance(options, Mapping):
            raise LayerMixError(
                f"expected options of the method {self.name}, got {options!r:.80}; give {self.options.__name__}(...)"
            )
        if unknown := [name for name in options if name not in known]:
            takes = f"it takes {', '.join(known)}" if known else "it has none"
            raise LayerMixError(f"{unknown[0]!r} is no option of the method {self.name}; {takes}")
        return self.options(**options)
