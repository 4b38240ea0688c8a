"""Escape-time sets: Mandelbrot and Julia sets of several formulas, at places on their boundaries.

Colouring: the smooth escape count, the average of stripes along the orbit (both: Härkönen, "On Smooth Fractal Coloring
Techniques", 2007) and the orbit's distance to a trap (Pickover, Computers, Pattern, Chaos and Beauty, 1990), which also
fills the inside. The three are blended with weights that are drawn for each picture.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from layermix_gen.mixing_sets.fractals.kinds.base import Floats
from layermix_gen.mixing_sets.fractals.kinds.plane import Viewport, sampled, search

Formula = Callable[[Floats, Floats], tuple[Floats, Floats]]

ESCAPED = np.float32(1e4)  # the |z|^2 beyond which an orbit has escaped
LIMIT = 160  # iterations
LOOK_LIMIT = 80  # iterations of a coarse look
COMPACT = 8  # iterations between two removals of the escaped orbits
FORMULAS: dict[str, tuple[float, Formula]] = {  # degree, z -> f(z); c is added
    "square": (2, lambda x, y: (x * x - y * y, 2 * x * y)),
    "cube": (3, lambda x, y: (x * (x * x - 3 * y * y), y * (3 * x * x - y * y))),
    "fourth": (4, lambda x, y: ((x * x - y * y) ** 2 - 4 * (x * y) ** 2, 4 * x * y * (x * x - y * y))),
    "tricorn": (2, lambda x, y: (x * x - y * y, -2 * x * y)),
    "ship": (2, lambda x, y: (x * x - y * y, 2 * np.abs(x * y))),
    "celtic": (2, lambda x, y: (np.abs(x * x - y * y), 2 * x * y)),
}
TRAPS: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {  # distance of (x, y), whose radius is r, to the trap
    "point": lambda x, y, r: r,
    "cross": lambda x, y, r: np.minimum(np.abs(x), np.abs(y)),
    "circle": lambda x, y, r: np.abs(r - np.float32(0.5)),
    "line": lambda x, y, r: np.abs(x + y),
}


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a formula, a Julia set's c (none: a Mandelbrot set), a place on the boundary and the colouring."""
    formula = str(rng.choice(list(FORMULAS), p=[0.4, 0.12, 0.12, 0.12, 0.12, 0.12]))
    whole = Viewport(-0.4 if formula == "square" else 0.0, 0.0, 3.0)
    place = search(
        rng, whole, lambda x, y: np.log(_orbits(x, y, formula, None, LOOK_LIMIT)[0]), int(rng.integers(2, 6))
    )
    julia = None
    if rng.random() < 0.6:
        julia = [round(place.x, 6), round(place.y, 6)]
        whole = Viewport(0, 0, 2.8)
        place = search(
            rng, whole, lambda x, y: np.log(_orbits(x, y, formula, julia, LOOK_LIMIT)[0]), int(rng.integers(0, 4))
        )
    return {
        "formula": formula,
        "julia": julia,
        "place": place.rounded(),
        "trap": str(rng.choice(list(TRAPS))),
        "stripes": int(rng.integers(1, 7)),
        "bands": round(float(rng.uniform(0.4, 2.5)), 3),
        "phase": round(float(rng.uniform(0, 2 * np.pi)), 3),
        "weights": [round(float(weight), 3) for weight in rng.dirichlet([1.2, 1.2, 1.0])],
    }


def render(
    size: int,
    formula: str,
    julia: list[float] | None,
    place: dict[str, float],
    trap: str,
    stripes: int,
    bands: float,
    phase: float,
    weights: list[float],
) -> Floats:
    """The picture of the set, float32 (S, S)."""

    def field(x: Floats, y: Floats) -> Floats:
        count, stripe, near = _orbits(x, y, formula, julia, LIMIT, trap, stripes)
        count, near = np.log(count), -np.log(near + np.float32(1e-3))
        wave = np.sin(count / np.maximum(count.std(), np.float32(1e-3)) * np.float32(bands) + np.float32(phase))
        parts = zip(weights, (wave, stripe, near), strict=True)
        return sum(np.float32(weight) * _normal(part) for weight, part in parts)

    return sampled(size, place, field)


def _normal(values: Floats) -> Floats:
    return (values - values.mean()) / np.maximum(values.std(), np.float32(1e-6))


def _orbits(
    x: Floats,
    y: Floats,
    formula: str,
    julia: list[float] | None,
    limit: int,
    trap: str | None = None,
    stripes: int = 0,
) -> Floats:
    """Follow the orbits of n points and return their counts, stripes and distances to the trap, float32 (3, n).

    The smooth count is at least 1, and `limit` where an orbit does not escape; a stripe is in [0, 1]. Without a trap
    only the counts are computed.
    """
    degree, step = FORMULAS[formula]
    count_of, stripe_of, trap_of = out = np.full((3, len(x)), limit, np.float32)
    cx, cy = (x, y) if julia is None else (np.full_like(x, julia[0]), np.full_like(x, julia[1]))
    index: Any = np.arange(len(x))
    zx, zy, stripe, near = x, y, np.zeros_like(x), np.full_like(x, 9)
    with np.errstate(all="ignore"):  # an escaped orbit goes on to infinity, then it is removed
        for iteration in range(1, limit + 1):
            zx, zy = step(zx, zy)
            zx, zy = zx + cx, zy + cy
            square = zx * zx + zy * zy
            if trap:
                near = np.fmin(near, TRAPS[trap](zx, zy, np.sqrt(square)))
                last = np.float32(0.5) + np.float32(0.5) * np.sin(np.float32(stripes) * np.arctan2(zy, zx))
                stripe = stripe + last
            new = np.flatnonzero(square > ESCAPED)
            if len(new):
                over = np.log(np.log(square[new]) / np.log(ESCAPED)) / np.log(degree)  # in [0, 1)
                count_of[index[new]] = iteration + 1 - over
                if trap:
                    before = (stripe[new] - last[new]) / max(iteration - 1, 1)
                    stripe_of[index[new]] = (1 - over) * stripe[new] / iteration + over * before
                    trap_of[index[new]] = near[new]
                zx[new] = np.nan
            if iteration % COMPACT == 0:
                alive = np.flatnonzero(~np.isnan(zx))
                if len(alive) == 0:
                    break
                if len(alive) < 0.9 * len(zx):
                    live: Any = (zx, zy, cx, cy, index, stripe, near)
                    zx, zy, cx, cy, index, stripe, near = (values[alive] for values in live)
    inside = ~np.isnan(zx)
    stripe_of[index[inside]] = stripe[inside] / limit
    trap_of[index[inside]] = near[inside]
    return out
