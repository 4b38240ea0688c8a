"""Filters that several corruptions share: they take and return float arrays (H, W) or (H, W, C)."""

import math

import cv2
import numpy as np

from layermix_gen.evaluate.corruptions.effects.base import Floats


def gaussian(values: Floats, deviation: float, truncate: float = 4.0, border: int = cv2.BORDER_REPLICATE) -> Floats:
    """Blur by a Gaussian kernel of `deviation` px, truncated at `truncate` deviations and normalised."""
    reach = int(truncate * deviation + 0.5)
    if reach == 0:
        return values.copy()
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel /= kernel.sum()
    return cv2.sepFilter2D(values, -1, kernel, kernel, borderType=border)


def motion(values: Floats, radius: int, deviation: float, degrees: float) -> Floats:
    """Blur in one direction, as ImageMagick's motion blur does, by half a Gaussian kernel of 2 `radius` + 1 steps.

    Step i reads the pixel nearest to i px away, at `degrees` clockwise from the right; edges are replicated.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-0.5 * (steps / deviation) ** 2)
    weights /= weights.sum()
    angle, length = math.pi * degrees / 180, len(steps)
    # Half steps, as at 60 degrees, are rounded as there only if the same arithmetic ends a hair above or below.
    arm = length * math.cos(angle), length * math.sin(angle)
    right, down = (np.ceil(steps * part / math.hypot(*arm) - 0.5).astype(int) for part in arm)
    reach = 2 * radius
    padded = cv2.copyMakeBorder(values, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    height, width = values.shape[:2]
    blurred = np.zeros_like(values)
    for weight, x, y in zip(weights, right + reach, down + reach, strict=True):
        blurred += weight * padded[y : y + height, x : x + width]
    return blurred


def zoomed(values: Floats, factor: float) -> Floats:
    """Enlarge the centre, 1 / `factor` of each side, to the full size: bilinear, corner pixels onto the corners.

    Only for float32: OpenCV warps float64 at positions rounded to 1/32 px.
    """
    shape = values.shape[:2]
    parts = [math.ceil(length / factor) for length in shape]
    wholes = [round(part * factor) for part in parts]
    scales = [(part - 1) / max(whole - 1, 1) for part, whole in zip(parts, wholes, strict=True)]
    top, left = (
        (length - part) // 2 + (whole - length) // 2 * scale
        for length, part, whole, scale in zip(shape, parts, wholes, scales, strict=True)
    )
    matrix = np.array([[scales[1], 0, left], [0, scales[0], top]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(values, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
