"""Scale gray images of more than 8 bits to 8, as the same picture in colour: Pillow's conversion would clip the levels.

Of 16 bits the high byte is kept. PPM is rounded. Where nothing says which value is white, the image is refused.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT, TiffImageFile

from layermix_gen.errors import BadImage
from layermix_gen.images import Image

ToLevels: TypeAlias = Callable[[npt.NDArray[Any]], Image]  # from values as Pillow holds them, (H, W), to uint8

_SIGNED = 2  # a TIFF's sample format
_WHITE_IS_ZERO = 0  # a TIFF's photometric interpretation
# Before the depths of a JPEG 2000's components, 3 bytes for each: sizes, and how many components there are.
_SIZES = re.compile(rb"(?:\A|jp2c(?:.{8})?)\xff\x4f\xff\x51.{36}(..)", re.DOTALL)


def scale_of(image: ImageFile, data: bytes | memoryview) -> ToLevels | None:
    """How to scale the values of an opened image, whose file is `data`; None where Pillow's own conversion is right.

    Raises `BadImage` for an image whose range of values is not known. The scale raises it for floats outside of 0 to 1.
    """
    if isinstance(image, TiffImageFile):
        return _scale_of_tiff(image)
    if isinstance(image, Jpeg2KImageFile):
        _check_jpeg2000(image.mode, data)
    if image.mode == "I":  # PGM, of which Pillow has scaled any range to that of 16 bits
        return _rounded
    return partial(_high, bits=16) if image.mode == "I;16" else None


def _scale_of_tiff(image: TiffImageFile) -> ToLevels | None:
    if _SIGNED in image.tag_v2.get(SAMPLEFORMAT, ()):
        raise BadImage(_unknown("signed integers"))
    if image.mode == "I":
        raise BadImage(_unknown("integers of 32 bits"))
    if image.mode == "F":
        scale: ToLevels = _of_floats
    elif image.mode.startswith("I;16"):  # Pillow leaves 12 bits as they are
        scale = partial(_high, bits=image.tag_v2[BITSPERSAMPLE][0])
    else:
        return None
    if image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO:  # Pillow inverts up to 8 bits
        return lambda values: 255 - scale(values)
    return scale


def _check_jpeg2000(mode: str, data: bytes | memoryview) -> None:
    """Refuse signed values, and depths of which Pillow turns white to black: it rounds up to 256, which becomes 0."""
    if not (found := _SIZES.search(data)):
        return
    depths = bytes(data[found.end() : found.end() + 3 * int.from_bytes(found[1], "big") : 3])
    if any(depth & 0x80 for depth in depths):
        raise BadImage(_unknown("signed integers"))
    most = 1 + max(depths, default=0)
    if most > (16 if mode == "I;16" else 8):
        raise BadImage(f"not supported: JPEG 2000 of {most} bits and mode {mode}; save it with 8 bits")


def _high(values: npt.NDArray[Any], bits: int) -> Image:
    return (values >> (bits - 8)).astype(np.uint8)


def _rounded(values: npt.NDArray[Any]) -> Image:
    return ((values + 128) // 257).astype(np.uint8)


def _of_floats(values: npt.NDArray[Any]) -> Image:
    if not (values.min() >= 0 and values.max() <= 1):  # nor for NaN
        raise BadImage(_unknown("floats outside of 0 to 1"))
    return np.rint(values * np.float32(255)).astype(np.uint8)


def _unknown(what: str) -> str:
    return f"unknown range: {what}; save it with 8 or 16 bits"
