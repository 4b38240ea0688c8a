"""The rows of a PNG: each as its difference, modulo 256, to what a filter predicts. `png.c` has the same.

We write the filter "up", which predicts the row above, and read all five of the format.
"""

import numpy as np
import numpy.typing as npt

from layermix_gen.kernels import Image, native

NONE, SUB, UP, AVERAGE, PAETH = range(5)  # the filters' numbers


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
    """Undo the filters of images of one size: from rows (N, H, 1 + C W) to `pixels` (N, H, W, C); both C-contiguous.

    Raises ValueError for a row whose filter has no number of PNG's.
    """
    count, height, width, channels = pixels.shape
    library = native.library()
    if library is None:
        _unfilter(rows, pixels)
        return
    done = library.lm_unfilter(native.address(rows), count, height, width * channels, channels, native.room(pixels))
    if done < 0:
        raise MemoryError
    if done:
        raise ValueError(_UNKNOWN)


_UNKNOWN = "expected a row's filter to be one of PNG's five, from 0 to 4"


def _unfilter(rows: npt.NDArray[np.uint8], pixels: npt.NDArray[np.uint8]) -> None:
    """The kernel in NumPy: all images of one row's filter at once."""
    above = np.zeros_like(pixels[:, 0])
    for y in range(pixels.shape[1]):
        for filter_ in np.unique(rows[:, y, 0]):
            of = rows[:, y, 0] == filter_
            pixels[of, y] = _row(filter_, rows[of, y, 1:].reshape(-1, *above.shape[1:]), above[of])
        above = pixels[:, y]


def _row(filter_: int, row: npt.NDArray[np.uint8], above: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Rows (N, W, C) with their filter undone, below the rows `above`."""
    if filter_ == NONE:
        return row
    if filter_ == SUB:
        return np.cumsum(row, axis=1, dtype=np.uint8)
    if filter_ == UP:
        return row + above
    if filter_ not in (AVERAGE, PAETH):
        raise ValueError(_UNKNOWN)
    predict = _average if filter_ == AVERAGE else _paeth
    out, left, corner = np.empty_like(row), np.zeros(row[:, 0].shape, int), np.zeros(row[:, 0].shape, int)
    for x in range(row.shape[1]):
        out[:, x] = row[:, x] + predict(left, above[:, x].astype(int), corner)
        left, corner = out[:, x].astype(int), above[:, x].astype(int)
    return out


def _average(left: npt.NDArray[np.int_], above: npt.NDArray[np.int_], _: object) -> npt.NDArray[np.int_]:
    return (left + above) // 2


def _paeth(
    left: npt.NDArray[np.int_], above: npt.NDArray[np.int_], corner: npt.NDArray[np.int_]
) -> npt.NDArray[np.int_]:
    """The one of the three that is nearest to left + above - corner; the first of those that are as near."""
    three = np.stack((left, above, corner))
    nearest = np.argmin(abs(three - (left + above - corner)), axis=0)
    return np.take_along_axis(three, nearest[None], axis=0)[0]
