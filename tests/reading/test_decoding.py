"""Decoding into a batch: the pixels that Pillow finds, for every format that `build` writes."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from layermix_gen.errors import BadImage
from layermix_gen.images.codec import FORMATS, Encoding, decode, encode
from layermix_gen.reading.batches.decoding import DECODERS


def decoded(image_format: str, files: list[bytes], height: int, width: int) -> np.ndarray:
    rows = np.full((len(files), height, width, 3), 77, np.uint8)
    decoder = DECODERS[image_format](rows)
    for row, data in enumerate(files):
        decoder.put(row, memoryview(data))
    decoder.finish()
    return rows


@pytest.mark.parametrize("image_format", FORMATS)
@given(
    images=st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20)).flatmap(
        lambda shape: arrays(np.uint8, (*shape, 3))
    )
)
def test_as_pillow_decodes(image_format: str, images: np.ndarray) -> None:
    files = [encode(image, Encoding(image_format)) for image in images]
    expected = np.stack([np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in files])
    assert np.array_equal(decoded(image_format, files, *images.shape[1:3]), expected)
    if image_format == "png":
        assert np.array_equal(expected, images)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_a_png_that_is_not_ours(mode: str) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)).convert(mode)
    file = io.BytesIO()
    image.save(file, "PNG")
    ours = encode(np.asarray(image.convert("RGB")), Encoding("png"))
    found = decoded("png", [ours, file.getvalue(), ours], 9, 7)
    assert all(np.array_equal(one, np.asarray(image.convert("RGB"))) for one in found)


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("shape", [(8, 9), (9, 8), (4, 18), (10, 10)])
def test_an_image_of_another_size(image_format: str, shape: tuple[int, int]) -> None:
    data = encode(np.zeros((*shape, 3), np.uint8), Encoding(image_format))
    with pytest.raises(BadImage):
        decoded(image_format, [data], 9, 9)


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_an_image_that_is_larger_is_not_even_decoded(image_format: str) -> None:
    """A tar from elsewhere may hold one that would fill the memory; a JPEG is refused by its decoder."""
    data = encode(np.zeros((10, 10, 3), np.uint8), Encoding(image_format))
    with pytest.raises(BadImage, match=r"^too large: 10x10 pixels exceed the bound of 81$"):
        decoded(image_format, [data], 9, 9)


@pytest.mark.parametrize("image_format", FORMATS)
def test_damage(image_format: str) -> None:
    data = encode(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8), Encoding(image_format))
    for bad in (b"", b"\0" * 100, data[:10], data[: len(data) // 2]):
        with pytest.raises(BadImage):
            decoded(image_format, [bad], 16, 16)


def test_a_damaged_png_is_not_taken_for_another() -> None:
    """A flipped bit that inflates well fails by its checksum, or is what `decode` makes of it."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    data = encode(pixels, Encoding("png"))
    for i in range(len(data)):
        bad = data[:i] + bytes([data[i] ^ 4]) + data[i + 1 :]
        try:
            found = decoded("png", [bad], 8, 8)[0]
        except BadImage:
            continue
        assert np.array_equal(found, pixels) or np.array_equal(found, decode(bad))


def test_a_png_of_another_size_with_as_many_bytes() -> None:
    """16 rows of 25 bytes instead of 10 rows of 40. All of its bytes are 2, those of the filter, too."""
    rising = np.repeat(np.arange(2, 34, 2, dtype=np.uint8), 8 * 3).reshape(16, 8, 3)
    file = encode(rising, Encoding("png"))
    assert np.array_equal(decoded("png", [file], 16, 8)[0], rising)
    with pytest.raises(BadImage, match=r"^expected an image of shape \(10, 13, 3\), found \(16, 8, 3\)"):
        decoded("png", [file], 10, 13)


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    rows, file = np.zeros((2, 64, 64, 3), np.uint8), io.BytesIO()
    Image.fromarray(rows[0]).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    decoder = DECODERS["jpg"](rows)
    decoder.put(0, encode(rows[0], Encoding("jpg")))
    decoder.put(1, data)
    with pytest.raises(BadImage, match="more than 30 scans"):
        decoder.put(1, data[:-2] + data[data.rfind(b"\xff\xda") : -2] * 40 + b"\xff\xd9")
