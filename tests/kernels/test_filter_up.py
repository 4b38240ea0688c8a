"""PNG's filter "up" by the compiled kernels, and by NumPy."""

import numpy as np
import pytest

from layermix_gen.kernels.filter_up import filtered, unfilter
from tests.kernels.levels import every_kernel, using
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
