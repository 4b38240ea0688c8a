"""Error rates, log loss and corruption errors: by hand, against scikit-learn, and what must always hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import top_k_accuracy_score

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.benchmarks import ALEXNET_C, C_EXTRA, CBAR, P_EXTRA, C, P, mean_list
from layermix_gen.evaluate.metrics.error_rates import error_rates, log_loss, normalized_errors
from layermix_gen.evaluate.results.predictions import Predictions, class_columns, most_probable, predicted, stack
from tests.strategies import steady

HAND = np.log([[0.7, 0.2, 0.1], [0.2, 0.3, 0.5], [0.1, 0.6, 0.3], [0.4, 0.4, 0.2]])


def made(seed: int, images: int = 40, classes: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2, (images, classes)).astype(np.float32), rng.integers(0, classes, images)


def test_by_hand() -> None:
    part = predicted(HAND, [0, 1, 1, 1])  # right, wrong, right, wrong: of two equal classes the first is predicted
    assert error_rates(part).tolist() == [50]
    assert error_rates(part, 2).tolist() == [0]
    assert log_loss(part)[0] == pytest.approx(-np.log([0.7, 0.3, 0.6, 0.4]).mean())
    assert part.classes[0].tolist() == [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 1, 2]]
    assert part.confidences[0] == pytest.approx([0.7, 0.5, 0.6, 0.4])


@steady()
@given(st.integers(0, 10_000), st.integers(1, 50), st.integers(6, 30))
def test_as_scikit_learn(seed: int, images: int, classes: int) -> None:
    logits, labels = made(seed, images, classes)
    part = predicted(logits, labels)
    names, exact = np.arange(classes), logits.astype(np.float64)
    probabilities = np.exp(exact) / np.exp(exact).sum(1, keepdims=True)
    for top in (1, 2, 5):
        accuracy = top_k_accuracy_score(labels, exact, k=top, labels=names)
        assert error_rates(part, top)[0] == pytest.approx(100 * (1 - accuracy))
    assert log_loss(part)[0] == pytest.approx(sklearn_log_loss(labels, probabilities, labels=names), rel=1e-5)


@steady()
@given(st.integers(0, 10_000))
def test_the_order_of_images_does_not_matter(seed: int) -> None:
    logits, labels = made(seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    one, other = predicted(logits, labels), predicted(logits[order], labels[order])
    for top in (1, 5):
        assert error_rates(one, top) == error_rates(other, top)
    assert log_loss(one) == pytest.approx(log_loss(other), rel=1e-12)
    assert 0 <= error_rates(one, 5)[0] <= error_rates(one)[0] <= 100


def test_one_image_one_class() -> None:
    part = predicted([[3.0]], [0])
    assert (error_rates(part), error_rates(part, 5), log_loss(part)) == ([0], [0], [0])
    assert part.confidences.tolist() == [[1]]


def test_severities_are_apart() -> None:
    wrong = stack({2: predicted(-HAND, [0, 1, 1, 1]), 1: predicted(HAND, [0, 1, 1, 1])})
    assert wrong.severities == (1, 2)
    assert error_rates(wrong).tolist() == [50, 100]  # the least probable is predicted: 2, 0, 0, 2


@pytest.mark.parametrize("top", [0, 6])
def test_top_is_checked(top: int) -> None:
    with pytest.raises(LayerMixError, match=rf"^top must be a whole number in \[1, 5\], got {top}; change top="):
        error_rates(predicted(HAND, [0, 0, 0, 0]), top)


@steady()
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_the_most_probable_are_as_a_stable_sort_has_them(seed: int, classes: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 4, (30, classes)).astype(np.float32)  # many equal ones
    expected = [sorted(range(classes), key=lambda c: (-row[c], c))[:5] for row in scores]
    assert most_probable(scores).tolist() == expected


def test_saturated_logits_have_a_finite_loss() -> None:
    part = predicted(np.array([[0, 500]], np.float32), [0])
    assert log_loss(part)[0] == 500
    zero = predicted(np.array([[0.0, 1.0]]), [0], probabilities=True)
    assert np.isfinite(log_loss(zero)[0])
    assert log_loss(zero)[0] > 1e38


def test_images_are_ranked_by_their_logits() -> None:
    """The softmax, rounded to float32, makes these two equal, and equal ones are ranked by class number."""
    part = predicted(np.array([[0, 1e-8, -1]], np.float32), [1])
    assert part.classes[0].tolist() == [[1, 0, 2]]
    assert error_rates(part) == [0]
    near = np.nextafter(np.float32(0.3), np.float32(1))
    given = predicted(np.array([[0.3, near, 0.4]], np.float32), [1], probabilities=True)
    assert given.classes[0].tolist() == [[2, 1, 0]]


@steady()
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_probabilities_never_rise(seed: int, classes: int) -> None:
    """The logits are nearly or exactly equal, and classes are ranked by the logits themselves."""
    rng = np.random.default_rng(seed)
    logits = (rng.normal(0, 5, (50, 1)) + rng.integers(-3, 4, (50, classes)) * 2e-7).astype(np.float32)
    part = predicted(logits, np.zeros(50, np.int64))
    assert (np.diff(part.probabilities) <= 0).all()
    assert np.array_equal(part.classes[0], np.argsort(-logits, axis=1, kind="stable")[:, :5])


def test_an_exponential_that_rises(monkeypatch: pytest.MonkeyPatch) -> None:
    """On some processors NumPy's exponential rises in its last digit where its argument falls in its last digit."""
    exact = np.exp
    rounding = np.array([[0, 1e-7, 0]], np.float32)
    monkeypatch.setattr(np, "exp", lambda x: exact(x) + (rounding if x.shape == (1, 3) else 0))
    part = predicted(np.zeros((1, 3), np.float32), [0])
    assert part.classes[0].tolist() == [[0, 1, 2]]
    assert part.probabilities[0] == pytest.approx(1 / 3)


def test_probabilities_and_logits_are_the_same() -> None:
    logits, labels = made(2)
    exact = np.exp(logits.astype(np.float64))
    one, other = predicted(logits, labels), predicted(exact / exact.sum(1, keepdims=True), labels, probabilities=True)
    assert np.array_equal(one.classes, other.classes)
    np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=1e-5)
    np.testing.assert_allclose(one.log_likelihoods, other.log_likelihoods, rtol=1e-5)


# --- corruption errors -----------------------------------------------------------------------------------------------


def test_normalised_by_alexnet() -> None:
    """AlexNet itself has 100, and half of its errors give 50; its published mean error is 78.8 (in Hendrycks' code)."""
    assert list(ALEXNET_C) == list(C)
    alexnet = {name: 100 * error for name, error in ALEXNET_C.items()}
    assert list(normalized_errors(alexnet).values()) == pytest.approx([100] * 15)
    assert normalized_errors({"fog": 40.9662}) == {"fog": pytest.approx(50)}


def test_the_papers_baseline_is_where_it_is_said_to_be() -> None:
    """ImageNet-1K's baseline has a raw error of 60.19; with this error everywhere, the normalised is near 76.7."""
    mean = np.mean(list(normalized_errors(dict.fromkeys(C, 60.19)).values()))
    assert 75 < mean < 79


def test_normalising_is_for_the_fifteen() -> None:
    with pytest.raises(LayerMixError, match=r"^expected corruptions of gaussian_noise, .*, got 'spatter'"):
        normalized_errors({"spatter": 10.0})


def test_lists() -> None:
    assert (len(C), len(P), len(P_EXTRA)) == (15, 10, 4)
    assert C_EXTRA[:4] == ("speckle_noise", "gaussian_blur", "spatter", "saturate")  # others may follow
    assert not set(C) & set(C_EXTRA)
    assert not set(P) & set(P_EXTRA)
    assert [len(set(names)) for names in CBAR.values()] == [10, 10]
    assert len(set(CBAR["cifar"]) & set(CBAR["imagenet"])) == 5
    assert mean_list("cbar", "imagenet")[-1] == "single_frequency_greyscale"
    with pytest.raises(LayerMixError, match=r"^suite must be one of clean, .*, got 'c-bar'"):
        mean_list("c-bar", "cifar")


# --- ImageNet-R ------------------------------------------------------------------------------------------------------


def test_a_head_is_restricted_to_some_classes() -> None:
    """Of columns 2 and 0, image 0 has 5 and 1, so it is class 0 of the two, though column 1 is the highest of all."""
    columns = class_columns(["a", "b", "c"], ["c", "a"])
    part = predicted(np.array([[1.0, 9.0, 5.0]])[:, columns], [0])
    assert columns.tolist() == [2, 0]
    assert (error_rates(part), part.n_classes) == ([0], 2)
    assert part.confidences[0, 0] == pytest.approx(1 / (1 + np.exp(-4)))


@pytest.mark.parametrize(
    ("head", "subset", "message"),
    [
        (["a", "b"], ["c", "a"], r"^expected classes that the model knows, got 1 others such as 'c'"),
        (["a", "b"], ["a", "a"], "^expected each class once"),
        (["a", "a"], ["a"], "^expected each class once"),
    ],
)
def test_the_classes_are_checked(head: list[str], subset: list[str], message: str) -> None:
    with pytest.raises(LayerMixError, match=message):
        class_columns(head, subset)


# --- bad outputs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outputs", "labels", "message"),
    [
        ([[np.nan, 1.0], [0.0, 1.0]], [0, 1], "^expected finite logits, got NaN or infinity for 1 of 2 images"),
        ([[np.inf, 1.0]], [0], "^expected finite logits"),
        ([[0.0, 1.0]], [2], r"^expected labels in \[0, 2\), as the model has 2 classes, got 2 to 2"),
        ([[0.0, 1.0]], [-1], r"^expected labels in \[0, 2\)"),
        ([[0.0, 1.0]], [0, 1], r"^expected whole numbers \(1,\) as labels, got .*; give the number of one class"),
        ([[0.0, 1.0]], [0.0], r"^expected whole numbers \(1,\) as labels, got .*; give the number of one class"),
        ([0.0, 1.0], [0], r"^expected logits as floats \(images, classes\), got float64 \(2,\)"),
        ([[0, 1]], [0], "^expected logits as floats"),
        (np.zeros((1, 0)), [0], "^expected logits as floats"),
    ],
)
def test_bad_outputs(outputs: object, labels: object, message: str) -> None:
    with pytest.raises(LayerMixError, match=message) as caught:
        predicted(np.array(outputs), np.array(labels))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("row", [[0.5, 0.6], [-0.5, 1.5], [3.0, -2.0]])
def test_bad_probabilities(row: list[float]) -> None:
    with pytest.raises(LayerMixError, match=r"^expected probabilities that are not negative and add up to 1"):
        predicted(np.array([row]), [0], probabilities=True)


def test_probabilities_a_little_over_one() -> None:
    part = predicted(np.array([[1.0005, 0.0]], np.float32), [0], probabilities=True)
    assert part.confidences.tolist() == [[1]]
    assert log_loss(part) == [0]


def test_parts_that_do_not_match() -> None:
    one, other = predicted(HAND, [0, 0, 0, 0]), predicted(HAND[:, :2], [0, 0, 0, 0])
    with pytest.raises(
        LayerMixError, match=r"^expected severities of as many images and classes each, got 4 and 2, 4 "
    ):
        stack({1: one, 2: other})
    with pytest.raises(LayerMixError, match=r"^expected severities of .* each, got 3 and 3, 4 and 3; check the data$"):
        stack({1: one, 2: predicted(HAND[:3], [0, 0, 0])})
    with pytest.raises(LayerMixError, match=r"^expected severities of .* each, got none"):
        stack({})


def test_predictions_are_checked() -> None:
    part = predicted(HAND, [0, 1, 1, 1])
    values = {name: getattr(part, name) for name in Predictions.__dataclass_fields__}
    none = {name: values[name][:, :0] for name in ("labels", "classes", "probabilities", "log_likelihoods")}
    for change, message in (
        ({"labels": part.labels.astype(np.int32)}, "^expected labels as int64 .*, got int32"),
        (none, "^expected at least one image"),
        ({"classes": part.classes[:, :, :2]}, r"^expected classes as int32 \(1, 4, 3\), got int32 \(1, 4, 2\)"),
        ({"classes": part.classes + 1}, "^expected classes below the number of classes"),
        ({"probabilities": part.probabilities * 2}, r"^expected probabilities in \[0, 1\]"),
        ({"probabilities": part.probabilities * np.float32(np.nan)}, r"^expected probabilities in \[0, 1\]"),
        ({"probabilities": part.probabilities[:, :, ::-1]}, "^expected probabilities in falling order"),
        ({"log_likelihoods": -part.log_likelihoods}, "^expected finite log-likelihoods of at most 0"),
        ({"severities": (1, 1)}, "^expected labels as int64"),
        ({"severities": ()}, "^expected labels as int64"),
    ):
        with pytest.raises(LayerMixError, match=message):
            Predictions(**values | change)
