"""Contact sheets: a look at many pictures of a set at once."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage

from layermix_gen.errors import LayerMixError
from layermix_gen.figures.canvas import write_picture
from layermix_gen.images import Pictures
from layermix_gen.support.processes import memory_errors


def contact_sheet(pictures: Pictures, count: int = 100, side: int = 96) -> Pictures:
    """The first `count` pictures of (N, S, S[, 3]) at `side` pixels, in about as many rows as columns: (H, W[, 3]).

    Raises `LayerMixError` for less than one picture or pixel.
    """
    if count < 1 or side < 1:
        raise LayerMixError(f"expected at least one picture of at least one pixel, got {count} of {side}; give more")
    shown = pictures[:count]
    columns = int(np.ceil(np.sqrt(len(shown))))
    sheet = np.zeros((-(-len(shown) // columns) * side, columns * side, *pictures.shape[3:]), np.uint8)
    for number, picture in enumerate(shown):
        row, column = divmod(number, columns)
        small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        sheet[row * side : (row + 1) * side, column * side : (column + 1) * side] = small
    return sheet


def write_sheet(pictures: Pictures, out: str | Path, count: int = 100, side: int = 96) -> Path:
    """Write the contact sheet of a set's first pictures to `out` (.png, .jpg or .webp) and return `out`.

    Raises `LayerMixError` where it cannot be written, and for less than one picture or pixel.
    """
    with memory_errors("show fewer with --count"):
        return write_picture(PillowImage.fromarray(contact_sheet(pictures, count, side)), out)
