"""The types that all methods share: the settings for drawing, the recipe that is drawn, and the method itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from layermix_gen.errors import LayerMixError
from layermix_gen.images.views import PictureView
from layermix_gen.kernels.laws import Law
from layermix_gen.mixing.methods.option_fields import MethodOptions
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import Call, Expression, as_html
from layermix_gen.mixing.strengths import ArgumentSampler
from layermix_gen.support.seeds import Random


@dataclass(frozen=True, slots=True)
class DrawSettings:
    """How recipes are drawn. Nothing here depends on a single image."""

    size: int  # side of the views, in pixels
    pictures: int  # how many pictures the mixing set has, 0 where the method needs none
    picture_size: int  # their side, in pixels
    options: Any  # the method's; choices that these leave open are made for the size

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", self.options.resolve(self.size))


class Recipe(NamedTuple):
    """One drawn variant: the expression that makes it, and the choices behind it as plain values for queries.

    `ops` are the operations in the order of evaluation, each with its first argument in `op_args`, 0.0 where it has
    none. `blends` are those that the method chooses, each with its first two arguments in `blend_args`.
    """

    method: str
    expression: Expression
    layer: int = 0  # 1, 2 or 3 as in the paper's figure 2; 0 for a method without layers
    ops: tuple[str, ...] = ()
    op_args: tuple[float, ...] = ()
    blends: tuple[str, ...] = ()
    blend_args: tuple[float, ...] = ()
    picture: PictureView | None = None  # the crop of the picture, where the expression uses one
    other: float | None = None  # in [0, 1): which of the other images is the second one, where the expression uses one
    label_weight: float = 1.0  # of the image's own label; the rest is for that of the second image

    @property
    def op(self) -> str:
        """The operation, where it is the only one; "" where there are none or several."""
        return self.ops[0] if len(set(self.ops)) == 1 else ""

    def _repr_html_(self) -> str:
        return as_html(self.expression, f"Recipe of {self.method}{f', layer {self.layer}' if self.layer else ''}")


@dataclass(slots=True)
class Draft:
    """A recipe that is being drawn: it notes operations and blends as their calls are made."""

    ops: list[str] = field(default_factory=list)
    op_args: list[float] = field(default_factory=list)
    blends: list[str] = field(default_factory=list)
    blend_args: list[float] = field(default_factory=list)

    def operation(self, name: str, x: Expression, arguments: Sequence[float] = ()) -> Call:
        """The call of an operation, by the name of its row."""
        self.ops.append(name)
        self.op_args.append(arguments[0] if arguments else 0.0)
        return Call(OPERATIONS[name].renders_as or name, (x,), tuple(arguments))

    def blend(self, name: str, x: Expression, y: Expression, arguments: Sequence[float]) -> Call:
        """The call of a blend."""
        self.blends.append(name)
        self.blend_args += [*arguments[:2], 0.0][:2]
        return Call(name, (x, y), tuple(arguments))

    def recipe(self, method: str, expression: Expression, **more: Any) -> Recipe:
        """The recipe with all that was noted; `more` are its other fields."""
        return Recipe(
            method,
            expression,
            ops=tuple(self.ops),
            op_args=tuple(self.op_args),
            blends=tuple(self.blends),
            blend_args=tuple(self.blend_args),
            **more,
        )


def drawn_by(rng: Random, weights: Mapping[str, float]) -> str:
    """One of the names, drawn by their weights."""
    place = rng.random() * sum(weights.values())
    for name, weight in weights.items():
        place -= weight
        if place < 0:
            return name
    return name  # where rounding leaves 0


def drawn_of(rng: Random, names: Sequence[str]) -> str:
    """One of the names, all equally likely."""
    return names[int(rng.random() * len(names))]


def even(names: Sequence[str]) -> dict[str, float]:
    """The same share for each of the names."""
    return dict.fromkeys(names, 1 / len(names))


@dataclass(frozen=True, slots=True)
class Shares:
    """How often a method makes each choice on average, as shares of all variants that make it.

    Of operations and blends, the first of each variant counts: later ones may depend on it. `strengths` and
    `coefficients` draw the arguments of operations and blends, by their names, where no other choice plays a part.
    """

    layers: Mapping[int, float] = field(default_factory=dict)
    ops: Mapping[str, float] = field(default_factory=dict)
    blends: Mapping[str, float] = field(default_factory=dict)
    strengths: Mapping[str, ArgumentSampler] = field(default_factory=dict, compare=False)
    coefficients: Mapping[str, ArgumentSampler] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its name, its options, how it draws a recipe, and how often it makes each choice."""

    name: str
    options: type[MethodOptions]
    draw: Callable[[Random, DrawSettings], Recipe]
    shares: Callable[[DrawSettings], Shares]
    mixes_pictures: bool = False  # whether recipes use the pictures of a mixing set
    mixes_labels: bool = False  # whether recipes use a second training image, so that variants have two labels
    law: Callable[[DrawSettings], Law] | None = None  # how the kernels draw the same recipes, for the methods they know

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
            raise LayerMixError(f"{unknown[0]!r:.80} is no option of the method {self.name}; {takes}")
        return self.options(**options)
