"""Operations that map each level of a channel to another, as lookup tables, and the histograms that some depend on.

Arguments have the usual units: levels in [0, 1], factors where 1 changes nothing. The references are torchvision's v2
kernels in float32: every table is within 0.51/255 of them (posterize: 1/255). `tones.c` has the same tables.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from layermix_gen.kernels import Image
from layermix_gen.kernels.numbers import SMALLEST, quantized

LookupTable: TypeAlias = npt.NDArray[np.uint8]  # (256,) for all channels alike, or (256, 3)
Histogram: TypeAlias = npt.NDArray[np.int64]  # (256, 3): how often each level occurs in each channel

LEVELS = np.arange(256)
LUMA = (0.2989, 0.587, 0.114)  # torchvision's weights of R, G and B; they add up to 0.9999


def histogram(image: Image) -> Histogram:
    """How often each level occurs in each channel."""
    return np.stack([np.bincount(image[..., channel].ravel(), minlength=256) for channel in range(3)], axis=1)


def looked_up(image: Image, table: LookupTable) -> Image:
    """Map every level of an image by a table."""
    return table[image] if table.ndim == 1 else table[image, np.arange(3)]


# --- (*arguments) -> table -----------------------------------------------------------------------------------------


def invert() -> LookupTable:
    return np.arange(255, -1, -1, dtype=np.uint8)


def posterize(bits: float) -> LookupTable:
    return np.arange(256, dtype=np.uint8) & np.uint8(256 - (1 << (8 - int(bits))))


def solarize(threshold: float) -> LookupTable:
    """Invert the levels from the threshold on, which is compared as a float32, as torchvision does."""
    unit = LEVELS.astype(np.float32) / np.float32(255)
    return np.where(np.float32(threshold if threshold >= SMALLEST else 0) <= unit, 255 - LEVELS, LEVELS).astype(
        np.uint8
    )


def brightness(factor: float) -> LookupTable:
    return quantized(LEVELS * float(factor))


# --- (histogram, *arguments) -> table ------------------------------------------------------------------------------


def contrast(counts: Histogram, factor: float) -> LookupTable:
    """Scale each level's distance from the mean gray level, which the histograms determine since it is linear."""
    red, green, blue = (LEVELS @ counts).tolist()
    mean = (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue) / int(counts[:, 0].sum())
    return quantized(LEVELS * float(factor) + mean * (1 - factor))


def autocontrast(counts: Histogram) -> LookupTable:
    """Stretch each channel to the full range, rounded to the nearest level; one of a single level stays as it is."""
    present = counts > 0
    low, high = present.argmax(axis=0), 255 - present[::-1].argmax(axis=0)
    span = np.maximum(high - low, 1)
    stretched = (510 * (np.clip(LEVELS[:, None], low, high) - low) + span) // (2 * span)
    return np.where(low == high, LEVELS[:, None], stretched).astype(np.uint8)


def equalize(counts: Histogram) -> LookupTable:
    """Equalise each channel as Pillow and torchvision do: in integers, omitting the last occupied bin from the step."""
    cumulative = counts.cumsum(axis=0)
    last = 255 - (counts > 0)[::-1].argmax(axis=0)
    step = (cumulative[-1] - counts[last, np.arange(3)]) // 255
    before = np.vstack((np.zeros((1, 3), np.int64), cumulative[:-1]))
    table = np.clip((before + step // 2) // np.maximum(step, 1), 0, 255)
    return np.where(step == 0, LEVELS[:, None], table).astype(np.uint8)
