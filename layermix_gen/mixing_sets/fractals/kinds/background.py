"""The background: a dim texture behind the kinds that leave parts of the frame empty, so that no part is flat black."""

from typing import Any

import numpy as np

from layermix_gen.mixing_sets.fractals.kinds import noise
from layermix_gen.mixing_sets.fractals.kinds.base import Floats


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a domain-warped noise, its mean brightness and its standard deviation."""
    return {
        "level": round(float(rng.uniform(0.06, 0.3)), 3),
        "spread": round(float(rng.uniform(0.02, 0.07)), 3),
        "texture": noise.draw(rng, ("plain", "ridged", "billow")),
    }


def render(size: int, level: float, spread: float, texture: dict[str, Any]) -> Floats:
    """The ground, float32 (S, S), mostly in [level - 2 spread, level + 2 spread]."""
    field = noise.render(size, **texture)
    return np.float32(level) + np.float32(spread) * (field - field.mean()) / np.maximum(field.std(), np.float32(1e-6))
