"""The nonlinear variations of fractal flames, one row each.

Formulas: Draves and Reckase, "The Fractal Flame Algorithm" (2003), appendix. Each maps float32 arrays (x, y) of one
length to such arrays; r is the distance from the origin, t = atan2(x, y) as in that paper. The chaos game puts back a
point that is thrown far out.
"""

from collections.abc import Callable

import numpy as np

from layermix_gen.mixing_sets.fractals.kinds.base import Floats

Variation = Callable[[Floats, Floats], tuple[Floats, Floats]]

PI = np.float32(np.pi)
TINY = np.float32(1e-6)


def _polar(form: Callable[[Floats, Floats], tuple[Floats, Floats]]) -> Variation:
    """A variation that is given by r and t."""
    return lambda x, y: form(np.sqrt(x * x + y * y), np.arctan2(x, y))


def _swirl(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    square = x * x + y * y
    sine, cosine = np.sin(square), np.cos(square)
    return x * sine - y * cosine, x * cosine + y * sine


def _horseshoe(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    inverse = 1 / (np.sqrt(x * x + y * y) + TINY)
    return (x - y) * (x + y) * inverse, 2 * x * y * inverse


def _scaled(scale: Callable[[Floats], Floats]) -> Variation:
    """A variation that moves each point along its ray, by a factor that is given by r^2."""

    def move(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        factor = scale(x * x + y * y)
        return factor * x, factor * y

    return move


def _julia(r: Floats, t: Floats) -> tuple[Floats, Floats]:
    """The square root; every other point takes the other branch (the points are in random order)."""
    root, half = np.sqrt(r), t / 2
    half[1::2] += PI
    return root * np.cos(half), root * np.sin(half)


def _ex(r: Floats, t: Floats) -> tuple[Floats, Floats]:
    p, q = np.sin(t + r), np.cos(t - r)
    p, q = p * p * p, q * q * q
    return r * (p + q), r * (p - q)


def _exponential(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    size = np.exp(np.minimum(x, np.float32(8)) - 1)
    return size * np.cos(PI * y), size * np.sin(PI * y)


VARIATIONS: dict[str, Variation] = {
    "linear": lambda x, y: (x, y),
    "sinusoidal": lambda x, y: (np.sin(x), np.sin(y)),
    "spherical": _scaled(lambda square: 1 / (square + TINY)),
    "swirl": _swirl,
    "horseshoe": _horseshoe,
    "polar": _polar(lambda r, t: (t / PI, r - 1)),
    "handkerchief": _polar(lambda r, t: (r * np.sin(t + r), r * np.cos(t - r))),
    "heart": _polar(lambda r, t: (r * np.sin(t * r), -r * np.cos(t * r))),
    "disc": _polar(lambda r, t: (t / PI * np.sin(PI * r), t / PI * np.cos(PI * r))),
    "spiral": _polar(lambda r, t: ((np.cos(t) + np.sin(r)) / (r + TINY), (np.sin(t) - np.cos(r)) / (r + TINY))),
    "hyperbolic": _polar(lambda r, t: (np.sin(t) / (r + TINY), r * np.cos(t))),
    "diamond": _polar(lambda r, t: (np.sin(t) * np.cos(r), np.cos(t) * np.sin(r))),
    "ex": _polar(_ex),
    "julia": _polar(_julia),
    "bent": lambda x, y: (np.where(x < 0, 2 * x, x), np.where(y < 0, y / 2, y)),
    "fisheye": lambda x, y: (2 / (np.hypot(x, y) + 1) * y, 2 / (np.hypot(x, y) + 1) * x),
    "eyefish": _scaled(lambda square: 2 / (np.sqrt(square) + 1)),
    "exponential": _exponential,
    "bubble": _scaled(lambda square: 4 / (square + 4)),
    "cylinder": lambda x, y: (np.sin(x), y),
    "cosine": lambda x, y: (np.cos(PI * x) * np.cosh(np.clip(y, -4, 4)), -np.sin(PI * x) * np.sinh(np.clip(y, -4, 4))),
}
