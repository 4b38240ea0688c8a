"""Calibration: whether a model is right in 80 of 100 cases where its confidence is 80%.

All functions take the confidences (N,), the probabilities of the predicted classes, and whether these are right (N,):
booleans, or 0 and 1. Both may be arrays, lists or tensors on any device; anything else raises `LayerMixError`.
The order of images never matters. Where confidences are equal, sorting by them leaves the order open: RMS is then the
root of the expected square over all orders, and AURRA the expectation, both in closed form. Saturated models have
thousands of images at a confidence of exactly 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import Vector, as_answers, as_confidences, as_whole_in
from layermix_gen.support.checks import check_choice

BIN = 100  # images in an adaptive bin
WIDTHS = 15  # number of bins of equal width
MOST_WIDTHS = 1_000_000
Bins: TypeAlias = Literal["all", "released"]
BINS: tuple[Bins, ...] = ("all", "released")


def rms_calibration(confidences: ArrayLike, correct: ArrayLike, bins: Bins = "all") -> float:
    """The root mean square calibration error with adaptive bins, in percent.

    sqrt(sum over bins b of n_b / N (confidence_b - accuracy_b)^2), the images being sorted by confidence and cut into
    bins of 100, with the remainder in the last (Hendrycks, Mazeika and Dietterich 2019, after Nguyen and O'Connor
    2015). Where confidences are equal, it is the root of the expected square over all orders of the images. `released`
    leaves out the most confident bin and keeps N, as the code of PixMix, IPMix and LayerMix does; it needs 100 images.
    Raises `LayerMixError` for shapes that differ, no images, or confidences out of [0, 1].
    """
    sure, right = _checked(confidences, correct)
    starts = _bin_starts(len(sure), bins)
    pieces = _Pieces.of(sure, right, starts)
    sizes = np.diff(np.append(starts, len(sure)))
    gaps = (np.add.reduceat(sure, starts) - pieces.per_bin(pieces.sizes * pieces.accuracies)) / sizes
    squares = gaps**2 + pieces.per_bin(pieces.variances) / sizes**2
    kept = _kept(squares * sizes, bins)
    return 100 * float(np.sqrt(kept.sum() / len(sure)))


def rms_floor(confidences: ArrayLike, bins: Bins = "all") -> float:
    """What a perfectly calibrated model with these confidences would score in `rms_calibration`, in percent.

    The root of the expected square: each image is right with probability p_i, its confidence, so that a bin's accuracy
    has the variance sum p_i (1 - p_i) / n_b^2 about its confidence. Bins of 100 images cannot tell a smaller error.
    """
    sure = np.sort(as_confidences(confidences))
    starts = _bin_starts(len(sure), bins)
    sizes = np.diff(np.append(starts, len(sure)))
    variances = np.add.reduceat(sure * (1 - sure), starts) / sizes
    return 100 * float(np.sqrt(_kept(variances, bins).sum() / len(sure)))


def aurra(confidences: ArrayLike, correct: ArrayLike) -> float:
    """The area under the response rate accuracy curve, in percent; higher is better.

    The mean over k = 1..N of the accuracy on the k most confident images (Hendrycks et al., "Natural Adversarial
    Examples", 2021); where confidences are equal, its expectation over all orders of the images.
    """
    sure, right = _checked(confidences, correct)
    pieces = _Pieces.of(sure, right, np.array([0]))
    expected = np.repeat(pieces.accuracies, pieces.sizes)[::-1]
    return 100 * float((np.cumsum(expected) / np.arange(1, len(sure) + 1)).mean())


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """A reliability diagram: images, mean confidence and accuracy of confidence bins of equal width; NaN if empty."""

    counts: NDArray[np.int64]
    confidences: Vector
    accuracies: Vector

    @property
    def error(self) -> float:
        """The expected calibration error, in percent."""
        gaps = np.abs(np.nan_to_num(self.confidences - self.accuracies))
        return 100 * float(self.counts @ gaps / self.counts.sum())


def reliability(confidences: ArrayLike, correct: ArrayLike, bins: int = WIDTHS) -> Reliability:
    """The reliability diagram: bin i of n has the confidences in (i / n, (i + 1) / n], the first also 0.

    Raises `LayerMixError` for confidences out of [0, 1], shapes that differ, and a number of bins that is not in [1,
    1,000,000].
    """
    bins = as_whole_in("bins", bins, 1, MOST_WIDTHS)
    sure, right = _checked(confidences, correct)
    numbers = np.maximum(np.ceil(sure * bins).astype(np.int64) - 1, 0)
    counts = np.bincount(numbers, minlength=bins)
    with np.errstate(invalid="ignore"):
        sureness, accuracy = (np.bincount(numbers, one, bins) / counts for one in (sure, right))
    return Reliability(counts, sureness, accuracy)


def pooled(diagrams: Sequence[Reliability]) -> Reliability:
    """The diagram of the images of several diagrams together; all have the same number of bins."""
    counts = np.array([one.counts for one in diagrams])
    with np.errstate(invalid="ignore"):
        sureness, accuracy = (
            np.nansum(counts * np.array(values), 0) / counts.sum(0)
            for values in ([one.confidences for one in diagrams], [one.accuracies for one in diagrams])
        )
    return Reliability(counts.sum(0), sureness, accuracy)


def expected_calibration_error(confidences: ArrayLike, correct: ArrayLike, bins: int = WIDTHS) -> float:
    """ECE, in percent: sum over bins of equal width of n_b / N |confidence_b - accuracy_b| (Guo et al. 2017)."""
    return reliability(confidences, correct, bins).error


# --- bins ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Pieces of bins: images of one bin and one confidence. Which images of equal confidence lie in which is open."""

    bins: NDArray[np.int64]  # the bin of each piece
    sizes: NDArray[np.int64]
    accuracies: Vector  # of all images with that confidence
    variances: Vector  # of the number of right predictions in the piece: hypergeometric

    @classmethod
    def of(cls, sure: Vector, right: Vector, starts: NDArray[np.int64]) -> "_Pieces":
        ties = np.flatnonzero(np.append(True, sure[1:] != sure[:-1]))
        ties_sizes = np.diff(np.append(ties, len(sure)))
        ties_accuracies = np.add.reduceat(right, ties) / ties_sizes
        cuts = np.union1d(starts, ties)
        sizes = np.diff(np.append(cuts, len(sure)))
        tie = np.searchsorted(ties, cuts, "right") - 1
        whole, accuracies = ties_sizes[tie], ties_accuracies[tie]
        variances = sizes * accuracies * (1 - accuracies) * (whole - sizes) / np.maximum(whole - 1, 1)
        return cls(np.searchsorted(starts, cuts, "right") - 1, sizes, accuracies, variances)

    def per_bin(self, values: Vector) -> Vector:
        """The sum in each bin of `values`, which has one number for each piece."""
        return np.bincount(self.bins, values).astype(np.float64, copy=False)


def _checked(confidences: ArrayLike, correct: ArrayLike) -> tuple[Vector, Vector]:
    """Check both arguments; return them as float64 (N,), in rising order of confidence."""
    sure = as_confidences(confidences)
    right = as_answers(correct, len(sure))
    order = np.argsort(sure)
    return sure[order], right[order]


def _bin_starts(images: int, bins: Bins) -> NDArray[np.int64]:
    """The indices at which bins of 100 images begin; the last bin takes the remainder."""
    check_choice("bins", bins, BINS, change="bins=")
    if bins == "released" and images < BIN:
        raise LayerMixError(f"expected at least {BIN} images for bins 'released', got {images}; use 'all'")
    return np.arange(max(images // BIN, 1)) * BIN


def _kept(values: NDArray[Any], bins: Bins) -> NDArray[Any]:
    return values if bins == "all" else values[:-1]
