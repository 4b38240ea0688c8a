"""C-bar's fields of noise and waves: blue and brownish noise, Perlin and plasma noise, and sine waves.

Each kernel takes the published difficulty, 0 to 10; lengths scale with the image's short side.
"""

import math

import numpy as np

from layermix_gen.evaluate.corruptions.effects.base import Closeness, Corruption, each, grid, pixels, side, unit
from layermix_gen.evaluate.corruptions.effects.random_fields import frequencies, spectral, turbulence
from layermix_gen.images import Image


def blue_noise_sample(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Blacken the pixels where blue noise (amplitude ~ f) is at most 0.3 * `difficulty` - 2.5 deviations."""
    noise = spectral(rng, frequencies(image.shape))
    return image * (noise > 0.3 * difficulty - 2.5)[..., None]


def brownish_noise(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Add noise of deviation 6.4 / 255 * `difficulty` to each channel, amplitude ~ 1 / (f² + 1), f in cycles a side."""
    amplitudes = 1 / (frequencies(image.shape) ** 2 + 1)
    noise = np.stack([spectral(rng, amplitudes) for _ in range(3)], axis=2)
    return pixels(unit(image) + 6.4 / 255 * difficulty * noise)


def perlin_noise(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Fade by 0.05 * `difficulty` into turbulence of five octaves, the first with cells of a seventh of the side."""
    share = 0.05 * difficulty
    noise = np.clip(0.5 * turbulence(rng, image.shape, side(image) / 7, octaves=5) + 0.5, 0, 1)
    return pixels((1 - share) * unit(image) + share * noise[..., None])


def plasma_noise(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Fade by 6.4 / 255 * `difficulty` into sines of coordinates that are warped 4 to 6 times by ever finer sines."""
    time, times = rng.uniform(0, 6 * math.pi), int(rng.integers(4, 7))
    sharpness, scale = rng.uniform(0.5, 1), rng.uniform(0.075, 0.2) * side(image)
    y, x = grid(image)
    y, x = np.broadcast_arrays(y / scale, x / scale)
    frequency, slowness, size = 1.0, 1.0, 1.0
    for _ in range(times):
        a, b = np.cos(y * frequency + time / slowness) / size, np.sin(x * frequency + time / slowness) / size
        x, y = x + a - 0.3 * b, y + b + 0.3 * a
        frequency, slowness, size = frequency * 1.93, slowness * 1.15, size * (2.25 - sharpness)
    colours = (np.sin(x - time), np.sin((x + y + math.sin(time)) / 2), np.sin(y + time))
    share = 6.4 / 255 * difficulty
    return pixels((1 - share) * unit(image) + share * np.stack(colours, axis=2))


def cocentric_sine_waves(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Add a sawtooth, 12.8 / 255 * `difficulty` high, of the distance to a point plus a sine of the direction."""
    length = side(image)
    y, x = grid(image)
    dx, dy = x - rng.uniform(0, image.shape[1]), y - rng.uniform(0, image.shape[0])
    petals, swing, ring = rng.uniform(0, 10), rng.uniform(0, length / 10), rng.uniform(0, length / 10)
    distance = np.hypot(dx, dy) + swing * np.sin(petals * np.arctan2(dx, dy))
    wave = distance % ring / ring - 0.5
    return pixels(unit(image) + 12.8 / 255 * difficulty * wave[..., None])


def single_frequency_greyscale(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Add a gray sine wave of amplitude 19.6 / 255 * `difficulty`, any direction and any frequency up to Nyquist's."""
    first = rng.uniform(-math.pi, math.pi)
    down, right = rng.permutation([first, rng.uniform(-abs(first), abs(first))])
    y, x = grid(image)
    wave = np.sin(x * right + y * down + rng.uniform(0, 2 * math.pi))
    return pixels(unit(image) + 19.6 / 255 * difficulty * wave[..., None])


ROWS = (
    Corruption(
        "blue_noise_sample",
        blue_noise_sample,
        cifar=each(0.7, 1.4, 2.1, 3.5, 4.2),
        imagenet=each(0.8, 1.6, 2.4, 4.0, 5.6),
        closeness=Closeness.SAME,
    ),
    Corruption(
        "brownish_noise",
        brownish_noise,
        cifar=each(2.5, 4.0, 5.5, 6.5, 7.0),
        imagenet=each(1.0, 2.0, 3.0, 4.0, 5.0),
        closeness=Closeness.SAME,
    ),
    Corruption(
        "perlin_noise",
        perlin_noise,
        cifar=None,
        imagenet=each(4.6, 5.2, 5.8, 7.6, 8.8),
        closeness=Closeness.SAME,
    ),
    Corruption(
        "plasma_noise",
        plasma_noise,
        cifar=None,
        imagenet=each(4.75, 7.0, 8.5, 9.25, 10.0),
        closeness=Closeness.SAME,
    ),
    Corruption(
        "cocentric_sine_waves",
        cocentric_sine_waves,
        cifar=None,
        imagenet=each(3.0, 5.0, 8.0, 9.0, 10.0),
        closeness=Closeness.SAME,
    ),
    Corruption(
        "single_frequency_greyscale",
        single_frequency_greyscale,
        cifar=None,
        imagenet=each(1.0, 1.5, 2.0, 4.5, 5.0),
        closeness=Closeness.SAME,
    ),
)
