"""Scale gray images of more than 8 bits to 8, as the same picture in colour: Pillow's conversion would clip the levels.

Of 16 bits the high byte is kept, as Pillow does with 16-bit colours of PNG and TIFF. PGM is rounded, as Pillow does
with colours of PPM. Where nothing says which value is white, the image is refused.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT, TiffImageFile

from layermix_gen.errors import BadImage
from layermix_gen.images import Image

ToLevels: TypeAlias = Callable[[npt.NDArray[Any]], Image]  # from values as Pillow holds them, (H, W), to uint8

_SIGNED = 2  # a TIFF's sample format
_WHITE_IS_ZERO = 0  # a TIFF's photometric interpretation
_CODESTREAM = b"\xff\x4f\xff\x51"  # how that of JPEG 2000 begins
_COMPONENTS = 40  # where in it the number of components stands, 2 bytes, before their depths, 3 bytes for each
_LEVEL = 257  # between the levels in 16 bits, where white is 65535 = 255 * 257


def scale_of(image: ImageFile, data: bytes | memoryview) -> ToLevels | None:
    """How to scale the values of an opened image, whose file is `data`; None where Pillow's own conversion is right.

    Raises `BadImage` for an image whose range of values is not known. The scale raises it for floats outside of 0 to 1.
    """
    if isinstance(image, TiffImageFile):
        return _scale_of_tiff(image)
    if isinstance(image, Jpeg2KImageFile):
        _check_jpeg2000(image.mode, data)
    if image.mode == "I":
        if not isinstance(image, PpmImageFile):
            raise BadImage(_unknown("integers of 32 bits"))
        return _rounded  # Pillow has scaled any range of PGM to that of 16 bits
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
    at = _codestream_at(data) + _COMPONENTS
    end = at + 2 + 3 * int.from_bytes(data[at : at + 2], "big")
    depths = bytes(data[at + 2 : end : 3])
    if any(depth & 0x80 for depth in depths):
        raise BadImage(_unknown("signed integers"))
    most = 1 + max(depths, default=0)
    if most > (16 if mode == "I;16" else 8):
        raise BadImage(f"not supported: JPEG 2000 of {most} bits and mode {mode}; save it with 8 bits")


def _codestream_at(data: bytes | memoryview) -> int:
    """Where the codestream of a JPEG 2000 begins: the file itself, or in its box `jp2c`; without any, its end."""
    at = 0
    while at < len(data) and data[:4] != _CODESTREAM:
        size, kind, header = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8]), 8
        if size == 1:  # a longer one follows
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if kind == b"jp2c":
            return at + header
        at = at + size if size >= header else len(data)  # 0: the last box
    return at


def _high(values: npt.NDArray[Any], bits: int) -> Image:
    return (values >> (bits - 8)).astype(np.uint8)


def _rounded(values: npt.NDArray[Any]) -> Image:
    """Round 16 bits to the nearest level: half of the odd distance, 128, is added, so that none lies between two."""
    return ((values + _LEVEL // 2) // _LEVEL).astype(np.uint8)


def _of_floats(values: npt.NDArray[Any]) -> Image:
    if not (values.min() >= 0 and values.max() <= 1):  # nor for NaN
        raise BadImage(_unknown("floats outside of 0 to 1"))
    return np.rint(values * np.float32(255)).astype(np.uint8)


def _unknown(what: str) -> str:
    return f"unknown range: {what}; save it with 8 or 16 bits"
