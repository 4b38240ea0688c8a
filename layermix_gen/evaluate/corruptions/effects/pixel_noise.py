"""Noise that changes each channel value independently of its neighbours."""

import numpy as np

from layermix_gen.evaluate.corruptions.effects.base import Closeness, Corruption, each, pixels, unit
from layermix_gen.images import Image


def gaussian_noise(image: Image, rng: np.random.Generator, deviation: float) -> Image:
    """Add Gaussian noise."""
    return pixels(unit(image) + rng.normal(0, deviation, image.shape))


def shot_noise(image: Image, rng: np.random.Generator, photons: float) -> Image:
    """Apply Poisson noise: count photons, where white has `photons` in the mean."""
    return pixels(rng.poisson(unit(image) * photons) / photons)


def impulse_noise(image: Image, rng: np.random.Generator, share: float) -> Image:
    """Set a random share of the channel values to black or white with equal probability."""
    hit, white = rng.random(image.shape) <= share, rng.random(image.shape) <= 0.5
    return np.where(hit, np.where(white, np.uint8(255), np.uint8(0)), image)


def speckle_noise(image: Image, rng: np.random.Generator, deviation: float) -> Image:
    """Multiply by 1 plus Gaussian noise."""
    x = unit(image)
    return pixels(x + x * rng.normal(0, deviation, image.shape))


ROWS = (
    Corruption(
        "gaussian_noise",
        gaussian_noise,
        cifar=each(0.04, 0.06, 0.08, 0.09, 0.10),
        imagenet=each(0.08, 0.12, 0.18, 0.26, 0.38),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "shot_noise",
        shot_noise,
        cifar=each(500, 250, 100, 75, 50),
        imagenet=each(60, 25, 12, 5, 3),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "impulse_noise",
        impulse_noise,
        cifar=each(0.01, 0.02, 0.03, 0.05, 0.07),
        imagenet=each(0.03, 0.06, 0.09, 0.17, 0.27),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "speckle_noise",
        speckle_noise,
        cifar=each(0.06, 0.10, 0.12, 0.16, 0.20),
        imagenet=each(0.15, 0.20, 0.35, 0.45, 0.60),
        closeness=Closeness.EXACT,
    ),
)
