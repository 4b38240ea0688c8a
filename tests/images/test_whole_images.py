"""Whole images: how large they are stored, and that they are scaled as views are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen.errors import BadImage
from layermix_gen.images.views import View, render_view
from layermix_gen.images.whole_images import LONGEST, whole_image, whole_shape

SIDES = st.integers(1, 3000)


@given(SIDES, SIDES, st.integers(8, 600))
def test_the_short_side_is_reduced_and_nothing_enlarged(height: int, width: int, size: int) -> None:
    rows, columns = whole_shape(height, width, size, "png")
    if min(height, width) <= size:
        assert (rows, columns) == (height, width)
    else:
        assert min(rows, columns) == size
        assert abs(rows * width - columns * height) <= max(height, width)  # half a pixel of the long side
    assert whole_shape(height, width, None, "png") == (height, width)


def test_they_are_scaled_as_views_are() -> None:
    source = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    assert np.array_equal(whole_image(source, 24, "jpg"), render_view(source, View(0, 0, 40, 40, False), 24))
    assert whole_image(source, 40, "jpg") is source
    wide = np.tile(source, (1, 2, 1))
    assert np.array_equal(
        whole_image(wide, 20, "jpg")[:, :15], render_view(wide, View(0, 0, 40, 40, False), 20)[:, :15]
    )


@pytest.mark.parametrize(
    ("shape", "size", "image_format", "message"),
    [
        (
            (10, LONGEST["webp"] + 1),
            None,
            "webp",
            "too elongated: an image of 16384x10 pixels cannot be stored as webp",
        ),
        ((65_501, 8), 8, "jpg", "too elongated: an image of 8x65501 pixels cannot be stored as jpg"),
        (
            (10_001, 10_000),
            None,
            "png",
            "too large: a whole image of 10000x10001 pixels exceeds 100000000; give --size",
        ),
        ((256, 2**23), 64, "png", "too elongated: 8388608x256 pixels would become 2097152x64"),
    ],
    ids=["webp", "jpg", "pixels", "scaled"],
)
def test_what_cannot_be_stored(shape: tuple[int, int], size: int | None, image_format: str, message: str) -> None:
    with pytest.raises(BadImage) as raised:
        whole_shape(*shape, size, image_format)
    assert str(raised.value) == message
    assert whole_shape(10_000, 10_001, 256, "png") == (256, 256)
