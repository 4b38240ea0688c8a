"""Decode and encode image files of every supported format.

`decode` detects the format from the content, checks from the header the size and the memory that decoding would take,
and either returns an image or raises `BadImage`. JPEG goes through simplejpeg (libjpeg-turbo without a Python image
object, the same pixels as Pillow's at about twice the speed), common PNGs through `png`; what these refuse and every
other format go through Pillow, whose result counts. `encode` writes JPEG by simplejpeg, PNG by `png`, WebP by Pillow:
the same bytes for the same pixels. (The reader decodes stored images into batches: `reading.batches.decoding`.)
"""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

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
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from layermix_gen.errors import BadImage
from layermix_gen.images import Image
from layermix_gen.images.jpeg import Memory, decode_jpeg, held_components
from layermix_gen.images.levels import ToLevels, scale_of
from layermix_gen.images.png import decode_png, encode_png, without_ancillary
from layermix_gen.images.webp import canvas_size
from layermix_gen.support.checks import check_choice, check_whole
from layermix_gen.support.text import message_of

MAX_PIXELS = 100_000_000
"""The default bound on height x width. An image whose header claims more is refused."""
MAX_MEMORY = 1_000_000_000
"""The bound in bytes on what decoding an image takes, beyond its file. A larger bound on pixels raises it in step."""

FORMATS = ("jpg", "png", "webp")
SUBSAMPLINGS = ("444", "422", "420")

# ---------------------------------------------------------------------------------------------------- decoding

_Opener: TypeAlias = Callable[[io.BytesIO], ImageFile]

# The formats that are read, each with Pillow's class for it and the bytes per pixel that decoding takes at its peak, as
# measured in the mode that takes most: Pillow's image has 4, the array 3; some libraries hold the image repeatedly. The
# classes are opened directly and not through Image.open: that would try formats that start programs (EPS), and warn of
# large images by Pillow's own bound.
_OPENERS: tuple[tuple[Callable[[bytes], bool], _Opener, int], ...] = (
    (lambda head: head.startswith(b"\xff\xd8"), JpegImageFile, 7),
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), PngImageFile, 7),
    (lambda head: head.startswith(b"RIFF") and head[8:12] == b"WEBP", WebPImageFile, 24),
    (lambda head: head.startswith((b"GIF87a", b"GIF89a")), GifImageFile, 7),
    (lambda head: head.startswith(b"BM"), BmpImageFile, 7),
    (lambda head: head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")), TiffImageFile, 14),
    (lambda head: head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace(), PpmImageFile, 13),
    (lambda head: head.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")), Jpeg2KImageFile, 26),
    (lambda head: head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis", b"mif1", b"msf1"), AvifImageFile, 18),
)
_OF_JPEG = 7  # bytes per pixel of a JPEG without Pillow: the array's 3, and up to 4 to cut a view from it
_OF_COEFFICIENT = 2
_OF_ROW, _OF_COLUMN = 8, 24  # bytes: Pillow's pointer to each row; the rows that a decoder has at hand
_PIECE = 1 << 18  # pixels that are converted at once

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
    struct.error,
    zlib.error,
    Warning,
)

# How Pillow begins to say that a file may be sound, but of a form that it does not read: TIFF, BMP and JPEG.
_UNSUPPORTED = ("unknown pixel mode", "Unsupported BMP", "cannot handle")

_warnings_lock = threading.Lock()


def decode(data: bytes | memoryview, max_pixels: int = MAX_PIXELS, memory: Memory | None = None) -> Image:
    """Decode the bytes of an image file to a uint8 array (H, W, 3), RGB.

    The format is detected from the content. Gray, palette, alpha, CMYK and 16-bit images become RGB as by Pillow's
    `convert("RGB")`, but gray of more than 8 bits is scaled (`levels`); an animation gives its first frame; an EXIF
    orientation is not applied. Raises `BadImage` with a reason of one line: "empty file", "not an image", "truncated
    or corrupt: ...", "unknown range: ...", "not supported: ..." or "too large: ...", the last, before a pixel is
    decoded, if height x width exceeds `max_pixels`, if decoding would take more than `MAX_MEMORY` bytes (a
    `max_pixels` above `MAX_PIXELS` raises that in step), and for a JPEG of too many scans. The pixels of a JPEG are
    put into what `memory` gives for so many bytes.
    """
    opener, per_pixel = _opener_of(data)
    if opener is WebPImageFile:  # Pillow would allocate the whole canvas before it tells the size
        _check(*canvas_size(data), per_pixel, max_pixels)
    if opener is PngImageFile:
        own = decode_png(data, lambda width, height: _check(width, height, per_pixel, max_pixels))
        if own is not None:
            return own
    if opener is not JpegImageFile:
        return _decode_pillow(data, opener, per_pixel, max_pixels)
    coefficients = _OF_COEFFICIENT * held_components(data)
    most = max(_OF_JPEG, 3 + coefficients)
    pixels = decode_jpeg(data, lambda width, height: _check(width, height, most, max_pixels), memory)
    return _decode_pillow(data, opener, per_pixel + coefficients, max_pixels) if pixels is None else pixels


def header_size(data: bytes | memoryview, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """The height and width of an image file in pixels, of which none is decoded: its header is enough.

    Raises `BadImage` as `decode` does for what the header says, `max_pixels` among it.
    """
    opener, _ = _opener_of(data)
    if opener is WebPImageFile:
        width, height = canvas_size(data)
    else:
        with _opened(data, opener) as image:
            width, height = image.size
    check_pixels(width, height, max_pixels)
    return height, width


def _opener_of(data: bytes | memoryview) -> tuple[_Opener, int]:
    """Pillow's class for the format of a file, and the bytes per pixel that decoding it takes."""
    if not len(data):
        raise BadImage("empty file")
    head = bytes(data[:16])
    for is_format, opener, per_pixel in _OPENERS:
        if is_format(head):
            return opener, per_pixel
    raise BadImage("not an image")


def _decode_pillow(data: bytes | memoryview, opener: _Opener, per_pixel: int, max_pixels: int) -> Image:
    with _opened(data, opener) as image:
        check_pixels(*image.size, max_pixels)
        width, height = _decoded_size(image)
        _check_memory(width, height, per_pixel, max_pixels)
        # Whole rows: of a raw row that is longer than a block, Pillow copies all it has for every block.
        image.decodermaxblock = max(image.decodermaxblock, _OF_COLUMN * width)
        scale = scale_of(image, data)
        image.load()
        image.info.pop("transparency", None)  # it has no effect on RGB, but Pillow would warn about it
        return _as_array(image, scale)


@contextmanager
def _opened(data: bytes | memoryview, opener: _Opener) -> Iterator[ImageFile]:
    """Open a file by Pillow. What it raises, then or in use, becomes `BadImage`."""
    if opener is PngImageFile:
        data = without_ancillary(data)
    try:
        with nullcontext() if opener in _SILENT else _no_warnings(), opener(io.BytesIO(data)) as image:
            yield image
    except PillowImage.DecompressionBombError as fault:  # of a frame or tile larger than the image
        raise BadImage(f"too large: {message_of(fault)}") from fault
    except _FAULTS as fault:
        why = message_of(fault)
        if why.startswith(_UNSUPPORTED):
            raise BadImage(f"not supported: {why}; save it as PNG, or with 8 bits") from fault
        raise BadImage(f"truncated or corrupt: {why}") from fault


def _as_array(image: PillowImage.Image, scale: ToLevels | None) -> Image:
    """The pixels in RGB, converted piece by piece: at once, Pillow would hold the image two more times."""
    width, height = image.size
    if width * height <= _PIECE:
        return _in_rgb(image, scale)
    pixels = np.empty((height, width, 3), np.uint8)
    columns = min(width, _PIECE)
    rows = _PIECE // columns
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            piece = image.crop((left, top, min(left + columns, width), min(top + rows, height)))
            pixels[top : top + rows, left : left + columns] = _in_rgb(piece, scale)
    return pixels


def _in_rgb(image: PillowImage.Image, scale: ToLevels | None) -> Image:
    if scale:
        return np.repeat(scale(np.asarray(image))[..., None], 3, axis=2)
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return np.frombuffer(bytearray(rgb.tobytes()), np.uint8).reshape(
        rgb.height, rgb.width, 3
    )  # np.array takes 3 µs more


def _decoded_size(image: ImageFile) -> tuple[int, int]:
    """The width and height that a decoder has at hand: the image's, or of a TIFF's tiles where they are larger."""
    width, height = image.size
    if isinstance(image, TiffImageFile):
        width, height = max(width, image.tag_v2.get(TILEWIDTH, 0)), max(height, image.tag_v2.get(TILELENGTH, 0))
    return width, height


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise `BadImage` for an image that has no pixels, or more than `max_pixels`."""
    if width < 1 or height < 1:
        raise BadImage("truncated or corrupt: no pixels")
    if width * height > max_pixels:
        raise BadImage(f"too large: {width}x{height} pixels exceed the bound of {max_pixels}")


def _check(width: int, height: int, per_pixel: int, max_pixels: int) -> None:
    check_pixels(width, height, max_pixels)
    _check_memory(width, height, per_pixel, max_pixels)


def _check_memory(width: int, height: int, per_pixel: int, max_pixels: int) -> None:
    memory = width * height * per_pixel + width * _OF_COLUMN + height * _OF_ROW
    bound = MAX_MEMORY * max(max_pixels, MAX_PIXELS) // MAX_PIXELS
    if memory > bound:
        raise BadImage(
            f"too large: decoding {width}x{height} pixels takes {memory} bytes, more than the bound of {bound}"
        )


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
        return bytes(simplejpeg.encode_jpeg(pixels, encoding.quality, "RGB", encoding.subsampling))
    return encode_png(pixels) if encoding.format == "png" else _encode_webp(pixels, encoding.quality)


def _encode_webp(pixels: Image, quality: int) -> bytes:
    file = io.BytesIO()
    if quality == 100:
        PillowImage.fromarray(pixels).save(file, "WEBP", lossless=True, quality=50, method=3)
    else:
        PillowImage.fromarray(pixels).save(file, "WEBP", quality=quality, method=4)
    return file.getvalue()
