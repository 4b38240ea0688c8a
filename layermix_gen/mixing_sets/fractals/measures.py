"""Measures of how rich a gray picture is, comparable between fractals and photographs, and bounds to refuse poor ones.

All are of a uint8 picture (S, S). A picture is refused as degenerate if a measure leaves its bounds in `BOUNDS`. Nearly
all photographs are inside of them; blank pictures, dots, saturated pictures, flat gradients and plain noise are not.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from layermix_gen.images import Pictures
from layermix_gen.mixing_sets.fractals.kinds.base import Floats

BLOCK = 16  # pixels a side of the blocks that are covered or not
FLAT = 3.0  # gray levels: a block with at most this standard deviation is not covered
EDGE = 16.0  # gray levels per pixel from which a slope is an edge
THUMB = 16  # pixels a side of the thumbnails by which pictures are compared
ALIKE = 0.97  # correlation of thumbnails from which two pictures are near duplicates


@dataclass(frozen=True, slots=True)
class Measures:
    """The measures of one picture."""

    entropy: float  # of the histogram of gray levels, in bits, 0 to 8
    coverage: float  # share of the blocks that hold more than a flat tone, 0 to 1
    edges: float  # share of the pixels on an edge, 0 to 1
    slope: float  # of the radial power spectrum, log power over log frequency; about -2 to -3 for photographs
    saturated: float  # share of the pixels that are black or white, 0 to 1
    mean: float  # gray level, 0 to 255


NAMES = tuple(field.name for field in fields(Measures))

BOUNDS = {  # of the pictures that are taken
    "entropy": (6.0, 8.0),
    "coverage": (0.7, 1.0),
    "edges": (0.03, 0.6),
    "slope": (-4.0, -1.2),
    "saturated": (0.0, 0.3),
    "mean": (25.0, 230.0),
}


def measure(picture: Pictures) -> Measures:
    """Measure a picture, uint8 (S, S) with S at least 32."""
    counts = np.bincount(picture.ravel(), minlength=256)
    share = counts[counts > 0] / picture.size
    return Measures(
        entropy=float(-(share * np.log2(share)).sum()),
        coverage=_coverage(picture),
        edges=_edges(picture),
        slope=spectral_slope(picture),
        saturated=float((counts[:2].sum() + counts[254:].sum()) / picture.size),
        mean=float(picture.mean()),
    )


def faults(found: Measures) -> list[str]:
    """The measures that leave their bounds, as text; an empty list for a picture that is taken."""
    values = ((name, getattr(found, name), *BOUNDS[name]) for name in NAMES)
    return [
        f"{name} {value:.2f} not in [{low}, {high}]" for name, value, low, high in values if not low <= value <= high
    ]


def spectral_slope(picture: Pictures) -> float:
    """The slope of log power over log frequency, by least squares from 4 cycles per frame to half the Nyquist rate.

    Power is averaged over rings one cycle wide; a Hann window keeps the frame's edges out of it.
    """
    size = picture.shape[0]
    window, rings, counts = _spectrum(size)
    power = np.abs(np.fft.rfft2((picture - picture.mean(dtype=np.float32)) * window)) ** 2
    sums = np.bincount(rings, power.ravel())
    band = np.arange(min(4, size // 8), size // 4)
    slope, _ = np.polyfit(np.log(band), np.log(sums[band] / counts[band] + 1e-3), 1)
    return float(slope)


def thumbnails(pictures: Iterable[Pictures]) -> Floats:
    """Thumbnails (N, 256) without their mean and of unit length: their dot products are correlations."""
    small = [cv2.resize(picture, (THUMB, THUMB), interpolation=cv2.INTER_AREA).ravel() for picture in pictures]
    rows = np.array(small, np.float32).reshape(-1, THUMB * THUMB)
    rows -= rows.mean(axis=1, keepdims=True)
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-6))
    return unit


def diversity(pictures: Iterable[Pictures]) -> float:
    """The diversity of pictures, 0 to 1: 1 minus the mean absolute correlation of thumbnails, over all pairs."""
    rows = thumbnails(pictures)
    likeness = np.abs(rows @ rows.T)[np.triu_indices(len(rows), 1)]
    return float(1 - likeness.mean())


@lru_cache(maxsize=2)
def _spectrum(size: int) -> tuple[Floats, Any, Any]:
    """The Hann window (S, S), the ring of each frequency of the half spectrum (flat), and the frequencies per ring."""
    window = np.hanning(size).astype(np.float32)
    rings = np.hypot(np.fft.fftfreq(size, 1 / size)[:, None], np.arange(size // 2 + 1)).astype(np.int32).ravel()
    return window * window[:, None], rings, np.bincount(rings)


def _coverage(picture: Pictures) -> float:
    side = picture.shape[0] // BLOCK * BLOCK
    blocks = picture[:side, :side].reshape(side // BLOCK, BLOCK, side // BLOCK, BLOCK)
    return float((blocks.std(axis=(1, 3), dtype=np.float32) > FLAT).mean())


def _edges(picture: Pictures) -> float:
    gray = picture.astype(np.float32)
    across, down = cv2.Sobel(gray, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(gray, cv2.CV_32F, 0, 1, scale=0.125)
    return float((cv2.magnitude(across, down) > EDGE).mean())
