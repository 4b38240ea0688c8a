"""Error rates and metrics made from them: error@1 and error@5, log loss, corruption errors raw and normalised.

Everything is in percent except the log loss, which is in nats. Lower is better. The means over a suite's corruptions,
such as the mCE, are taken in `measuring`, which knows how many of them are there.
"""

from collections.abc import Mapping
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import as_whole_in, check_mapping, check_real, check_type
from layermix_gen.evaluate.benchmarks import ALEXNET_C, C
from layermix_gen.evaluate.results.predictions import TOP, Predictions

MAKE = "make it by predicted"


def error_rates(part: Predictions, top: int = 1) -> NDArray[np.float64]:
    """The percentage of images whose label is not among the `top` most probable classes, at each severity (S,).

    With no more than `top` classes every error is 0. Raises `LayerMixError` unless `top` is in [1, 5], as many classes
    as are kept of each image, and for anything but predictions for images.
    """
    check_type("part", part, Predictions, MAKE)
    top = as_whole_in("top", top, 1, TOP)
    found = (part.classes[:, :, :top] == part.labels[:, :, None]).any(2)
    return 100 * (1 - found.mean(1))


def log_loss(part: Predictions) -> NDArray[np.float64]:
    """The mean negative log-likelihood of the labels in nats, at each severity (S,).

    Raises `LayerMixError` for anything but predictions for images.
    """
    check_type("part", part, Predictions, MAKE)
    return -part.log_likelihoods.mean(1, dtype=np.float64)


def normalized_errors(errors: Mapping[str, float]) -> dict[str, float]:
    """Corruption errors in percent of AlexNet's; each of `errors` is in percent, the mean over its five severities.

    CE_c = sum_s E_s,c / sum_s E_s,c(AlexNet), whose mean over the 15 of `benchmarks.C` is the mCE of Hendrycks and
    Dietterich (2019), section 4.1. It is defined for ImageNet-C with 1000 classes. Raises `LayerMixError` for other
    corruptions, and for errors out of [0, 100].
    """
    check_mapping("errors", errors, str, Real, "give the error of each corruption in percent")
    if unknown := [name for name in errors if name not in ALEXNET_C]:
        raise LayerMixError(f"expected corruptions of {', '.join(C)}, got {unknown[0]!r}; AlexNet's error is not known")
    for name, error in errors.items():
        check_real(f"the error of {name}", error, 0, 100, "give it in percent")
    return {name: error / ALEXNET_C[name] for name, error in errors.items()}
