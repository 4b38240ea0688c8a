"""Temperature scaling: temperatures that are known, a second implementation, and what has none."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.metrics import temperature
from layermix_gen.evaluate.metrics.calibration import rms_calibration, rms_floor
from layermix_gen.evaluate.metrics.temperature import fit_temperature
from tests.strategies import steady


def drawn(seed: int, images: int, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels that are each class as often as their softmax says: the best temperature is about 1."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (images, classes))
    return logits, (softmax(logits, 1).cumsum(1) < rng.random((images, 1))).sum(1)


@pytest.mark.parametrize("factor", [1e-8, 0.35, 1, 40, 1e8])
def test_logits_that_are_too_large_or_too_small_by_a_factor(factor: float) -> None:
    logits, labels = drawn(0, 20_000)
    assert fit_temperature(logits * factor, labels) == pytest.approx(factor, rel=0.02)
    assert fit_temperature(logits * factor, labels) == pytest.approx(factor * fit_temperature(logits, labels), 1e-6)


@steady()
@given(st.integers(0, 10_000), st.integers(30, 300), st.integers(2, 12), st.floats(-1, 1))
def test_as_a_search_for_the_least_likelihood_has_it(seed: int, images: int, classes: int, log10: float) -> None:
    logits, labels = drawn(seed, images, classes)
    logits *= 10**log10

    def likelihood(log: float) -> float:
        return -float(log_softmax(logits / np.exp(log), 1)[np.arange(images), labels].mean())

    found = minimize_scalar(likelihood, bounds=(-6, 6), method="bounded", options={"xatol": 1e-8})
    assert fit_temperature(logits, labels) == pytest.approx(np.exp(found.x), rel=1e-4)


def test_confidences_become_honest() -> None:
    logits, labels = drawn(1, 10_000)
    rest, held_out = slice(0, 5000), slice(5000, None)
    found = fit_temperature(logits[held_out] / 3, labels[held_out])

    def error(scores: np.ndarray) -> tuple[float, float]:
        sure = softmax(scores, 1).max(1)
        return rms_calibration(sure, scores.argmax(1) == labels[rest]), rms_floor(sure)

    before, _ = error(logits[rest] / 3)
    after, floor = error(logits[rest] / 3 / found)
    assert before > 20
    assert after < 1.3 * floor


def test_half_precision_and_tensors() -> None:
    logits, labels = drawn(2, 500)
    half = torch.tensor(logits, dtype=torch.float16)
    assert fit_temperature(half, torch.tensor(labels)) == pytest.approx(fit_temperature(half.numpy(), labels.tolist()))
    assert fit_temperature(half, labels) == pytest.approx(fit_temperature(logits, labels), rel=1e-2)


def test_an_offset_of_all_logits_changes_nothing() -> None:
    logits, labels = drawn(3, 500)
    assert fit_temperature(logits + 1000, labels) == pytest.approx(fit_temperature(logits, labels), rel=1e-6)


def test_what_has_no_temperature() -> None:
    logits, labels = drawn(4, 500)
    with pytest.raises(LayerMixError, match=r"^expected images of which some are mistaken, got 500 right ones; give"):
        fit_temperature(logits, logits.argmax(1))
    with pytest.raises(LayerMixError, match=r"^expected logits that tell of the labels, got some that are no better"):
        fit_temperature(logits, logits.argmin(1))
    with pytest.raises(LayerMixError, match=r"^expected logits that differ between classes, got equal ones; look at"):
        fit_temperature(logits * 0 + 3, labels)
    with pytest.raises(LayerMixError, match=r"^expected logits, got those of no image; give"):
        fit_temperature(logits[:0], labels[:0])
    with pytest.raises(LayerMixError, match=r"^expected logits, got outputs that add up to 1 for each image; give"):
        fit_temperature(softmax(logits, 1), labels)


def test_blocks_of_images_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = drawn(5, 500)
    whole = fit_temperature(logits, labels)
    monkeypatch.setattr(temperature, "BLOCK", 7)
    assert fit_temperature(logits, labels) == pytest.approx(whole, rel=1e-9)
