"""Drawn pictures of frost, because the benchmarks' photographs of it may not be redistributed.

Five looks stand for the five photographs, with the mean and the deviation of each channel: crinkled ice, a dense felt
of needles (twice, as published), small ferns on fog, and large ferns on dark glass. They depend on nothing but this
module: all datasets see the same frost, in different crops.
"""

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from layermix_gen.evaluate.corruptions.effects.base import Floats
from layermix_gen.evaluate.corruptions.effects.random_fields import frequencies, spectral
from layermix_gen.images import Image

SIZE = 512  # px of each picture
TONES = (130, 190, 255)  # the gray values of a fern's twigs, branches and stem


@dataclass(frozen=True, slots=True)
class Look:
    """How one picture is drawn."""

    mean: tuple[float, float, float]  # of R, G and B, as measured on the photograph
    deviation: tuple[float, float, float]
    crystals: int  # their number
    lengths: tuple[float, float]  # of crystals, in px
    angle: float  # of the branches to the stem, in degrees
    ground: float  # the strength of large clouds
    relief: float  # the strength of light from the side on the crystals, where their own brightness is 1
    grain: float  # the strength of fine grain


LOOKS = (
    Look((77.7, 149.1, 165.7), (15.3, 16.5, 26.9), 0, (1, 1), 0, 1.0, 0.0, 0.2),
    Look((200.8, 205.4, 214.5), (22.6, 22.1, 21.4), 900, (30, 150), 16, 0.9, 1.0, 0.3),
    Look((200.8, 205.4, 214.5), (22.6, 22.1, 21.4), 900, (30, 150), 16, 0.9, 1.0, 0.3),
    Look((137.6, 152.8, 165.2), (29.9, 28.5, 28.5), 1500, (6, 40), 45, 0.9, 0.7, 0.6),
    Look((112.4, 123.4, 134.8), (41.7, 43.3, 44.4), 420, (40, 130), 52, 1.0, 0.5, 0.15),
)


def frost_view(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> Image:
    """A crop of `shape` (H, W) from a random picture, scaled by `scale`, or by more where the crop would not fit."""
    picture = picture_of_frost(int(rng.integers(len(LOOKS))))
    wanted = max(scale, (max(shape) + 1) / SIZE)
    size = math.ceil(SIZE * wanted)
    scaled = picture if size == SIZE else cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
    top, left = (int(rng.integers(0, size - length)) for length in shape)
    return scaled[top : top + shape[0], left : left + shape[1]]


@cache
def picture_of_frost(number: int) -> Image:
    """Draw the picture of `LOOKS[number]`, (SIZE, SIZE, 3). This takes some tenths of a second, once per process."""
    look, rng = LOOKS[number], np.random.Generator(np.random.Philox(key=number))
    clouds = spectral(rng, 1 / np.maximum(frequencies((SIZE, SIZE)), 1) ** 1.6)
    field = look.ground * clouds
    if look.crystals:
        crystals = _crystals(rng, look)
        field += crystals + look.relief * _lit(crystals)
    else:
        field += 0.6 * _lit(cv2.GaussianBlur(_crinkled(rng), (0, 0), 1))
    field += look.grain * rng.standard_normal(field.shape)
    field = (field - field.mean()) / field.std()
    picture = np.array(look.mean) + np.array(look.deviation) * np.clip(field, -2.5, 3.5)[..., None]
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _crystals(rng: np.random.Generator, look: Look) -> Floats:
    """Many overlapping ferns, each of its own brightness: (SIZE, SIZE), standardised."""
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(look.crystals):
        length = float(np.exp(rng.uniform(*np.log(look.lengths))))
        angle, bend, brightness = rng.uniform(0, 2 * math.pi), rng.uniform(-0.3, 0.3), rng.uniform(0.4, 1)
        sine, cosine = math.sin(angle), math.cos(angle)
        place = rng.uniform(0, SIZE, 2)
        for tone, segments in zip(TONES, _fern(length, math.radians(look.angle)), strict=True):
            along, across = segments[..., 0], segments[..., 1] + bend * segments[..., 0] ** 2
            turned = np.stack([along * cosine - across * sine, along * sine + across * cosine], axis=-1) * length
            points = np.rint((turned + place) * 16).astype(np.int32)  # cv2 draws in 1/16 px
            cv2.polylines(canvas, list(points), False, int(brightness * tone), 1, cv2.LINE_AA, shift=4)
    values = cv2.GaussianBlur(canvas.astype(np.float64), (0, 0), 0.6)
    return (values - values.mean()) / values.std()


def _fern(length: float, angle: float) -> list[Floats]:
    """The lines of twigs, branches and stem, each (N, 2, 2), of a fern of `length` px; the stem is (0, 0) to (1, 0)."""
    stem, branches, twigs = [[(0.0, 0.0), (1.0, 0.0)]], [], []
    for place in np.arange(2 / length, 0.97, 6 / length):
        size = 0.4 * (1 - place) ** 0.7 * min(1, 5 * place)
        for turn in (-angle, angle):
            start, end = np.array([place, 0]), np.array([place + size * math.cos(turn), size * math.sin(turn)])
            branches.append([start, end])
            for part in np.arange(3 / (size * length), 0.95, 4 / (size * length)):
                root, reach = start + part * (end - start), 0.3 * size * (1 - part)
                twigs.append([root, root + np.array([reach, 0])])
    return [np.array(lines).reshape(-1, 2, 2) for lines in (twigs, branches, stem)]


def _crinkled(rng: np.random.Generator) -> Floats:
    """Thin folds (SIZE, SIZE): the ridges of noise that is stretched sideways and bent by other noise."""
    down, right = np.fft.fftfreq(SIZE) * SIZE, np.fft.fftfreq(SIZE) * SIZE
    stretched = np.hypot(0.6 * down[:, None], 1.6 * right[None])
    folds = -(np.abs(spectral(rng, np.where(stretched > 4, 1, 0) / np.maximum(stretched, 1) ** 1.7)) ** 0.5)
    bends = [14 * spectral(rng, 1 / np.maximum(frequencies((SIZE, SIZE)), 1) ** 2.2) for _ in range(2)]
    y, x = np.mgrid[:SIZE, :SIZE]
    maps = ((axis + bend).astype(np.float32) for axis, bend in zip((x, y), bends, strict=True))
    return cv2.remap(folds, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _lit(values: Floats) -> Floats:
    """The slope of a relief towards the upper left, as light from there shows it, standardised."""
    slope = values - np.roll(values, (1, 1), (0, 1))
    return slope / slope.std()
