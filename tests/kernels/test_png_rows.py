"""The rows of a PNG by the compiled kernels, and by NumPy."""

import numpy as np
import pytest

from layermix_gen.kernels.png_rows import AVERAGE, NONE, PAETH, SUB, UP, filtered, unfilter
from tests.kernels.levels import every_kernel, guarded, using
from tests.strategies import make_image


@every_kernel
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (32, 32), (33, 17)])
def test_rows_are_differences_and_come_back(library, shape):
    images = np.stack([make_image("random", shape[0], shape[1], seed) for seed in range(3)])
    found = np.empty_like(images)
    with using(library):
        rows = np.stack([filtered(image) for image in images])
        unfilter(rows, found)
    assert (rows[:, :, 0] == 2).all()
    above = np.concatenate([np.zeros_like(images[:, :1]), images[:, :-1]], axis=1)
    np.testing.assert_array_equal(rows[:, :, 1:].reshape(images.shape), images - above)
    np.testing.assert_array_equal(found, images)


def test_an_image_that_is_not_contiguous():
    image = make_image("random", 8, 9, 0)[:, ::-1]
    np.testing.assert_array_equal(filtered(image), filtered(image.copy()))
    image.flags.writeable = False
    np.testing.assert_array_equal(filtered(image), filtered(image.copy()))


def predicted(filter_, left, above, corner):
    """What each filter predicts of a value, as the specification of PNG (section 9.2) has it."""
    p = left + above - corner
    distances = [abs(p - left), abs(p - above), abs(p - corner)]
    nearest = (left, above, corner)[distances.index(min(distances))]
    return {NONE: 0, SUB: left, UP: above, AVERAGE: (left + above) // 2, PAETH: nearest}[filter_]


def rows_of(images, filters):
    """The rows of images (N, H, W, C), each by its own filter (N, H)."""
    count, height, width, channels = images.shape
    rows = np.zeros((count, height, 1 + width * channels), np.uint8)
    rows[:, :, 0] = filters
    padded = np.pad(images, ((0, 0), (1, 0), (1, 0), (0, 0))).astype(int)
    for n, y, x, c in np.ndindex(images.shape):
        value, left = padded[n, y + 1, x + 1, c], padded[n, y + 1, x, c]
        prediction = predicted(int(filters[n, y]), left, padded[n, y, x + 1, c], padded[n, y, x, c])
        rows[n, y, 1 + x * channels + c] = (value - prediction) % 256
    return rows


@every_kernel
@pytest.mark.parametrize("channels", [1, 3])
def test_all_filters_are_undone(library, channels):
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (5, 1), (1, 7), (10, 9), (6, 33)):
        images = rng.integers(0, 256, (3, height, width, channels), np.uint8)
        rows = rows_of(images, rng.permuted(np.resize(np.arange(5), 3 * height)).reshape(3, height))
        with using(library), guarded(images.shape) as found:
            unfilter(rows, found)
            np.testing.assert_array_equal(found, images)


@every_kernel
def test_a_filter_that_there_is_not(library):
    rows = np.zeros((1, 3, 4), np.uint8)
    rows[0, 1, 0] = 5
    with using(library), pytest.raises(ValueError, match="one of PNG's five"):
        unfilter(rows, np.empty((1, 3, 1, 3), np.uint8))
