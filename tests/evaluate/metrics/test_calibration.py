"""Calibration: by hand, against other implementations, over all orders of ties, and what must always hold."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.metrics import calibration
from layermix_gen.evaluate.metrics.calibration import (
    aurra,
    expected_calibration_error,
    reliability,
    rms_calibration,
    rms_floor,
)
from tests.strategies import steady

SIZES = st.one_of(st.integers(1, 99), st.integers(100, 450))


def drawn(seed: int, images: int, sharpness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Different confidences, and answers right as often as these say; `sharpness` other than 1 miscalibrates."""
    rng = np.random.default_rng(seed)
    confidences = rng.uniform(0.1, 1, images)
    return confidences, rng.random(images) < confidences**sharpness


def reference(confidences: np.ndarray, correct: np.ndarray, bins: str = "all", size: int = 100) -> float:
    """A second implementation: a loop over slices of the sorted lists, as the definition reads."""
    pairs = sorted(zip(confidences.tolist(), correct.tolist(), strict=True), key=lambda pair: pair[0])
    cuts = [[start, start + size] for start in range(0, len(pairs) - size + 1, size)] or [[0, 0]]
    cuts[-1][1] = len(pairs)
    total = 0.0
    for start, stop in cuts if bins == "all" else cuts[:-1]:
        sure, right = zip(*pairs[start:stop], strict=True)
        total += (stop - start) / len(pairs) * (sum(sure) / len(sure) - sum(right) / len(right)) ** 2
    return 100 * total**0.5


# --- RMS -------------------------------------------------------------------------------------------------------------


def test_two_bins_by_hand() -> None:
    """100 images at about 0.6 of which 50 are right, 150 at about 0.9 of which all are: gaps of 0.1 and 0.1."""
    confidences = np.concatenate([0.6 + np.linspace(-0.01, 0.01, 100), 0.9 + np.linspace(-0.01, 0.01, 150)])
    correct = np.concatenate([np.arange(100) < 50, np.ones(150, bool)])
    assert rms_calibration(confidences, correct) == pytest.approx(10)
    assert rms_calibration(confidences, correct, "released") == pytest.approx(10 * (100 / 250) ** 0.5)


@steady()
@given(st.integers(0, 10_000), SIZES)
def test_as_the_loop_has_it(seed: int, images: int) -> None:
    confidences, correct = drawn(seed, images, 2)
    assert rms_calibration(confidences, correct) == pytest.approx(reference(confidences, correct), abs=1e-9)
    if images >= 100:
        released = rms_calibration(confidences, correct, "released")
        assert released == pytest.approx(reference(confidences, correct, "released"), abs=1e-9)
        assert released <= rms_calibration(confidences, correct)


@steady()
@given(st.integers(0, 10_000), SIZES, st.integers(1, 20))
def test_the_order_of_images_does_not_matter(seed: int, images: int, levels: int) -> None:
    """This also holds where many confidences are equal."""
    confidences, correct = drawn(seed, images)
    confidences = np.round(confidences * levels) / levels
    order = np.random.default_rng(seed).permutation(images)
    for metric in (rms_calibration, expected_calibration_error, aurra):
        assert metric(confidences, correct) == pytest.approx(metric(confidences[order], correct[order]), abs=1e-9)
        assert 0 <= metric(confidences, correct) <= 100
    assert rms_floor(confidences) == pytest.approx(rms_floor(confidences[order]), abs=1e-9)


@pytest.mark.parametrize(
    "images",
    [
        [(0.5, 1), (0.5, 0), (0.5, 0), (0.9, 1), (0.9, 0), (0.2, 1)],  # bins of 2: two ties over three bins
        [(0.5, 1), (0.5, 0), (0.5, 1), (0.5, 1), (0.5, 0)],  # one tie over two bins, the last of 3
        [(1.0, 1), (1.0, 1), (1.0, 0), (0.3, 0)],
    ],
)
def test_ties_are_the_mean_over_all_orders(images: list[tuple[float, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "BIN", 2)
    orders = [np.array(order) for order in permutations(images)]
    squares = [reference(order[:, 0], order[:, 1], size=2) ** 2 for order in orders]
    confidences, correct = np.array(images).T
    assert rms_calibration(confidences, correct) == pytest.approx(np.mean(squares) ** 0.5)
    areas = []
    for order in orders:
        first = order[np.argsort(-order[:, 0], kind="stable")][:, 1]
        areas.append(np.mean([first[:k].mean() for k in range(1, len(first) + 1)]))
    assert aurra(confidences, correct) == pytest.approx(100 * np.mean(areas))


def test_the_released_code_drops_the_most_confident_bin() -> None:
    """N = 150 has one bin, so nothing is left; N < 100 has none."""
    confidences, correct = drawn(0, 150, 2)
    assert rms_calibration(confidences, correct, "released") == 0
    assert rms_calibration(confidences, correct) > 5
    with pytest.raises(LayerMixError, match=r"^expected at least 100 images for bins 'released', got 99; use 'all'"):
        rms_calibration(confidences[:99], correct[:99], "released")
    with pytest.raises(LayerMixError, match=r"^bins must be one of all, released, got 'last'; change bins="):
        rms_calibration(confidences, correct, "last")  # type: ignore[arg-type]


@pytest.mark.parametrize("images", [1, 40, 150, 1000])
def test_the_floor_is_what_calibrated_models_score(images: int) -> None:
    """The root of the mean square over many simulated calibrated models; the floor is exact, the simulation is not."""
    confidences, _ = drawn(3, images)
    rng = np.random.default_rng(0)
    squares = [rms_calibration(confidences, rng.random(images) < confidences) ** 2 for _ in range(600)]
    assert rms_floor(confidences) == pytest.approx(np.mean(squares) ** 0.5, rel=0.06)


def test_the_floor_at_ten_thousand() -> None:
    """About 3.6 for the confidences of a CIFAR-100 model: mean 0.8, many of them sure."""
    confidences = np.random.default_rng(0).beta(2.5, 0.7, 10_000)
    assert 3.3 < rms_floor(confidences) < 3.9
    assert rms_floor(confidences, "released") < rms_floor(confidences)
    assert rms_floor(np.ones(500)) == 0


def test_the_floor_of_bins_of_a_hundred_by_hand() -> None:
    """Ten times the root of the mean of p (1 - p), whatever N is; at most 5."""
    sure = np.full(1200, 0.5 + 0.12**0.5)  # p (1 - p) = 1/4 - 0.12 = 0.13
    assert rms_floor(sure) == pytest.approx(10 * 0.13**0.5) == pytest.approx(3.606, abs=1e-3)
    assert rms_floor(sure[:100]) == pytest.approx(rms_floor(sure))
    assert rms_floor([0.5] * 100) == pytest.approx(5) == rms_floor([0.5] * 1000)
    assert rms_floor([0.5] * 199) < 5


# --- ECE, reliability ------------------------------------------------------------------------------------------------


def test_ece_by_hand() -> None:
    """Bins of a fifth. (0.2, 0.4]: 0.3 and 0.4, one right, gap 0.15; (0.8, 1]: 0.9 and 1.0, both right, gap 0.05."""
    confidences, correct = [0.3, 0.4, 0.9, 1.0], [True, False, True, True]
    assert expected_calibration_error(confidences, correct, 5) == pytest.approx(100 * (0.15 + 0.05) / 2)
    bins = reliability(confidences, correct, 5)
    assert bins.counts.tolist() == [0, 2, 0, 0, 2]
    assert bins.accuracies.tolist()[1] == 0.5
    assert np.isnan(bins.accuracies).tolist() == [True, False, True, True, False]
    assert reliability([0, 0.05, 0.2, 0.3], [1, 1, 0, 1], 5).counts.tolist() == [3, 1, 0, 0, 0]


@steady()
@given(st.integers(0, 10_000), SIZES, st.integers(1, 30))
def test_ece_as_a_loop_over_the_bins(seed: int, images: int, bins: int) -> None:
    confidences, correct = drawn(seed, images, 2)
    total = 0.0
    for low, high in zip(np.arange(bins) / bins, (np.arange(bins) + 1) / bins, strict=True):
        inside = (confidences > low) & (confidences <= high)
        if inside.any():
            total += inside.mean() * abs(confidences[inside].mean() - correct[inside].mean())
    assert expected_calibration_error(confidences, correct, bins) == pytest.approx(100 * total, abs=1e-9)


@steady()
@given(st.integers(0, 10_000), SIZES)
def test_the_diagram_is_scikit_learns(seed: int, images: int) -> None:
    confidences, correct = drawn(seed, images)
    bins = reliability(confidences, correct)
    accuracies, means = calibration_curve(correct, confidences, n_bins=15, pos_label=1)
    full = bins.counts > 0
    assert bins.counts.sum() == images
    assert bins.accuracies[full] == pytest.approx(accuracies)
    assert bins.confidences[full] == pytest.approx(means)


def test_one_bin_of_all_is_the_difference_of_means() -> None:
    confidences, correct = drawn(1, 80, 3)
    gap = 100 * abs(confidences.mean() - correct.mean())
    assert expected_calibration_error(confidences, correct, 1) == pytest.approx(gap)
    assert rms_calibration(confidences, correct) == pytest.approx(gap)  # N < 100: one bin, too


# --- AURRA -----------------------------------------------------------------------------------------------------------


def test_aurra_by_hand() -> None:
    """Accuracy on the first, the first two, three: 1, 1/2, 2/3."""
    assert aurra([0.5, 0.9, 0.7], [1, 1, 0]) == pytest.approx(100 * (1 + 1 / 2 + 2 / 3) / 3)


@steady()
@given(st.integers(0, 10_000), st.integers(2, 300))
def test_aurra_as_scikit_learn_integrates_it(seed: int, images: int) -> None:
    """The trapezoids of scikit-learn between the N points, and half a step at both ends."""
    confidences, correct = drawn(seed, images)
    ranked = correct[np.argsort(-confidences)]
    accuracy = np.array([ranked[: k + 1].mean() for k in range(images)])
    rates = (np.arange(images) + 1) / images
    ends = (accuracy[0] + accuracy[-1]) / 2 / images
    assert aurra(confidences, correct) == pytest.approx(100 * (auc(rates, accuracy) + ends))


# --- extremes --------------------------------------------------------------------------------------------------------


def test_one_image_one_class() -> None:
    """A model of one class is always sure and right."""
    for metric in (rms_calibration, expected_calibration_error):
        assert metric([1.0], [True]) == 0
        assert metric([1.0], [False]) == 100
        assert metric([0.0], [False]) == 0
    assert aurra([1.0], [True]) == 100
    assert rms_floor([0.5]) == 50


@pytest.mark.parametrize(
    ("confidences", "correct", "message"),
    [
        ([], [], r"^expected confidences \(N,\), N >= 1, got \(0,\); give"),
        ([0.5], [1, 0], r"^expected correct \(1,\), as there are 1 confidences, got \(2,\); give"),
        ([[0.5]], [[1]], r"^expected confidences \(N,\), N >= 1, got \(1, 1\); give"),
        ([1.5], [1], r"^expected confidences in \[0, 1\]"),
        ([-0.1], [1], r"^expected confidences in \[0, 1\]"),
        ([float("nan")], [1], r"^expected confidences in \[0, 1\]"),
    ],
)
def test_bad_input(confidences: list[float], correct: list[int], message: str) -> None:
    for metric in (rms_calibration, expected_calibration_error, aurra):
        with pytest.raises(LayerMixError, match=message):
            metric(confidences, correct)
