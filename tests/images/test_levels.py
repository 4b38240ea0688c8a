"""Gray images of more than 8 bits: the levels of an independent reading, or the reason why none are known."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngImageFile

from layermix_gen.errors import BadImage
from layermix_gen.images import Image, codec
from layermix_gen.images.codec import decode
from layermix_gen.images.levels import scale_of
from layermix_gen.mixing_sets.packing import pack

DEEP = np.random.default_rng(0).permutation(65536).astype(np.uint16).reshape(128, 512)  # each value, not square
LOSSLESS_JPEG2000 = (cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000)


def by_opencv(pixels: npt.NDArray[Any], extension: str, *options: int) -> bytes:
    data: bytes = cv2.imencode(extension, pixels, options)[1].tobytes()
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(read, pixels)
    return data


def tiff(pixels: npt.NDArray[Any], photometric: int = 1, bits: int = 0, body: bytes = b"") -> bytes:
    """A TIFF of one strip in the byte order and type of these pixels, (H, W) or (H, W, C)."""
    order = "<" if pixels.dtype.str[0] in "<|" else ">"
    height, width, *samples = pixels.shape
    body = body or pixels.tobytes()
    bits, kind = bits or 8 * pixels.dtype.itemsize, {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    channels = samples[0] if samples else 1
    shorts = {258: bits, 259: 1, 262: photometric, 277: channels, 339: kind}
    longs = {256: width, 257: height, 273: 0, 278: height, 279: len(body)}
    at = 8 + 2 + 12 * (len(shorts) + len(longs)) + 4
    more = b""
    if channels > 1:
        more = struct.pack(f"{order}{channels}H", *[bits] * channels)
    longs[273] = at + len(more)
    entries = b""
    for tag in sorted([*shorts, *longs]):
        if tag == 258 and more:
            entries += struct.pack(order + "HHII", tag, 3, channels, at)
        elif tag in shorts:
            entries += struct.pack(order + "HHIHH", tag, 3, 1, shorts[tag], 0)
        else:
            entries += struct.pack(order + "HHII", tag, 4, 1, longs[tag])
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(shorts) + len(longs))
    return head + entries + bytes(4) + more + body


def png(pixels: npt.NDArray[Any], color: int, bits: int, before: bytes = b"") -> bytes:
    """A PNG of these samples: (H, W) or (H, W, C), of this many bits."""
    height, width = pixels.shape[:2]
    body = np.hstack([np.zeros((height, 1), np.uint8), packed(pixels, bits)]).tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    chunks = (chunk(b"IHDR", header), before, chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def packed(values: npt.NDArray[Any], bits: int) -> npt.NDArray[np.uint8]:
    """Values of 1 to 16 bits, most significant bit first, each row from a byte of its own."""
    places = np.arange(bits)[::-1]
    return np.packbits((values[..., None] >> places & 1).astype(np.uint8).reshape(len(values), -1), axis=1)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def pnm(pixels: npt.NDArray[Any], most: int) -> bytes:
    """A PGM or PPM of these samples, up to `most`."""
    height, width = pixels.shape[:2]
    return b"P%d %d %d %d\n" % (5 if pixels.ndim == 2 else 6, width, height, most) + pixels.astype(">u2").tobytes()


def interlaced(pixels: npt.NDArray[Any]) -> bytes:
    """A 16-bit gray PNG of one column and two rows in Adam7, whose passes hold one row each."""
    rows = b"".join(b"\0" + pixels.astype(">u2")[row].tobytes() for row in range(2))
    chunks = (
        chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 2, 16, 0, 0, 0, 1)),
        chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


HIGH = (DEEP >> 8).astype(np.uint8)
ROUNDED = np.rint(DEEP / 257).astype(np.uint8)
FLOATS = (DEEP / 65535).astype(np.float32)
OF_FLOATS = np.rint(FLOATS * np.float32(255)).astype(np.uint8)
TWELVE = DEEP[:, :512] & 4095
COLOUR = np.stack([DEEP, DEEP[::-1], DEEP[:, ::-1]], -1)

FILES: dict[str, tuple[bytes, Image]] = {  # the file, and the levels (H, W)
    "png": (by_opencv(DEEP, ".png"), HIGH),
    "png with a transparent level": (png(DEEP, 0, 16, chunk(b"tRNS", b"\x12\x34")), HIGH),
    "png with alpha": (png(np.stack([DEEP, 65535 - DEEP], -1), 4, 16), HIGH),
    "png in colour": (png(COLOUR, 2, 16), (COLOUR >> 8).astype(np.uint8)),
    "png interlaced": (interlaced(DEEP[:2, :1]), HIGH[:2, :1]),
    "png of 1 bit": (png(DEEP & 1, 0, 1), ((DEEP & 1) * 255).astype(np.uint8)),
    "png of 2 bits": (png(DEEP & 3, 0, 2), ((DEEP & 3) * 85).astype(np.uint8)),
    "png of 4 bits": (png(DEEP & 15, 0, 4), ((DEEP & 15) * 17).astype(np.uint8)),
    "tiff": (by_opencv(DEEP, ".tiff"), HIGH),
    "tiff of one strip": (tiff(DEEP), HIGH),
    "tiff big-endian": (tiff(DEEP.astype(">u2")), HIGH),
    "tiff in colour": (tiff(COLOUR, 2), (COLOUR >> 8).astype(np.uint8)),
    "tiff of which 0 is white": (tiff(DEEP, 0), 255 - HIGH),
    "tiff of 12 bits": (tiff(TWELVE, bits=12, body=packed(TWELVE, 12).tobytes()), (TWELVE >> 4).astype(np.uint8)),
    "tiff of floats": (by_opencv(FLOATS, ".tiff"), OF_FLOATS),
    "tiff of floats big-endian": (tiff(FLOATS.astype(">f4")), OF_FLOATS),
    "tiff of floats of which 0 is white": (tiff(FLOATS, 0), 255 - OF_FLOATS),
    "pgm": (by_opencv(DEEP, ".pgm"), ROUNDED),
    "pgm up to 1023": (pnm(DEEP & 1023, 1023), np.rint((DEEP & 1023) / 1023 * 255).astype(np.uint8)),
    "pgm up to 4095": (pnm(TWELVE, 4095), np.rint(TWELVE / 4095 * 255).astype(np.uint8)),
    "ppm": (pnm(COLOUR, 65535), np.rint(COLOUR / 257).astype(np.uint8)),
    "pgm in text": (b"P2 3 2 65535\n0 65535 32768 257 128 129", np.array([[0, 255, 128], [1, 0, 1]], np.uint8)),
    "jp2": (by_opencv(DEEP, ".jp2", *LOSSLESS_JPEG2000), HIGH),
}


@pytest.mark.parametrize("piece", [codec._PIECE, 2000])
@pytest.mark.parametrize("name", FILES)
def test_gray_of_many_bits_keeps_its_levels(name: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "_PIECE", piece)
    data, levels = FILES[name]
    pixels = decode(data)
    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, levels if levels.ndim == 3 else np.stack([levels] * 3, -1))


def saved(image: PillowImage.Image, format: str, **options: Any) -> bytes:  # noqa: A002
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def marked(data: bytes, sizes: int) -> bytes:
    """A JPEG 2000 whose components say to have these bits, less one, with 128 for a sign."""
    at = data.index(b"\xff\x4f\xff\x51") + 42
    return data[:at] + bytes([sizes]) + data[at + 1 :]


def row(kind: str, *values: float) -> npt.NDArray[Any]:
    return np.array([values], kind)


GRAY = np.arange(12, dtype=np.uint8).reshape(3, 4)
OUT_OF_RANGE = "^unknown range: floats outside of 0 to 1; save it with 8 or 16 bits$"
WHOLE = "^unknown range: integers of 32 bits; save it with 8 or 16 bits$"
SIGNED = "^unknown range: signed integers; save it with 8 or 16 bits$"
COLOUR_2000 = "^not supported: JPEG 2000 of 16 bits and mode RGB; save it with 8 bits$"
FORM = "^not supported: unknown pixel mode; save it as PNG, or with 8 bits$"
REFUSED = {
    "float64": (tiff(row("<f8", 0, 1)), FORM),
    "float64 of OpenCV": (by_opencv(np.zeros((3, 4)), ".tiff"), FORM),
    "float16": (tiff(row(">f2", 0, 1)), FORM),
    "floats in colour": (by_opencv(np.zeros((3, 4, 3), np.float32), ".tiff"), FORM),
    "uint32 in colour": (tiff(np.zeros((3, 4, 3), "<u4")), FORM),
    "uint64": (tiff(row(">u8", 0, 1)), FORM),
    "two channels of 16 bits": (tiff(np.zeros((3, 4, 2), "<u2")), FORM),
    "floats up to 11": (tiff(GRAY.astype(np.float32)), OUT_OF_RANGE),
    "floats just above 1": (tiff(row("<f4", 0, 1.0000001)), OUT_OF_RANGE),
    "floats below 0": (tiff(row("<f4", 0.5, -0.001)), OUT_OF_RANGE),
    "not a number": (tiff(row("<f4", 0.5, np.nan)), OUT_OF_RANGE),
    "infinite": (tiff(row("<f4", 0.5, np.inf)), OUT_OF_RANGE),
    "int32": (tiff(row("<i4", 0, 70_000)), SIGNED),
    "int32 big-endian": (tiff(row(">i4", 0, 70_000)), SIGNED),
    "int32 of Pillow": (saved(PillowImage.new("I", (4, 3), 200), "TIFF"), SIGNED),
    "uint32": (tiff(row("<u4", 0, 70_000)), WHOLE),
    "uint32 of few levels": (tiff(row("<u4", 0, 200)), WHOLE),
    "int16": (tiff(row("<i2", -5, 5)), SIGNED),
    "int8": (tiff(row("i1", -5, 5)), SIGNED),
    "jpeg 2000 in colour": (by_opencv(COLOUR, ".jp2", *LOSSLESS_JPEG2000), COLOUR_2000),
    "jpeg 2000 signed": (marked(saved(PillowImage.fromarray(GRAY), "JPEG2000"), 0x87), SIGNED),
    "jpeg 2000 codestream signed": (
        marked(saved(PillowImage.fromarray(GRAY), "JPEG2000", no_jp2=True), 0x8F),
        SIGNED,
    ),
}


def boxed(file: bytes, kind: bytes, content: bytes, is_long: bool = False) -> bytes:
    """A JPEG 2000 file with one more box in front of its codestream."""
    at = file.index(b"jp2c") - 4
    size = (1).to_bytes(4, "big") if is_long else (8 + len(content)).to_bytes(4, "big")
    more = (16 + len(content)).to_bytes(8, "big") if is_long else b""
    return file[:at] + size + kind + more + content + file[at:]


@pytest.mark.parametrize("is_long", [False, True])
@pytest.mark.parametrize("kind", [b"uuid", b"xml "])
def test_depths_of_a_jpeg_2000_are_those_of_its_codestream(kind: bytes, is_long: bool) -> None:
    """And not those of another one that a box in front of it quotes."""
    unsigned = saved(PillowImage.fromarray(GRAY), "JPEG2000")
    signed = marked(unsigned, 0x87)
    quoted = signed[signed.index(b"jp2c") - 4 :]
    assert np.array_equal(decode(boxed(unsigned, kind, bytes(16) + quoted, is_long)), decode(unsigned))
    quoted = unsigned[unsigned.index(b"jp2c") - 4 :]
    with pytest.raises(BadImage, match=SIGNED):
        decode(boxed(signed, kind, bytes(16) + quoted, is_long))
    for damage in (signed[:60], signed.replace(b"jp2c", b"jp2d"), signed[: signed.index(b"jp2c") + 20]):
        with pytest.raises(BadImage, match=r"^truncated or corrupt: "):
            decode(damage)


def test_integers_of_32_bits_are_taken_of_pgm_alone() -> None:
    """As a format of which a later Pillow gives them would have a range that nobody knows."""
    data = by_opencv(DEEP, ".png")
    with PngImageFile(io.BytesIO(data)) as image:
        image._mode = "I"
        with pytest.raises(BadImage, match=WHOLE):
            scale_of(image, data)


@pytest.mark.parametrize("name", REFUSED)
def test_a_range_that_is_not_known_is_the_reason(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(BadImage, match=reason):
        decode(data)


def test_one_float_out_of_range_in_a_large_image_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "_PIECE", 1000)
    spoilt = FLOATS.copy()
    spoilt[-1, -1] = 2
    with pytest.raises(BadImage, match=OUT_OF_RANGE):
        decode(tiff(spoilt))


@pytest.mark.parametrize("extension", [".png", ".tiff", ".ppm"])
def test_gray_comes_out_as_the_same_picture_in_colour(extension: str) -> None:
    """How 16-bit colour is converted is Pillow's choice, by format."""
    gray = decode(by_opencv(DEEP, extension.replace("ppm", "pgm")))
    assert np.array_equal(gray, decode(by_opencv(np.stack([DEEP] * 3, -1), extension)))


def test_packing_keeps_the_levels_and_tells_what_was_skipped(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    ramp = (np.arange(1024).reshape(32, 32) * 64).astype(np.uint16)
    for name, data in {
        "a.png": by_opencv(ramp, ".png"),
        "b.tif": by_opencv(ramp, ".tiff"),
        "c.tif": tiff(row("<i4", 0, 70_000)),
    }.items():
        (tmp_path / "in" / name).write_bytes(data)
    made = pack(tmp_path / "in", tmp_path / "set.npy", 32, progress=False)
    for picture in np.load(tmp_path / "set.npy"):
        assert np.array_equal(picture, ramp >> 8)
    assert len(made.skipped) == 1
    assert made.skipped[0].endswith("c.tif: unknown range: signed integers; save it with 8 or 16 bits")
