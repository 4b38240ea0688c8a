"""Render a recipe to pixels: a pure function of the recipe and its inputs, without a random generator.

A recipe is evaluated by the compiled kernels in one call. There, a lookup is left for as long as possible, so that

    multiply(solarize(posterize(image, 3), 0.4), brightness(image, 1.3), 0.9, 0.2)

costs a single one. Where they are not compiled, or a call has no kernel yet, NumPy makes the calls one by one, with the
same result. An expression that occurs twice is evaluated once.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image, as_image
from layermix_gen.kernels.native import library
from layermix_gen.kernels.programs import LEAVES, node, run
from layermix_gen.kernels.tones import histogram, looked_up
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.operations import OPERATIONS, KernelKind
from layermix_gen.mixing.recipe import Call, Expression, Leaf, as_expression


def render(recipe: Expression | str, image: Image, picture: Image | None = None, other: Image | None = None) -> Image:
    """Render a recipe.

    `image`, `picture` and `other` are the recipe's leaves: uint8 (H, W, 3), of the same size; those that the recipe
    does not use may be left out. Returns a new uint8 (H, W, 3); the inputs are not changed. Every call of the recipe is
    within 1/255 of its float reference. Raises `LayerMixError` for what is not a recipe, and for inputs that are
    missing or differ in shape.
    """
    expression = as_expression(recipe)
    leaves = {"image": as_image(image)}
    for name, leaf in {"picture": picture, "other": other}.items():
        if leaf is not None:
            leaves[name] = as_leaf(name, leaf, image)
    names = names_in(expression)
    for name in LEAVES:
        if name in names and name not in leaves:
            raise LayerMixError(f"the recipe uses {name!r}, which was not given; pass {name}=")
    return rendered(expression, *map(leaves.get, LEAVES))


def as_leaf(name: str, leaf: Any, image: Image) -> Image:
    """Check that a leaf is an image of the shape of `image`, and return it as `as_image` does."""
    checked = as_image(leaf)
    if leaf.shape != image.shape:
        raise LayerMixError(f"expected image and {name} of one shape, got {image.shape} and {leaf.shape}")
    return checked


def rendered(
    expression: Expression,
    image: Image | None,
    picture: Image | None = None,
    other: Image | None = None,
    out: Image | None = None,
) -> Image:
    """Render an expression that a method has drawn: `render` without checks, into `out` if that is given.

    All images are C-contiguous and of one shape.
    """
    leaves = (image, picture, other)
    if out is None:
        out = np.empty(next(leaf.shape for leaf in leaves if leaf is not None), np.uint8)
    compiled = library()
    if compiled and (nodes := nodes_of(expression)):
        run(compiled, nodes, leaves, out)
    else:
        out[:] = evaluated(expression, dict(zip(LEAVES, leaves, strict=True)))
    return out


def names_in(expression: Expression) -> set[str]:
    """The names of all calls and leaves in an expression."""
    parts = [expression]
    for part in parts:
        if isinstance(part, Call):
            parts += part.operands
    return {part.name for part in parts}


def nodes_of(expression: Expression) -> bytes:
    """The nodes that the kernels evaluate, one for each part of an expression; none if a call has no kernel."""
    numbers: dict[bytes, int] = {}

    def number(part: Expression) -> int:
        if isinstance(part, Leaf):
            one = node(part.name)
        else:
            operands = [number(operand) for operand in part.operands]
            one = node(part.name, operands[0], operands[-1], part.arguments)
        return numbers.setdefault(one, len(numbers))

    try:
        number(expression)
    except KeyError:
        return b""
    return b"".join(numbers)


def evaluated(expression: Expression, leaves: Mapping[str, Any]) -> Image:
    """Evaluate an expression by NumPy, call by call, on leaves (H, W, 3) by their names. May return one of them."""
    known: dict[Expression, Image] = {}

    def value(part: Expression) -> Image:
        if isinstance(part, Leaf):
            return leaves[part.name]
        if part not in known:
            known[part] = _called(part, [value(operand) for operand in part.operands])
        return known[part]

    return value(expression)


def _called(call: Call, operands: list[Image]) -> Image:
    if call.name in BLENDS:
        return BLENDS[call.name].kernel(*operands, *call.arguments)
    row, image = OPERATIONS[call.name], operands[0]
    if row.kind is KernelKind.PIXELS:
        return row.kernel(image, *call.arguments)
    counts = (histogram(image),) if row.kind is KernelKind.HISTOGRAM else ()
    return looked_up(image, row.kernel(*counts, *call.arguments))
