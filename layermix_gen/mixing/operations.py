"""The operations that act on one image: a kernel and one table row each.

A *tone* operation sends every channel value to another, whatever its place: it is a lookup table, and a chain of
such operations is one table. Some tables depend on the image, but only through its histogram. A *pixel* operation
(a warp, a filter, a mix of channels) needs the pixels themselves. `renderer` uses the difference to fold tables.

Tables and samplers work in the field's units: tone values in [0, 1], angles in degrees, shifts in pixels. The
references are torchvision's v2 kernels in float32; every kernel here is within 0.51/255 of them (posterize: 1/255).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from layermix_gen.images import Image

Table: TypeAlias = npt.NDArray[np.uint8]  # (256,) for all channels alike, or (256, 3)
Histogram: TypeAlias = npt.NDArray[np.int64]  # (256, 3): how often each value occurs in each channel
Sampler: TypeAlias = Callable[[np.random.Generator, float, int], tuple[float, ...]]

LUMA = np.array([0.2989, 0.587, 0.114])  # torchvision's weights of R, G and B; they add up to 0.9999
VALUES = np.arange(256, dtype=np.float32)
UNIT = VALUES / np.float32(255)


def quantize(values: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Round values in [0, 255] to uint8, clipping what lies outside."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


# --- tone operations: (*arguments) or (histogram, *arguments) -> table ---------------------------------------------


def invert() -> Table:
    return np.arange(255, -1, -1, dtype=np.uint8)


def posterize(bits: float) -> Table:
    return np.arange(256, dtype=np.uint8) & np.uint8(256 - (1 << (8 - int(bits))))


def solarize(threshold: float) -> Table:
    return np.where(np.float32(threshold) <= UNIT, 255 - VALUES, VALUES).astype(np.uint8)


def brightness(factor: float) -> Table:
    return quantize(VALUES * factor)


def contrast(histogram: Histogram, factor: float) -> Table:
    """Away from the mean gray level, which needs no gray image: the mean is linear, so the histograms have it."""
    mean = float(VALUES @ histogram @ LUMA) / float(histogram[:, 0].sum())
    return quantize(VALUES * factor + mean * (1 - factor))


def autocontrast(histogram: Histogram) -> Table:
    """Stretch each channel to the full range; a channel of one value stays as it is."""
    present = histogram > 0
    low = present.argmax(axis=0)
    high = 255 - present[::-1].argmax(axis=0)
    flat = low == high
    stretched = (VALUES[:, None] - low) * (255 / np.where(flat, 1, high - low))
    return quantize(np.where(flat, VALUES[:, None], stretched))


def equalize(histogram: Histogram) -> Table:
    """Pillow's equalisation, as torchvision does it: in integers, the last occupied bin left out of the step."""
    cumulative = histogram.cumsum(axis=0)
    last = 255 - (histogram > 0)[::-1].argmax(axis=0)
    step = (cumulative[-1] - histogram[last, np.arange(3)]) // 255
    before = np.vstack((np.zeros((1, 3), np.int64), cumulative[:-1]))
    table = np.clip((before + step // 2) // np.maximum(step, 1), 0, 255)
    return np.where(step == 0, np.arange(256)[:, None], table).astype(np.uint8)


# --- pixel operations: (image, *args) -> image ---------------------------------------------------------------------


def grayscale(image: Image) -> Image:
    return cv2.cvtColor(cv2.transform(image, LUMA[None]), cv2.COLOR_GRAY2RGB)


def color(image: Image, factor: float) -> Image:
    mix = factor * np.eye(3) + (1 - factor) * np.tile(LUMA, (3, 1))
    return quantize(cv2.transform(image.astype(np.float32), mix))  # OpenCV's uint8 path is off by up to 0.56/255


def sharpness(image: Image, factor: float) -> Image:
    """Away from a 3x3 blur of weights 1 and 5 (of 13). The outermost pixels have no neighbours and keep their value."""
    if min(image.shape[:2]) < 3:
        return image
    kernel = np.full((3, 3), (1 - factor) / 13)
    kernel[1, 1] = 5 * (1 - factor) / 13 + factor
    result = image.copy()
    result[1:-1, 1:-1] = cv2.filter2D(image, -1, kernel)[1:-1, 1:-1]
    return result


def mirror(image: Image) -> Image:
    return cv2.flip(image, 1)


def rotate(image: Image, degrees: float) -> Image:
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return _warp(image, [[cosine, -sine], [sine, cosine]])


def shear_x(image: Image, factor: float) -> Image:
    return _warp(image, [[1, factor], [0, 1]])


def shear_y(image: Image, factor: float) -> Image:
    return _warp(image, [[1, 0], [factor, 1]])


def translate_x(image: Image, pixels: float) -> Image:
    return _shift(image, pixels, axis=1)


def translate_y(image: Image, pixels: float) -> Image:
    return _shift(image, pixels, axis=0)


def _warp(image: Image, linear: Sequence[Sequence[float]]) -> Image:
    """Take each pixel from `linear` times its position, both relative to the centre; bilinear, black outside."""
    height, width = image.shape[:2]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.empty((2, 3))
    matrix[:, :2] = linear
    matrix[:, 2] = centre - matrix[:, :2] @ centre
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _shift(image: Image, pixels: float, axis: int) -> Image:
    """Move by `pixels` along one axis; bilinear, black outside. Two weighted slices take an eighth of a warp's time."""
    side = image.shape[axis]
    whole = min(max(math.floor(pixels), -side - 1), side)  # further out all is black anyway
    part = pixels - math.floor(pixels)
    before, after = max(whole + 1, 0), max(-whole, 0)
    if axis == 0:
        padded = cv2.copyMakeBorder(image, before, after, 0, 0, cv2.BORDER_CONSTANT)
        near, far = padded[before - whole :][:side], padded[before - whole - 1 :][:side]
    else:
        padded = cv2.copyMakeBorder(image, 0, 0, before, after, cv2.BORDER_CONSTANT)
        near, far = padded[:, before - whole :][:, :side], padded[:, before - whole - 1 :][:, :side]
    return cv2.addWeighted(near, 1 - part, far, part, 0)


# --- samplers: (rng, magnitude, side of the image) -> arguments ----------------------------------------------------
# `magnitude` is m in (0, 10]; `level` is U(0.1, m). Arguments are rounded here, once, so that a recipe's text says
# exactly what is rendered.


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * rng.random()


def rounded(value: float) -> float:
    """`value` with the four decimals that a recipe keeps, and no negative zero."""
    return round(value, 4) + 0.0


def _sign(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0


def _level(rng: np.random.Generator, magnitude: float) -> float:
    """Strength as a share of an operation's range, as in AugMix and PixMix."""
    return uniform(rng, 0.1, magnitude) / 10


def _nothing(rng: np.random.Generator, magnitude: float, side: int) -> tuple[float, ...]:
    return ()


def _signed(limit: float) -> Sampler:
    """The `paper` preset: a share of `limit`, with a random sign."""
    return lambda rng, magnitude, side: (rounded(_level(rng, magnitude) * limit * _sign(rng)),)


def _signed_shift(rng: np.random.Generator, magnitude: float, side: int) -> tuple[float, ...]:
    return (rounded(_level(rng, magnitude) * 0.33 * side * _sign(rng)),)


def _factor(rng: np.random.Generator, magnitude: float, side: int) -> tuple[float, ...]:
    return (rounded(1 + 0.9 * _level(rng, magnitude) * _sign(rng)),)


def _bits(rng: np.random.Generator, magnitude: float, side: int) -> tuple[float, ...]:
    return (4 - int(4 * _level(rng, magnitude)),)


def _threshold(rng: np.random.Generator, magnitude: float, side: int) -> tuple[float, ...]:
    return (rounded(1 - _level(rng, magnitude)),)


def _released_signed(limit: float) -> Sampler:
    """The `released` preset: the 0.1 of U(0.1, m/10 · limit) is in the value's own unit, whatever that is."""
    return lambda rng, magnitude, side: (rounded(uniform(rng, 0.1, magnitude / 10 * limit) * _sign(rng)),)


def _released_shift(rng: np.random.Generator, magnitude: float, side: int) -> tuple[float, ...]:
    return (rounded(uniform(rng, 0.1, magnitude / 10 * int(0.33 * side)) * _sign(rng)),)


def _released_bits(rng: np.random.Generator, magnitude: float, side: int) -> tuple[float, ...]:
    return (int(uniform(rng, 0.1, 4 * magnitude / 10)),)


def _released_bits_increasing(rng: np.random.Generator, magnitude: float, side: int) -> tuple[float, ...]:
    return (4 - int(uniform(rng, 0.1, 4 * magnitude / 10)),)


def _released_threshold(rng: np.random.Generator, magnitude: float, side: int) -> tuple[float, ...]:
    return (rounded(uniform(rng, 0.1, magnitude / 10)),)


def _released_threshold_increasing(rng: np.random.Generator, magnitude: float, side: int) -> tuple[float, ...]:
    """U(0.1, (1 - m)/10), which is below 0, and so a full inversion, in 7 of 8 draws at m = 8."""
    return (rounded(max(uniform(rng, 0.1, (1 - magnitude) / 10), 0.0)),)


# --- the table -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that an operation or a blend takes: its name, its bounds (both included), whether it is whole."""

    name: str
    low: float = -1e6
    high: float = 1e6
    whole: bool = False


class Kind(Enum):
    """What an operation's kernel takes and gives."""

    TABLE = "(*arguments) -> table"
    HISTOGRAM = "(histogram, *arguments) -> table"
    PIXELS = "(image, *arguments) -> image"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: what it is called, what it does, and how each preset draws its strength."""

    name: str
    kind: Kind
    kernel: Callable[..., npt.NDArray[np.uint8]]
    parameters: tuple[Parameter, ...] = ()
    paper: Sampler | None = None  # None: not offered in that preset
    released: Sampler | None = None
    renders_as: str = ""  # the operation that recipes name, where this row is only another way to draw it


DEGREES = (Parameter("degrees"),)
PIXELS = (Parameter("pixels"),)
SLOPE = (Parameter("factor"),)
FACTOR = (Parameter("factor", 0, 10),)
BITS = (Parameter("bits", 0, 8, whole=True),)
THRESHOLD = (Parameter("threshold", 0, 1),)

_ROWS = (
    Operation("equalize", Kind.HISTOGRAM, equalize, (), _nothing, _nothing),
    Operation("grayscale", Kind.PIXELS, grayscale, (), _nothing, _nothing),
    Operation("autocontrast", Kind.HISTOGRAM, autocontrast, (), _nothing, _nothing),
    Operation("rotate", Kind.PIXELS, rotate, DEGREES, _signed(30), _released_signed(30)),
    Operation("brightness", Kind.TABLE, brightness, FACTOR, paper=_factor),
    Operation("posterize", Kind.TABLE, posterize, BITS, _bits, _released_bits),
    Operation("posterize_increasing", Kind.TABLE, posterize, BITS, None, _released_bits_increasing, "posterize"),
    Operation("solarize", Kind.TABLE, solarize, THRESHOLD, _threshold, _released_threshold),
    Operation("solarize_increasing", Kind.TABLE, solarize, THRESHOLD, None, _released_threshold_increasing, "solarize"),
    Operation("shear_x", Kind.PIXELS, shear_x, SLOPE, _signed(0.3), _released_signed(0.3)),
    Operation("shear_y", Kind.PIXELS, shear_y, SLOPE, _signed(0.3), _released_signed(0.3)),
    Operation("translate_x", Kind.PIXELS, translate_x, PIXELS, _signed_shift, _released_shift),
    Operation("translate_y", Kind.PIXELS, translate_y, PIXELS, _signed_shift, _released_shift),
)
# Off by default: the first three overlap with the corruptions that robustness is measured on (so does brightness, which
# the paper's table II has all the same), the others are no part of the method.
_ON_REQUEST = (
    Operation("color", Kind.PIXELS, color, FACTOR, _factor, _factor),
    Operation("contrast", Kind.HISTOGRAM, contrast, FACTOR, _factor, _factor),
    Operation("sharpness", Kind.PIXELS, sharpness, FACTOR, _factor, _factor),
    Operation("invert", Kind.TABLE, invert, (), _nothing, _nothing),
    Operation("mirror", Kind.PIXELS, mirror, (), _nothing, _nothing),
)

OPERATIONS = {row.name: row for row in (*_ROWS, *_ON_REQUEST)}
DEFAULT_OPERATIONS = {
    "paper": tuple(row.name for row in _ROWS if row.paper),
    "released": tuple(row.name for row in _ROWS if row.released),
}
