"""The side of the images of a source, if they are squares of one size, as a few of them say by their headers."""

from collections.abc import Iterable

from layermix_gen.dataset.settings import DEFAULT_SIZE
from layermix_gen.errors import BadImage
from layermix_gen.sources import Item, Source

LOOKED_AT = 64  # images, from all over the source


def native_size(source: Source, items: Iterable[Item]) -> int | None:
    """The side in pixels if all of the images are squares of one size up to 224 px, else None.

    Those that a build would skip for what their headers say do not count. No pixel is decoded, and the first image that
    is no such square ends the search.
    """
    side = None
    for item in items:
        try:
            height, width = source.pixel_size(item)
        except BadImage:
            continue
        if height != width or width > DEFAULT_SIZE or side not in (None, width):
            return None
        side = width
    return side
