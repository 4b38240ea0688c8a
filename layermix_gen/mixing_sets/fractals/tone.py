"""Map a field of any range to gray levels: the last step of every kind, so that all use the whole range of grays.

The field is stretched between two quantiles, blended with its own rank (histogram equalisation) and bent by a gamma.
"""

from typing import Any

import numpy as np

from layermix_gen.images import Pictures
from layermix_gen.mixing_sets.fractals.kinds.base import Floats

BINS = 4096


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the share of equalisation, the gamma (above 1 is darker) and whether light and dark are swapped."""
    return {
        "equalize": round(float(rng.uniform(0.0, 0.6)), 3),
        "gamma": round(float(np.exp(rng.uniform(-0.4, 0.7))), 3),
        "negative": bool(rng.random() < 0.15),
    }


def apply(field: Floats, equalize: float, gamma: float, negative: bool) -> Pictures:
    """Map the field (S, S) to gray levels, uint8 (S, S)."""
    field = np.nan_to_num(field, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = np.quantile(field, [0.002, 0.998])
    linear = np.clip((field - np.float32(low)) / np.float32(max(high - low, 1e-9)), 0, 1)
    bins = (linear * np.float32(BINS - 1)).astype(np.int32)
    counts = np.bincount(bins.ravel(), minlength=BINS)
    rank = ((np.cumsum(counts) - 0.5 * counts) / field.size).astype(np.float32)
    tone = np.float32(1 - equalize) * linear + np.float32(equalize) * rank[bins]
    tone **= np.float32(gamma)
    if negative:
        tone = 1 - tone
    gray: Pictures = np.rint(tone * np.float32(255)).astype(np.uint8)
    return gray
