"""PNG files with chunks that pixels do not need: text, profiles and animations, of any size and content."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from layermix_gen.errors import BadImage
from layermix_gen.images.codec import decode
from layermix_gen.images.png import encode_png, without_ancillary

PIXELS = np.random.default_rng(0).integers(0, 256, (11, 17, 3), np.uint8)
DATA = encode_png(PIXELS)
HEAD, TAIL = DATA[:33], DATA[-12:]  # the signature and IHDR; IEND
BODY = DATA[33:-12]
MEGABYTE = 1 << 20


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def deflated(size: int) -> bytes:
    """Zeros of this size, compressed to a thousandth."""
    return zlib.compress(bytes(size), 9)


NOISE = np.random.default_rng(1).bytes(2 * MEGABYTE)
FRAME = struct.pack(">IIIIIHHBB", 0, 17, 11, 0, 0, 1, 10, 0, 0)
CHUNKS = {
    "zTXt": chunk(b"zTXt", b"Comment\0\0" + deflated(2 * MEGABYTE)),
    "zTXt of noise": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(NOISE, 1)),
    "zTXt of no known method": chunk(b"zTXt", b"Comment\0\7abc"),
    "iTXt": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + deflated(2 * MEGABYTE)),
    "iTXt not compressed": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"a" * 2 * MEGABYTE),
    "iCCP": chunk(b"iCCP", b"Profile\0\0" + zlib.compress(NOISE, 1)),
    "iCCP of no known method": chunk(b"iCCP", b"Profile\0\1abc"),
    "iCCP of nothing": chunk(b"iCCP", b""),
    "many texts": 70 * chunk(b"zTXt", b"Comment\0\0" + deflated(MEGABYTE)),
    "eXIf of garbage": chunk(b"eXIf", NOISE[:999]),
    "acTL cut short": chunk(b"acTL", b"\0\0"),
    "acTL of no frames": chunk(b"acTL", bytes(8)),
    "acTL twice": 2 * chunk(b"acTL", struct.pack(">II", 2, 0)),
    "fcTL out of order": chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", b"\0\0\0\7" + FRAME[4:]),
    "fcTL outside": chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", FRAME[:7] + b"\x99" + FRAME[8:]),
    "gAMA cut short": chunk(b"gAMA", b"\1"),
    "cHRM of nothing": chunk(b"cHRM", b""),
    "tRNS cut short": chunk(b"tRNS", b"\1"),
    "one of its own": chunk(b"raNd", NOISE[:5000]),
}


@pytest.mark.parametrize("name", CHUNKS)
def test_pixels_need_no_text_profile_or_animation(name: str) -> None:
    before, behind = HEAD + CHUNKS[name] + BODY + TAIL, HEAD + BODY + CHUNKS[name] + TAIL
    assert np.array_equal(decode(before), PIXELS)
    assert np.array_equal(decode(memoryview(behind)), PIXELS)


def test_nothing_is_inflated_but_pixels() -> None:
    """700 KB for 700 MB, of which Pillow would make 64 MB before it refuses."""
    bomb = HEAD + 7 * CHUNKS["many texts"] + BODY + 3 * CHUNKS["many texts"] + TAIL
    tracemalloc.start()
    assert np.array_equal(decode(bomb), PIXELS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEGABYTE


def test_what_has_nothing_to_leave_out_is_not_copied() -> None:
    assert without_ancillary(DATA) is DATA
    assert bytes(without_ancillary(HEAD + CHUNKS["one of its own"] + BODY + TAIL)) == DATA


def test_damaged_chunks_stay_for_the_decoder_to_judge() -> None:
    """A chunk of pixels whose name a flipped bit turned to that of none must not vanish without a word."""
    renamed = HEAD + BODY[:4] + b"iDAT" + BODY[8:] + TAIL
    spoilt = bytearray(HEAD + chunk(b"tEXt", b"a\0b") + BODY + TAIL)
    spoilt[43] ^= 1
    for damaged in (renamed, bytes(spoilt)):
        assert without_ancillary(damaged) == damaged
        with pytest.raises(BadImage, match=r"^truncated or corrupt: broken PNG file"):
            decode(damaged)


@pytest.mark.parametrize("end", [8, 12, 20, 33, 37, 45, 60])
def test_a_file_that_ends_early_is_left_as_it_is(end: int) -> None:
    cut = (HEAD + CHUNKS["gAMA cut short"] + BODY + TAIL)[:end]
    assert DATA.startswith(bytes(without_ancillary(cut))[:33])
    with pytest.raises(BadImage, match=r"^truncated or corrupt: "):
        decode(cut)
