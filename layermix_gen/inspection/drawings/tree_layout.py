"""Lay out the steps of a recipe: a tree that grows from the view on the left to the result on the right.

A step is in the column after the last of its operands, in the middle of their rows. The view is drawn once, however
often the recipe uses it, and every use has a row of its own, so that no connector runs through an image.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from layermix_gen.mixing.recipe import IMAGE, OTHER, PICTURE, Call, Expression

Contour: TypeAlias = dict[int, tuple[float, float]]  # by column: the first and the last row that is taken


@dataclass(slots=True, eq=False)
class Node:
    """A step with its place: the column, from 0 on, and the row, which may lie between two others."""

    expression: Expression
    column: int
    operands: list["Node"] = field(default_factory=list)
    row: float = 0.0

    @property
    def is_view(self) -> bool:
        """Whether this is a use of the view, which is drawn elsewhere: only the row is this node's own."""
        return self.expression == IMAGE

    def walk(self) -> Iterator["Node"]:
        """All nodes of the tree, this one last."""
        for operand in self.operands:
            yield from operand.walk()
        yield self


def laid_out(recipe: Expression) -> Node:
    """Place the steps of a recipe; the first row is row 0."""
    tree = _in_columns(recipe)
    contour = _in_rows(tree)
    _shift(tree, -min(first for first, _ in contour.values()))
    return tree


def view_row(root: Node) -> float | None:
    """The row of the view; None where it is not used.

    It is in the middle of the rows where the view is used, or as near as the pictures in its column allow.
    """
    rows = [node.row for node in root.walk() if node.is_view]
    if not rows:
        return None
    middle = (min(rows) + max(rows)) / 2
    taken = [node.row for node in root.walk() if not node.is_view and node.column == 0]
    places = [middle, *(row + side for row in taken for side in (-1, 1))]
    return min((row for row in places if _is_free(row, taken)), key=lambda row: abs(row - middle))


def _is_free(row: float, taken: Sequence[float]) -> bool:
    return all(abs(row - other) >= 1 for other in taken)


def _in_columns(expression: Expression) -> Node:
    operands = [_in_columns(operand) for operand in expression.operands] if isinstance(expression, Call) else []
    column = max((operand.column + 1 for operand in operands), default=0)
    for operand in operands:
        if operand.expression in (PICTURE, OTHER):
            operand.column = column - 1  # next to what it is mixed with, not at the far left
    return Node(expression, column, operands)


def _in_rows(node: Node) -> Contour:
    """Give each node of a tree its row; return the rows that are taken."""
    contour: Contour = {}
    for operand in node.operands:
        below = _in_rows(operand)
        for column in range(operand.column + 1, node.column):  # its connector runs along its row
            below[column] = _joined(below.get(column), (operand.row, operand.row))
        shared = [contour[column][1] + 1 - below[column][0] for column in contour.keys() & below.keys()]
        _shift(operand, distance := max(shared, default=0.0))
        for column, (first, last) in below.items():
            contour[column] = _joined(contour.get(column), (first + distance, last + distance))
    if node.operands:
        node.row = (node.operands[0].row + node.operands[-1].row) / 2
    contour[node.column] = _joined(contour.get(node.column), (node.row, node.row))
    return contour


def _joined(a: tuple[float, float] | None, b: tuple[float, float]) -> tuple[float, float]:
    return (min(a[0], b[0]), max(a[1], b[1])) if a else b


def _shift(tree: Node, distance: float) -> None:
    for node in tree.walk():
        node.row += distance
