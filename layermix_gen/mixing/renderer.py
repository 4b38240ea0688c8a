"""Render a recipe to pixels: a pure function of the recipe and its inputs, without a random generator.

A recipe is evaluated by the compiled kernels in one call. There, a lookup is left for as long as possible, so that

    multiply(solarize(posterize(image, 3), 0.4), brightness(image, 1.3), 0.9, 0.2)

costs a single one. Where they are not compiled, or a call has no kernel yet, NumPy makes the calls one by one, with the
same result. An expression that occurs twice is evaluated once.
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
    compiled, names = library(), names_in(expression)
    for name in programs.LEAVES:
        if name in names and name not in leaves:
            raise LayerMixError(f"the recipe uses {name!r}, which was not given; pass {name}=")
    if compiled is None or not names <= programs.NUMBERS.keys():
        return evaluated(expression, leaves).copy()
    nodes = nodes_of(expression)
    out = programs.blank(image)
    programs.run(compiled, nodes, [leaves.get(name) for name in programs.LEAVES], out)
    return out


def names_in(expression: Expression) -> set[str]:
    """The names of all calls and leaves in an expression."""
    parts = [expression]
    for part in parts:
        if isinstance(part, Call):
            parts += part.operands
    return {part.name for part in parts}


def nodes_of(expression: Expression) -> bytes:
    """The nodes that the kernels evaluate, one for each different part of an expression."""
    nodes: list[bytes] = []
    known: dict[Expression, int] = {}

    def add(part: Expression) -> int:
        if part not in known:
            operands = [add(operand) for operand in part.operands] if isinstance(part, Call) else [0]
            arguments = part.arguments if isinstance(part, Call) else ()
            nodes.append(programs.node(part.name, operands[0], operands[-1], arguments))
            known[part] = len(nodes) - 1
        return known[part]

    add(expression)
    return b"".join(nodes)


def evaluated(expression: Expression, leaves: Mapping[str, Image]) -> Image:
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
