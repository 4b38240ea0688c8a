"""Operations that mix the channels or the neighbours of a pixel, or paint over a box. `filters.c` has the same."""

import numpy as np

from layermix_gen.kernels import Image
from layermix_gen.kernels.numbers import quantized
from layermix_gen.kernels.tones import LUMA

GRAY = (19589, 38470, 7471)  # `LUMA` in 16 bits


def grayscale(image: Image) -> Image:
    gray = image.astype(np.uint32) @ np.array(GRAY, np.uint32) + 32768 >> 16
    return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)


def color(image: Image, factor: float) -> Image:
    """Scale each channel's distance from the gray level of its pixel."""
    values = image.astype(np.float32)
    red, green, blue = np.moveaxis(values * np.array(LUMA, np.float32), 2, 0)
    gray = (red + green + blue) * np.float32(1 - factor)
    return quantized(values * np.float32(factor) + gray[..., None])


def sharpness(image: Image, factor: float) -> Image:
    """Scale each pixel's distance from a 3x3 blur of weights 1 and 5 (of 13).

    The outermost pixels lack neighbours and keep their value.
    """
    result = image.copy()
    height, width = image.shape[:2]
    if min(height, width) >= 3:
        whole = image.astype(np.int32)
        centre = whole[1:-1, 1:-1]
        shifted = (whole[y : height - 2 + y, x : width - 2 + x] for y in range(3) for x in range(3))
        blurred = (sum(shifted) + 4 * centre).astype(np.float32) * np.float32((1 - factor) / 13)
        result[1:-1, 1:-1] = quantized(centre.astype(np.float32) * np.float32(factor) + blurred)
    return result


def erase(image: Image, height: float, width: float, top: float, left: float, *color: float) -> Image:
    """Fill a box, as far as it lies in the image, with a colour of whole levels."""
    result = image.copy()
    result[int(top) : int(top + height), int(left) : int(left + width)] = color
    return result
