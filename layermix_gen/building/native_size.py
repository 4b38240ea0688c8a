"""The side of the images of a source, if they are squares of one size, as a few of their headers say."""

from collections.abc import Sequence

from layermix_gen.errors import BadImage
from layermix_gen.images.codec import TooManyPixels
from layermix_gen.sources import Item, Source, open_source

LOOKED_AT = 64  # images, spread evenly over the sorted ids


def native_size(source: Source, items: Sequence[Item], max_pixels: int) -> int | None:
    """The side in pixels if all images that are looked at are squares of one size, else None.

    Those that cannot be read, or have more than `max_pixels` pixels, do not count. No pixel is decoded.
    """
    if source.native_size:
        return source.native_size
    headers = open_source(source.location, source.kind, 0, source.options)  # which refuses each image for its size
    side = None
    for item in sorted(items, key=lambda item: item.id)[:: -(-len(items) // LOOKED_AT)]:
        try:
            height, width, _ = headers.read(item).shape
        except TooManyPixels as fault:
            width, height = fault.width, fault.height
        except BadImage:
            continue
        if not 0 < width * height <= max_pixels:
            continue
        if width != height or side not in (None, width):
            return None
        side = width
    return side
