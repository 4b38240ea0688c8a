"""The ground: a dim texture behind the kinds that leave parts of the frame empty, so that no part of it is flat black."""

from typing import Any

import numpy as np

from layermix_gen.fractals import noise


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a domain-warped noise, the light at which it lies and how far it spreads about that."""
    return {
        "level": round(float(rng.uniform(0.08, 0.35)), 3),
        "spread": round(float(rng.uniform(0.04, 0.12)), 3),
        "texture": noise.draw(rng),
    }


def render(size: int, level: float, spread: float, texture: dict[str, Any]) -> noise.Floats:
    """The ground, float32 (S, S), mostly in [level - 2 spread, level + 2 spread]."""
    field = noise.render(size, **texture)
    return np.float32(level) + np.float32(spread) * (field - field.mean()) / np.maximum(field.std(), np.float32(1e-6))
