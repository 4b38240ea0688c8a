"""Define a corruption: a kernel, its published parameters at two scales, and how close it is to the original.

A kernel takes an image, uint8 (H, W, 3), a generator and the parameters of one severity, and returns a new image of the
same shape. All randomness comes from the generator, and the input stays as it is. Kernels compute with floats in
[0, 1]; at the end these are truncated, not rounded, to whole numbers, as the benchmarks' own generators do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from layermix_gen.images import Image

Floats: TypeAlias = npt.NDArray[np.floating]
Severities: TypeAlias = tuple[tuple[float, ...], ...]  # the kernel's parameters at severities 1 to 5
Kernel: TypeAlias = Callable[..., Image]  # (image, rng, *parameters)


class Closeness(StrEnum):
    """How close a corruption is to the original; docs/corruptions.md gives the measured differences."""

    EXACT = "exact"  # the same formula: given the same random numbers, the same image up to rounding
    SAME = "same distribution"  # the same formula, but random numbers are drawn in another way
    APPROXIMATE = "approximation"  # something that looks similar


@dataclass(frozen=True, slots=True)
class Corruption:
    """One row of the table of corruptions."""

    name: str  # as published
    kernel: Kernel
    cifar: Severities | None  # None: the benchmarks do not have it at this scale
    imagenet: Severities | None
    closeness: Closeness


def each(*values: float) -> Severities:
    """The parameters, severity by severity, of a kernel that takes only one."""
    return tuple((value,) for value in values)


def unit(image: Image) -> npt.NDArray[np.float64]:
    """Convert an image to channel values in [0, 1]."""
    return image / 255.0


def pixels(values: Floats) -> Image:
    """Convert values in [0, 1] to an image: clip what lies outside, and truncate fractions."""
    return (np.clip(values, 0, 1) * 255).astype(np.uint8)


def grid(image: Image) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Row (H, 1) and column (1, W) of each pixel."""
    height, width = image.shape[:2]
    return np.arange(height, dtype=np.float64)[:, None], np.arange(width, dtype=np.float64)[None]


def side(image: Image) -> int:
    """The length that scales with the image, in pixels: its short side."""
    return min(image.shape[:2])
