"""Trees for notebooks: drawings in SVG that grow from their leaves on the left to the root on the right."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from layermix_gen.support.notebooks.panels import safe

T = TypeVar("T")

MOST_NODES = 80  # of a tree that is drawn: a larger one would be no help, and fill the notebook
LETTER, LINE, PAD = 7.3, 16, 8  # px: width of a letter, height of a line, space beside a text
TALL, APART, BETWEEN = 40, 28, 10  # px: height of a node, and the gaps between columns and between rows of a tree
STROKE = "stroke='currentColor' stroke-opacity='.4' fill='none'"


@dataclass(frozen=True, slots=True, eq=False)
class _Box:
    """A node of a tree: its lines of text, its row, its column from the root on, and the nodes below it."""

    texts: Sequence[str]
    row: float
    column: int
    operands: "tuple[_Box, ...]"

    def walk(self) -> "Iterator[_Box]":
        yield self
        for operand in self.operands:
            yield from operand.walk()


def tree(root: T, operands: Callable[[T], Sequence[T]], texts: Callable[[T], Sequence[str]]) -> str:
    """A tree as an element of HTML, or "" if it is too large to help.

    `operands` are the nodes below a node, `texts` its name and perhaps a second line.
    """
    rows = count()

    def placed(node: T, column: int) -> _Box:
        below = tuple(placed(one, column + 1) for one in operands(node))
        row = (below[0].row + below[-1].row) / 2 if below else next(rows)
        return _Box(texts(node), row, column, below)

    boxes = list(placed(root, 0).walk())
    if len(boxes) > MOST_NODES:
        return ""
    widths = [0.0] * (1 + max(box.column for box in boxes))
    for box in boxes:
        widths[box.column] = max(widths[box.column], 2 * PAD + LETTER * max(map(len, box.texts)))
    rights = [sum(widths[i:]) + APART * (len(widths) - 1 - i) for i in range(len(widths))]
    marks = "".join(mark for box in boxes for mark in _marks(box, widths, rights))
    width, height = round(rights[0]) + 2, next(rows) * (TALL + BETWEEN)
    frame = f"viewBox='-1 -1 {width} {height}' width='{width}' height='{height}' style='max-width:100%;height:auto'"
    font = "font-family='ui-monospace,monospace' font-size='12' text-anchor='middle' fill='currentColor'"
    return f"<svg xmlns='http://www.w3.org/2000/svg' {frame}><g {font}>{marks}</g></svg>"


def _marks(box: _Box, widths: Sequence[float], rights: Sequence[float]) -> Iterator[str]:
    """The frame of a node, its text, and the connectors from its operands."""
    width, left, middle = widths[box.column], rights[box.column] - widths[box.column], _middle(box)
    yield f"<rect x='{left:g}' y='{middle - TALL / 2:g}' width='{width:g}' height='{TALL}' rx='6' {STROKE}/>"
    for number, text in enumerate(box.texts):
        base = middle + LINE * (number - (len(box.texts) - 1) / 2) + LINE / 4
        look = " opacity='.75'" if number else " font-weight='600'"
        yield f"<text x='{left + width / 2:g}' y='{base:g}'{look}>{safe(text)}</text>"
    for operand in box.operands:
        start, y = rights[operand.column], _middle(operand)
        bend = (start + left) / 2
        yield f"<path d='M{start:g} {y:g}C{bend:g} {y:g} {bend:g} {middle:g} {left:g} {middle:g}' {STROKE}/>"


def _middle(box: _Box) -> float:
    return box.row * (TALL + BETWEEN) + TALL / 2
