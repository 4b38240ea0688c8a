"""The steps of a recipe: every subexpression with the picture that it makes, and the mask where it chooses by one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from layermix_gen.images import Image
from layermix_gen.mixing.blends import BLENDS, MASK
from layermix_gen.mixing.recipe import IMAGE, PICTURE, SIGNATURES, Call, Expression
from layermix_gen.mixing.renderer import render

UNITS = {"degrees": "{}°", "pixels": "{} px", "bits": "{} bits"}  # of numbers, by the name of the parameter
NUMBERS = {
    name: tuple(UNITS.get(parameter.name, f"{parameter.name} {{}}") for parameter in parameters)
    for name, (_, parameters) in SIGNATURES.items()
}
"""How the numbers of each call are written for people."""

MASKED = tuple(row.name for row in BLENDS.values() if row.parameters == MASK)
"""The blends that choose by a mask."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step of a recipe: uint8 arrays (H, W, 3), the steps that it takes, and its mask, white where x is taken."""

    expression: Expression
    pixels: Image
    operands: tuple["Step", ...] = ()
    mask: Image | None = None

    @property
    def name(self) -> str:
        """What it is called: its operation or blend; `view` and `picture` for the leaves."""
        return "view" if self.expression == IMAGE else self.expression.name

    @property
    def numbers(self) -> str:
        """Its numbers with their units: `-3.1°`, `a 0.83, b 0.21`."""
        if not isinstance(self.expression, Call):
            return ""
        texts = zip(NUMBERS[self.expression.name], self.expression.arguments, strict=True)
        return ", ".join(text.format(value) for text, value in texts)

    def walk(self) -> Iterator["Step"]:
        """All steps, the operands of each before it."""
        for operand in self.operands:
            yield from operand.walk()
        yield self


def steps_of(expression: Expression, image: Image, picture: Image | None = None) -> Step:
    """Render a recipe and everything in it. `image`, `picture` and the errors are those of `render`.

    Each step is rendered from the leaves, so that it is to the last bit what it is within the whole.
    """
    pixels = render(expression, image, picture)
    if not isinstance(expression, Call):
        return Step(expression, pixels)
    operands = tuple(steps_of(operand, image, picture) for operand in expression.operands)
    return Step(expression, pixels, operands, _mask(expression, image))


def _mask(call: Call, like: Image) -> Image | None:
    """The mask of a blend that chooses: what it makes of white and black."""
    if call.name not in MASKED:
        return None
    white, black = np.full_like(like, 255), np.zeros_like(like)
    return render(Call(call.name, (IMAGE, PICTURE), call.arguments), white, black)
