"""Views: which part of a training image, or of a mixing picture, a sample shows. Drawn here, and cut out here.

A view of a training image is a box in the pixels of the source, scaled to the sample's size and then mirrored where it
says so. `rrc` is ImageNet's recipe (random resized crop and flip), `pad-crop` is CIFAR's (4 black pixels around, random
crop and flip), `center` is the centre square. The boxes of the last two have the source's short side: they are cut from
the source scaled to it, and may reach outside, where all is black.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from layermix_gen.errors import BadImage
from layermix_gen.images import Image

MAX_SCALED = 100_000_000  # pixels of a source scaled to a short side
PADDING = 4  # black pixels around an image in `pad-crop`
AREA = (0.08, 1.0)  # of a random resized crop, as a share of the image's
ASPECT = (3 / 4, 4 / 3)  # of a random resized crop, width to height

# How `resize` works: reductions from which on a step is taken, and the variance below which a blur is none.
TWICE_FROM, HALVE_FROM, LEAST_BLUR = 1.15, 1.7, 0.02


@dataclass(frozen=True, slots=True)
class View:
    """A box in the pixels of the source, and whether it is mirrored left to right."""

    top: float
    left: float
    height: float
    width: float
    flip: bool


@dataclass(frozen=True, slots=True)
class PictureView:
    """A crop of the mixing picture `index` at (top, left), then mirrored. What a recipe records of its picture."""

    index: int
    top: int
    left: int
    flip_h: bool
    flip_v: bool


# --- drawing -------------------------------------------------------------------------------------------------------


def draw_random_resized_crop(rng: np.random.Generator, height: int, width: int, size: int) -> View:
    """As torchvision's RandomResizedCrop: ten tries at a random area and aspect, else the largest box in the centre."""
    low, high = math.log(ASPECT[0]), math.log(ASPECT[1])
    for _ in range(10):
        area = height * width * (AREA[0] + (AREA[1] - AREA[0]) * rng.random())
        aspect = math.exp(low + (high - low) * rng.random())
        box_height, box_width = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < box_height <= height and 0 < box_width <= width:
            top = int(rng.random() * (height - box_height + 1))
            left = int(rng.random() * (width - box_width + 1))
            return View(top, left, box_height, box_width, rng.random() < 0.5)
    box_height = min(height, max(1, round(width / ASPECT[0]) if width / height < ASPECT[0] else height))
    box_width = min(width, max(1, round(height * ASPECT[1]) if width / height > ASPECT[1] else width))
    return View((height - box_height) // 2, (width - box_width) // 2, box_height, box_width, rng.random() < 0.5)


def draw_padded_crop(rng: np.random.Generator, height: int, width: int, size: int) -> View:
    """A crop of the scaled source with `PADDING` black pixels around it, mirrored half of the time."""
    rows, columns = scaled_shape(height, width, size)
    top = int(rng.random() * (rows + 2 * PADDING - size + 1)) - PADDING
    left = int(rng.random() * (columns + 2 * PADDING - size + 1)) - PADDING
    return _box_of_scaled(top, left, height, width, size, rng.random() < 0.5)


def draw_center(rng: np.random.Generator, height: int, width: int, size: int) -> View:
    """The centre square, never mirrored."""
    rows, columns = scaled_shape(height, width, size)
    return _box_of_scaled((rows - size) // 2, (columns - size) // 2, height, width, size, flip=False)


VIEWS: dict[str, Callable[[np.random.Generator, int, int, int], View]] = {
    "rrc": draw_random_resized_crop,
    "pad-crop": draw_padded_crop,
    "center": draw_center,
}


def draw_picture_view(
    rng: np.random.Generator, count: int, picture_size: int, size: int, flips: bool = True
) -> PictureView:
    """Draw one of `count` pictures of `picture_size` pixels, a crop of `size` of it and two fair flips, uniformly."""
    index, places = int(rng.random() * count), picture_size - size + 1
    top, left = int(rng.random() * places), int(rng.random() * places)
    coins = int(rng.random() * 4) if flips else 0
    return PictureView(index, top, left, coins & 1 == 1, coins & 2 == 2)


# --- cutting out ---------------------------------------------------------------------------------------------------


def render_view(source: Image, view: View, size: int) -> Image:
    """Cut `view` out of `source` (H, W, 3) and scale it: (size, size, 3), C-contiguous, never the source's memory.

    A box of whole pixels inside the source is cut, then scaled. Any other is cut from the scaled source, so that its
    pixels lie on the same grid whichever part of the source it shows.
    """
    height, width = source.shape[:2]
    box = (view.top, view.left, view.height, view.width)
    top, left, rows, columns = (int(value) for value in box)
    if box == (top, left, rows, columns) and 0 <= top <= height - rows and 0 <= left <= width - columns:
        crop = resize(source[top : top + rows, left : left + columns], size, size)
    else:
        scale = size / min(height, width)
        scaled = resize(source, *scaled_shape(height, width, size))
        crop = _padded_slice(scaled, round(view.top * scale), round(view.left * scale), size)
    return cv2.flip(crop, 1) if view.flip else crop.copy()


def scaled_shape(height: int, width: int, size: int) -> tuple[int, int]:
    """Height and width once the short side is `size`. Raises `BadImage` for a strip that would become too long."""
    short = min(height, width)
    rows, columns = max(size, round(height * size / short)), max(size, round(width * size / short))
    if rows * columns > MAX_SCALED:
        raise BadImage(f"too elongated: {width}x{height} pixels would become {columns}x{rows}")
    return rows, columns


def _box_of_scaled(top: int, left: int, height: int, width: int, size: int, flip: bool) -> View:
    """The box, in pixels of the source, of a square of `size` pixels at (top, left) in the scaled source."""
    short = min(height, width)
    return View(round(top * short / size, 4), round(left * short / size, 4), short, short, flip)


def _padded_slice(image: Image, top: int, left: int, size: int) -> Image:
    height, width = image.shape[:2]
    inside = image[max(top, 0) : top + size, max(left, 0) : left + size]
    above, before = max(-top, 0), max(-left, 0)
    below, after = max(top + size - height, 0), max(left + size - width, 0)
    return cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_CONSTANT)


def resize(image: Image, height: int, width: int) -> Image:
    """Scale to (height, width, 3): bilinear, antialiased where that reduces. May return `image` itself.

    The ideal is Pillow's triangle filter, whose width grows with the reduction s. Four cheap steps come close: the
    image is halved while it is far too large, linear interpolation takes it to twice the size that is wanted, a blur
    of three taps brings the variance up to the triangle's s²/6, and means of two by two pixels end it. On views of
    photographs within 0.4/255 of Pillow in the mean at 224 px, 0.8/255 at 32 px, in half of its time.
    """
    if image.shape[:2] == (height, width):
        return image
    size = np.array([height, width])
    reduction = image.shape[:2] / size
    twice = np.where(reduction > TWICE_FROM, 2, 1)  # of little use, and a cost, where hardly anything is reduced
    step, block = reduction / twice, 1  # pixels of the image for a pixel of the interpolated one; halvings so far
    while step.prod() > HALVE_FROM**2:
        image, step, block = _halved(image), step / 2, block * 2
    blur = [_missing_variance(*axis, block) for axis in zip(reduction, step, size * twice, twice, strict=True)]
    # By factors, not by size: after a halving the last pixels may overhang the image.
    image = cv2.resize(image, None, fx=1 / step[1], fy=1 / step[0], interpolation=cv2.INTER_LINEAR)
    image = image[: height * twice[0], : width * twice[1]]
    if max(blur) > LEAST_BLUR:
        vertical, horizontal = (np.array([v / 2, 1 - v, v / 2]) for v in blur)
        image = cv2.sepFilter2D(image, -1, horizontal, vertical, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) if twice.max() == 2 else image


def _missing_variance(reduction: float, step: float, count: int, twice: int, block: int) -> float:
    """What a blur has to add along one axis to what the other steps do, in squared pixels of the interpolated image."""
    if reduction <= 1:
        return 0.0
    pixel = reduction / twice  # of the interpolated image, in pixels of the image
    phases = (step * (np.arange(count) + 0.5) - 0.5) % 1  # interpolation at f of the way has the variance f(1-f)
    halvings, interpolation = (block**2 - 1) / 12, block**2 * np.mean(phases * (1 - phases))
    missing = reduction**2 / 6 - halvings - interpolation - pixel**2 * (twice - 1) / 4
    return max(float(missing) / pixel**2, 0.0)


def _halved(image: Image) -> Image:
    """The mean of each two by two pixels; an odd side is filled up with the image's edge."""
    below, after = image.shape[0] % 2, image.shape[1] % 2
    if below or after:
        image = cv2.copyMakeBorder(image, 0, below, 0, after, cv2.BORDER_REPLICATE)
    return cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
