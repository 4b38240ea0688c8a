"""Decoding and encoding: the same pixels as Pillow (but of deep gray), and no exception but BadImage from any bytes."""

import io
import random
import struct
import threading
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as PillowImage
from PIL import ImageCms

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image, as_image
from layermix_gen.images.codec import Encoding, decode, encode, header_size
from layermix_gen.images.webp import canvas_size


def picture(height: int = 21, width: int = 34) -> Image:
    """A smooth picture with some noise, not square."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    waves = np.stack([127 + 90 * np.sin(x / 7 + k) + 20 * np.cos(y / 5 * k) for k in range(3)], -1)
    return (waves + rng.normal(0, 5, waves.shape)).clip(0, 255).astype(np.uint8)


def saved(image: PillowImage.Image, format: str, **options: Any) -> bytes:  # noqa: A002
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def by_pillow(data: bytes) -> Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = PillowImage.open(io.BytesIO(data))
        if image.mode not in ("I;16", "F"):
            return np.asarray(image.convert("RGB"))
        values = np.asarray(image)  # whose levels Pillow would clip
        levels = values >> 8 if image.mode == "I;16" else np.rint(values * 255)
        return np.stack([levels.astype(np.uint8)] * 3, -1)


def samples() -> dict[str, bytes]:
    """Files of every format and mode that is read, by a name for the test's report."""
    rgb = PillowImage.fromarray(picture())
    gray = rgb.convert("L")
    alpha = rgb.copy()
    alpha.putalpha(gray)
    deep = PillowImage.fromarray(picture()[..., 0].astype(np.uint16) * 250)
    turned = PillowImage.Exif()
    turned[0x0112] = 6
    frames: dict[str, Any] = {"save_all": True, "append_images": [rgb.rotate(90)]}
    return {
        "jpeg": saved(rgb, "JPEG"),
        "jpeg progressive 420": saved(rgb, "JPEG", progressive=True, subsampling=2),
        "jpeg gray": saved(gray, "JPEG"),
        "jpeg cmyk": saved(rgb.convert("CMYK"), "JPEG"),
        "jpeg ycck": ycck(saved(rgb.convert("CMYK"), "JPEG")),
        "jpeg exif": saved(rgb, "JPEG", exif=turned),
        "mpo": saved(rgb, "MPO", **frames),
        "png": saved(rgb, "PNG"),
        "png L": saved(gray, "PNG"),
        "png P": saved(rgb.quantize(16), "PNG"),
        "png P transparent": saved(rgb.quantize(16), "PNG", transparency=b"\0\1\2"),
        "png RGB transparent": saved(rgb, "PNG", transparency=(1, 2, 3)),
        "png LA": saved(alpha.convert("LA"), "PNG"),
        "png RGBA": saved(alpha, "PNG"),
        "png I;16": saved(deep, "PNG"),
        "png 1": saved(rgb.convert("1"), "PNG"),
        "png icc": saved(rgb, "PNG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
        "apng": saved(rgb, "PNG", **frames),
        "webp": saved(rgb, "WEBP"),
        "webp RGBA": saved(alpha, "WEBP", lossless=True),
        "webp animated": saved(rgb, "WEBP", **frames),
        "gif": saved(rgb, "GIF"),
        "gif animated": saved(rgb, "GIF", **frames),
        "bmp": saved(rgb, "BMP"),
        "tiff": saved(rgb, "TIFF"),
        "tiff lzw": saved(rgb, "TIFF", compression="tiff_lzw"),
        "tiff jpeg": saved(rgb, "TIFF", compression="jpeg"),
        "tiff CMYK": saved(rgb.convert("CMYK"), "TIFF"),
        "tiff F": saved(PillowImage.fromarray(picture()[..., 0] / np.float32(255)), "TIFF"),
        "tiff I;16": saved(deep, "TIFF"),
        "ppm": saved(rgb, "PPM"),
        "pgm": saved(gray, "PPM"),
        "jp2": saved(rgb, "JPEG2000"),
        "j2k": saved(rgb, "JPEG2000", no_jp2=True),
        "avif": saved(rgb, "AVIF"),
    }


def ycck(cmyk: bytes) -> bytes:
    """Turn Pillow's CMYK JPEG into one that claims to be YCCK: transform 2 in the Adobe marker."""
    at = cmyk.index(b"Adobe") + 11
    return cmyk[:at] + b"\2" + cmyk[at + 1 :]


SAMPLES = samples()
BMP = saved(PillowImage.new("RGB", (4, 5)), "BMP")
JPEG12 = saved(PillowImage.new("RGB", (4, 5)), "JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")


@pytest.mark.parametrize("name", SAMPLES)
def test_decodes_to_the_pixels_of_pillow(name: str, recwarn: pytest.WarningsRecorder) -> None:
    pixels = decode(SAMPLES[name])
    assert np.array_equal(pixels, by_pillow(SAMPLES[name]))
    assert as_image(pixels) is pixels
    assert pixels.flags.writeable
    assert pixels.shape == (21, 34, 3)  # also for "jpeg exif": the orientation is not applied
    assert header_size(SAMPLES[name]) == (21, 34)
    assert not recwarn.list


@pytest.mark.parametrize("quality", [40, 75, 95, 100])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("size", [(1, 1), (7, 250), (63, 48)])
def test_simplejpeg_decodes_as_pillow(quality: int, subsampling: int, size: tuple[int, int]) -> None:
    data = saved(PillowImage.fromarray(picture(*size)), "JPEG", quality=quality, subsampling=subsampling)
    assert np.array_equal(decode(data), by_pillow(data))


def test_a_memoryview_is_decoded() -> None:
    for name in ("jpeg", "png"):
        assert np.array_equal(decode(memoryview(SAMPLES[name])), decode(SAMPLES[name]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file"),
        (b"hello", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"\xff\xd8", "truncated or corrupt: "),
        (SAMPLES["jpeg"][:300], "truncated or corrupt: "),
        (SAMPLES["png"][:200], "truncated or corrupt: "),
        (SAMPLES["webp"][:60], "truncated or corrupt: "),
        (BMP[:28] + b"\2" + BMP[29:], "not supported: Unsupported BMP pixel depth (2); save it as PNG, or with 8 bits"),
        (BMP[:30] + b"\4" + BMP[31:], "not supported: Unsupported BMP compression (4); save it as PNG, or with 8 bits"),
        (JPEG12, "not supported: cannot handle 12-bit layers; save it as PNG, or with 8 bits"),
    ],
)
def test_says_in_one_line_why_not(data: bytes, message: str) -> None:
    with pytest.raises(BadImage) as caught:
        decode(data)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_pillow_decides_where_simplejpeg_refuses() -> None:
    without_end = SAMPLES["jpeg"][:-2]
    try:
        expected = by_pillow(without_end)
    except OSError:
        with pytest.raises(BadImage, match="truncated"):
            decode(without_end)
    else:
        assert np.array_equal(decode(without_end), expected)


def claimed(name: str, width: int, height: int) -> bytes:
    """A file of a few hundred bytes whose header claims to be large."""
    data = bytearray(SAMPLES[name])
    if name == "png":
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif name == "jpeg":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height, width)
    elif name == "gif":
        data[6:10] = struct.pack("<HH", width, height)
    else:
        at = data.index(b"VP8X") + 12
        data[at : at + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


@pytest.mark.parametrize("lossless", [False, True])
def test_refuses_a_bomb_of_plain_webp_before_its_canvas_is_allocated(
    lossless: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(saved(PillowImage.fromarray(picture()), "WEBP", lossless=lossless))
    if lossless:
        assert data[12:16] == b"VP8L"
        data[21:25] = (16383 << 14 | 16383 | int.from_bytes(data[21:25], "little") & 3 << 28).to_bytes(4, "little")
    else:
        assert data[12:16] == b"VP8 "
        data[26:30] = b"\xff\x3f\xff\x3f"
    monkeypatch.setattr("PIL._webp.WebPAnimDecoder", None)
    side = 16384 if lossless else 16383
    with pytest.raises(BadImage, match=rf"^too large: {side}x{side} pixels exceed the bound of 100000000$"):
        decode(bytes(data))


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (257, 64)])
@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"save_all": True, "icc_profile": b"x" * 128}], ids=str)
def test_the_header_of_webp_tells_its_size(shape: tuple[int, int], options: dict[str, object]) -> None:
    image = PillowImage.new("RGB", shape)
    assert canvas_size(saved(image, "WEBP", **options)) == shape


@pytest.mark.parametrize("name", ["png", "jpeg", "gif", "webp animated"])
def test_refuses_a_bomb_without_decoding_or_warning(name: str, recwarn: pytest.WarningsRecorder) -> None:
    for look in (decode, header_size):
        with pytest.raises(BadImage, match=r"^too large: 30000x30000 pixels exceed the bound of 100000000$"):
            look(claimed(name, 30000, 30000))
        with pytest.raises(BadImage, match=r"^too large: 34x21 pixels exceed the bound of 713$"):
            look(SAMPLES[name], max_pixels=713)
    assert decode(SAMPLES[name], max_pixels=714).shape == (21, 34, 3)
    assert not recwarn.list


def damaged(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return data[: rng.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 5, 20))):
        at = rng.randrange(min(len(data), 200) if rng.random() < 0.6 else len(data))
        changed[at] = rng.choice((0, 255, changed[at] ^ (1 << rng.randrange(8)), rng.randrange(256)))
    return bytes(changed)


@pytest.mark.parametrize("name", SAMPLES)
def test_damage_gives_an_image_or_bad_image(name: str) -> None:
    rng = random.Random(name)  # noqa: S311
    for _ in range(150):
        data = damaged(SAMPLES[name], rng)
        try:
            size = header_size(data, max_pixels=1_000_000)
            pixels = decode(data, max_pixels=1_000_000)
        except BadImage as fault:
            assert "\n" not in str(fault)  # noqa: PT017
        else:
            assert as_image(pixels) is pixels
            assert pixels.shape == (*size, 3)


def test_threads_leave_the_warning_filters_alone() -> None:
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [decode(SAMPLES["gif"]) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


IMAGES = hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)))


@given(pixels=IMAGES)
@settings(max_examples=60, deadline=None)
def test_png_comes_back_as_it_was(pixels: Image) -> None:
    data = encode(pixels, Encoding("png"))
    with PillowImage.open(io.BytesIO(data)) as image:
        image.verify()
    assert np.array_equal(by_pillow(data), pixels)
    assert np.array_equal(decode(data), pixels)
    assert encode(pixels.copy(), Encoding("png")) == data


def test_png_of_a_view_and_of_a_large_image() -> None:
    large = picture(301, 517)
    for pixels in (large, large[::2, ::-1], large.transpose(1, 0, 2)):
        assert np.array_equal(by_pillow(encode(pixels, Encoding("png"))), pixels)
    assert len(encode(large, Encoding("png"))) < large.nbytes * 0.8


@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
def test_jpeg_and_webp_are_close(subsampling: str) -> None:
    pixels = picture(64, 80)
    for name in ("jpg", "webp"):
        encoding = Encoding(name, 95, subsampling)
        data = encode(pixels, encoding)
        assert encode(pixels, encoding) == data
        assert np.abs(decode(data).astype(int) - pixels).mean() < 4
        assert len(encode(pixels, Encoding(name, 30))) < len(data)


def test_jpeg_keeps_the_subsampling() -> None:
    sizes = {s: len(encode(picture(64, 80), Encoding("jpg", 95, s))) for s in ("444", "422", "420")}
    assert sizes["444"] > sizes["422"] > sizes["420"]


def test_webp_of_quality_100_is_lossless() -> None:
    assert np.array_equal(decode(encode(picture(), Encoding("webp", 100))), picture())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gif",), "format must be one of jpg, png, webp, got 'gif'; change --format"),
        (("jpg", 0), "quality must be a whole number in [1, 100], got 0; change --quality"),
        (("jpg", 101), "quality must be a whole number in [1, 100], got 101; change --quality"),
        (("jpg", 95.0), "quality must be a whole number in [1, 100], got 95.0; change --quality"),
        (("jpg", 95, "411"), "subsampling must be one of 444, 422, 420, got '411'; change --subsampling"),
    ],
)
def test_an_encoding_out_of_range_is_refused(arguments: tuple[str, int, str], message: str) -> None:
    with pytest.raises(LayerMixError) as caught:
        Encoding(*arguments)
    assert str(caught.value) == message


def test_the_extension_is_the_format() -> None:
    assert [Encoding(name).extension for name in ("jpg", "png", "webp")] == ["jpg", "png", "webp"]
