"""C-bar's warps: pinch and twirl, ripple, circular motion blur, chromatic aberration, and refraction by water.

Each kernel takes the published difficulty, 0 to 10; lengths scale with the image's short side.
"""

import math
from functools import lru_cache

import cv2
import numpy as np

from layermix_gen.evaluate.corruptions.effects.base import Closeness, Corruption, Floats, each, grid, pixels, side, unit
from layermix_gen.evaluate.corruptions.effects.filters import gaussian
from layermix_gen.images import Image

FINENESS = 8  # steps per pixel of the lookup table of splines


def pinch_and_twirl(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Pinch each circle of a 3 by 3 grid (5 by 5 from 224 px on) towards its centre, and twirl it either way."""
    count = 5 if side(image) >= 224 else 3
    cell = max(side(image) // count, 1)
    radius = cell / 2
    y, x = np.broadcast_arrays(*grid(image))
    row, column = (y // cell).astype(int), (x // cell).astype(int)
    signs = rng.choice([1.0, -1.0], (row.max() + 1, column.max() + 1))
    down, right = y - row * cell - radius, x - column * cell - radius
    distance = np.hypot(down, right) / radius
    is_whole = (row < image.shape[0] // cell) & (column < image.shape[1] // cell)
    inside = is_whole & (distance > 0) & (distance <= 1)
    distance = np.where(inside, distance, 1.0)
    pinch = np.sin(math.pi / 2 * distance) ** -(0.04 * difficulty + 0.1)
    angle = signs[row, column] * math.pi / 20 * difficulty * (1 - distance) ** 2
    sine, cosine = np.sin(angle), np.cos(angle)
    to_down, to_right = pinch * (down * cosine - right * sine), pinch * (down * sine + right * cosine)
    return _moved(image, np.where(inside, to_down - down, 0), np.where(inside, to_right - right, 0))


def ripple(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Move rows and columns by sine waves, 0.1 to 0.3 sides long, with an amplitude of 0.0025 * `difficulty` sides."""
    length, (y, x) = side(image), grid(image)
    amplitude = 0.0025 * difficulty * length
    waves, phases = rng.uniform(0.1, 0.3, 2) * length, rng.uniform(0, 2 * math.pi, 2)
    down = amplitude * np.sin(2 * math.pi * y / waves[0] + phases[0])
    right = amplitude * np.sin(2 * math.pi * x / waves[1] + phases[1])
    return _moved(image, down, right)


def _moved(image: Image, down: Floats, right: Floats) -> Image:
    """Read each pixel from `down` and `right` px away: bilinear, black outside."""
    y, x = grid(image)
    maps = (np.broadcast_to(target, image.shape[:2]).astype(np.float32) for target in (x + right, y + down))
    values = cv2.remap(image.astype(np.float32), *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.clip(values, 0, 255).astype(np.uint8)


def circular_motion_blur(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """The mean of 21 rotations by up to ±1.5 * `difficulty` degrees, the outer ones weighted less; black outside.

    As published, each rotation interpolates by cubic splines, and what lies beyond the centres of the outermost pixels
    is black. Here the splines are evaluated at every eighth of a pixel, and interpolated linearly between.
    """
    height, width = image.shape[:2]
    fine = _refined(unit(image))
    y, x = grid(image)
    down, right = y - (height - 1) / 2, x - (width - 1) / 2
    blurred, places = np.zeros_like(image, np.float32), np.linspace(-1, 1, 21)
    weights = np.exp(-2 * places**2)
    for place, weight in zip(places, weights / weights.sum(), strict=True):
        sine, cosine = (f(math.radians(1.5 * difficulty * place)) for f in (math.sin, math.cos))
        from_y = down * cosine - right * sine + (height - 1) / 2
        from_x = down * sine + right * cosine + (width - 1) / 2
        is_inside = (from_y >= 0) & (from_y <= height - 1) & (from_x >= 0) & (from_x <= width - 1)
        maps = ((FINENESS * places).astype(np.float32) for places in (from_x, from_y))
        blurred += float(weight) * is_inside[..., None] * cv2.remap(fine, *maps, cv2.INTER_LINEAR)
    return pixels(blurred)


def transverse_chromatic_abberation(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Enlarge the channels, in random order, by 1 + 0.05 * `difficulty`, by half of that excess, and not at all.

    The centre is kept. As published, pixels are used as the coefficients of cubic splines (no prefilter), which blurs
    all three channels a little.
    """
    scales = 1 + 0.05 * difficulty * rng.permutation([0, 0.5, 1])
    enlarged = np.empty_like(image)
    for channel, scale in enumerate(scales):
        vertical, horizontal = (_enlarging(length, scale) for length in image.shape[:2])
        rows = np.einsum("ij,jk->ik", vertical, image[..., channel])  # not @: BLAS may sum in another order elsewhere
        enlarged[..., channel] = np.einsum("ij,kj->ik", rows, horizontal) + 0.5
    return enlarged


@lru_cache(maxsize=64)
def _enlarging(length: int, scale: float) -> Floats:
    """The matrix (N, N) from a spline's coefficients, mirrored at its ends, to the values of its enlarged centre."""
    whole, period = round(length * scale), max(2 * (length - 1), 1)
    places = ((whole - length) // 2 + np.arange(length)) * (length - 1) / max(whole - 1, 1)
    first, matrix = np.floor(places).astype(int) - 1, np.zeros((length, length))
    for tap in range(4):
        mirrored = (first + tap) % period
        mirrored = np.minimum(mirrored, period - mirrored) % length
        np.add.at(matrix, (np.arange(length), mirrored), _b_spline(places - first - tap))
    return matrix


def _refined(values: Floats) -> Floats:
    """Cubic splines through the values (H, W, C), mirrored at the ends, at `FINENESS` places per pixel: float32."""
    for axis in (0, 1):  # to coefficients
        length = values.shape[axis]
        mirrored = np.concatenate([values, np.flip(np.take(values, range(1, length - 1), axis), axis)], axis)
        period = mirrored.shape[axis]
        gain = (2 + np.cos(2 * math.pi * np.fft.rfftfreq(period))) / 3
        spectrum = np.fft.rfft(mirrored, axis=axis) / gain.reshape((-1, 1, 1) if axis == 0 else (-1, 1))
        values = np.take(np.fft.irfft(spectrum, period, axis), range(length), axis)
    height, width, channels = values.shape
    fine = np.zeros((FINENESS * (height - 1) + 1, FINENESS * (width - 1) + 1, channels), np.float32)
    fine[::FINENESS, ::FINENESS] = values
    taps = _b_spline(np.arange(1 - 2 * FINENESS, 2 * FINENESS) / FINENESS)
    return cv2.sepFilter2D(fine, -1, taps, taps, borderType=cv2.BORDER_REFLECT_101)


def _b_spline(away: Floats) -> Floats:
    """The cubic B-spline at the distances `away`."""
    away = np.abs(away)
    return np.where(away < 1, 2 / 3 - away**2 + away**3 / 2, np.maximum(2 - away, 0) ** 3 / 6)


def caustic_refraction(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Refract as rippled water does: pixels move along the slope of a pattern of caustics, which also lights them.

    A slope of angle a moves a pixel by sin(a - asin(sin(a) / 4)) times 0.05 * `difficulty` sides; slopes below 2.6
    degrees move nothing.
    """
    time, scale = rng.uniform(0.5, 2), rng.uniform(0.75, 1.25) * side(image)
    light = np.pad(gaussian(_caustics(image, time, scale), 1, border=cv2.BORDER_REFLECT), 1)
    down, right = light[2:, 1:-1] - light[:-2, 1:-1], light[1:-1, 2:] - light[1:-1, :-2]
    slope = np.hypot(down, right)
    angle = np.arctan(slope)
    reach = 0.05 * difficulty * side(image) * np.sin(angle - np.arcsin(np.sin(angle) / 4))
    reach = np.where(np.cos(angle) < 1 - 1e-3, reach / np.maximum(slope, 1e-9), 0)
    y, x = grid(image)
    maps = ((x + reach * right).astype(np.float32), (y + reach * down).astype(np.float32))
    seen = cv2.remap(unit(image).astype(np.float32), *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return pixels(seen + 0.2 * difficulty * (down - right)[..., None])


def _caustics(image: Image, time: float, scale: float) -> Floats:
    """A net of bright lines (H, W) in [0, 1]: sines of sums of sines, five times nested, repeated every `scale` px."""
    y, x = (axis / scale % 1 * 2 * math.pi - 250 for axis in grid(image))
    down, right, light = y, x, np.ones(())
    for number in range(1, 6):
        t = time * (1 - 3.5 / number)
        down, right = (
            y + np.cos(t - down) + np.sin(t + right),
            x + np.sin(t - right) + np.cos(t + down),
        )
        light = light + 200 / np.hypot(y / np.sin(down + t), x / np.cos(right + t))
    return np.clip(np.abs(1.17 - (light / 5) ** 1.4) ** 8, 0, 1)


ROWS = (
    Corruption(
        "pinch_and_twirl",
        pinch_and_twirl,
        cifar=each(5.5, 6.0, 6.5, 8.5, 10.0),
        imagenet=None,
        closeness=Closeness.SAME,
    ),
    Corruption(
        "ripple",
        ripple,
        cifar=each(5.5, 6.0, 6.5, 7.5, 8.0),
        imagenet=None,
        closeness=Closeness.SAME,
    ),
    Corruption(
        "circular_motion_blur",
        circular_motion_blur,
        cifar=each(2.8, 3.6, 4.4, 5.2, 6.0),
        imagenet=None,
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "transverse_chromatic_abberation",
        transverse_chromatic_abberation,
        cifar=each(1.0, 2.0, 5.0, 9.0, 10.0),
        imagenet=None,
        closeness=Closeness.SAME,
    ),
    Corruption(
        "caustic_refraction",
        caustic_refraction,
        cifar=None,
        imagenet=each(2.35, 3.2, 4.9, 6.6, 9.15),
        closeness=Closeness.SAME,
    ),
)
