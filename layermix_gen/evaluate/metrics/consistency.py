"""Consistency on short videos: how often the prediction flips, and how far the five most probable classes move.

Both compare frames in pairs. Noise is drawn independently for each frame, so every frame of such a video is compared
with the first; every other perturbation grows, so each frame is compared with the one before (Hendrycks and Dietterich
2019, section 4.2). Videos may differ in length and have equal weight: a video's value is the mean over its pairs.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.benchmarks import P_NOISE
from layermix_gen.evaluate.results.predictions import TOP, SequencePredictions

PAIRS = 1 << 16  # pairs of frames that are compared at a time, which bounds memory


def flip_probability(part: SequencePredictions, *, noise: bool) -> float:
    """The percentage of pairs of frames with different predictions, as the mean over videos.

    mFP is the mean of it over the ten perturbations of `benchmarks.P`. Raises `LayerMixError` for anything but
    predictions for videos.
    """
    _check(part, noise)
    flips = [part.classes[earlier, 0] != part.classes[later, 0] for earlier, later in _pairs(part, noise)]
    return 100 * _mean_over_videos(np.concatenate(flips), part.lengths)


def top5_distance(part: SequencePredictions, *, noise: bool) -> float:
    """How far the five most probable classes move between the frames of a pair, as the mean over videos; in [0, 18].

    d = sum over i = 1..5 of |i - min(s(i), 6)|, s(i) being the rank that the later frame gives to the class that the
    earlier one ranks i: the closed form of the sum in Hendrycks and Dietterich (2019), section 4.2. With fewer than
    five classes all are compared. mT5D is the mean of it over the ten perturbations of `benchmarks.P`. Raises
    `LayerMixError` for anything but predictions for videos.
    """
    _check(part, noise)
    distances = [_moved(part.classes[earlier], part.classes[later]) for earlier, later in _pairs(part, noise)]
    return _mean_over_videos(np.concatenate(distances), part.lengths)


def is_noise(perturbation: str) -> bool:
    """Whether frames of this perturbation are compared with the first frame."""
    return perturbation in P_NOISE


def _check(part: SequencePredictions, noise: bool) -> None:
    check_type("part", part, SequencePredictions, "make it by predicted_sequences")
    check_type("noise", noise, bool)


def _moved(earlier: NDArray[np.int32], later: NDArray[np.int32]) -> NDArray[np.int64]:
    """The top-5 distance of each pair, from the most probable classes (pairs, K) of its two frames."""
    ranks = np.arange(1, earlier.shape[1] + 1)
    same = earlier[:, :, None] == later[:, None, :]
    new_ranks = np.where(same.any(2), same.argmax(2) + 1, TOP + 1)
    return np.abs(ranks - new_ranks).sum(1)


def _pairs(part: SequencePredictions, noise: bool) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The indices of the earlier and the later frame of all pairs, at most `PAIRS` at a time."""
    ends = np.cumsum(part.lengths)
    later = np.delete(np.arange(len(part.classes)), ends - part.lengths)  # all frames but the first of each video
    earlier = np.repeat(ends - part.lengths, part.lengths - 1) if noise else later - 1
    for start in range(0, len(later), PAIRS):
        yield earlier[start : start + PAIRS], later[start : start + PAIRS]


def _mean_over_videos(values: NDArray[np.generic], lengths: NDArray[np.int64]) -> float:
    """The mean over videos of the mean over each video's pairs."""
    pairs = lengths - 1
    sums = np.add.reduceat(values.astype(np.float64), np.cumsum(pairs) - pairs)
    return float((sums / pairs).mean())
