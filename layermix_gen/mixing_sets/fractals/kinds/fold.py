"""Folded inversions: z -> |z| / |z|^2 - c, where the first |z| is the absolute value of each coordinate.

The map folds the plane into a quadrant and turns it inside out, so its orbits draw arches within arches in the whole
plane. Source: the "Kaliset" of Pablo Román Andrioli (fractalforums.com, 2011), with its colouring: exponential
smoothing of the differences between successive radii, and an orbit trap.
"""

from typing import Any

import numpy as np

from layermix_gen.mixing_sets.fractals.kinds.base import Floats
from layermix_gen.mixing_sets.fractals.kinds.plane import Viewport, sampled, search


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the shift c, the number of iterations, a place and the colouring."""
    cx, cy = (round(float(v), 5) for v in rng.uniform(0.35, 1.1, 2))
    rounds = int(rng.integers(8, 20))
    parameters: dict[str, Any] = {
        "shift": [cx, cy],
        "rounds": rounds,
        "sharpness": round(float(rng.uniform(0.5, 4)), 3),
        "trap": [round(float(v), 3) for v in rng.uniform(-0.8, 0.8, 2)],
        "weight": round(float(rng.random()), 3),
    }
    start = Viewport(float(rng.uniform(-1, 1)), float(rng.uniform(-1, 1)), float(rng.uniform(1.5, 4)))
    place = search(rng, start, lambda x, y: _field(x, y, **parameters), int(rng.integers(0, 3)))
    return {"place": place.rounded(), **parameters}


def render(size: int, place: dict[str, float], **parameters: Any) -> Floats:
    """The picture, float32 (S, S)."""
    return sampled(size, place, lambda x, y: _field(x, y, **parameters))


def _field(
    x: Floats, y: Floats, shift: list[float], rounds: int, sharpness: float, trap: list[float], weight: float
) -> Floats:
    smooth, near = _orbits(x, y, shift, rounds, sharpness, trap)
    near = -np.log(near + np.float32(1e-2))
    return np.float32(weight) * smooth / (smooth.std() + np.float32(1e-6)) + np.float32(1 - weight) * near


def _orbits(x: Floats, y: Floats, shift: list[float], rounds: int, sharpness: float, trap: list[float]) -> Floats:
    """The smoothed count of near-repetitions of the radius, and the least distance to the trap: float32 (2, n)."""
    (cx, cy), (tx, ty) = np.array([shift, trap], np.float32)
    smooth, near, before = np.zeros_like(x), np.full_like(x, 9), np.sqrt(x * x + y * y)
    for _ in range(rounds):
        inverse = 1 / np.maximum(x * x + y * y, np.float32(1e-6))
        x, y = np.abs(x) * inverse - cx, np.abs(y) * inverse - cy
        radius = np.sqrt(x * x + y * y)
        smooth += np.exp(np.float32(-sharpness) * np.abs(radius - before))
        near = np.minimum(near, np.abs(x - tx) + np.abs(y - ty))
        before = radius
    return np.stack([smooth, near])
