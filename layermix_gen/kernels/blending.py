"""Blends, which make one image from two of a shape: sums, products, masks, and any of these within a box alone.

Formulas: Hendrycks et al., "PixMix" (2022), for x and y in [0, 1]. `blends.c` has the same.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from layermix_gen.kernels import Image
from layermix_gen.kernels.masks import mask
from layermix_gen.kernels.numbers import SMALLEST, exp2, log2, quantized

LEAST = -122.9113395108324  # the logarithm of 1e-37, which stands for black where a power may be negative
MOST = 2.0**21  # a factor far past white, and safe to round


def add(x: Image, y: Image, a: float, b: float) -> Image:
    """Return (a(2x-1) + b(2y-1) + 1) / 2."""
    return _sum(x, y, a, b, 255 * (1 - a - b) / 2)


def mean(x: Image, y: Image, weight: float) -> Image:
    """Return weight · x + (1 - weight) · y."""
    return _sum(x, y, weight, 1 - weight, 0)


def _sum(x: Image, y: Image, a: float, b: float, constant: float) -> Image:
    of_x, of_y = x.astype(np.float32) * np.float32(a), y.astype(np.float32) * np.float32(b)
    return quantized(of_x + of_y + np.float32(constant))


def multiply(x: Image, y: Image, a: float, b: float) -> Image:
    """Return (2x)^a · max(2y, 1e-37)^b / 2; a >= 0."""
    of_x, of_y = powers(a, b)
    return quantized(of_x[x] * of_y[y])


def powers(a: float, b: float) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Tables (256,) of the two factors of `multiply`, whose product is in units of 1/255."""
    logarithms = log2(np.arange(1.0, 256)) + (1 - log2(np.array([255.0])))
    of_x = 127.5 * exp2(np.concatenate(([0.0], a * logarithms)))
    of_y = np.minimum(exp2(np.concatenate(([b * LEAST], b * logarithms))), MOST)
    if a >= SMALLEST:
        of_x[0] = 0
    return of_x.astype(np.float32), of_y.astype(np.float32)


def pixel(x: Image, y: Image, cut: float, seed: float) -> Image:
    """Return x where the mask is set, else y; one mask for all channels."""
    return np.where(mask(x.shape[:2], cut, int(seed))[..., None], x, y)


def element(x: Image, y: Image, cut: float, seed: float) -> Image:
    """Return x where the mask is set, else y; one mask bit for each channel value."""
    return np.where(mask(x.shape, cut, int(seed)), x, y)


def paste(x: Image, y: Image, *box: float) -> Image:
    """Return y in a box of a height and width at (top, left), as far as it lies in the image, else x."""
    return _within(lambda x, y: y, x, y, *box)


def patch_of(blend: Callable[..., Image]) -> Callable[..., Image]:
    """The blend within a box alone: its own arguments come first, then those of the box."""
    return partial(_within, blend)


def _within(blend: Callable[..., Image], x: Image, y: Image, *arguments: float) -> Image:
    *own, height, width, top, left = arguments
    box = slice(int(top), int(top + height)), slice(int(left), int(left + width))
    result = x.copy()
    if result[box].size:
        result[box] = blend(x[box], y[box], *own)
    return result
