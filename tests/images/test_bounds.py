"""The bounds of decoding: memory as the header leads to expect, scans, and files that claim far more than they are."""

import io
import json
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen.errors import BadImage
from layermix_gen.images import codec
from layermix_gen.images.codec import decode
from layermix_gen.images.jpeg import MAX_SCANS, held_components
from layermix_gen.images.png import filtered_in

SIDE = 1800  # px of the images whose decoding is measured
SLACK = 6 << 20  # bytes: what is converted at once, what libraries keep, and the file, of which some make a copy


def saved(image: PillowImage.Image, format: str, **options: Any) -> bytes:  # noqa: A002
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def large_files() -> dict[str, bytes]:
    """A large image in the formats and modes that differ in what a decoder holds."""
    y, x = np.mgrid[:SIDE, :SIDE]
    waves = [127 + 90 * np.sin(x / 70 + k) + 30 * np.cos(y / 50 * k) for k in range(3)]
    rgb = PillowImage.fromarray(np.stack(waves, -1).clip(0, 255).astype(np.uint8))
    gray, alpha = rgb.convert("L"), rgb.convert("RGBA")
    deep = PillowImage.fromarray(np.asarray(gray).astype(np.uint16) * 250)
    return {
        "jpeg": saved(rgb, "JPEG"),
        "jpeg progressive": saved(rgb, "JPEG", progressive=True, subsampling=0),
        "jpeg progressive gray": saved(gray, "JPEG", progressive=True),
        "jpeg cmyk": saved(rgb.convert("CMYK"), "JPEG"),
        "jpeg progressive cmyk": saved(rgb.convert("CMYK"), "JPEG", progressive=True),
        "png": saved(rgb, "PNG", compress_level=1),
        "png RGBA": saved(alpha, "PNG", compress_level=1),
        "png P": saved(rgb.quantize(16), "PNG", compress_level=1),
        "png I;16": saved(deep, "PNG", compress_level=1),
        "webp": saved(rgb, "WEBP", method=0),
        "webp RGBA": saved(alpha, "WEBP", lossless=True, method=0, quality=0),
        "webp animated": saved(rgb, "WEBP", method=0, save_all=True, append_images=[rgb.rotate(180)]),
        "gif": saved(gray, "GIF"),
        "bmp": saved(rgb, "BMP"),
        "tiff": saved(rgb, "TIFF"),
        "tiff of one strip": saved(rgb, "TIFF", compression="tiff_lzw", strip_size=1 << 30),
        "tiff F": saved(PillowImage.fromarray(np.asarray(gray) / np.float32(255)), "TIFF"),
        "tiff I;16": saved(deep, "TIFF", compression="tiff_lzw"),
        "tiff CMYK": saved(rgb.convert("CMYK"), "TIFF"),
        "ppm": saved(rgb, "PPM"),
        "pgm of 16 bits": saved(deep, "PPM"),
        "pgm up to 1023": b"P5 %d %d 1023\n" % (SIDE, SIDE) + np.asarray(gray).astype(">u2").tobytes(),
        "jp2 RGBA": saved(alpha, "JPEG2000", quality_layers=[80], num_resolutions=2),
        "j2k L": saved(gray, "JPEG2000", quality_layers=[80], num_resolutions=2, no_jp2=True),
        "avif": saved(rgb, "AVIF", speed=10, quality=30, subsampling="4:4:4"),
        "avif RGBA": saved(alpha, "AVIF", speed=10, quality=30),
    }


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells a process its peak anew")
def test_decoding_takes_no_more_memory_than_its_header_leads_to_expect(tmp_path: Path) -> None:
    files = large_files()
    paths = [tmp_path / name for name in files]
    for path, data in zip(paths, files.values(), strict=True):
        path.write_bytes(data)
    settings = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "MALLOC_MMAP_THRESHOLD_": "131072",
    }  # freed memory is given back
    command = [sys.executable, "-m", "tests.images.peaks", *map(str, paths)]
    run = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=True)
    for (name, data), (peak, expected) in zip(files.items(), json.loads(run.stdout), strict=True):
        assert peak <= expected + len(data) + SLACK, name
        assert peak >= 3 * SIDE * SIDE / 2, name  # the measurement measures


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, body: bytes = b"") -> bytes:
    """An RGB PNG of this size with this data, decompressed."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(("width", "height"), [(1, 99_999_999), (99_999_999, 1)])
def test_a_line_of_pixels_is_refused_for_its_memory(width: int, height: int) -> None:
    with pytest.raises(
        BadImage, match=rf"^too large: decoding {width}x{height} pixels takes \d+ bytes, more than the b"
    ):
        decode(png(width, height))


def test_a_larger_bound_on_pixels_raises_that_on_memory_and_a_smaller_one_does_not_lower_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = saved(PillowImage.new("RGB", (34, 21)), "PNG")
    for small in (714, codec.MAX_PIXELS):
        monkeypatch.setattr(codec, "MAX_MEMORY", 5000)
        with pytest.raises(BadImage, match=r"^too large: decoding 34x21 pixels takes 5982 bytes, more than the b"):
            decode(data, small)
        monkeypatch.setattr(codec, "MAX_MEMORY", 6000)
        assert decode(data, small).shape == (21, 34, 3)
    monkeypatch.setattr(codec, "MAX_MEMORY", 3000)
    assert decode(data, 2 * codec.MAX_PIXELS).shape == (21, 34, 3)


def scans_of(data: bytes) -> int:
    return data.count(b"\xff\xda")


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is there so often that it has `count` scans."""
    data = saved(PillowImage.effect_noise((64, 48), 50).convert("RGB"), "JPEG", progressive=True)
    last, end = data.rindex(b"\xff\xda"), len(data) - 2
    return data[:last] + data[last:end] * (count - scans_of(data) + 1) + data[end:]


def test_scans_are_bounded() -> None:
    assert scans_of(with_scans(MAX_SCANS)) == MAX_SCANS
    decode(with_scans(MAX_SCANS))
    with pytest.raises(BadImage, match=rf"^too large: more than {MAX_SCANS} scans$"):
        decode(with_scans(MAX_SCANS + 1))


@pytest.mark.parametrize(
    ("mode", "options", "held"),
    [
        ("RGB", {}, 0),
        ("L", {}, 0),
        ("CMYK", {}, 0),
        ("RGB", {"restart_marker_rows": 1}, 0),
        ("RGB", {"progressive": True}, 3),
        ("L", {"progressive": True}, 1),
        ("CMYK", {"progressive": True}, 4),
    ],
)
def test_what_a_decoder_holds(mode: str, options: dict[str, Any], held: int) -> None:
    image = PillowImage.effect_noise((64, 48), 50).convert(mode)
    assert held_components(saved(image, "JPEG", **options)) == held
    thumbnail = with_scans(MAX_SCANS + 1)  # within a segment, as cameras store one
    assert held_components(saved(image, "JPEG", exif=b"Exif\0\0" + thumbnail, **options)) == held


def test_a_file_of_several_scans_that_is_not_progressive_is_held() -> None:
    data = saved(PillowImage.effect_noise((8, 8), 50).convert("RGB"), "JPEG")
    at = data.index(b"\xff\xda")
    alone = data[:at] + b"\xff\xda\0\x08\1" + data[at + 5 : at + 7] + b"\0\x3f\0"
    assert held_components(alone) == 3


@pytest.mark.parametrize(
    "data", [b"\xff\xd8", b"\xff\xd8\xff\xda", b"\xff\xd8\xff\xc0\0\0", b"\xff\xd8" + b"\xff" * 99]
)
def test_a_jpeg_of_next_to_nothing_holds_nothing(data: bytes) -> None:
    assert held_components(data) == 0


def test_a_tile_far_larger_than_its_image_is_refused() -> None:
    """16x16 pixels in one tile of 13008x13008, which the decoder would hold: 500 MB."""
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: 13008, 323: 13008, 324: 8, 325: 8}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    data = b"II*\0" + struct.pack("<IQH", 16, 0, len(tags)) + entries + bytes(4)
    with pytest.raises(BadImage, match=r"^too large: decoding 13008x13008 pixels"):
        decode(data)


def test_a_raw_image_of_one_long_row_is_quick() -> None:
    begin = time.perf_counter()
    assert decode(b"P6 6000000 1 255\n" + bytes(18_000_000)).shape == (1, 6_000_000, 3)
    assert time.perf_counter() - begin < 3  # 10 s where each block is appended to all before


def test_a_stored_png_inflates_to_its_size_and_no_further() -> None:
    """2 KB of data for 8x8 pixels give 2 MB: they are not taken, and not even made."""
    bomb = png(8, 8, b"\2" * 2_000_000)
    assert filtered_in(png(8, 8, (b"\2" + bytes(24)) * 8), 8, 8) is not None
    assert filtered_in(bomb, 8, 8) is None


def test_a_lack_of_memory_is_none_of_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says nothing about the file, which would otherwise be skipped as a bad one."""

    def exhausted(image: PillowImage.Image, scale: None) -> None:
        raise MemoryError

    monkeypatch.setattr(codec, "_as_array", exhausted)
    with pytest.raises(MemoryError):
        decode(saved(PillowImage.new("RGB", (9, 9)), "BMP"))
