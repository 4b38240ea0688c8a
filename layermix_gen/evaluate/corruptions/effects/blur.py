"""Blur: out of focus, through frosted glass, in motion, while zooming in, and plain Gaussian blur."""

import cv2
import numpy as np
import numpy.typing as npt

from layermix_gen.evaluate.corruptions.effects.base import Closeness, Corruption, Floats, each, pixels, unit
from layermix_gen.evaluate.corruptions.effects.filters import gaussian, motion, zoomed
from layermix_gen.images import Image


def gaussian_blur(image: Image, rng: np.random.Generator, deviation: float) -> Image:
    """Blur by a Gaussian kernel of `deviation` px."""
    return pixels(gaussian(unit(image), deviation))


def defocus_blur(image: Image, rng: np.random.Generator, radius: float, smoothing: float) -> Image:
    """Blur by a disk of `radius` px whose edge is smoothed by a Gaussian of `smoothing` px."""
    return pixels(cv2.filter2D(unit(image), -1, _disk(radius, smoothing)))


def _disk(radius: float, smoothing: float) -> Floats:
    """The kernel (2n+1, 2n+1) of a disk, which sums to about 1; as published, on a square of at least 17 px."""
    reach, taps = (8, 3) if radius <= 8 else (int(radius), 5)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (x**2 + y**2 <= radius**2).astype(np.float32)
    kernel = cv2.GaussianBlur(disk / disk.sum(), (taps, taps), smoothing)
    empty = int(np.argmax(kernel.any(axis=0)))  # rows and columns without any weight, which would only cost time
    return kernel[empty : 2 * reach + 1 - empty, empty : 2 * reach + 1 - empty]


def glass_blur(image: Image, rng: np.random.Generator, deviation: float, reach: int, rounds: int) -> Image:
    """Blur, replace pixels by neighbours at most `reach` px away, `rounds` times, and blur again."""
    x = pixels(gaussian(unit(image), deviation))
    for _ in range(rounds):
        height, width = (max(length - 2 * reach, 0) for length in image.shape[:2])
        right, down = np.moveaxis(rng.integers(-reach, reach, (height, width, 2)), -1, 0)
        x = x.reshape(-1, 3)[_scattered(image.shape[:2], reach, right, down)]
    return pixels(gaussian(unit(x), deviation))


def _scattered(
    shape: tuple[int, ...], reach: int, right: npt.NDArray[np.integer], down: npt.NDArray[np.integer]
) -> npt.NDArray[np.intp]:
    """The flat index of the pixel that each pixel (H, W) is taken from.

    As published, pixels are visited one by one from the last to the first, except the first `reach` + 1 and the last
    `reach` - 1 rows and columns. Each takes its neighbour's value of that moment: a neighbour that comes later in the
    image has changed already, an earlier one has not. Chains of changed neighbours are followed to their ends by
    pointer doubling. Offsets come in the order of the visits.
    """
    count = shape[0] * shape[1]
    own = np.arange(count).reshape(shape)
    visited = own[reach + 1 : shape[0] - reach + 1, reach + 1 : shape[1] - reach + 1]
    neighbour = visited + down[::-1, ::-1] * shape[1] + right[::-1, ::-1]
    # Numbers from `count` on stand for the original value of a pixel, smaller ones for its final value.
    step = np.concatenate([own.ravel() + count, own.ravel() + count])
    step[visited] = np.where(neighbour > visited, neighbour, neighbour + count)
    while True:
        further = step[step]
        if np.array_equal(further, step):
            return (step[:count] - count).reshape(shape)
        step = further


def motion_blur(image: Image, rng: np.random.Generator, radius: int, deviation: float) -> Image:
    """Blur in one random direction, at most 45 degrees from the horizontal."""
    return motion(image.astype(np.float32), radius, deviation, rng.uniform(-45, 45)).astype(np.uint8)


def zoom_blur(image: Image, rng: np.random.Generator, largest: float, step: float) -> Image:
    """The mean of the image and of its enlargements by 1, 1 + step, ... up to `largest`."""
    x = unit(image).astype(np.float32)
    factors = np.arange(1, largest + step / 2, step)
    return pixels((x + sum(zoomed(x, float(factor)) for factor in factors)) / (len(factors) + 1))


ROWS = (
    Corruption(
        "defocus_blur",
        defocus_blur,
        cifar=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        imagenet=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "glass_blur",
        glass_blur,
        cifar=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        imagenet=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "motion_blur",
        motion_blur,
        cifar=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        imagenet=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "zoom_blur",
        zoom_blur,
        cifar=((1.06, 0.01), (1.11, 0.01), (1.15, 0.01), (1.20, 0.01), (1.25, 0.01)),
        imagenet=((1.11, 0.01), (1.15, 0.01), (1.20, 0.02), (1.24, 0.02), (1.30, 0.03)),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "gaussian_blur",
        gaussian_blur,
        cifar=each(0.4, 0.6, 0.7, 0.8, 1),
        imagenet=each(1, 2, 3, 4, 6),
        closeness=Closeness.EXACT,
    ),
)
