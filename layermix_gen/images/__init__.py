"""The array convention: an image is a C-contiguous uint8 array (H, W, 3) in RGB order.

It is checked once, where an image enters from outside; kernels trust it.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.kernels import Image as Image

SMALL = 64  # px; squares up to this size are treated as CIFAR's by default, larger images as ImageNet's

Pictures: TypeAlias = npt.NDArray[np.uint8]  # all of a mixing set, (N, S, S) or (N, S, S, 3), or a single one


def as_image(array: Any) -> Image:
    """Check that `array` is an image and return it as a C-contiguous array, copied only where it has to be.

    Raises `LayerMixError` for any other type, shape or dtype; values are never converted.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise LayerMixError(f"expected an image as a uint8 array (H, W, 3) in RGB order, got {found}; convert it first")
    if 0 in array.shape:
        raise LayerMixError(f"expected an image with at least one pixel, got shape {array.shape}")
    return np.ascontiguousarray(array)
