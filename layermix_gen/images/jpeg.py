"""Decode JPEG, and read the structure of a file: what its scans make a decoder hold, and how many they are.

A file whose one scan has all components is decoded row by row. With several scans (progressive files, mostly) a decoder
holds all coefficients, and goes over them once for each scan, however few bytes that has.
"""

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import simplejpeg

from layermix_gen.errors import BadImage
from layermix_gen.images import Image

Memory: TypeAlias = Callable[[int], npt.NDArray[np.uint8]]  # memory of so many bytes or more, contiguous

MAX_SCANS = 30
"""The bound on scans: progressive files have about 10, of CMYK 18. At 100 megapixels a scan takes 0.2 to 0.3 s."""

_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # neither a stuffed byte nor one of the restarts within a scan
_SCAN, _END, _START, _TEMPORARY = 0xDA, 0xD9, 0xD8, 0x01
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = (0xC2, 0xCA)  # by Huffman and by arithmetic coding


def decode_jpeg(
    data: bytes | memoryview, check: Callable[[int, int], None], memory: Memory | None = None
) -> Image | None:
    """Decode a JPEG by simplejpeg, into the `memory` that there is, or return None where Pillow has to decide.

    simplejpeg is set to be strict: it refuses what libjpeg warns about, and Pillow often judges that better. Before
    anything is decoded, `check` is called with width and height; what it raises, this raises.
    """
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
        check(int(width), int(height))
        if colorspace in ("CMYK", "YCCK"):  # simplejpeg does not undo Adobe's inversion
            return None
        buffer = memory(3 * int(height) * int(width)) if memory else None
        pixels: Image = simplejpeg.decode_jpeg(data, "RGB", buffer=buffer)
    except ValueError:
        return None
    return pixels


def held_components(data: bytes | memoryview) -> int:
    """How many components a decoder holds all coefficients of: 0 where one scan has everything.

    Raises `BadImage` for more than `MAX_SCANS` scans.
    """
    components, scans = 0, 0
    for marker, segment, _ in _segments(data):
        if marker in _FRAMES:
            components = max(components, segment[5] if len(segment) > 5 else 0)
            held = marker in _PROGRESSIVE
        elif marker == _SCAN:
            scans += 1
            if scans == 1 and components and not held and segment[:1] == bytes([components]):
                return 0
            if scans > MAX_SCANS:
                raise BadImage(f"too large: more than {MAX_SCANS} scans")
    return components


def header_of_one_scan(data: bytes | memoryview) -> bytes:
    """All bytes before the data of a first scan that has all components; none where there is no such scan.

    A file that begins with the same bytes is decoded by that one scan, too. Raises as `held_components` does.
    """
    if held_components(data):
        return b""
    return next((bytes(data[:end]) for marker, _, end in _segments(data) if marker == _SCAN), b"")


def _segments(data: bytes | memoryview) -> Iterator[tuple[int, bytes | memoryview, int]]:
    """The segments of a file in order: marker, content, and where they end; those within segments are skipped."""
    at = 2
    while match := _MARKER.search(data, at):
        marker, at = match[1][0], match.end()
        if marker == _END:
            return
        if marker not in (_START, _TEMPORARY):  # which have no content
            length = max(2, int.from_bytes(data[at : at + 2], "big"))
            yield marker, data[at + 2 : at + length], at + length
            at += length
