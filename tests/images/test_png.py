"""PNG files that are decoded without Pillow: the same pixels, and whatever is not sound is left to it."""

import io
import struct

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen.errors import BadImage
from layermix_gen.images import png
from layermix_gen.images.codec import decode
from layermix_gen.images.png import decode_png, encode_png
from layermix_gen.kernels.native import library
from tests.images.test_png_chunks import CHUNKS, chunk
from tests.strategies import KINDS, make_image

pytestmark = pytest.mark.skipif(library() is None, reason="without compiled kernels Pillow decodes all PNGs")


def unbounded(width, height):
    pass


def saved(pixels, **options):
    data = io.BytesIO()
    PillowImage.fromarray(pixels).save(data, "PNG", **options)
    return data.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (32, 32), (123, 301)])
def test_what_pillow_writes(kind, shape):
    pixels = make_image(kind, shape[0], shape[1], 0)
    for level in (0, 1, 9):
        np.testing.assert_array_equal(decode_png(saved(pixels, compress_level=level), unbounded), pixels)
    gray = decode_png(saved(pixels[..., 0]), unbounded)
    np.testing.assert_array_equal(gray, np.repeat(pixels[..., :1], 3, axis=2))
    assert gray.flags.c_contiguous
    assert gray.flags.writeable


def test_pixels_in_several_chunks():
    pixels = make_image("random", 200, 200, 1)
    data = saved(pixels)
    assert data.count(b"IDAT") > 1
    np.testing.assert_array_equal(decode_png(data, unbounded), pixels)


PIXELS = make_image("ramp", 11, 17, 0)
DATA = encode_png(PIXELS)


def test_what_pixels_do_not_need_is_left_out():
    for extra in (CHUNKS["zTXt of noise"], CHUNKS["iCCP of nothing"]):
        np.testing.assert_array_equal(decode_png(DATA[:33] + extra + DATA[33:], unbounded), PIXELS)
        np.testing.assert_array_equal(decode_png(DATA[:-12] + extra + DATA[-12:], unbounded), PIXELS)


def changed(at: int, value: int) -> bytes:
    """A header with a byte changed, and sound otherwise."""
    body = bytearray(DATA[16:29])
    body[at] = value
    return DATA[:8] + chunk(b"IHDR", bytes(body)) + DATA[33:]


@pytest.mark.parametrize(
    "data",
    [
        saved(np.dstack([PIXELS, PIXELS[..., 0]])),
        saved(PIXELS[..., 0] > 99),
        saved(PIXELS.astype(np.uint16)[..., 0]),
        changed(8, 16),
        changed(9, 6),
        changed(10, 1),
        changed(11, 1),
        changed(12, 1),
        changed(3, 0),
        changed(3, 18),
        changed(3, 16),
        changed(7, 10),
        DATA[:33] + chunk(b"PLTE", bytes(3)) + DATA[33:],
        DATA[:33] + DATA[8:],
        DATA[:-12],
        DATA[:-12] + chunk(b"IEND", b"x"),
        DATA[:33] + DATA[-12:],
        DATA[:8] + DATA[33:],
        b"",
        DATA[:8],
        DATA[:8] + struct.pack(">I", 2**32 - 1) + DATA[12:],
    ],
)
def test_all_else_is_left_to_pillow(data):
    assert decode_png(data, unbounded) is None


def test_every_damaged_byte_is_noticed():
    for at in range(len(DATA)):
        damaged = bytearray(DATA)
        damaged[at] ^= 1 << at % 8
        assert decode_png(bytes(damaged), unbounded) is None


def test_the_bound_on_pixels():
    np.testing.assert_array_equal(decode(DATA, 11 * 17), PIXELS)
    with pytest.raises(BadImage, match="too large: 17x11 pixels exceed the bound of 186"):
        decode(DATA, 11 * 17 - 1)
    claims = changed(0, 0x7F)  # of two billion columns
    with pytest.raises(BadImage, match="too large: 2130706449x11 pixels"):
        decode(claims)


def test_without_kernels_pillow_decodes(monkeypatch):
    monkeypatch.setattr(png, "library", lambda: None)
    assert decode_png(DATA, unbounded) is None
    np.testing.assert_array_equal(decode(DATA), PIXELS)
