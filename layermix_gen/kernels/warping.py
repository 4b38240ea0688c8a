"""Operations that move pixels: rotations, shears and shifts, interpolated between neighbours, black outside.

A shift along one axis mixes two neighbours by a weight of 15 bits, `mixed`; so does a shear, whose shift is another in
each row or column. A rotation finds the places of its pixels in float64 and mixes four neighbours in float32. Angles
are in degrees, shifts in pixels. Everything is within 0.51/255 of exact interpolation. `warps.c` has the same formulas.
"""

import numpy as np
import numpy.typing as npt

from layermix_gen.kernels import Image
from layermix_gen.kernels.numbers import sine_and_cosine

Whole = npt.NDArray[np.int64]
ONE = 1 << 15  # as a weight
FAR = 1 << 30  # a shift in pixels beyond which nothing is left of any image


def mirror(image: Image) -> Image:
    return np.ascontiguousarray(image[:, ::-1])


def rotate(image: Image, degrees: float) -> Image:
    """Turn counter-clockwise about the centre."""
    height, width = image.shape[:2]
    sine, cosine = sine_and_cosine(degrees)
    x, y = np.arange(width) - (width - 1) / 2, np.arange(height)[:, None] - (height - 1) / 2
    column = (width - 1) / 2 + 1 - sine * y + cosine * x  # of the image within a border of one pixel
    row = (height - 1) / 2 + 1 + cosine * y + sine * x
    left, top = np.floor(column), np.floor(row)
    right_part, low_part = ((column - left).astype(np.float32)[..., None], (row - top).astype(np.float32)[..., None])
    left, top = left.astype(np.int64) - 1, top.astype(np.int64) - 1
    corner = [[_at(image, top + down, left + right) for right in (0, 1)] for down in (0, 1)]
    of_left, of_right = (upper + (lower - upper) * low_part for upper, lower in zip(*corner, strict=True))
    return (of_left + (of_right - of_left) * right_part + np.float32(0.5)).astype(np.uint8)


def shear_x(image: Image, factor: float) -> Image:
    """Take each pixel from `factor` times its distance below the centre to the right."""
    height, width = image.shape[:2]
    whole, weight = _split(factor * ((2 * np.arange(height)[:, None] + 1 - height) / 2))
    rows, columns = np.arange(height)[:, None], np.arange(width) + whole
    return mixed(_at_bytes(image, rows, columns), _at_bytes(image, rows, columns + 1), weight[..., None])


def shear_y(image: Image, factor: float) -> Image:
    """Take each pixel from `factor` times its distance right of the centre below."""
    return _transposed(shear_x(_transposed(image), factor))


def translate_x(image: Image, pixels: float) -> Image:
    """Move to the right."""
    whole, weight = _split(np.array(-pixels))
    rows, columns = np.arange(image.shape[0])[:, None], np.arange(image.shape[1]) + whole
    return mixed(_at_bytes(image, rows, columns), _at_bytes(image, rows, columns + 1), weight)


def translate_y(image: Image, pixels: float) -> Image:
    """Move down."""
    return _transposed(translate_x(_transposed(image), pixels))


def mixed(near: Image, far: Image, weight: Whole) -> Image:
    """Return near + (far - near) · weight / 2^15, with 7 bits behind the point before it is rounded."""
    near, far = near.astype(np.int64), far.astype(np.int64)
    step = ((((far - near) << 7) * weight >> 14) + 1) >> 1
    return ((near << 7) + step + 64 >> 7).astype(np.uint8)


def _split(shift: npt.NDArray[np.float64]) -> tuple[Whole, Whole]:
    """The whole pixels of a shift, and the rest as a weight below 2^15."""
    shift = np.clip(shift, -FAR, FAR)
    whole = np.floor(shift)
    weight = np.floor((shift - whole) * ONE + 0.5).astype(np.int64)
    return whole.astype(np.int64) + (weight == ONE), weight % ONE


def _at_bytes(image: Image, rows: Whole, columns: Whole) -> Image:
    """The pixels at these places, black outside."""
    height, width = image.shape[:2]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return np.where(inside[..., None], image[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)], 0)


def _at(image: Image, rows: Whole, columns: Whole) -> npt.NDArray[np.float32]:
    return _at_bytes(image, rows, columns).astype(np.float32)


def _transposed(image: Image) -> Image:
    return np.ascontiguousarray(image.transpose(1, 0, 2))
