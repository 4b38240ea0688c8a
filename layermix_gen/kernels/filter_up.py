"""PNG's filter "up": each row as its difference to the row above, modulo 256. `png.c` has the same."""

import numpy as np
import numpy.typing as npt

from layermix_gen.kernels import Image, native

UP = 2  # the filter's number


def filtered(pixels: Image) -> npt.NDArray[np.uint8]:
    """The rows of an image as a PNG holds them, (H, 1 + 3 W): the filter's number, then the differences."""
    height, width, _ = pixels.shape
    pixels = np.ascontiguousarray(pixels)
    rows = np.empty((height, 3 * width + 1), np.uint8)
    library = native.library()
    if library is None:
        flat = pixels.reshape(height, 3 * width)
        rows[:, 0] = UP
        rows[0, 1:] = flat[0]
        np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    else:
        library.lm_filter(native.address(pixels), height, 3 * width, native.room(rows))
    return rows


def unfilter(rows: npt.NDArray[np.uint8], pixels: npt.NDArray[np.uint8]) -> None:
    """Undo the filter of images of one size: from rows (N, H, 1 + 3 W) to `pixels` (N, H, W, 3); both C-contiguous."""
    count, height, length = rows.shape
    library = native.library()
    if library is None:
        np.cumsum(rows[:, :, 1:], axis=1, dtype=np.uint8, out=pixels.reshape(count, height, length - 1))
    else:
        library.lm_unfilter(native.address(rows), count, height, length - 1, native.room(pixels))
