"""Digital processing: brightness, contrast, saturation, elastic deformation, pixelation, JPEG compression."""

import io
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image as PillowImage

from layermix_gen.evaluate.corruptions.effects.base import Closeness, Corruption, Floats, each, pixels, unit
from layermix_gen.images import Image
from layermix_gen.images.codec import decode


def brightness(image: Image, rng: np.random.Generator, amount: float) -> Image:
    """Add `amount`, which may be negative, to the value of HSV; hue and saturation stay."""
    x = unit(image)
    value = x.max(axis=2, keepdims=True)
    brighter = np.clip(value + amount, 0, 1)
    return pixels(np.where(value > 0, x * (brighter / np.where(value > 0, value, 1)), brighter))


def contrast(image: Image, rng: np.random.Generator, factor: float) -> Image:
    """Scale the differences from each channel's mean by `factor`."""
    x = unit(image)
    mean = x.mean(axis=(0, 1), keepdims=True)
    return pixels((x - mean) * factor + mean)


def saturate(image: Image, rng: np.random.Generator, factor: float, amount: float) -> Image:
    """Scale the saturation of HSV, add `amount` and clip to [0, 1]. Gray has the hue 0, which is red."""
    x = unit(image)
    value, least = x.max(axis=2, keepdims=True), x.min(axis=2, keepdims=True)
    saturation = (value - least) / np.where(value > 0, value, 1)
    wanted = np.clip(saturation * factor + amount, 0, 1)
    # Each channel lies value * saturation * share below the value.
    share = (value - x) / np.where(saturation > 0, value - least, 1)
    share = np.where(saturation > 0, share, np.array([0, 1, 1]))
    return pixels(value * (1 - wanted * share))


def elastic_transform(
    image: Image, rng: np.random.Generator, amount: float, smoothness: float, corner: float, side: float
) -> Image:
    """Move the corners of a triangle by up to `corner`, then each pixel by smoothed noise; in fractions of `side`.

    `side` is the published benchmark's unit: 244 px (sic) at ImageNet's scale, 32 at CIFAR's.
    """
    height, width = image.shape[:2]
    centre, arm = np.array([height // 2, width // 2], np.float32), min(height, width) // 3
    corners = centre + np.array([[arm, arm], [arm, -arm], [-arm, -arm]], np.float32)
    moved = corners + rng.uniform(-corner * side, corner * side, (3, 2)).astype(np.float32)
    matrix = cv2.getAffineTransform(corners, moved)
    x = cv2.warpAffine(unit(image).astype(np.float32), matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    right, down = (amount * side * _smoothed(rng.uniform(-1, 1, (height, width)), smoothness * side) for _ in range(2))
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    maps = ((columns + right).astype(np.float32), (rows + down).astype(np.float32))
    return pixels(cv2.remap(x, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def _smoothed(values: Floats, deviation: float) -> Floats:
    """Blur values (H, W), mirrored at the edges, by a Gaussian kernel truncated at 3 deviations.

    It works in the frequency domain, because the widest published kernel has 1025 taps.
    """
    for axis, length in enumerate(values.shape):
        mirrored = np.concatenate([values, np.flip(values, axis)], axis)
        gain = np.expand_dims(_gain(length, deviation), 1 - axis)
        values = np.take(np.fft.irfft(np.fft.rfft(mirrored, axis=axis) * gain, axis=axis), range(length), axis)
    return values


@lru_cache(maxsize=16)
def _gain(length: int, deviation: float) -> Floats:
    """The factor by which the kernel scales each frequency (N + 1,) of 2 N values."""
    reach = int(3 * deviation + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(deviation, 1e-9)) ** 2)
    waves = np.cos(np.pi / length * np.outer(np.arange(length + 1), np.arange(-reach, reach + 1)))
    return (waves * (weights / weights.sum())).sum(axis=1)


def pixelate(image: Image, rng: np.random.Generator, share: float) -> Image:
    """Shrink both sides to `share` of their length with a box filter, and enlarge again."""
    height, width = image.shape[:2]
    small = (max(int(width * share), 1), max(int(height * share), 1))
    box = PillowImage.Resampling.BOX
    return np.array(PillowImage.fromarray(image).resize(small, box).resize((width, height), box))


def jpeg_compression(image: Image, rng: np.random.Generator, quality: int) -> Image:
    """Encode as JPEG with halved chroma, and decode."""
    file = io.BytesIO()
    PillowImage.fromarray(image).save(file, "JPEG", quality=quality)
    return decode(file.getbuffer())


ROWS = (
    Corruption(
        "brightness",
        brightness,
        cifar=each(0.05, 0.1, 0.15, 0.2, 0.3),
        imagenet=each(0.1, 0.2, 0.3, 0.4, 0.5),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "contrast",
        contrast,
        cifar=each(0.75, 0.5, 0.4, 0.3, 0.15),
        imagenet=each(0.4, 0.3, 0.2, 0.1, 0.05),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "elastic_transform",
        elastic_transform,
        cifar=(
            (0, 0, 0.08, 32),
            (0.05, 0.2, 0.07, 32),
            (0.08, 0.06, 0.06, 32),
            (0.1, 0.04, 0.05, 32),
            (0.1, 0.03, 0.03, 32),
        ),
        imagenet=(
            (2, 0.7, 0.1, 244),
            (2, 0.08, 0.2, 244),
            (0.05, 0.01, 0.02, 244),
            (0.07, 0.01, 0.02, 244),
            (0.12, 0.01, 0.02, 244),
        ),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "pixelate",
        pixelate,
        cifar=each(0.95, 0.9, 0.85, 0.75, 0.65),
        imagenet=each(0.6, 0.5, 0.4, 0.3, 0.25),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "jpeg_compression",
        jpeg_compression,
        cifar=each(80, 65, 58, 50, 40),
        imagenet=each(25, 18, 15, 10, 7),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "saturate",
        saturate,
        cifar=((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
        imagenet=((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
        closeness=Closeness.EXACT,
    ),
)
