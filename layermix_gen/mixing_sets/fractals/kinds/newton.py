"""Newton fractals: which root of a polynomial Newton's method finds from each point of the plane, and how fast.

Peitgen and Richter, The Beauty of Fractals (1986), chapter 6. The step p / p' is 1 / sum 1 / (z - root), so a
polynomial is given by its roots. A complex factor, the relaxation, scales the step and curls the basins. Colouring:
the basin, the exponentially smoothed speed, and the stripes of the steps' directions.
"""

from typing import Any

import numpy as np

from layermix_gen.mixing_sets.fractals.kinds.base import Floats
from layermix_gen.mixing_sets.fractals.kinds.plane import Viewport, sampled, search

ROUNDS = 24
TINY = np.float32(1e-9)


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Draw 3 to 6 roots (at even angles in a third of the draws), the relaxation, a place and the colouring."""
    count = int(rng.integers(3, 7))
    angles = np.arange(count) * 2 * np.pi / count if rng.random() < 0.33 else rng.uniform(0, 2 * np.pi, count)
    radii = np.ones(count) if rng.random() < 0.5 else np.sqrt(rng.uniform(0.1, 1, count))
    parameters: dict[str, Any] = {
        "roots": [
            [round(float(r * np.cos(t)), 5), round(float(r * np.sin(t)), 5)] for r, t in zip(radii, angles, strict=True)
        ],
        "relaxation": [round(float(rng.uniform(0.8, 1.6)), 4), round(float(rng.normal(0, 0.25)), 4)],
        "shades": [round(float(v), 3) for v in rng.permutation(np.linspace(0, 1, count))],
        "weights": [round(float(v), 3) for v in rng.dirichlet([1, 1, 2])],
        "stripes": int(rng.integers(0, 4)),
        "bands": round(float(rng.uniform(0.5, 3)), 3),
    }
    place = search(rng, Viewport(0, 0, 3.0), lambda x, y: _field(x, y, **parameters), int(rng.integers(0, 4)))
    return {"place": place.rounded(), **parameters}


def render(size: int, place: dict[str, float], **parameters: Any) -> Floats:
    """The picture, float32 (S, S)."""
    return sampled(size, place, lambda x, y: _field(x, y, **parameters))


def _field(
    x: Floats,
    y: Floats,
    roots: list[list[float]],
    relaxation: list[float],
    shades: list[float],
    stripes: int,
    bands: float,
    weights: list[float],
) -> Floats:
    basin, speed, curl = _steps(x, y, roots, relaxation, shades, stripes)
    wave = np.sin(np.float32(bands) * (speed - speed.mean()) / (speed.std() + TINY))
    parts = (basin / np.float32(0.3), wave / np.float32(0.7), curl / (curl.std() + TINY))
    return sum(np.float32(weight) * part for weight, part in zip(weights, parts, strict=True))


def _steps(
    x: Floats, y: Floats, roots: list[list[float]], relaxation: list[float], shades: list[float], stripes: int
) -> Floats:
    """The shade of the root that each point approaches, its speed and the stripes of its directions: float32 (3, n)."""
    speed, curl = np.zeros_like(x), np.zeros_like(x)
    p, q = np.array(relaxation, np.float32)
    places = np.array(roots, np.float32)
    for _ in range(ROUNDS):
        sx, sy = np.zeros_like(x), np.zeros_like(x)
        for rx, ry in places:
            dx, dy = x - rx, y - ry
            inverse = 1 / (dx * dx + dy * dy + TINY)
            sx += dx * inverse
            sy -= dy * inverse
        inverse = 1 / (sx * sx + sy * sy + TINY)
        step_x, step_y = sx * inverse, -sy * inverse
        x, y = x - p * step_x + q * step_y, y - p * step_y - q * step_x
        length = np.sqrt(step_x * step_x + step_y * step_y)
        speed += np.exp(-2 * length)
        curl += np.sin(np.float32(stripes) * np.arctan2(step_y, step_x)) * np.minimum(30 * length, np.float32(1))
    near = [1 / ((x - rx) ** 2 + (y - ry) ** 2 + TINY) for rx, ry in places]
    basin = sum(np.float32(shade) * weight for shade, weight in zip(shades, near, strict=True)) / sum(near)
    return np.stack([basin, speed, curl])
