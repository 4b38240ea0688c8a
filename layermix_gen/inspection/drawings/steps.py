"""The steps of a recipe: every subexpression with the image that it makes, and the mask where it is a mask blend."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from layermix_gen.images import Image
from layermix_gen.mixing.blends import BLENDS, MASK
from layermix_gen.mixing.operations import BOX
from layermix_gen.mixing.recipe import IMAGE, PICTURE, SIGNATURES, Call, Expression
from layermix_gen.mixing.renderer import render

UNITS = {  # of arguments, by the name of the parameter
    "degrees": "{}°",
    "pixels": "{} px",
    "bits": "{} bits",
    "height": "{} high",
    "width": "{} wide",
    "top": "at {}",
    "left": "{}",
}
NUMBERS = {
    name: tuple(UNITS.get(parameter.name, f"{parameter.name} {{}}") for parameter in parameters)
    for name, (_, parameters) in SIGNATURES.items()
}
"""How each argument of an operation or blend is written for people, by its name."""

BOXED = tuple(row.name for row in BLENDS.values() if row.parameters == BOX)
MASKED = tuple(row.name for row in BLENDS.values() if row.parameters == MASK) + BOXED
"""The blends that choose x or y at each place: by random masks, or by a box."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step of a recipe: image and mask (uint8 (H, W, 3), white where the first operand is taken), and operands."""

    expression: Expression
    pixels: Image
    operands: tuple["Step", ...] = ()
    mask: Image | None = None

    @property
    def name(self) -> str:
        """The name of the step's operation or blend; `view` or `picture` for a leaf."""
        return "view" if self.expression == IMAGE else self.expression.name

    def mask_shown(self, side: int) -> Image:
        """The part of the mask to show: that of a box whole, of a random one a corner of `side` pixels."""
        if self.mask is None:
            raise ValueError(f"{self.name} has no mask")
        return self.mask if self.name in BOXED else self.mask[:side, :side]

    @property
    def arguments(self) -> tuple[float, ...]:
        """The numbers of the step's call."""
        return self.expression.arguments if isinstance(self.expression, Call) else ()

    @property
    def numbers(self) -> list[str]:
        """The step's arguments with their units: `-3.1°`, or `a 0.83` and `b 0.21`."""
        texts = zip(NUMBERS.get(self.expression.name, ()), self.arguments, strict=True)
        return [text.format(value) for text, value in texts]

    def walk(self) -> Iterator["Step"]:
        """This step and all steps below it, each after its operands."""
        for operand in self.operands:
            yield from operand.walk()
        yield self


def steps_of(expression: Expression, image: Image, picture: Image | None = None, other: Image | None = None) -> Step:
    """Render a recipe and every subexpression. The images and the errors are as in `render`.

    Each step is rendered from the leaves, so that it is bit for bit the same as within the whole recipe.
    """
    pixels = render(expression, image, picture, other)
    if not isinstance(expression, Call):
        return Step(expression, pixels)
    operands = tuple(steps_of(operand, image, picture, other) for operand in expression.operands)
    return Step(expression, pixels, operands, _mask(expression, image))


def _mask(call: Call, like: Image) -> Image | None:
    """The mask of a mask blend, found by blending white with black; None for any other call."""
    if call.name not in MASKED:
        return None
    white, black = np.full_like(like, 255), np.zeros_like(like)
    return render(Call(call.name, (IMAGE, PICTURE), call.arguments), white, black)
