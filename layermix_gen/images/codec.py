"""Decode and encode image files of every supported format.

`decode` detects the format from the content, checks the size in the header before it decodes a pixel, and either
returns an image or raises `BadImage`. JPEG goes through simplejpeg (libjpeg-turbo without a Python image object, the
same pixels as Pillow's at about twice the speed); what simplejpeg refuses, and every other format, goes through
Pillow, whose result counts. `encode` writes JPEG by simplejpeg, PNG by `png` and WebP by Pillow. The same pixels give
the same bytes. (The reader decodes stored images straight into batches: `reading.decoding`.)
"""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image as PillowImage
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from layermix_gen.errors import BadImage
from layermix_gen.images import Image
from layermix_gen.images.png import encode_png
from layermix_gen.support.checks import check_choice, check_whole
from layermix_gen.support.text import message_of

MAX_PIXELS = 100_000_000
"""The default bound on height x width: an image of 300 MB. An image whose header claims more is refused."""

FORMATS = ("jpg", "png", "webp")
SUBSAMPLINGS = ("444", "422", "420")

# ---------------------------------------------------------------------------------------------------- decoding

# The formats that are read, each with Pillow's class for it. The classes are opened directly and not through
# Image.open: that would try formats that start programs (EPS), and warn of large images by Pillow's own bound.
_OPENERS: tuple[tuple[Callable[[bytes], bool], Callable[[io.BytesIO], ImageFile]], ...] = (
    (lambda head: head.startswith(b"\xff\xd8"), JpegImageFile),
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), PngImageFile),
    (lambda head: head.startswith(b"RIFF") and head[8:12] == b"WEBP", WebPImageFile),
    (lambda head: head.startswith((b"GIF87a", b"GIF89a")), GifImageFile),
    (lambda head: head.startswith(b"BM"), BmpImageFile),
    (lambda head: head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")), TiffImageFile),
    (lambda head: head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace(), PpmImageFile),
    (lambda head: head.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")), Jpeg2KImageFile),
    (lambda head: head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis", b"mif1", b"msf1"), AvifImageFile),
)

# Decoders that never warn, so that they need no lock (below). PNG and WebP are what our own datasets hold.
_SILENT = (PngImageFile, WebPImageFile)

# Everything that Pillow raised on damaged files (the tests of this module damage thousands) or can raise according to
# its code, and warnings, which a caller may have turned into exceptions.
_FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    EOFError,
    AssertionError,
    MemoryError,
    struct.error,
    zlib.error,
    Warning,
)

_warnings_lock = threading.Lock()


def decode(data: bytes | memoryview, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode the bytes of an image file to a uint8 array (H, W, 3), RGB.

    The format is detected from the content. Gray, palette, alpha, CMYK and 16-bit images become RGB as by Pillow's
    `convert("RGB")`; an animation gives its first frame; an EXIF orientation is not applied. Raises `BadImage` with a
    reason of one line: "empty file", "not an image", "truncated or corrupt: ..." or "too large: ...", the last if
    height x width exceeds `max_pixels`.
    """
    if not len(data):
        raise BadImage("empty file")
    head = bytes(data[:16])
    opener = next((opener for fits, opener in _OPENERS if fits(head)), None)
    if opener is None:
        raise BadImage("not an image")
    if head[12:] == b"VP8X":  # an extended WebP: Pillow would allocate the whole canvas before it tells the size
        canvas = bytes(data[24:30])
        _check_size(1 + int.from_bytes(canvas[:3], "little"), 1 + int.from_bytes(canvas[3:], "little"), max_pixels)
    pixels = _decode_turbo(data, max_pixels) if opener is JpegImageFile else None
    return _decode_pillow(data, opener, max_pixels) if pixels is None else pixels


def _decode_turbo(data: bytes | memoryview, max_pixels: int) -> Image | None:
    """Decode a JPEG by simplejpeg, or return None where Pillow has to decide.

    simplejpeg is set to be strict: it refuses what libjpeg warns about, and Pillow often judges that better.
    """
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
        _check_size(int(width), int(height), max_pixels)
        if colorspace in ("CMYK", "YCCK"):  # simplejpeg does not undo Adobe's inversion
            return None
        pixels: Image = simplejpeg.decode_jpeg(data, "RGB")
    except ValueError:
        return None
    return pixels


def _decode_pillow(data: bytes | memoryview, opener: Callable[[io.BytesIO], ImageFile], max_pixels: int) -> Image:
    try:
        with nullcontext() if opener in _SILENT else _no_warnings(), opener(io.BytesIO(data)) as image:
            _check_size(*image.size, max_pixels)
            image.load()
            image.info.pop("transparency", None)  # it has no effect on RGB, but Pillow would warn about it
            return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    except PillowImage.DecompressionBombError as fault:  # of a frame or tile larger than the image
        raise BadImage(f"too large: {message_of(fault)}") from fault
    except _FAULTS as fault:
        raise BadImage(f"truncated or corrupt: {message_of(fault)}") from fault


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise BadImage("truncated or corrupt: no pixels")
    if width * height > max_pixels:
        raise BadImage(f"too large: {width}x{height} pixels exceed the bound of {max_pixels}")


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Silence warnings, in one thread at a time: Python's warning filters are shared by the whole process."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# ---------------------------------------------------------------------------------------------------- encoding


@dataclass(frozen=True, slots=True)
class Encoding:
    """The file format, quality and subsampling of written images. Raises `LayerMixError` for a value out of its range.

    `quality` is 1..100 for "jpg" and "webp", and WebP of quality 100 is lossless; "png" is always lossless.
    `subsampling` of the chroma applies to "jpg" alone.
    """

    format: str
    quality: int = 95
    subsampling: str = "444"

    def __post_init__(self) -> None:
        check_choice("format", self.format, FORMATS)
        check_whole("quality", self.quality, 1, 100)
        check_choice("subsampling", self.subsampling, SUBSAMPLINGS)

    @property
    def extension(self) -> str:
        """The extension of the files, without the dot."""
        return self.format


def encode(pixels: Image, encoding: Encoding) -> bytes:
    """Encode an image, uint8 (H, W, 3), to the bytes of a file. The same pixels give the same bytes."""
    if encoding.format == "jpg":
        data: bytes = simplejpeg.encode_jpeg(pixels, encoding.quality, "RGB", encoding.subsampling)
        return data
    return encode_png(pixels) if encoding.format == "png" else _encode_webp(pixels, encoding.quality)


def _encode_webp(pixels: Image, quality: int) -> bytes:
    file = io.BytesIO()
    if quality == 100:
        PillowImage.fromarray(pixels).save(file, "WEBP", lossless=True, quality=50, method=3)
    else:
        PillowImage.fromarray(pixels).save(file, "WEBP", quality=quality, method=4)
    return file.getvalue()
