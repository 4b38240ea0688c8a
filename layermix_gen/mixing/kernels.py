"""The kernels of the operations: each returns a lookup table, or new pixels.

A *tone* operation maps each channel value to another, independently of its position: it is a lookup table, and a
chain of such operations is one table. Some tables depend on the image, but only through its histogram. A *pixel*
operation (a warp, a filter, a mix of channels) needs the pixels themselves.

Arguments have the usual units: tone values in [0, 1], angles in degrees, shifts in pixels. The references are
torchvision's v2 kernels in float32; every kernel here is within 0.51/255 of them (posterize: 1/255).
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from layermix_gen.images import Image

LookupTable: TypeAlias = npt.NDArray[np.uint8]  # (256,) for all channels alike, or (256, 3)
Histogram: TypeAlias = npt.NDArray[np.int64]  # (256, 3): how often each value occurs in each channel

LUMA = np.array([0.2989, 0.587, 0.114])  # torchvision's weights of R, G and B; they add up to 0.9999
VALUES = np.arange(256, dtype=np.float32)
UNIT = VALUES / np.float32(255)


def quantize(values: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Round values in [0, 255] to uint8, clipping what lies outside."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


# --- tone operations: (*arguments) or (histogram, *arguments) -> table ---------------------------------------------


def invert() -> LookupTable:
    return np.arange(255, -1, -1, dtype=np.uint8)


def posterize(bits: float) -> LookupTable:
    return np.arange(256, dtype=np.uint8) & np.uint8(256 - (1 << (8 - int(bits))))


def solarize(threshold: float) -> LookupTable:
    return np.where(np.float32(threshold) <= UNIT, 255 - VALUES, VALUES).astype(np.uint8)


def brightness(factor: float) -> LookupTable:
    return quantize(VALUES * factor)


def contrast(histogram: Histogram, factor: float) -> LookupTable:
    """Scale each value's distance from the mean gray level, which the histograms determine since it is linear."""
    mean = float(VALUES @ histogram @ LUMA) / float(histogram[:, 0].sum())
    return quantize(VALUES * factor + mean * (1 - factor))


def autocontrast(histogram: Histogram) -> LookupTable:
    """Stretch each channel to the full range; a channel of one value stays as it is."""
    present = histogram > 0
    low = present.argmax(axis=0)
    high = 255 - present[::-1].argmax(axis=0)
    flat = low == high
    stretched = (VALUES[:, None] - low) * (255 / np.where(flat, 1, high - low))
    return quantize(np.where(flat, VALUES[:, None], stretched))


def equalize(histogram: Histogram) -> LookupTable:
    """Equalise each channel as Pillow and torchvision do: in integers, omitting the last occupied bin from the step."""
    cumulative = histogram.cumsum(axis=0)
    last = 255 - (histogram > 0)[::-1].argmax(axis=0)
    step = (cumulative[-1] - histogram[last, np.arange(3)]) // 255
    before = np.vstack((np.zeros((1, 3), np.int64), cumulative[:-1]))
    table = np.clip((before + step // 2) // np.maximum(step, 1), 0, 255)
    return np.where(step == 0, np.arange(256)[:, None], table).astype(np.uint8)


# --- pixel operations: (image, *args) -> image ---------------------------------------------------------------------


def grayscale(image: Image) -> Image:
    return cv2.cvtColor(cv2.transform(image, LUMA[None]), cv2.COLOR_GRAY2RGB)


def color(image: Image, factor: float) -> Image:
    mix = factor * np.eye(3) + (1 - factor) * np.tile(LUMA, (3, 1))
    return quantize(cv2.transform(image.astype(np.float32), mix))  # OpenCV's uint8 path is off by up to 0.56/255


def sharpness(image: Image, factor: float) -> Image:
    """Scale each pixel's distance from a 3x3 blur of weights 1 and 5 (of 13).

    The outermost pixels lack neighbours and keep their value.
    """
    if min(image.shape[:2]) < 3:
        return image
    kernel = np.full((3, 3), (1 - factor) / 13)
    kernel[1, 1] = 5 * (1 - factor) / 13 + factor
    result = image.copy()
    result[1:-1, 1:-1] = cv2.filter2D(image, -1, kernel)[1:-1, 1:-1]
    return result


def mirror(image: Image) -> Image:
    return cv2.flip(image, 1)


def erase(image: Image, height: float, width: float, top: float, left: float, *color: float) -> Image:
    """Fill a box, as far as it lies in the image, with a colour of whole levels."""
    result = image.copy()
    result[int(top) : int(top + height), int(left) : int(left + width)] = color
    return result


def rotate(image: Image, degrees: float) -> Image:
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return _warp(image, [[cosine, -sine], [sine, cosine]])


def shear_x(image: Image, factor: float) -> Image:
    return _warp(image, [[1, factor], [0, 1]])


def shear_y(image: Image, factor: float) -> Image:
    return _warp(image, [[1, 0], [factor, 1]])


def translate_x(image: Image, pixels: float) -> Image:
    return _shift(image, pixels, axis=1)


def translate_y(image: Image, pixels: float) -> Image:
    return _shift(image, pixels, axis=0)


def _warp(image: Image, linear: Sequence[Sequence[float]]) -> Image:
    """Sample each pixel at `linear` times its position, both relative to the centre; bilinear, black outside."""
    height, width = image.shape[:2]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.empty((2, 3))
    matrix[:, :2] = linear
    matrix[:, 2] = centre - matrix[:, :2] @ centre
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _shift(image: Image, pixels: float, axis: int) -> Image:
    """Move by `pixels` along one axis; bilinear, black outside. Two weighted slices take an eighth of a warp's time."""
    side = image.shape[axis]
    whole = min(max(math.floor(pixels), -side - 1), side)  # beyond that, everything is black anyway
    part = pixels - math.floor(pixels)
    before, after = max(whole + 1, 0), max(-whole, 0)
    if axis == 0:
        padded = cv2.copyMakeBorder(image, before, after, 0, 0, cv2.BORDER_CONSTANT)
        near, far = padded[before - whole :][:side], padded[before - whole - 1 :][:side]
    else:
        padded = cv2.copyMakeBorder(image, 0, 0, before, after, cv2.BORDER_CONSTANT)
        near, far = padded[:, before - whole :][:, :side], padded[:, before - whole - 1 :][:, :side]
    return cv2.addWeighted(near, 1 - part, far, part, 0)
