"""Temperature scaling: one number, by which logits are divided, calibrates confidences and changes no prediction."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import softmax

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import Vector
from layermix_gen.evaluate.results.predictions import Floats, are_probabilities, labelled

BLOCK = 4096  # images that are computed with at a time
EXACT = 1e-12  # of 1/T, in units of the mean distance of a logit to the highest


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature T for which softmax(logits / T) has the least mean negative log-likelihood (Guo et al. 2017).

    That is convex in 1/T, so T is where its derivative is 0: the mean of the logit expected under the prediction is the
    mean logit of the labels. A model with T > 1 was too sure, one with T < 1 too unsure. `logits` are (N, C), `labels`
    (N,) in [0, C), of images that were neither trained on nor are tested with. Raises `LayerMixError` for other shapes
    and types, and where no T is best: all images are right, or the logits do not tell of the labels.
    """
    values, answers = labelled(logits, labels)
    if not len(values) or are_probabilities(values):
        found = "those of no image" if not len(values) else "outputs that add up to 1 for each image"
        raise LayerMixError(f"expected logits, got {found}; give the model's outputs without a softmax")
    scores = values - values.max(1, keepdims=True)
    unit = -float(scores.mean(dtype=np.float64))
    of_labels = np.take_along_axis(scores, answers[:, None], 1)
    if unit == 0:
        raise LayerMixError("expected logits that differ between classes, got equal ones; look at the model")
    if not of_labels.any():
        raise LayerMixError(f"expected images of which some are mistaken, got {len(scores)} right ones; give more")
    mean = float(of_labels.mean(dtype=np.float64)) / unit

    def slope(inverse: float) -> float:
        """The derivative of the mean negative log-likelihood by 1/T, both in units of the logits."""
        total = sum(float((softmax(inverse * one, axis=1) * one).sum()) for one in _blocks(scores, unit))
        return total / len(scores) - mean

    if slope(0) >= 0:
        raise LayerMixError(
            "expected logits that tell of the labels, got some that are no better than chance; look at the checkpoint, "
            "mean and std, and the order of the classes"
        )
    high = 1.0
    while slope(high) < 0:
        high *= 2
    return unit / float(brentq(slope, 0, high, xtol=EXACT))


def _blocks(scores: Floats, unit: float) -> Iterator[Vector]:
    for start in range(0, len(scores), BLOCK):
        yield scores[start : start + BLOCK] / np.float64(unit)
