"""The blends that make one image from two: one kernel and one table row each.

`add` and `multiply` act on values at the same place and clip the result; the masks of `pixel` and `element` choose
between x and y at each place. Formulas: Hendrycks et al., "PixMix" (2022), with the sampling of LayerMix's table I.
Other methods take a weighted `mean`, `paste` a box of y into x, or blend within a box alone: `add_patch` and so on.

If x and y are lookup tables over the same pixels, `add`, `multiply` or `mean` of the two tables is the table of the
blend, and no pixel need be touched.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from layermix_gen.images import Image
from layermix_gen.mixing.kernels import UNIT, LookupTable, quantize
from layermix_gen.mixing.masks import mask
from layermix_gen.mixing.operations import BOX, Parameter
from layermix_gen.mixing.strengths import rounded, uniform
from layermix_gen.support.seeds import Random

CoefficientSampler: TypeAlias = Callable[[Random, float], tuple[float, ...]]
Factors: TypeAlias = npt.NDArray[np.float32]


# --- tone blends ---------------------------------------------------------------------------------------------------


def add(x: Image, y: Image, a: float, b: float) -> Image:
    """Return (a(2x-1) + b(2y-1) + 1) / 2 for x, y in [0, 1]."""
    return cv2.addWeighted(x, a, y, b, 255 * (1 - a - b) / 2)


def multiply(x: Image, y: Image, a: float, b: float) -> Image:
    """Return (2x)^a · max(2y, 1e-37)^b / 2 for x, y in [0, 1]; a >= 0."""
    of_x, of_y = _powers(a, b)
    return cv2.multiply(cv2.LUT(x, of_x), cv2.LUT(y, of_y), dtype=cv2.CV_8U)


def mean(x: Image, y: Image, weight: float) -> Image:
    """Return weight · x + (1 - weight) · y."""
    return cv2.addWeighted(x, weight, y, 1 - weight, 0)


def _powers(a: float, b: float) -> tuple[Factors, Factors]:
    """Return tables (256,) for x and for y: the product of both lookups is the blend in units of 1/255, not clipped."""
    double = 2 * UNIT.astype(np.float64)
    of_x = 127.5 * np.power(double, a)
    of_y = np.minimum(np.power(np.maximum(double, 1e-37), b), 2.0**21)  # far past white, and safe to round
    return of_x.astype(np.float32), of_y.astype(np.float32)


def _add_tables(x: LookupTable, y: LookupTable, a: float, b: float) -> LookupTable:
    return add(x, y, a, b).reshape(x.shape)  # the same kernel, as half values must round as in images


def _multiply_tables(x: LookupTable, y: LookupTable, a: float, b: float) -> LookupTable:
    of_x, of_y = _powers(a, b)
    return quantize(of_x[x] * of_y[y])


def _mean_tables(x: LookupTable, y: LookupTable, weight: float) -> LookupTable:
    return mean(x, y, weight).reshape(x.shape)


# --- masks ---------------------------------------------------------------------------------------------------------


def pixel(x: Image, y: Image, cut: float, seed: float) -> Image:
    """Return x where the mask is set, else y; one mask for all channels."""
    return cv2.copyTo(x, mask(x.shape[:2], cut, int(seed)), y.copy())


def element(x: Image, y: Image, cut: float, seed: float) -> Image:
    """Return x where the mask is set, else y; one mask bit for each channel value."""
    height, width, channels = x.shape
    flat = (height, width * channels)
    result = cv2.copyTo(x.reshape(flat), mask(flat, cut, int(seed)), y.reshape(flat).copy())
    return result.reshape(x.shape)


# --- boxes ---------------------------------------------------------------------------------------------------------


def paste(x: Image, y: Image, *box: float) -> Image:
    """Return y in a box of a height and width at (top, left), as far as it lies in the image, else x."""
    return _within(lambda x, y: y, x, y, *box)


def patch_name(blend: str) -> str:
    """The name of a blend within a box alone: `add_patch`."""
    return f"{blend}_patch"


def _patch_of(blend: Callable[..., Image]) -> Callable[..., Image]:
    """The blend within a box alone: its own arguments come first, then those of the box."""
    return partial(_within, blend)


def _within(blend: Callable[..., Image], x: Image, y: Image, *arguments: float) -> Image:
    *own, height, width, top, left = arguments
    box = slice(int(top), int(top + height)), slice(int(left), int(left + width))
    result = x.copy()
    if result[box].size:
        result[box] = blend(np.ascontiguousarray(x[box]), np.ascontiguousarray(y[box]), *own)
    return result


# --- samplers: (rng, blending ratio) -> arguments ------------------------------------------------------------------


def _coefficients(rng: Random, ratio: float) -> tuple[float, ...]:
    """Draw a and b; one coin decides for both: on average a weighted mean, or x amplified and y subtracted.

    They are of Beta(ratio, 1) and Beta(1, ratio), or 1 + and - Beta(1, ratio), by the inverses of their distributions:
    U^(1/ratio), and 1 minus that.
    """
    power = 1 / ratio
    coin, a, b = rng.random() < 0.5, rng.random() ** power, rng.random() ** power
    return (rounded(a), rounded(1 - b)) if coin else (rounded(2 - a), rounded(b - 1))


def _mask_arguments(rng: Random, ratio: float) -> tuple[float, ...]:
    return int(uniform(rng, 0, 257)), int(uniform(rng, 0, 2**32))


# --- the table -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Blend:
    """One blend: what it is called, what it does, and how methods draw its arguments."""

    name: str
    parameters: tuple[Parameter, ...]
    images: Callable[..., Image]  # the blend of (x, y, *arguments)
    tables: Callable[..., LookupTable] | None = None  # the same for two lookup tables over the same pixels
    sample: CoefficientSampler | None = None


B = Parameter("b", -2, 2)
MASK = (Parameter("cut", 0, 256, whole=True), Parameter("seed", 0, 2**32 - 1, whole=True))

_DRAWN = (
    Blend("add", (Parameter("a", -2, 2), B), add, _add_tables, _coefficients),
    Blend("multiply", (Parameter("a", 0, 2), B), multiply, _multiply_tables, _coefficients),
    Blend("pixel", MASK, pixel, sample=_mask_arguments),
    Blend("element", MASK, element, sample=_mask_arguments),
)
_PATCHES = tuple(Blend(patch_name(row.name), (*row.parameters, *BOX), _patch_of(row.images)) for row in _DRAWN)
_OTHERS = (
    Blend("mean", (Parameter("weight", 0, 1),), mean, _mean_tables),
    Blend("paste", BOX, paste),
)

BLENDS = {row.name: row for row in (*_DRAWN, *_OTHERS, *_PATCHES)}
DRAWN_BLENDS = {row.name: row.sample for row in _DRAWN if row.sample}
"""How the arguments are drawn of the blends that LayerMix and its kin choose from, by the blend's name."""
