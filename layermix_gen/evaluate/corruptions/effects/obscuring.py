"""C-bar's obscuring corruptions: a checkerboard, lines, sparkles, and a sparkle that leaves only its middle clear.

Each kernel takes the published difficulty, 0 to 10; lengths scale with the image's short side.
"""

import math

import numpy as np

from layermix_gen.evaluate.corruptions.effects.base import Closeness, Corruption, Floats, each, grid, pixels, side, unit
from layermix_gen.images import Image

GRAY = 128


def checkerboard_cutout(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Gray out a share of 0.1 * `difficulty` of the black fields, 0.1 to 0.25 sides wide, of a rotated checkerboard.

    As published, numbers of fields are truncated towards 0: those on both sides of the axes through the first pixel
    share one draw.
    """
    angle = rng.uniform(0, 2 * math.pi)
    field = max(rng.uniform(0.1, 0.25) * side(image), 1)
    count = int(4 * max(image.shape[:2]) // field)
    chosen = rng.random((count, count)) < 0.1 * difficulty
    y, x = grid(image)
    down = (math.cos(angle) * y + math.sin(angle) * x) / field
    right = (math.cos(angle) * x - math.sin(angle) * y) / field
    is_black = (down % 2).astype(int) == (right % 2).astype(int)
    covered = is_black & chosen[down.astype(int), right.astype(int)]  # negative numbers index from the end
    return np.where(covered[..., None], np.uint8(GRAY), image)


def lines(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Draw 0.1 * `difficulty` gray antialiased lines per pixel of the side, in about the same direction."""
    length = side(image)
    angle, spread = rng.uniform(0, 2 * math.pi), rng.uniform(0.1, 1)
    values = image.astype(np.float64)
    y, x = grid(image)
    for _ in range(int(0.1 * difficulty * length)):
        row, column = image.shape[0] * rng.random(), image.shape[1] * rng.random()
        turned = angle + 2 * math.pi * spread * (rng.random() - 0.5)
        down, right = math.cos(turned) * length, math.sin(turned) * length
        ends = (int(row - down), int(column - right)), (int(row + down), int(column + right))
        cover = _line(y, x, *ends)[..., None]
        values = np.floor((1 - cover) * values + cover * GRAY)
    return values.astype(np.uint8)


def _line(y: Floats, x: Floats, start: tuple[int, int], end: tuple[int, int]) -> Floats:
    """How much of each pixel a line one pixel wide covers: 1 - distance, between the rows or columns of its ends."""
    down, right = end[0] - start[0], end[1] - start[1]
    distance = np.abs((y - start[0]) * right - (x - start[1]) * down) / max(math.hypot(down, right), 1)
    along, first, last = (y, start[0], end[0]) if abs(down) > abs(right) else (x, start[1], end[1])
    between = (along >= min(first, last)) & (along <= max(first, last))
    return np.where(between, np.maximum(1 - distance, 0), 0)


def sparkles(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Add five white sparkles of 50 to 199 rays, 0.01 * `difficulty` sides long with a deviation of a quarter."""
    x = unit(image)
    centres = rng.uniform(0, 1, (5, 2)) * image.shape[:2]
    for centre, rays in zip(centres, rng.integers(50, 200, 5), strict=True):
        lengths = np.maximum(0.01 * difficulty * side(image) * (1 + 0.25 * rng.standard_normal(rays)), 1)
        x += _sparkle(image, centre, lengths, 1.0)[..., None] * (1 - x)
    return pixels(x)


def inverse_sparkles(image: Image, rng: np.random.Generator, difficulty: float) -> Image:
    """Whiten all but a sparkle near the middle, which has 50 to 199 rays of about a quarter of the side."""
    centre = rng.uniform(0.25, 0.75, 2) * image.shape[:2]
    lengths = 0.25 * side(image) * (1 + 0.25 * rng.standard_normal(rng.integers(50, 200)))
    clear = _sparkle(image, centre, lengths, 0.13 * difficulty)[..., None]
    return pixels(1 + clear * (unit(image) - 1))


def _sparkle(image: Image, centre: Floats, lengths: Floats, hardness: float) -> Floats:
    """The strength (H, W) of a sparkle, in [0, 1]: (length / distance)² to the power of `hardness`, less between rays.

    Rays go around counterclockwise from the top; between two of them the length is interpolated linearly.
    """
    y, x = grid(image)
    down, right = y - centre[0], x - centre[1]
    turn = (np.arctan2(right, down) + math.pi) / (2 * math.pi) * len(lengths)
    ray = turn.astype(int)
    part = turn - ray
    length = lengths[ray % len(lengths)]
    length = length + part * (lengths[(ray + 1) % len(lengths)] - length)
    falling = (length**2 / (down**2 + right**2 + 1e-4)) ** hardness
    return np.clip((1 - (part - 0.5) ** 2) * falling, 0, 1)


ROWS = (
    Corruption(
        "checkerboard_cutout",
        checkerboard_cutout,
        cifar=each(1.0, 2.0, 3.0, 4.0, 5.0),
        imagenet=each(2.0, 3.0, 4.0, 5.0, 6.0),
        closeness=Closeness.SAME,
    ),
    Corruption(
        "lines",
        lines,
        cifar=each(0.5, 1.0, 1.5, 2.0, 2.5),
        imagenet=None,
        closeness=Closeness.SAME,
    ),
    Corruption(
        "sparkles",
        sparkles,
        cifar=each(0.7, 3.5, 5.6, 6.3, 7.0),
        imagenet=each(1.0, 2.0, 3.0, 5.0, 6.0),
        closeness=Closeness.SAME,
    ),
    Corruption(
        "inverse_sparkles",
        inverse_sparkles,
        cifar=each(1.0, 1.5, 2.5, 4.5, 5.0),
        imagenet=each(1.0, 2.0, 4.0, 9.0, 10.0),
        closeness=Closeness.SAME,
    ),
)
