"""The chaos game: the density of a point that is moved by one of several maps at random, again and again.

It is played by 65,536 points at once. Each generation the points are shuffled and cut into one block per map, in
proportion to the maps' shares; a block is a random sample, so a map is applied to a slice and nothing is gathered by
map. The points are whitened (an affine image of an affine system is one too), and the frame is placed where they leave
least of it empty. As in Draves and Reckase, "The Fractal Flame Algorithm" (2003), a point carries a shade, the running
mean of the shades of its maps, and the density of rarely visited places is estimated with a wider kernel.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from layermix_gen.mixing_sets.fractals.kinds.base import Floats

Move = Callable[[Floats, Floats], tuple[Floats, Floats]]

SETTLE = 10  # generations until the points are on the attractor
FULL = (1 << 16, 24)  # points, and generations that are counted, for a picture
QUICK = (1 << 12, 8)  # the same for a quick look
SHADES = 4
FAR = np.float32(1e4)  # a point beyond this has left, and is put back
SKIP = 11  # every 11th point is used to place the frame; prime, so no map and no symmetry is left out
GRID = 32  # cells a side of the grid on which the frame is placed


@dataclass(frozen=True, slots=True)
class Map:
    """One map of the plane, the share of the points that it moves (relative to the other maps), its shade in [0, 1]."""

    move: Move
    share: float
    shade: float


def play(
    size: int, maps: Sequence[Map], window: float, orbit: int, symmetry: int = 1, final: Move | None = None
) -> tuple[Floats, Floats]:
    """Play the game and return the visits and the mean shade, float32 (S, S) each.

    `window` is the share of the attractor's width and height that is shown, `orbit` the key of the shuffles, `symmetry`
    the number of turns about the origin that map the attractor to itself, `final` a map through which it is seen.
    """
    return _estimate(_count(size, maps, window, orbit, symmetry, final, FULL))


def fill(maps: Sequence[Map], window: float, orbit: int, symmetry: int = 1, final: Move | None = None) -> float:
    """How evenly the game fills the frame, in [0, 1]: the entropy of visits to a coarse grid, by a quick look."""
    counts = _count(48, maps, window, orbit, symmetry, final, effort=QUICK).sum(axis=2)
    share = counts[counts > 0] / max(float(counts.sum()), 1.0)
    return float(-(share * np.log(share)).sum() / np.log(counts.size))


def _count(
    size: int,
    maps: Sequence[Map],
    window: float,
    orbit: int,
    symmetry: int,
    final: Move | None,
    effort: tuple[int, int],
) -> Floats:
    """The visits per pixel and shade, float32 (S, S, SHADES); `effort` gives points and counted generations."""
    rng = np.random.Generator(np.random.Philox(key=orbit))
    points, generations = effort
    order = rng.permutation(points)
    order = np.concatenate([order, order])  # each time it is read from a random start, it is another shuffle
    fresh = rng.uniform(-1, 1, (2, points)).astype(np.float32)
    x, y, shade = fresh[0].copy(), fresh[1].copy(), np.full(points, 0.5, np.float32)
    blocks = _blocks([one.share for one in maps], points)
    counts = np.zeros((size, size, SHADES), np.float32)
    frame = None
    for generation in range(SETTLE + generations):
        start = int(rng.integers(points))
        x, y, shade = (values[order[start : start + points]] for values in (x, y, shade))
        for block, one in zip(blocks, maps, strict=True):
            x[block], y[block] = one.move(x[block], y[block])
            shade[block] = (shade[block] + np.float32(one.shade)) * np.float32(0.5)
        _turn(x, y, symmetry)
        lost = ~((np.abs(x) < FAR) & (np.abs(y) < FAR))
        if lost.any():
            x[lost], y[lost] = fresh[:, lost]
        if generation >= SETTLE:
            u, v = final(x, y) if final else (x, y)
            frame = frame or _Frame.around(u, v, window)
            planes = [plane[:, None] for plane in (*frame.place(u, v), shade)]
            counts += cv2.calcHist(planes, [1, 0, 2], None, [size, size, SHADES], [0, 1, 0, 1, 0, 1.0001])
    return counts


def _blocks(shares: Sequence[float], points: int) -> list[slice]:
    """The slice of the points for each map, in proportion to the shares."""
    ends = np.round(np.cumsum(shares) / np.sum(shares) * points).astype(int)
    return [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def _turn(x: Floats, y: Floats, symmetry: int) -> None:
    """Turn equally many points by each angle of the symmetry, in place: every symmetry-th, so some of every map's."""
    for turn in range(1, symmetry):
        angle = 2 * np.pi * turn / symmetry
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        u, v = x[turn::symmetry], y[turn::symmetry]
        x[turn::symmetry], y[turn::symmetry] = cosine * u - sine * v, sine * u + cosine * v


@dataclass(frozen=True, slots=True)
class _Frame:
    """An affine map from the shown part of the plane to the unit square."""

    matrix: Floats  # (2, 2)
    shift: Floats  # (2,)

    @classmethod
    def around(cls, x: Floats, y: Floats, window: float) -> "_Frame":
        points = np.stack([x, y])[:, :: SKIP if len(x) > QUICK[0] else 1].astype(np.float64)
        points = points[:, np.isfinite(points).all(axis=0)]
        low, high = np.quantile(points, [0.005, 0.995], axis=1)
        inside = ((points >= low[:, None]) & (points <= high[:, None])).all(axis=0)
        middle = points[:, inside].mean(axis=1)
        variances, axes = np.linalg.eigh(np.cov(points[:, inside]) + 1e-12 * np.eye(2))
        white = axes @ np.diag(variances**-0.5) @ axes.T  # the whitening that turns the least
        seen = white @ (points - middle[:, None])
        left, right = np.quantile(seen, [0.01, 0.99], axis=1)
        extent = np.maximum(right - left, 1e-9)  # a single point has none
        corner = _fullest_corner((seen - left[:, None]) / extent[:, None], window)
        scale = 1 / (extent * window)
        matrix = scale[:, None] * white
        shift = -matrix @ middle - scale * left - corner / window
        return cls(matrix.astype(np.float32), shift.astype(np.float32))

    def place(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        (a, b), (c, d) = self.matrix
        return a * x + b * y + self.shift[0], c * x + d * y + self.shift[1]


def _fullest_corner(unit: Floats, window: float) -> Floats:
    """The corner (x, y), in the unit square, of the window in which most cells of a grid are visited."""
    visits, _, _ = np.histogram2d(unit[1], unit[0], GRID, ((0, 1), (0, 1)))
    side = max(1, round(window * GRID))
    sums = np.pad(np.minimum(visits, 8).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    filled = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    row, column = np.unravel_index(int(filled.argmax()), filled.shape)
    return np.array([column, row]) / GRID


def _estimate(counts: Floats) -> tuple[Floats, Floats]:
    """Visits and mean shade, both smoothed more where there are fewer visits nearby."""
    planes = np.concatenate([counts.sum(axis=2, keepdims=True), counts @ _shade_levels()[:, None]], axis=2)
    smooth = planes
    for sigma, enough in ((0.6, 50.0), (1.2, 16.0), (2.4, 4.0)):
        wide = cv2.GaussianBlur(planes, (0, 0), sigma)
        keep = np.clip(wide[:, :, :1] / np.float32(enough), 0, 1)
        smooth = keep * smooth + (1 - keep) * wide
    visits = smooth[:, :, 0]
    return visits, smooth[:, :, 1] / np.maximum(visits, np.float32(1e-6))


def _shade_levels() -> Floats:
    return ((np.arange(SHADES, dtype=np.float32) + np.float32(0.5)) / np.float32(SHADES)).astype(np.float32)
