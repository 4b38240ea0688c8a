"""Iterated function systems: the invariant density of a handful of random contractions of the plane.

Most random systems are dust or a blot. Anderson and Farrell, "Improving Fractal Pre-training" (WACV 2022, section 3)
sample the maps through their singular values, with the sum of s1 + 2 s2 over the N maps between (N + 5) / 2 and
(N + 6) / 2, where nearly all systems have a rich geometry. The picture is the logarithm of the density, shaded by the
maps that led to each place, in front of a dim textured ground.
"""

from typing import Any

import numpy as np

from layermix_gen.mixing_sets.fractals.kinds import background
from layermix_gen.mixing_sets.fractals.kinds.base import Floats
from layermix_gen.mixing_sets.fractals.kinds.chaos import Map, Move, play


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a system of 2 to 6 affine maps.

    A row (a, b, c, d, e, f) of `maps` is x' = a x + b y + c, y' = d x + e y + f.
    """
    maps = draw_affine(rng, count=int(rng.integers(2, 7)))
    return {
        "maps": maps,
        "shades": [round(float(v), 3) for v in rng.random(len(maps))],
        "window": round(float(rng.uniform(0.35, 0.9)), 3),
        "orbit": int(rng.integers(1 << 32)),
        "ground": background.draw(rng),
    }


def render(
    size: int, maps: list[list[float]], shades: list[float], window: float, orbit: int, ground: dict[str, Any]
) -> Floats:
    """The picture of the system, float32 (S, S)."""
    rows = zip(maps, _shares(maps), shades, strict=True)
    games = [Map(affine(row), share, shade) for row, share, shade in rows]
    visits, shade = play(size, games, window, orbit)
    return compose(visits, shade, ground)


def compose(visits: Floats, shade: Floats, ground_of: dict[str, Any]) -> Floats:
    """Light made from log density and shade, in front of the ground, which shows where no point came."""
    light = np.log1p(visits)
    light /= np.float32(np.quantile(light, 0.995)) or np.float32(1)
    light = np.minimum(light, np.float32(1))
    back = background.render(visits.shape[0], **ground_of)
    front: Floats = light * (np.float32(0.35) + np.float32(0.65) * shade)
    return front + back * (1 - light)


def affine(row: list[float]) -> Move:
    """The map x' = a x + b y + c, y' = d x + e y + f."""
    a, b, c, d, e, f = np.array(row, np.float32)
    return lambda x, y: (a * x + b * y + c, d * x + e * y + f)


def _shares(maps: list[list[float]]) -> list[float]:
    """The share of the points that each map moves: its area, as in the paper, but at least 2% of the areas' sum."""
    areas = [abs(a * e - b * d) for a, b, _, d, e, _ in maps]
    return [max(area, 0.02 * sum(areas)) for area in areas]


def draw_affine(rng: np.random.Generator, count: int) -> list[list[float]]:
    """Draw contractions of the plane by the paper's algorithm: rotation, singular values, rotation, mirror, shift."""
    maps = []
    for s1, s2 in _draw_singular_values(rng, count):
        first, second = rng.uniform(0, 2 * np.pi, 2)
        matrix = _rotation(first) @ np.diag([s1, s2]) @ _rotation(second) @ np.diag(rng.choice([-1.0, 1.0], 2))
        shift = rng.uniform(-1, 1, 2)
        maps.append([round(float(v), 5) for v in (*matrix[0], shift[0], *matrix[1], shift[1])])
    return maps


def _draw_singular_values(rng: np.random.Generator, count: int) -> list[tuple[float, float]]:
    """Algorithm 1 of the paper: s1 >= s2 of each map, at most 1, with the sum of s1 + 2 s2 in [(N+5)/2, (N+6)/2]."""
    total = rng.uniform(0.5 * (5 + count), 0.5 * (6 + count))
    values = []
    for left in range(count - 1, 0, -1):
        low, high = total - 3 * left, total
        s1 = rng.uniform(max(0.0, low / 3), min(1.0, high))
        s2 = rng.uniform(max(0.0, (low - s1) / 2), min(s1, (high - s1) / 2))
        total -= s1 + 2 * s2
        values.append((s1, s2))
    s2 = rng.uniform(max(0.0, (total - 1) / 2), total / 3)
    return [*values, (total - 2 * s2, s2)]


def _rotation(angle: float) -> Floats:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
