"""Write one form of PNG, fast, and read the common ones: 8-bit RGB or gray, not interlaced.

Written are 8-bit RGB, one data chunk, each row as its difference to the row above: for a 32 px image in a quarter of
the time of Pillow's fastest setting. A reader decompresses files of this form itself, to undo the differences of many
images at once. Any other PNG is for Pillow, and what pixels do not need is left out before that.
"""

import io
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache

import deflate
import numpy as np
from isal import isal_zlib

from layermix_gen.images import Image
from layermix_gen.kernels.native import library
from layermix_gen.kernels.png_rows import UP, filtered, unfilter

# libdeflate's: 17 µs for a 32 px crop of a photograph; level 2 takes 24 µs for the same file size. ISA-L takes 13 µs,
# but gave other bytes the next time for about one image in a million, and then no two builds are alike.
_LEVEL = 1
_IDAT_CRC = zlib.crc32(b"IDAT")
_LENGTH = struct.Struct(">I")
_CHUNK = struct.Struct(">I4s")  # length and name; data and CRC follow
_HEADER = struct.Struct(">II5B")  # width, height, bits, colour type, compression, filter, interlacing
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3}  # of the colour types that `decode_png` reads: gray and RGB
_ANCILLARY = 0x20  # the bit of a name's first letter that makes it small
_BEFORE, _BEHIND = 8, 4  # bytes of a chunk before its data (length and name) and after it (CRC)


def encode_png(pixels: Image) -> bytes:
    """Encode an image, uint8 (H, W, 3). The same pixels give the same bytes.

    Few other filters over whole arrays give smaller files, and they cost more time than there is left to save (32 px
    crops of photographs: none 1877 bytes, sub 1517, up 1505, average 1498, Paeth 1401).
    """
    body = deflate.zlib_compress(filtered(pixels), _LEVEL)
    head, tail = _frame(*pixels.shape[:2])
    crc = isal_zlib.crc32(body, _IDAT_CRC)
    return b"".join((head, _LENGTH.pack(len(body)), b"IDAT", body, _LENGTH.pack(crc), tail))


def decode_png(data: bytes | memoryview, check: Callable[[int, int], None]) -> Image | None:
    """Decode a sound PNG of 8-bit RGB or gray, not interlaced: uint8 (H, W, 3), as Pillow does in four times the time.

    Returns None for any other file, and where no kernels are compiled: there, Pillow's result counts. Before anything
    is inflated, `check` is called with width and height; what it raises, this raises.
    """
    if library() is None or data[:8] != _SIGNATURE or (chunks := _sound_chunks(memoryview(data))) is None:
        return None
    header, bodies = chunks
    width, height, bits, color, *others = _HEADER.unpack(header)
    channels = _CHANNELS.get(color)
    if bits != 8 or channels is None or any(others) or not width * height:
        return None
    check(width, height)
    shape = (height, 1 + channels * width)
    try:
        rows = deflate.zlib_decompress(b"".join(bodies) if len(bodies) > 1 else bodies[0], shape[0] * shape[1])
    except deflate.DeflateError:
        return None
    if len(rows) != shape[0] * shape[1]:
        return None
    pixels = np.empty((height, width, channels), np.uint8)
    try:
        unfilter(np.frombuffer(rows, np.uint8).reshape(1, *shape), pixels[None])
    except ValueError:
        return None
    return pixels if channels == 3 else np.repeat(pixels, 3, axis=2)


def _sound_chunks(data: memoryview) -> tuple[bytes, list[memoryview]] | None:
    """The header and the parts of the pixels' data; None where a chunk is damaged, of another kind, or out of place."""
    header, at = b"", len(_SIGNATURE)
    bodies: list[memoryview] = []
    while at + _BEFORE + _BEHIND <= len(data):
        length, name = _CHUNK.unpack_from(data, at)
        end = at + _BEFORE + length
        body = data[at + _BEFORE : end]
        if data[end : end + _BEHIND] != _LENGTH.pack(isal_zlib.crc32(data[at + 4 : end])):
            return None
        if name == b"IEND":
            return (header, bodies) if header and bodies and not length else None
        if name == b"IHDR" and not header and length == _HEADER.size:
            header = bytes(body)
        elif name == b"IDAT" and header:
            bodies.append(body)
        elif not name[0] & _ANCILLARY:
            return None
        at = end + _BEHIND
    return None


def filtered_in(data: bytes | memoryview, height: int, width: int) -> bytes | None:
    """The filtered rows, H (1 + 3 W) bytes, in a PNG of this size that `encode_png` wrote; None for any other file."""
    head, tail = _frame(height, width)
    length = 1 + 3 * width
    if data[: len(head)] != head:
        return None
    inflater = isal_zlib.decompressobj()
    try:  # no more than that: another's file may inflate to a thousand times its size
        rows: bytes = inflater.decompress(data[len(head) + _BEFORE : -_BEHIND - len(tail)], height * length + 1)
    except isal_zlib.error:  # type: ignore[misc] # of a module without types
        return None
    return rows if inflater.eof and len(rows) == height * length and rows[::length] == bytes([UP]) * height else None


def without_ancillary(data: bytes | memoryview) -> bytes | memoryview:
    """A PNG without the chunks that pixels do not need: text, profiles, animations. The same object if it has none.

    Pillow inflates text and profiles, and refuses the image for what it finds there. A damaged chunk is kept: it may be
    one of pixels, of which the name is wrong.
    """
    kept = io.BytesIO()
    begin, at, last = 0, 8, len(data) - _BEFORE - _BEHIND  # of what is not yet kept; of this chunk; of the last one
    while at <= last:
        length, name = _CHUNK.unpack_from(data, at)
        end = at + _BEFORE + length + _BEHIND
        if name[0] & _ANCILLARY:
            body, crc = memoryview(data)[at + 4 : end - _BEHIND], data[end - _BEHIND : end]
            if crc != _LENGTH.pack(isal_zlib.crc32(body)):
                break
            kept.write(memoryview(data)[begin:at])
            begin = end
        at = end
    if not begin:
        return data
    kept.write(memoryview(data)[begin:])
    return kept.getvalue()


@lru_cache(maxsize=64)
def _frame(height: int, width: int) -> tuple[bytes, bytes]:
    """The bytes of a PNG before its data chunk, and after it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header), _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return _LENGTH.pack(len(body)) + name + body + _LENGTH.pack(zlib.crc32(name + body))
