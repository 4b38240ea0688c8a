"""Sequences in which the pixels change and the picture stays: noise, blur, brightness, snow, spatter."""

import cv2
import numpy as np
import numpy.typing as npt

from layermix_gen.evaluate.corruptions.effects import digital, pixel_noise
from layermix_gen.evaluate.corruptions.effects.base import Floats, pixels, unit
from layermix_gen.evaluate.corruptions.effects.filters import gaussian, motion
from layermix_gen.evaluate.corruptions.effects.weather import WATER, relief, snowed, snowflakes, whitened
from layermix_gen.evaluate.corruptions.perturbations.base import Perturbation
from layermix_gen.evaluate.video_files import Frames
from layermix_gen.images import Image


def gaussian_noise(image: Image, rng: np.random.Generator, frames: int, deviation: float) -> Frames:
    """The image, then the image with Gaussian noise, drawn anew for each frame."""
    x, width = unit(image).astype(np.float32), np.float32(deviation)
    noisy = (pixels(x + width * rng.standard_normal(image.shape, np.float32)) for _ in range(1, frames))
    return np.stack([image, *noisy])


def shot_noise(image: Image, rng: np.random.Generator, frames: int, photons: float) -> Frames:
    """The image, then photons counted anew for each frame, where white has `photons` in the mean."""
    return np.stack([image, *(pixel_noise.shot_noise(image, rng, photons) for _ in range(1, frames))])


def speckle_noise(image: Image, rng: np.random.Generator, frames: int, deviation: float) -> Frames:
    """The image, then the image times 1 plus Gaussian noise, drawn anew for each frame."""
    x = unit(image).astype(np.float32)
    width = x * np.float32(deviation)
    noisy = (pixels(x + width * rng.standard_normal(image.shape, np.float32)) for _ in range(1, frames))
    return np.stack([image, *noisy])


def motion_blur(
    image: Image, rng: np.random.Generator, frames: int, radius: int, deviation: float, degrees: float
) -> Frames:
    """Blur in one direction, which turns by `degrees` from frame to frame, and lies to the right in the last."""
    x, angles = image.astype(np.float32), degrees * np.arange(1 - frames, 1)
    return np.stack([motion(x, radius, deviation, float(angle)).astype(np.uint8) for angle in angles])


def gaussian_blur(
    image: Image, rng: np.random.Generator, frames: int, first: float, step: float, truncate: float
) -> Frames:
    """Blur by a Gaussian kernel that is `first` px wide and grows by `step` px from frame to frame."""
    x = unit(image)
    return np.stack([pixels(gaussian(x, first + step * number, truncate)) for number in range(frames)])


def brightness(image: Image, rng: np.random.Generator, frames: int, step: float) -> Frames:
    """Add to the value of HSV, `step` more from frame to frame, and nothing in the middle of the sequence."""
    amounts = step * (np.arange(frames) - frames // 2)
    return np.stack([digital.brightness(image, rng, float(amount)) for amount in amounts])


def snow(
    image: Image, rng: np.random.Generator, frames: int, deviation: float, zoom: float, radius: int, blur: float
) -> Frames:
    """Add the same flakes to all frames, falling from the left at first, at -150 degrees, and to the right in the end.

    The direction turns by 4 degrees from frame to frame.
    """
    flakes = snowflakes(rng, image.shape[:2], 0.05, deviation, zoom, 0.5)
    x = whitened(image, 0.85)
    return np.stack([snowed(x, flakes, radius, blur, 4 * number - 150) for number in range(frames)])


def spatter(
    image: Image,
    rng: np.random.Generator,
    frames: int,
    mean: float,
    deviation: float,
    smoothness: float,
    threshold: float,
    *flow: float,
) -> Frames:
    """Add drops of water that run down: each row becomes a mean of itself and its neighbours, weighted by `flow`."""
    liquid = gaussian(rng.normal(mean, deviation, image.shape[:2]), smoothness)
    liquid[liquid < threshold] = 0
    x, made = unit(image).astype(np.float32), []
    for _ in range(frames):
        made.append(pixels(x + 0.6 * relief(pixels(liquid))[..., None] * WATER))
        liquid = _run_down(liquid, flow)
    return np.stack(made)


def _run_down(liquid: Floats, flow: tuple[float, ...]) -> Floats:
    """Convolve the columns of (H, W) by `flow`; beyond the edges there is nothing.

    An even number of weights has no middle: the later one of the two is where a pixel stays, so all runs down.
    """
    weights: npt.NDArray[np.float64] = np.array(flow)[::-1, None]  # OpenCV correlates
    return cv2.filter2D(liquid, -1, weights, anchor=(0, len(flow) // 2), borderType=cv2.BORDER_CONSTANT)


ROWS = (
    Perturbation("gaussian_noise", gaussian_noise, cifar=(31, 0.02), imagenet=(31, 0.03)),
    Perturbation("shot_noise", shot_noise, cifar=(31, 700), imagenet=(31, 300)),
    Perturbation("motion_blur", motion_blur, cifar=(21, 6, 1.8, 9), imagenet=(31, 10, 3, 4)),
    Perturbation("snow", snow, cifar=(31, 0.3, 2, 10, 2), imagenet=(31, 0.3, 3, 14, 4)),
    Perturbation("brightness", brightness, cifar=(31, 0.015), imagenet=(31, 0.02)),
    Perturbation(
        "spatter",
        spatter,
        cifar=(31, 0.6, 0.265, 1.75, 0.7, 0.2, 0.8),
        imagenet=(31, 0.65, 0.27, 3.7, 0.69, 0.05, 0.1, 0.15, 0.7),
    ),
    Perturbation("speckle_noise", speckle_noise, cifar=(31, 0.05), imagenet=(31, 0.05)),
    Perturbation("gaussian_blur", gaussian_blur, cifar=(31, 0.3, 0.015, 7), imagenet=(31, 0.25, 0.035, 6)),
)
