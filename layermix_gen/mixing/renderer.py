"""Render a recipe to pixels: a pure function of the recipe and its inputs, without a random generator.

Expressions are evaluated to *tones*: pixels with a lookup table still to be applied. A tone operation only composes
tables, and a tone blend of two tones over the same pixels blends their tables, so

    multiply(solarize(posterize(image, 3), 0.4), brightness(image, 1.3), 0.9, 0.2)

costs one lookup. A histogram is counted once for each set of pixels; after a table it is computed from that count. An
expression that occurs twice is evaluated once.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image, as_image
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.kernels import Histogram, LookupTable
from layermix_gen.mixing.operations import OPERATIONS, KernelKind
from layermix_gen.mixing.recipe import Call, Expression, Leaf, as_expression

IDENTITY = np.arange(256, dtype=np.uint8)


def render(recipe: Expression | str, image: Image, picture: Image | None = None, other: Image | None = None) -> Image:
    """Render a recipe.

    `image`, `picture` and `other` are the recipe's leaves: uint8 (H, W, 3), of the same size; those that the recipe
    does not use may be left out. Returns a new uint8 (H, W, 3); the inputs are not changed. Every call of the recipe is
    within 1/255 of its float reference. Raises `LayerMixError` for what is not a recipe, and for inputs that are
    missing or differ in shape.
    """
    expression = as_expression(recipe)
    leaves = {"image": Tones(Pixels(as_image(image)))}
    for name, leaf in {"picture": picture, "other": other}.items():
        if leaf is not None:
            leaves[name] = Tones(Pixels(as_image(leaf)))
            if leaf.shape != image.shape:
                raise LayerMixError(f"expected image and {name} of one shape, got {image.shape} and {leaf.shape}")
    result = _evaluate(expression, leaves, {}).image()
    return result.copy() if any(result is leaf.pixels.image for leaf in leaves.values()) else result


@dataclass(slots=True, eq=False)
class Pixels:
    """An image, and its histogram, which is counted at its first use."""

    image: Image
    _histogram: Histogram | None = field(default=None, init=False)

    def histogram(self) -> Histogram:
        """Return the histogram, counted at the first call."""
        if self._histogram is None:
            counts = [cv2.calcHist([self.image], [channel], None, [256], (0, 256)) for channel in range(3)]
            self._histogram = np.stack([count.ravel() for count in counts], axis=1).astype(np.int64)
        return self._histogram


@dataclass(frozen=True, slots=True, eq=False)
class Tones:
    """Pixels with a lookup table (256,) or (256, 3) still to be applied."""

    pixels: Pixels
    table: LookupTable = field(default_factory=lambda: IDENTITY)

    def image(self) -> Image:
        """Apply the table and return the pixels."""
        if self.table is IDENTITY:
            return self.pixels.image
        return cv2.LUT(self.pixels.image, self.table if self.table.ndim == 1 else self.table[None])

    def histogram(self) -> Histogram:
        """Return the histogram that the table leads to, without applying the table."""
        before = self.pixels.histogram()
        if self.table is IDENTITY:
            return before
        channels = np.broadcast_to(self.table.reshape(256, -1), (256, 3)).T
        after = [np.bincount(channel, before[:, i], 256) for i, channel in enumerate(channels)]
        return np.stack(after, axis=1).astype(np.int64)

    def then(self, table: LookupTable) -> "Tones":
        """Return the same pixels with `table` composed after the pending one."""
        if self.table is IDENTITY:
            return Tones(self.pixels, table)
        if table.ndim == 1:
            return Tones(self.pixels, table[self.table])
        return Tones(self.pixels, np.take_along_axis(table, self.table.reshape(256, -1).astype(np.intp), axis=0))


def _evaluate(expression: Expression, leaves: dict[str, Tones], known: dict[Expression, Tones]) -> Tones:
    if isinstance(expression, Leaf):
        if expression.name not in leaves:
            raise LayerMixError(f"the recipe uses {expression.name!r}, which was not given; pass {expression.name}=")
        return leaves[expression.name]
    if expression not in known:
        operands = [_evaluate(operand, leaves, known) for operand in expression.operands]
        step = _operation if len(operands) == 1 else _blend
        known[expression] = step(expression, *operands)
    return known[expression]


def _operation(call: Call, x: Tones) -> Tones:
    row = OPERATIONS[call.name]
    if row.kind is KernelKind.PIXELS:
        return Tones(Pixels(row.kernel(x.image(), *call.arguments)))
    if row.kind is KernelKind.HISTOGRAM:
        return x.then(row.kernel(x.histogram(), *call.arguments))
    return x.then(row.kernel(*call.arguments))


def _blend(call: Call, x: Tones, y: Tones) -> Tones:
    row = BLENDS[call.name]
    if row.tables is not None and x.pixels is y.pixels:
        return Tones(x.pixels, row.tables(*_same_width(x.table, y.table), *call.arguments))
    return Tones(Pixels(row.images(x.image(), y.image(), *call.arguments)))


def _same_width(x: LookupTable, y: LookupTable) -> tuple[LookupTable, LookupTable]:
    if x.ndim == y.ndim:
        return x, y
    return _by_channel(x), _by_channel(y)


def _by_channel(table: LookupTable) -> LookupTable:
    return np.ascontiguousarray(np.broadcast_to(table.reshape(256, -1), (256, 3)))  # OpenCV broadcasts no tables
