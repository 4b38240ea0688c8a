"""Draw views, the crops of source images and of pictures of a mixing set; cut views out of source images.

A view of a source image is a box in its pixels, scaled to the sample's size and then mirrored if the view says so.
`rrc` is ImageNet's recipe (random resized crop and flip), `pad-crop` is CIFAR's (4 black pixels around, random crop and
flip), `center` is the centre square. The boxes of the last two are squares of the source's short side: they are cut
from the source with that side scaled to the sample's size, and may reach outside, where all is black.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from layermix_gen.errors import BadImage
from layermix_gen.images import Image, room_for
from layermix_gen.kernels.scaling import cut_scaled
from layermix_gen.support.seeds import Random

MAX_SCALED = 40_000_000  # pixels of a source once its short side is scaled: a view of a longer strip shows too little
MAX_SIDE = 2**24  # pixels of a source, up to which weights fit into 64 bits
FAR = 2**30  # pixels outside, for a window
PADDING = 4  # black pixels around an image in `pad-crop`
AREA = (0.08, 1.0)  # of a random resized crop, as a share of the image's area
ASPECT = (3 / 4, 4 / 3)  # of a random resized crop, width to height
_LEAST_AREA, _MORE_AREA = AREA[0], AREA[1] - AREA[0]
_LEAST_ASPECT, _MORE_ASPECT = math.log(ASPECT[0]), math.log(ASPECT[1]) - math.log(ASPECT[0])


class View(NamedTuple):
    """A box in the pixels of the source, and whether it is mirrored left to right."""

    top: float
    left: float
    height: float
    width: float
    flip: bool


@dataclass(frozen=True, slots=True)
class PictureView:
    """A crop at (top, left) of the picture `index` of a mixing set, then mirrored. Recipes record it."""

    index: int
    top: int
    left: int
    flip_h: bool
    flip_v: bool


# --- drawing -------------------------------------------------------------------------------------------------------


def draw_random_resized_crop(rng: Random, height: int, width: int, size: int) -> View:
    """Draw like torchvision's RandomResizedCrop: ten tries of random area and aspect, else the largest centred box."""
    random = rng.random
    for _ in range(10):
        area = height * width * (_LEAST_AREA + _MORE_AREA * random())
        aspect = math.exp(_LEAST_ASPECT + _MORE_ASPECT * random())
        box_height, box_width = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < box_height <= height and 0 < box_width <= width:
            top = int(random() * (height - box_height + 1))
            left = int(random() * (width - box_width + 1))
            return View(top, left, box_height, box_width, random() < 0.5)
    box_height = min(height, max(1, round(width / ASPECT[0]) if width / height < ASPECT[0] else height))
    box_width = min(width, max(1, round(height * ASPECT[1]) if width / height > ASPECT[1] else width))
    return View((height - box_height) // 2, (width - box_width) // 2, box_height, box_width, random() < 0.5)


def draw_padded_crop(rng: Random, height: int, width: int, size: int) -> View:
    """Draw a crop of the scaled source with `PADDING` black pixels around it, mirrored half of the time."""
    rows, columns = scaled_shape(height, width, size)
    top = int(rng.random() * (rows + 2 * PADDING - size + 1)) - PADDING
    left = int(rng.random() * (columns + 2 * PADDING - size + 1)) - PADDING
    return _box_of_scaled(top, left, height, width, size, rng.random() < 0.5)


def draw_center(rng: Random, height: int, width: int, size: int) -> View:
    """Return the centre square, never mirrored."""
    rows, columns = scaled_shape(height, width, size)
    return _box_of_scaled((rows - size) // 2, (columns - size) // 2, height, width, size, flip=False)


VIEWS: dict[str, Callable[[Random, int, int, int], View]] = {
    "rrc": draw_random_resized_crop,
    "pad-crop": draw_padded_crop,
    "center": draw_center,
}


def draw_picture_view(rng: Random, count: int, picture_size: int, size: int, flips: bool = True) -> PictureView:
    """Draw uniformly one of `count` pictures of `picture_size` pixels, a crop of `size` pixels and two fair flips."""
    index, places = int(rng.random() * count), picture_size - size + 1
    top, left = int(rng.random() * places), int(rng.random() * places)
    coins = int(rng.random() * 4) if flips else 0
    return PictureView(index, top, left, coins & 1 == 1, coins & 2 == 2)


# --- cutting out ---------------------------------------------------------------------------------------------------


def render_view(source: Image, view: View, size: int, out: Image | None = None) -> Image:
    """Cut `view` out of `source` (H, W, 3), scaled: (size, size, 3), C-contiguous, in `out` or in new memory.

    A box of whole pixels inside the source is cut, then scaled. Any other box is cut from the scaled source, so that
    its pixels lie on the same grid for every part of the source. Raises `BadImage` for a source that is too elongated.
    """
    height, width = source.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise BadImage(f"too elongated: a side of {width}x{height} pixels exceeds the bound of {MAX_SIDE}")
    out = room_for(size, out)
    box = top, left, rows, columns = int(view.top), int(view.left), int(view.height), int(view.width)
    whole, flip = box == (view.top, view.left, view.height, view.width), bool(view.flip)  # metadata has five floats
    if whole and 0 <= top < top + rows <= height and 0 <= left < left + columns <= width:
        cut_scaled(source, box, (size, size), (0, 0), flip, out)
    else:
        scale = size / min(height, width)
        place = _bounded(view.top * scale), _bounded(view.left * scale)
        cut_scaled(source, (0, 0, height, width), scaled_shape(height, width, size), place, flip, out)
    return out


def _bounded(place: float) -> int:
    """The nearest whole number, of those that a window can lie at: all is black long before the last of them."""
    return round(min(max(place, -FAR), FAR))


def scaled_shape(height: int, width: int, size: int) -> tuple[int, int]:
    """The height and width once the short side is `size`. Raises `BadImage` for a strip that would become too long."""
    short = min(height, width)
    rows, columns = max(size, round(height * size / short)), max(size, round(width * size / short))
    if rows * columns > MAX_SCALED:
        raise BadImage(f"too elongated: {width}x{height} pixels would become {columns}x{rows}")
    return rows, columns


def _box_of_scaled(top: int, left: int, height: int, width: int, size: int, flip: bool) -> View:
    """The box, in pixels of the source, of a square of `size` pixels at (top, left) in the scaled source."""
    short = min(height, width)
    return View(round(top * short / size, 4), round(left * short / size, 4), short, short, flip)
