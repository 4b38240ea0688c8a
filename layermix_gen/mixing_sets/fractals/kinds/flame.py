"""Fractal flames: iterated function systems whose maps bend the plane, shown by the logarithm of their density.

Draves and Reckase, "The Fractal Flame Algorithm" (2003): each map is affine and then a weighted sum of variations; a
symmetry turns or mirrors the points at random; a final map changes only how the points are seen. The affine parts are
drawn by their singular values, as in `ifs`.
"""

from typing import Any

import numpy as np

from layermix_gen.mixing_sets.fractals.kinds import background
from layermix_gen.mixing_sets.fractals.kinds.base import Floats
from layermix_gen.mixing_sets.fractals.kinds.chaos import Map, Move, fill, play
from layermix_gen.mixing_sets.fractals.kinds.ifs import affine, compose, draw_affine
from layermix_gen.mixing_sets.fractals.kinds.variations import VARIATIONS

NAMES = tuple(VARIATIONS)
FILL = 0.84  # a system whose `fill` of the frame, by a quick look, exceeds this is taken
TRIES = 16  # systems that are tried at most


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a flame of 2 to 5 maps of one or two variations each, which has a symmetry in 40% of the draws."""
    for _ in range(TRIES):
        flame = _draw_system(rng)
        if fill(orbit=0, **_game(**flame)) > FILL:
            break
    return {**flame, "orbit": int(rng.integers(1 << 32)), "ground": background.draw(rng)}


def _draw_system(rng: np.random.Generator) -> dict[str, Any]:
    maps = draw_affine(rng, count=int(rng.integers(2, 6)))
    favourites = rng.choice(NAMES, 3, replace=False)  # few per flame, so that it has a character
    return {
        "maps": maps,
        "bends": [_draw_bend(rng, favourites) for _ in maps],
        "shares": [round(float(v), 3) for v in rng.uniform(0.3, 1.0, len(maps))],
        "shades": [round(float(v), 3) for v in rng.permutation(np.linspace(0, 1, len(maps)))],
        "symmetry": int(rng.integers(2, 8)) if rng.random() < 0.4 else 1,
        "final": str(rng.choice(NAMES)) if rng.random() < 0.3 else "",
        "window": round(float(rng.uniform(0.4, 0.95)), 3),
    }


def render(size: int, orbit: int, ground: dict[str, Any], **system: Any) -> Floats:
    """The picture of the flame, float32 (S, S)."""
    visits, shade = play(size, orbit=orbit, **_game(**system))
    return compose(visits, shade, ground)


def _game(
    maps: list[list[float]],
    bends: list[dict[str, float]],
    shares: list[float],
    shades: list[float],
    symmetry: int,
    final: str,
    window: float,
) -> dict[str, Any]:
    """The system as arguments of the chaos game."""
    rows = zip(maps, bends, shares, shades, strict=True)
    games = [Map(_bent(row, bend), share, shade) for row, bend, share, shade in rows]
    return {"maps": games, "window": window, "symmetry": symmetry, "final": VARIATIONS[final] if final else None}


def _draw_bend(rng: np.random.Generator, names: Any) -> dict[str, float]:
    """Draw one variation, or two with weights that sum to 1."""
    first, second = (str(name) for name in rng.choice(names, 2, replace=False))
    if rng.random() < 0.5:
        return {first: 1.0}
    weight = round(float(rng.uniform(0.2, 0.8)), 3)
    return {first: weight, second: round(1 - weight, 3)}


def _bent(row: list[float], bend: dict[str, float]) -> Move:
    straight = affine(row)

    def move(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        x, y = straight(x, y)
        moved = [(np.float32(weight), VARIATIONS[name](x, y)) for name, weight in bend.items()]
        return sum(w * u for w, (u, _) in moved), sum(w * v for w, (_, v) in moved)

    return move
