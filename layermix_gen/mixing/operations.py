"""The operations that act on one image, one table row each: name, kernel, parameters, and how strengths are drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from layermix_gen.kernels import filtering, tones, warping
from layermix_gen.mixing.strengths import (
    StrengthSampler,
    bits,
    factor,
    nothing,
    released_bits,
    released_bits_rising,
    released_shift,
    released_signed,
    released_threshold,
    released_threshold_rising,
    signed,
    signed_shift,
    threshold,
    whole_shift,
    whole_signed,
    whole_threshold,
    wide_factor,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that an operation or a blend takes: its name, its bounds (both included), whether it is whole."""

    name: str
    low: float = -1e6
    high: float = 1e6
    whole: bool = False


class KernelKind(Enum):
    """What an operation's kernel in NumPy takes and returns."""

    TABLE = "(*arguments) -> table"
    HISTOGRAM = "(histogram, *arguments) -> table"
    PIXELS = "(image, *arguments) -> image"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: what it is called, what it does, and how each family of methods draws its strength."""

    name: str
    kind: KernelKind
    kernel: Callable[..., npt.NDArray[np.uint8]]
    parameters: tuple[Parameter, ...] = ()
    paper: StrengthSampler | None = None  # None: not offered in that preset
    released: StrengthSampler | None = None
    augmix: StrengthSampler | None = None  # of AugMix, PixMix and IPMix
    renders_as: str = ""  # the operation that recipes name, if this row only draws its strength otherwise


DEGREES = (Parameter("degrees"),)
DISTANCE = (Parameter("pixels"),)
SLOPE = (Parameter("factor"),)
FACTOR = (Parameter("factor", 0, 10),)
BITS = (Parameter("bits", 0, 8, whole=True),)
THRESHOLD = (Parameter("threshold", 0, 1),)
BOX = tuple(Parameter(name, 0, 2**20, whole=True) for name in ("height", "width", "top", "left"))
COLOR = tuple(Parameter(name, 0, 255, whole=True) for name in ("red", "green", "blue"))

TABLE, HISTOGRAM, PIXELS = KernelKind

_ROWS = (
    Operation("equalize", HISTOGRAM, tones.equalize, (), nothing, nothing, nothing),
    Operation("grayscale", PIXELS, filtering.grayscale, (), nothing, nothing),
    Operation("autocontrast", HISTOGRAM, tones.autocontrast, (), nothing, nothing, nothing),
    Operation("rotate", PIXELS, warping.rotate, DEGREES, signed(30), released_signed(30), whole_signed(30)),
    Operation("brightness", TABLE, tones.brightness, FACTOR, factor, None, wide_factor),
    Operation("posterize", TABLE, tones.posterize, BITS, bits, released_bits, bits),
    Operation("posterize_increasing", TABLE, tones.posterize, BITS, None, released_bits_rising, renders_as="posterize"),
    Operation("solarize", TABLE, tones.solarize, THRESHOLD, threshold, released_threshold, whole_threshold),
    Operation(
        "solarize_increasing",
        TABLE,
        tones.solarize,
        THRESHOLD,
        None,
        released_threshold_rising,
        renders_as="solarize",
    ),
    Operation("shear_x", PIXELS, warping.shear_x, SLOPE, signed(0.3), released_signed(0.3), signed(0.3)),
    Operation("shear_y", PIXELS, warping.shear_y, SLOPE, signed(0.3), released_signed(0.3), signed(0.3)),
    Operation("translate_x", PIXELS, warping.translate_x, DISTANCE, signed_shift, released_shift, whole_shift),
    Operation("translate_y", PIXELS, warping.translate_y, DISTANCE, signed_shift, released_shift, whole_shift),
)
# Off by default: the first three overlap with the corruptions that robustness is measured on (so does brightness, but
# the paper's table II has it nevertheless); the others are not part of the method.
_ON_REQUEST = (
    Operation("color", PIXELS, filtering.color, FACTOR, factor, factor, wide_factor),
    Operation("contrast", HISTOGRAM, tones.contrast, FACTOR, factor, factor, wide_factor),
    Operation("sharpness", PIXELS, filtering.sharpness, FACTOR, factor, factor, wide_factor),
    Operation("invert", TABLE, tones.invert, (), nothing, nothing, nothing),
    Operation("mirror", PIXELS, warping.mirror, (), nothing, nothing, nothing),
)
_OF_OTHER_METHODS = (Operation("erase", PIXELS, filtering.erase, (*BOX, *COLOR)),)

OPERATIONS = {row.name: row for row in (*_ROWS, *_ON_REQUEST, *_OF_OTHER_METHODS)}
DEFAULT_OPERATIONS = {
    "paper": tuple(row.name for row in _ROWS if row.paper),
    "released": tuple(row.name for row in _ROWS if row.released),
}
