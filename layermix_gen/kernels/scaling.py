"""Scale images by the triangle filter, and cut windows out of them; cut crops out of the pictures of a mixing set.

An output pixel is a weighted mean of the input pixels near its centre, down the columns first, then along the rows.
The weights fall linearly with the distance. They reach as far as one input pixel when enlarging, which is bilinear
interpolation, and as far as one output pixel when reducing, which is Pillow's `BILINEAR`. `view.c` has the same
formulas; the bytes are equal.
"""

from struct import Struct

import numpy as np
import numpy.typing as npt

from layermix_gen.kernels import native

Bytes = npt.NDArray[np.uint8]
Whole32 = npt.NDArray[np.int32]

UNIT_BITS = 14  # of a weight of 1
ROW_BITS = 7  # behind the point of the rows between the two passes, which is all that fits into 16 bits
_WINDOW = Struct("=9i")  # `lm_window`: a call with as many numbers takes 1 µs more


def cut_scaled(
    source: Bytes,
    box: tuple[int, int, int, int],
    shape: tuple[int, int],
    place: tuple[int, int],
    flip: bool,
    out: Bytes,
) -> None:
    """Scale the box (top, left, height, width) of `source` to `shape`, and write the window of it at `place` to `out`.

    `source` (H, W, 3) and `out` are C-contiguous; the box lies inside the source. `place` (top, left) is in pixels of
    the scaled box; where the window, which has the shape of `out`, reaches outside, it is black. `flip` mirrors it from
    left to right. Each call takes, and gives back, about 22 bytes for each column of the box and of the window.
    """
    top, left, height, width = box
    if source.ndim != 3 or source.shape[2] != 3 or source.dtype != np.uint8:
        raise ValueError(f"expected a source of uint8 (H, W, 3), got {source.dtype} {source.shape}")
    library = native.library()
    if library is None:
        out[:] = scaled(source[top : top + height, left : left + width], shape, place, out.shape[:2], flip)
        return
    stride = 3 * source.shape[1]
    at = native.address(source) + top * stride + 3 * left
    window = _WINDOW.pack(height, width, *shape, *place, *out.shape[:2], flip)
    if library.lm_view(at, stride, window, native.room(out)):
        raise MemoryError


def scaled(source: Bytes, shape: tuple[int, int], place: tuple[int, int], window: tuple[int, int], flip: bool) -> Bytes:
    """The window (tall, wide, 3) at `place` of `source` scaled to `shape`: the kernel in NumPy."""
    rows, columns = (begin + np.arange(count) for begin, count in zip(place, window, strict=True))
    columns = columns[:: -1 if flip else 1]
    y, x = (np.flatnonzero((axis >= 0) & (axis < n)) for axis, n in zip((rows, columns), shape, strict=True))
    out = np.zeros((*window, 3), np.uint8)
    if y.size and x.size:
        inputs, weights = taps(source.shape[1], shape[1], columns[x])
        begin, end = inputs.min(), inputs.max() + 1
        mixed = _mixed(source[:, begin:end], *taps(source.shape[0], shape[0], rows[y]), bits=UNIT_BITS - ROW_BITS)
        turned = _mixed(mixed.swapaxes(0, 1), inputs - begin, weights, bits=UNIT_BITS + ROW_BITS)
        out[np.ix_(y, x)] = turned.swapaxes(0, 1)
    return out


def taps(size: int, scaled_size: int, outputs: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Whole32]:
    """The inputs of each of `outputs`, and their weights, when `size` inputs are scaled: two arrays (outputs, taps).

    In units of 1/(2 `scaled_size`) of an input, all distances are whole numbers. The running sums of the triangle are
    divided and rounded down, not single weights: so those of each output add up to 1, however small they are.
    """
    reach, centres = 2 * max(size, scaled_size), ((2 * outputs + 1) * size)[:, None]
    first = np.maximum(0, (centres + scaled_size - reach) // (2 * scaled_size))
    inputs = first + np.arange(-(-reach // scaled_size))
    triangle = np.maximum(0, reach - abs((2 * inputs + 1) * scaled_size - centres)) * (inputs < size)
    sums = np.cumsum(triangle, axis=1)
    weights = np.diff((sums << UNIT_BITS) // sums[:, -1:], axis=1, prepend=0)
    return np.minimum(inputs, size - 1), weights.astype(np.int32)


def _mixed(pixels: npt.NDArray[np.integer], inputs: npt.NDArray[np.int64], weights: Whole32, bits: int) -> Whole32:
    """Weighted sums of `pixels` (inputs, n, 3), with `bits` fewer bits, rounded: (outputs, n, 3)."""
    total = np.full((len(inputs), *pixels.shape[1:]), 1 << bits - 1, np.int32)
    for k in range(inputs.shape[1]):
        total += pixels[inputs[:, k]] * weights[:, k, None, None]
    return total >> bits


def cut_picture(pictures: Bytes, index: int, place: tuple[int, int], flip_h: bool, flip_v: bool, out: Bytes) -> None:
    """Write the crop at `place` (top, left) of a picture, mirrored, to `out` (size, size, 3), which is C-contiguous.

    `pictures` are uint8 (N, S, S), gray, or (N, S, S, 3), C-contiguous; the crop lies inside.
    """
    library, size = native.library(), len(out)
    if library is None:
        out[:] = crop(pictures[index], place, flip_h, flip_v, size)
        return
    side, channels = pictures.shape[1], 1 if pictures.ndim == 3 else 3
    at = native.address(pictures) + index * side * side * channels
    library.lm_picture(at, side, channels, *place, flip_h, flip_v, size, native.room(out))


def crop(picture: Bytes, place: tuple[int, int], flip_h: bool, flip_v: bool, size: int) -> Bytes:
    """The crop (size, size, 3) at `place` of a picture, mirrored: the kernel in NumPy."""
    top, left = place
    part = picture[top : top + size, left : left + size][:: -1 if flip_v else 1, :: -1 if flip_h else 1]
    return part if part.ndim == 3 else np.repeat(part[..., None], 3, axis=2)
