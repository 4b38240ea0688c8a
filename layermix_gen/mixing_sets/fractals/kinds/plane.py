"""Places in the plane: the points under their pixels, and a search for places with much detail.

The search zooms: it looks at a place coarsely, steps into one of the cells with the most detail, and repeats. The
detail of a cell is the median of the second differences of the ranks, which lines and slopes leave small.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from layermix_gen.mixing_sets.fractals.kinds.base import Floats

LOOK = 32  # pixels a side of a coarse look
CELL = 8  # pixels a side of the cells that are compared in it
CALM = 0.006  # a place whose cells have at most this mean detail is too calm
WAYS = 5  # searches that are tried at most
OVERSAMPLING = 1.5  # pixels are rendered this much finer and averaged, against aliasing


@dataclass(frozen=True, slots=True)
class Viewport:
    """A place: a square of the plane with its middle, its width and the angle (radians) by which it is turned."""

    x: float
    y: float
    width: float
    angle: float = 0.0

    def points(self, size: int) -> tuple[Floats, Floats]:
        """The points under the pixels, row by row: two float32 arrays of size * size."""
        steps = (np.arange(size) + 0.5) / size - 0.5
        across, down = np.meshgrid(steps * self.width, steps * self.width)
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        x, y = self.x + cosine * across - sine * down, self.y + sine * across + cosine * down
        return x.ravel().astype(np.float32), y.ravel().astype(np.float32)

    def rounded(self) -> dict[str, float]:
        """The place as a JSON-able record, rounded to far less than a pixel."""
        return {name: round(value, 8) for name, value in asdict(self).items()}


def sampled(size: int, place: dict[str, float], field: Callable[[Floats, Floats], Floats]) -> Floats:
    """Evaluate `field` over the place on a grid finer than the pixels, and average to float32 (size, size)."""
    fine = round(size * OVERSAMPLING)
    values = field(*Viewport(**place).points(fine)).reshape(fine, fine)
    averaged: Any = cv2.resize(np.nan_to_num(values), (size, size), interpolation=cv2.INTER_AREA)
    return averaged


def search(
    rng: np.random.Generator, start: Viewport, field: Callable[[Floats, Floats], Floats], zooms: int
) -> Viewport:
    """Zoom into `start` `zooms` times, each time 2 to 4 times closer, towards one of the cells with the most detail.

    If the search ends at a place that is too calm, another one is tried.
    """
    for _ in range(WAYS):
        place, detail = start, _detail(start, field)
        for _ in range(zooms):
            row, column = divmod(int(rng.choice(np.argsort(detail)[-len(detail) // 2 :])), LOOK // CELL)
            x, y = (points.reshape(LOOK, LOOK) for points in place.points(LOOK))
            middle = row * CELL + CELL // 2, column * CELL + CELL // 2
            place = Viewport(float(x[middle]), float(y[middle]), place.width / float(rng.uniform(2, 4)))
            detail = _detail(place, field)
        if detail.mean() > CALM:
            break
    return Viewport(place.x, place.y, place.width, float(rng.uniform(0, 2 * np.pi)))


def _detail(place: Viewport, field: Callable[[Floats, Floats], Floats]) -> Floats:
    """The detail of each cell in a coarse look at the place, row by row, in [0, 8]."""
    look = np.nan_to_num(field(*place.points(LOOK)))
    ranks = np.unique(look, return_inverse=True)[1].astype(np.float32).reshape(LOOK, LOOK) / np.float32(LOOK * LOOK)
    bends = np.abs(cv2.Laplacian(ranks, cv2.CV_32F, borderType=cv2.BORDER_REFLECT_101))
    return np.median(bends.reshape(LOOK // CELL, CELL, LOOK // CELL, CELL), axis=(1, 3)).ravel()
