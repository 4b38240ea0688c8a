"""Whole images in place of views: with their short side reduced, for a reader that cuts new views out in each epoch.

No image is enlarged: that would add bytes and no detail.
"""

import numpy as np

from layermix_gen.errors import BadImage
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS
from layermix_gen.images.views import MAX_SIDE, scaled_shape
from layermix_gen.kernels.scaling import cut_scaled

SOURCE = "source"  # in place of the name of a view
LONGEST = {"jpg": 65_500, "webp": 16_383, "png": MAX_SIDE}  # pixels of a side that a format allows


def whole_shape(height: int, width: int, size: int | None, image_format: str) -> tuple[int, int]:
    """The height and width of an image whose short side is reduced to `size`; None: the image as it is.

    Raises `BadImage` where it would have more pixels than are ever decoded, or a longer side than the format allows.
    """
    shape = height, width
    if size is not None and min(shape) > size:
        shape = scaled_shape(height, width, size)
    rows, columns = shape
    if max(height, width) > MAX_SIDE or max(shape) > LONGEST[image_format]:
        raise BadImage(f"too elongated: an image of {columns}x{rows} pixels cannot be stored as {image_format}")
    if rows * columns > MAX_PIXELS:
        raise BadImage(f"too large: a whole image of {columns}x{rows} pixels exceeds {MAX_PIXELS}; give --size")
    return shape


def whole_image(source: Image, size: int | None, image_format: str) -> Image:
    """The whole of `source` (H, W, 3), reduced by `whole_shape` as `render_view` would do it. Raises as that does."""
    height, width = source.shape[:2]
    shape = whole_shape(height, width, size, image_format)
    if shape == (height, width):
        return np.ascontiguousarray(source)
    out = np.empty((*shape, 3), np.uint8)
    cut_scaled(source, (0, 0, height, width), shape, (0, 0), False, out)
    return out
