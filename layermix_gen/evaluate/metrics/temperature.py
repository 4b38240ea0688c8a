"""Temperature scaling: one number that makes a model's confidences honest, and leaves its predictions as they are."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import softmax

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.results.predictions import labelled

EXACT = 1e-9  # relative, of 1/T


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature T by which logits are divided so that their softmax suits the labels best (Guo et al. 2017).

    softmax(logits / T) then has the least mean negative log-likelihood. That is convex in 1/T, so its derivative is 0
    there: the mean of the logit expected under the prediction is the mean logit of the labels. A model with T > 1 was
    too sure, one with T < 1 too unsure. `logits` are (N, C), `labels` (N,) in [0, C), of images that were neither
    trained on nor are tested with. Raises `LayerMixError` for other shapes and types, and where no T is best: all
    images are right, or the logits tell nothing of the labels.
    """
    values, answers = labelled(logits, labels)
    if not len(values):
        raise LayerMixError("expected logits of images, got none; give those of held-out images")
    scores = values.astype(np.float64)
    of_labels = np.take_along_axis(scores, answers[:, None], 1).mean()

    def slope(inverse: float) -> float:
        """The derivative of the mean negative log-likelihood by 1/T."""
        return float((softmax(inverse * scores, axis=1) * scores).sum(1).mean() - of_labels)

    if of_labels >= scores.max(1).mean():
        raise LayerMixError(f"expected images of which some are mistaken, got {len(scores)} right ones; give more")
    if slope(0) >= 0:
        raise LayerMixError("expected the highest logits at the labels, got others; give the labels of these images")
    high = 1.0
    while slope(high) < 0:
        high *= 2
    return 1 / float(brentq(slope, 0, high, xtol=EXACT * high, rtol=EXACT))
