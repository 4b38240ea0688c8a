"""The preprocessing of photographs before a model sees them, by name, as in the benchmarks' own code.

Pillow resizes, antialiased and bilinear, as torchvision does with images: the published numbers come from it.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image as PillowImage

from layermix_gen.errors import BadImage
from layermix_gen.evaluate.benchmarks import CENTER, NONE, RESIZE_AND_CENTER
from layermix_gen.images import Image
from layermix_gen.images.views import MAX_SCALED

CROP, SHORT_SIDE = 224, 256


def center_crop(image: Image, size: int = CROP) -> Image:
    """The centre square of `size` px. Raises `BadImage` where the image is smaller."""
    height, width, _ = image.shape
    if min(height, width) < size:
        raise BadImage(f"{width}x{height} pixels are less than the crop of {size}")
    top, left = round((height - size) / 2), round((width - size) / 2)
    return np.ascontiguousarray(image[top : top + size, left : left + size])


def resize_short_side(image: Image, size: int = SHORT_SIDE) -> Image:
    """Scale an image to a short side of `size` px, the long side rounded down.

    Raises `BadImage` for an elongated image that would become too large.
    """
    height, width, _ = image.shape
    if min(height, width) == size:
        return image
    scaled = (size, size * height // width) if width <= height else (size * width // height, size)
    if scaled[0] * scaled[1] > MAX_SCALED:
        raise BadImage(f"too elongated: {width}x{height} pixels would become {scaled[0]}x{scaled[1]}")
    return np.asarray(PillowImage.fromarray(image).resize(scaled, PillowImage.Resampling.BILINEAR))


PREPROCESSINGS: dict[str, Callable[[Image], Image]] = {
    NONE: lambda image: image,
    CENTER: center_crop,
    RESIZE_AND_CENTER: lambda image: center_crop(resize_short_side(image)),
}
