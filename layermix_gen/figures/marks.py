"""What a drawing consists of: text, pictures, areas and lines, by their places in device pixels."""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Point: TypeAlias = tuple[float, float]
Line: TypeAlias = npt.NDArray[np.float64]  # (N, 2): x and y of points


class TextMark(NamedTuple):
    """A line of text; `anchor` is Pillow's, `ls` or `lm`: its left end on the base line, or in the middle."""

    place: Point
    text: str
    points: float  # the size of the font
    fill: str
    anchor: str
    bold: bool


class PictureMark(NamedTuple):
    """A picture, as the part of the drawing that shows it."""

    left: int
    top: int
    right: int
    bottom: int


class AreaMark(NamedTuple):
    """An area within a line."""

    line: Line
    fill: str


class StrokeMark(NamedTuple):
    """A line of some width."""

    line: Line
    fill: str
    width: float


Mark: TypeAlias = TextMark | PictureMark | AreaMark | StrokeMark


def box(left: float, top: float, right: float, bottom: float) -> Line:
    """The outline of a rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], float)


def circle(centre: Point, radius: float, corners: int = 64) -> Line:
    """The outline of a circle."""
    turn = np.linspace(0, 2 * np.pi, corners + 1)
    return np.array(centre) + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
