"""The array convention: an image is a C-contiguous uint8 array (H, W, 3) in RGB order.

It is checked once, where an image enters from outside; kernels trust it.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.kernels import Image as Image

MAX_BYTES = 2**31 - 8  # of an image with a border: what the kernels count in 32 bits
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
    if 3 * (array.shape[0] + 2) * (array.shape[1] + 2) >= MAX_BYTES:
        raise LayerMixError(f"expected an image of less than 2 GB with a border of one pixel, got shape {array.shape}")
    return np.ascontiguousarray(array)


def room_for(size: int, out: Any = None) -> Image:
    """An array for an image (size, size, 3): `out` itself, or a new one. Raises `LayerMixError` for any other `out`."""
    if out is None:
        return np.empty((size, size, 3), np.uint8)
    fits = isinstance(out, np.ndarray) and out.dtype == np.uint8 and out.shape == (size, size, 3)
    if not fits or not out.flags.c_contiguous or not out.flags.writeable:
        found = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise LayerMixError(f"expected out to be a writable uint8 array ({size}, {size}, 3) in C order, got {found}")
    room: Image = out
    return room
