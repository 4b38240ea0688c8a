"""Flip probability and top-5 distance: by hand, against the definitions written as loops, and what must always hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.metrics.consistency import PAIRS, flip_probability, is_noise, top5_distance
from layermix_gen.evaluate.results.predictions import SequencePredictions, predicted_sequences
from tests.strategies import steady


def videos(lengths: list[int], seed: int = 0, classes: int = 12) -> tuple[list[np.ndarray], SequencePredictions]:
    rng = np.random.default_rng(seed)
    logits = [rng.normal(size=(length, classes)).cumsum(0).astype(np.float32) for length in lengths]
    return logits, predicted_sequences(np.concatenate(logits), lengths)


def of_predictions(*frames: int, lengths: list[int] | None = None) -> SequencePredictions:
    return predicted_sequences(np.eye(4, dtype=np.float32)[list(frames)], lengths or [len(frames)])


def test_flips_by_hand() -> None:
    part = of_predictions(0, 1, 1, 0, 2)  # before: 0-1, 1-1, 1-0, 0-2; first: 0-1, 0-1, 0-0, 0-2
    assert flip_probability(part, noise=False) == 75
    assert flip_probability(part, noise=True) == 75
    part = of_predictions(0, 1, 1, 1, 1)
    assert flip_probability(part, noise=False) == 25
    assert flip_probability(part, noise=True) == 100


def test_each_video_counts_once() -> None:
    """A video of 2 frames that differ and one of 5 that agree give a half, though one pair in five flips."""
    assert flip_probability(of_predictions(0, 1, 2, 2, 2, 2, 2, lengths=[2, 5]), noise=False) == 50


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4], 0),
        ([0, 1, 2, 3, 4], [1, 0, 2, 3, 4], 2),
        ([0, 1, 2, 3, 4], [4, 1, 2, 3, 0], 8),
        ([0, 1, 2, 3, 4], [0, 1, 2, 3, 9], 1),  # the fifth moved to six at least
        ([0, 1, 2, 3, 4], [9, 0, 1, 2, 3], 5),
        ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9], 15),
        ([0, 1, 2, 3, 4], [4, 5, 6, 7, 8], 18),  # the most there is: 5 + 4 + 3 + 2, and the fifth becomes the first
    ],
)
def test_distances_by_hand(first: list[int], second: list[int], distance: int) -> None:
    part = SequencePredictions(np.array([first, second], np.int32), np.array([2], np.int64), 10)
    assert top5_distance(part, noise=False) == distance == top5_distance(part, noise=True)


def double_sum(first: np.ndarray, second: np.ndarray) -> int:
    """Hendrycks and Dietterich (2019), section 4.2: the double sum as it is printed, on all ranks."""
    ranks, new = (rankdata(-one, "ordinal").astype(int) for one in (first, second))
    total = 0
    for i in range(1, 6):
        sigma = int(new[np.flatnonzero(ranks == i)[0]])
        total += sum(1 <= j - 1 <= 5 for j in range(min(i, sigma) + 1, max(i, sigma) + 1))
    return total


@steady()
@given(st.integers(0, 10_000), st.lists(st.integers(2, 9), min_size=1, max_size=6), st.booleans())
def test_as_the_definitions_have_it(seed: int, lengths: list[int], noise: bool) -> None:
    logits, part = videos(lengths, seed)
    flips, distances = [], []
    for frames in logits:
        pairs = [(frames[0 if noise else i - 1], frames[i]) for i in range(1, len(frames))]
        flips.append(np.mean([a.argmax() != b.argmax() for a, b in pairs]))
        distances.append(np.mean([double_sum(a, b) for a, b in pairs]))
    assert flip_probability(part, noise=noise) == pytest.approx(100 * np.mean(flips))
    assert top5_distance(part, noise=noise) == pytest.approx(np.mean(distances))
    assert 0 <= top5_distance(part, noise=noise) <= 18


@steady()
@given(st.integers(0, 10_000))
def test_the_order_of_videos_does_not_matter(seed: int) -> None:
    lengths = [3, 7, 2, 5]
    logits, part = videos(lengths, seed)
    order = np.random.default_rng(seed).permutation(4)
    other = predicted_sequences(np.concatenate([logits[i] for i in order]), [lengths[i] for i in order])
    for noise in (False, True):
        assert flip_probability(part, noise=noise) == pytest.approx(flip_probability(other, noise=noise))
        assert top5_distance(part, noise=noise) == pytest.approx(top5_distance(other, noise=noise))


def test_more_pairs_than_are_compared_at_a_time() -> None:
    lengths = [PAIRS // 2, PAIRS, 100]
    classes = np.random.default_rng(0).integers(0, 3, sum(lengths))
    part = predicted_sequences(np.eye(6, dtype=np.float32)[classes], lengths)
    cuts = np.split(classes, np.cumsum(lengths)[:-1])
    assert flip_probability(part, noise=False) == pytest.approx(100 * np.mean([(c[1:] != c[:-1]).mean() for c in cuts]))
    assert flip_probability(part, noise=True) == pytest.approx(100 * np.mean([(c[1:] != c[0]).mean() for c in cuts]))


def test_a_still_video_and_few_classes() -> None:
    part = predicted_sequences(np.tile(np.array([[1, 3, 2]], np.float32), (4, 1)), [4])
    assert (flip_probability(part, noise=False), top5_distance(part, noise=True)) == (0, 0)
    swapped = predicted_sequences(np.array([[1, 2, 3], [3, 2, 1]], np.float32), [2])
    assert top5_distance(swapped, noise=False) == 4
    assert top5_distance(predicted_sequences(np.ones((2, 1), np.float32), [2]), noise=False) == 0


def test_noise_is_compared_with_the_first_frame() -> None:
    assert [name for name in ("gaussian_noise", "shot_noise", "speckle_noise", "snow", "tilt") if is_noise(name)] == [
        "gaussian_noise",
        "shot_noise",
        "speckle_noise",
    ]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([3, 1], "^expected videos of at least 2 frames"),
        ([3, 3], "^expected lengths that add up to 4 frames"),
        ([[4]], r"^expected whole numbers \(N,\) as lengths, got int64 \(1, 1\); give"),
    ],
)
def test_lengths_are_checked(lengths: list[int], message: str) -> None:
    with pytest.raises(LayerMixError, match=message):
        predicted_sequences(np.zeros((4, 6), np.float32), lengths)


def test_no_videos() -> None:
    with pytest.raises(LayerMixError, match=r"^expected at least one video"):
        predicted_sequences(np.zeros((0, 6), np.float32), np.zeros(0, np.int64))


@pytest.mark.parametrize(
    ("outputs", "probabilities", "message"),
    [
        (np.zeros(4), False, r"^expected logits as floats \(frames, classes\)"),
        (np.array([[0, np.nan], [0, 1]]), False, "^expected finite logits, got NaN or infinity for 1 of 2 frames; "),
        (np.ones((2, 2)), True, "add up to 1 for each frame, got others"),
    ],
)
def test_bad_outputs_are_of_frames(outputs: np.ndarray, probabilities: bool, message: str) -> None:
    with pytest.raises(LayerMixError, match=message):
        predicted_sequences(outputs, [2], probabilities=probabilities)


def test_frames_are_ranked_by_their_logits() -> None:
    """The softmax, rounded to float32, can no longer tell these logits apart."""
    logits = np.array([[0, 1e-8], [1e-8, 0]], np.float32)
    assert predicted_sequences(logits, [2]).classes.tolist() == [[1, 0], [0, 1]]
    assert flip_probability(predicted_sequences(logits, [2]), noise=False) == 100
