"""A model's predictions for one part of a suite, as small as the metrics allow.

Of each image the five most probable classes are kept, with their probabilities, and the log-likelihood of its label: 52
bytes, so that ImageNet-C's 50,000 x 75 images take 195 MB. A `Predictions` is checked when made, so it can be trusted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import as_array, as_integers, as_texts, check_mapping, check_type
from layermix_gen.support.checks import check_whole
from layermix_gen.support.text import count

TOP = 5  # classes kept of each image: what error@5 and mT5D need
NO_SEVERITY = (0,)  # the severities of a part that has none
MAKE = "make them by predicted or predicted_sequences"
SLACK = 1e-3  # how far the sum of an image's probabilities may be from 1
Floats: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """A model's predictions for N images at S severities; S = 1 where a part has no severities.

    The classes of an image are sorted by the model's outputs, equal ones by their numbers. K = min(5, n_classes).
    """

    labels: NDArray[np.int64]  # (S, N), in [0, n_classes)
    classes: NDArray[np.int32]  # (S, N, K), the most probable first
    probabilities: NDArray[np.float32]  # (S, N, K), of those classes
    log_likelihoods: NDArray[np.float32]  # (S, N), the logarithm of the label's probability
    n_classes: int
    severities: tuple[int, ...] = NO_SEVERITY

    def __post_init__(self) -> None:
        _check_images(self)

    @property
    def images(self) -> int:
        """N, the number of images at each severity."""
        return int(self.labels.shape[1])

    @property
    def confidences(self) -> NDArray[np.float32]:
        """The probability of the predicted class, (S, N)."""
        return self.probabilities[:, :, 0]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the predicted class is the label, (S, N)."""
        return self.classes[:, :, 0] == self.labels


@dataclass(frozen=True, slots=True, eq=False)
class SequencePredictions:
    """A model's predictions for V videos of any lengths, frame after frame and video after video: F frames in all."""

    classes: NDArray[np.int32]  # (F, K), the most probable first; equal ones by number
    lengths: NDArray[np.int64]  # (V,), frames of each video, at least 2; their sum is F
    n_classes: int

    def __post_init__(self) -> None:
        _check_sequences(self)

    @property
    def videos(self) -> int:
        """V, the number of videos."""
        return len(self.lengths)


AnyPredictions: TypeAlias = Predictions | SequencePredictions


# --- from a model's outputs ------------------------------------------------------------------------------------------


def predicted(outputs: ArrayLike, labels: ArrayLike, *, probabilities: bool = False) -> Predictions:
    """Predictions of one severity from labels (N,) and logits (N, C), or, with `probabilities`, probabilities (N, C).

    Both may be arrays, lists or tensors, on any device and in any precision. To restrict a head to some classes, as
    ImageNet-R does, give only their columns, and labels that number these. Raises `LayerMixError` for other shapes,
    labels out of range, outputs that are not finite, and probabilities in place of logits.
    """
    values, answers = labelled(outputs, labels, probabilities=probabilities)
    if not probabilities and are_probabilities(values):
        raise LayerMixError(
            "expected logits, got outputs that add up to 1 for each image; give probabilities=True, or the model "
            "without its softmax"
        )
    classes = most_probable(values)  # two logits may differ by less than the rounding of the logarithms below
    logs = _log_probabilities(values, probabilities)
    likelihoods = np.take_along_axis(logs, answers[:, None], 1)[:, 0]
    chosen = np.exp(np.take_along_axis(logs, classes, 1))
    return Predictions(
        labels=answers[None],
        classes=classes[None],
        probabilities=np.minimum.accumulate(chosen, 1).astype(np.float32)[None],  # exp's rounding may break the order
        log_likelihoods=np.maximum(likelihoods, np.finfo(np.float32).min).astype(np.float32)[None],
        n_classes=values.shape[1],
    )


def labelled(outputs: ArrayLike, labels: ArrayLike, *, probabilities: bool = False) -> tuple[Floats, NDArray[np.int64]]:
    """A model's outputs (N, C) for N images, and their labels (N,). Raises `LayerMixError` as `predicted` does."""
    values = _checked(outputs, probabilities, "image")
    answers = as_integers("labels", labels, len(values), "give the number of one class for each output")
    n_classes = values.shape[1]
    if len(answers) and not (answers.min() >= 0 and answers.max() < n_classes):
        raise LayerMixError(
            f"expected labels in [0, {n_classes}), as the model has {n_classes} classes, got {answers.min()} to "
            f"{answers.max()}; evaluate a model of as many classes as the dataset has"
        )
    return values, answers


def predicted_sequences(outputs: ArrayLike, lengths: ArrayLike, *, probabilities: bool = False) -> SequencePredictions:
    """Predictions for videos from `lengths` (V,) and logits (F, C), or, with `probabilities`, probabilities (F, C).

    Raises `LayerMixError` for other shapes, outputs that are not finite, and lengths that do not add up to F.
    """
    values = _checked(outputs, probabilities, "frame")
    counts = as_integers("lengths", lengths, None, "give the number of frames of each video")
    return SequencePredictions(most_probable(values), counts, values.shape[1])


def stack(severities: Mapping[int, Predictions]) -> Predictions:
    """Join the predictions of one corruption, given by the number of the severity, into one.

    Raises `LayerMixError` where there are none, one has severities already, or they differ in their number of images or
    classes.
    """
    check_mapping("severities", severities, int, Predictions, "give predictions by the number of the severity")
    if several := [number for number, part in severities.items() if len(part.severities) > 1]:
        raise LayerMixError(f"expected predictions of one severity each, got more at {several[0]}; stack them once")
    parts = [severities[number] for number in sorted(severities)]
    sizes = {(part.images, part.n_classes) for part in parts}
    if len(sizes) != 1:
        listed = ", ".join(f"{images} and {classes}" for images, classes in sorted(sizes)) or "none"
        raise LayerMixError(f"expected severities of as many images and classes each, got {listed}; check the data")
    return Predictions(
        labels=np.concatenate([part.labels for part in parts]),
        classes=np.concatenate([part.classes for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        log_likelihoods=np.concatenate([part.log_likelihoods for part in parts]),
        n_classes=parts[0].n_classes,
        severities=tuple(sorted(severities)),
    )


def most_probable(scores: Floats) -> NDArray[np.int32]:
    """The classes (N, K) of the K = min(5, C) highest scores (N, C), the highest first, equal ones by their numbers."""
    rest, best = scores.copy(), np.empty((len(scores), min(TOP, scores.shape[1])), np.int32)
    rows = np.arange(len(scores))
    for rank in range(best.shape[1]):
        best[:, rank] = rest.argmax(1)  # the first of equal ones
        rest[rows, best[:, rank]] = -np.inf
    return best


def class_columns(head: Sequence[str], subset: Sequence[str]) -> NDArray[np.int64]:
    """The columns of a model's outputs for the classes `subset`, in that order; `head` names all the model's classes.

    This is how a head of 1000 classes is measured on ImageNet-R's 200 (Hendrycks et al. 2021): with
    `outputs[:, columns]` prediction, top five and probabilities are among these alone. Raises `LayerMixError` for
    unknown or repeated names.
    """
    head, subset = as_texts("head", head), as_texts("subset", subset)
    numbers = {name: number for number, name in enumerate(head)}
    if unknown := [name for name in subset if name not in numbers]:
        raise LayerMixError(
            f"expected classes that the model knows, got {len(unknown)} others such as {unknown[0]!r}; name the "
            "classes as the model's head does"
        )
    if len(numbers) < len(head) or len(set(subset)) < len(subset):
        raise LayerMixError("expected each class once, got one twice; check the names of the classes")
    return np.array([numbers[name] for name in subset], np.int64)


def _checked(outputs: ArrayLike, probabilities: bool, noun: str) -> Floats:
    """Check a model's outputs (N, C) for N images or frames; return them as float32, or float64 if they are that."""
    check_type("probabilities", probabilities, bool)
    values = as_array("outputs", outputs)
    what = "probabilities" if probabilities else "logits"
    if values.ndim != 2 or values.shape[1] == 0 or not np.issubdtype(values.dtype, np.floating):
        raise LayerMixError(
            f"expected {what} as floats ({noun}s, classes), got {values.dtype} {values.shape}; give a row for each "
            f"{noun}"
        )
    values = values.astype(np.promote_types(values.dtype, np.float32), copy=False)
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values).all(1)).sum())
        raise LayerMixError(
            f"expected finite {what}, got NaN or infinity for {bad} of {count(len(values), noun)}; look at the "
            "checkpoint, or evaluate in full precision"
        )
    if probabilities and not _add_up(values):
        raise LayerMixError(
            f"expected probabilities that are not negative and add up to 1 for each {noun}, got others; give logits?"
        )
    return values


def are_probabilities(values: Floats) -> bool:
    """Whether outputs (N, C) can be told to be probabilities; for most logits the first row says no."""
    return len(values) > 0 and values.shape[1] > 1 and _add_up(values[:1]) and _add_up(values)


def _add_up(values: Floats) -> bool:
    """Whether all rows are probabilities: not negative, with a sum of 1."""
    return bool(values.min(initial=0) >= 0 and (np.abs(values.sum(1) - 1) <= SLACK).all())


def _log_probabilities(values: Floats, probabilities: bool) -> Floats:
    """The logarithms of the probabilities, (N, C)."""
    if not probabilities:
        shifted = values - values.max(1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(np.minimum(values, 1)), np.finfo(np.float32).min)


# --- checks ----------------------------------------------------------------------------------------------------------


def _check_images(part: Predictions) -> None:
    check_whole("n_classes", part.n_classes, 1, change="n_classes=")
    check_type("severities", part.severities, tuple, "give them as in (1, 2, 3, 4, 5)")
    for severity in part.severities:
        check_whole("severity", severity, 0, change="severities=")
    check_type("labels", part.labels, np.ndarray, MAKE)
    s, n, k = len(part.severities), part.labels.shape[-1] if part.labels.ndim else 0, min(TOP, part.n_classes)
    _check(part, "labels", np.int64, (s, n))
    _check(part, "classes", np.int32, (s, n, k))
    _check(part, "probabilities", np.float32, (s, n, k))
    _check(part, "log_likelihoods", np.float32, (s, n))
    facts = {
        "at least one image": n > 0,
        "at least one severity, in rising order": s > 0 and list(part.severities) == sorted(set(part.severities)),
        "labels below the number of classes": _within(part.labels, 0, part.n_classes - 1),
        "classes below the number of classes": _within(part.classes, 0, part.n_classes - 1),
        "probabilities in [0, 1]": _within(part.probabilities, 0, 1),
        "probabilities in falling order": bool((np.diff(part.probabilities) <= 0).all()),
        "finite log-likelihoods of at most 0": _within(part.log_likelihoods, float(np.finfo(np.float32).min), 0),
    }
    _refuse(facts)


def _check_sequences(part: SequencePredictions) -> None:
    check_whole("n_classes", part.n_classes, 1, change="n_classes=")
    for name in ("classes", "lengths"):
        check_type(name, getattr(part, name), np.ndarray, MAKE)
    frames, videos = part.classes.shape[:1] or (0,), part.lengths.shape[:1] or (0,)
    _check(part, "lengths", np.int64, videos)
    _check(part, "classes", np.int32, (*frames, min(TOP, part.n_classes)))
    facts = {
        "at least one video": len(part.lengths) > 0,
        "classes below the number of classes": _within(part.classes, 0, part.n_classes - 1),
        "videos of at least 2 frames": _within(part.lengths, 2, np.iinfo(np.int64).max),
        f"lengths that add up to {frames[0]} frames": int(part.lengths.sum()) == frames[0],
    }
    _refuse(facts)


def _check(part: AnyPredictions, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    array = getattr(part, name)
    check_type(name, array, np.ndarray, MAKE)
    if array.dtype != dtype or array.shape != shape:
        raise LayerMixError(
            f"expected {name} as {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}; evaluate again"
        )


def _within(array: NDArray[Any], low: float, high: float) -> bool:
    """Whether all numbers lie in [low, high]; NaN does not."""
    return not array.size or bool(array.min() >= low and array.max() <= high)


def _refuse(facts: Mapping[str, bool]) -> None:
    for fact, holds in facts.items():
        if not holds:
            raise LayerMixError(f"expected {fact}, found otherwise; evaluate again")
