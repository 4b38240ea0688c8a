"""Render a recipe to pixels: a pure function of the recipe and its inputs, without a random generator.

A recipe is evaluated by the compiled kernels in one call. There, a lookup is left for as long as possible, so that

    multiply(solarize(posterize(image, 3), 0.4), brightness(image, 1.3), 0.9, 0.2)

costs a single one. Where they are not compiled, NumPy makes the calls one by one, with the same result. An expression
that occurs twice is evaluated once.
"""

from collections.abc import Mapping

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image, as_image
from layermix_gen.kernels import programs
from layermix_gen.kernels.native import library
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
            leaves[name] = as_image(leaf)
            if leaf.shape != image.shape:
                raise LayerMixError(f"expected image and {name} of one shape, got {image.shape} and {leaf.shape}")
    compiled = library()
    if compiled is None:
        return evaluated(expression, leaves, {}).copy()
    out = programs.blank(image)
    nodes: list[bytes] = []
    _collect(expression, leaves, nodes, {})
    programs.run(compiled, b"".join(nodes), [leaves.get(name) for name in programs.LEAVES], out)
    return out


def _collect(
    expression: Expression, leaves: Mapping[str, Image], nodes: list[bytes], known: dict[Expression, int]
) -> int:
    """Append the nodes that an expression needs and that are not yet there; return the number of its own."""
    if expression not in known:
        if isinstance(expression, Leaf):
            _find(expression, leaves)
            nodes.append(programs.node(expression.name))
        else:
            operands = [_collect(operand, leaves, nodes, known) for operand in expression.operands]
            nodes.append(programs.node(expression.name, operands[0], operands[-1], expression.arguments))
        known[expression] = len(nodes) - 1
    return known[expression]


def _find(leaf: Leaf, leaves: Mapping[str, Image]) -> Image:
    if leaf.name not in leaves:
        raise LayerMixError(f"the recipe uses {leaf.name!r}, which was not given; pass {leaf.name}=")
    return leaves[leaf.name]


def evaluated(expression: Expression, leaves: Mapping[str, Image], known: dict[Expression, Image]) -> Image:
    """Evaluate an expression by NumPy, call by call; `known` takes up what was evaluated. May return a leaf itself."""
    if isinstance(expression, Leaf):
        return _find(expression, leaves)
    if expression not in known:
        operands = [evaluated(operand, leaves, known) for operand in expression.operands]
        known[expression] = _called(expression, operands)
    return known[expression]


def _called(call: Call, operands: list[Image]) -> Image:
    if call.name in BLENDS:
        return BLENDS[call.name].kernel(*operands, *call.arguments)
    row, image = OPERATIONS[call.name], operands[0]
    if row.kind is KernelKind.PIXELS:
        return row.kernel(image, *call.arguments)
    counts = (histogram(image),) if row.kind is KernelKind.HISTOGRAM else ()
    return looked_up(image, row.kernel(*counts, *call.arguments))
