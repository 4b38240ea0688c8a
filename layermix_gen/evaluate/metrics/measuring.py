"""Compute every metric of a run from its folder of results, and over how many parts of its full list each mean is.

Parts are read one after the other, so memory holds one of them at a time. A mean over fewer parts than its list has
says so, and a corruption that lacks a severity is in no mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.benchmarks import SEVERITIES, mean_list
from layermix_gen.evaluate.metrics.calibration import (
    BIN,
    Reliability,
    aurra,
    expected_calibration_error,
    pooled,
    reliability,
    rms_calibration,
    rms_floor,
)
from layermix_gen.evaluate.metrics.consistency import flip_probability, is_noise, top5_distance
from layermix_gen.evaluate.metrics.error_rates import error_rates, log_loss, normalized_errors
from layermix_gen.evaluate.results.predictions import TOP, Predictions, SequencePredictions
from layermix_gen.evaluate.results.results_folder import finished_parts, load_part, part_path, read_signature
from layermix_gen.evaluate.results.signature import Signature
from layermix_gen.support.checks import as_path
from layermix_gen.support.text import as_text, count, one_line

METRICS_VERSION = 1  # rises whenever the same predictions would give another number
ALEXNET = ("imagenet", "imagenet", 1000)  # dataset, scale and number of classes that its errors are for
CALIBRATED = ("clean", "c", "cbar", "r")  # the suites for which calibration is measured

CALIBRATION_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float | None]] = {
    "rms": rms_calibration,
    "rms_floor": lambda confidences, _: rms_floor(confidences),
    "rms_released": lambda confidences, correct: (
        rms_calibration(confidences, correct, "released") if len(confidences) >= BIN else None
    ),
    "ece": expected_calibration_error,
    "aurra": aurra,
}
"""The metrics of confidences (N,) and whether the predictions are right (N,); None where there are too few images."""


@dataclass(frozen=True, slots=True)
class Number:
    """A metric's value: the mean over `parts` of the `of` parts of its list."""

    value: float
    parts: int = 1
    of: int = 1

    @property
    def complete(self) -> bool:
        """Whether no part is missing."""
        return self.parts == self.of


@dataclass(slots=True, eq=False)
class Measured:
    """All metrics of one run; what was not evaluated is left out.

    `numbers` by metric; `errors` in percent by suite, part and severity; `normalized` by corruption, in percent of
    AlexNet's; `consistency` by perturbation: percent of flips and top-5 distance; `calibration` by suite, then metric;
    `diagrams` by suite; `notes` on what the means lack.
    """

    name: str
    signature: Signature
    parts: dict[str, tuple[str, ...]]
    numbers: dict[str, Number] = field(default_factory=dict)
    errors: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    normalized: dict[str, float] = field(default_factory=dict)
    consistency: dict[str, tuple[float, float]] = field(default_factory=dict)
    calibration: dict[str, dict[str, Number]] = field(default_factory=dict)
    diagrams: dict[str, Reliability] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Measured {self.name}: {', '.join(self.numbers) or 'nothing'}>"

    def mean_error(self, suite: str, part: str) -> float | None:
        """The mean error of a part over its severities, in percent; None where one of them is missing."""
        errors = self.errors.get(suite, {}).get(part, {})
        if not errors or set(errors) < set(self.signature.suites[suite].severities):
            return None
        return float(np.mean(list(errors.values())))


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The metrics of one part that has all its severities."""

    error: float
    error5: float
    calibration: dict[str, float]
    diagram: Reliability


def measure(root: str | Path, name: str = "") -> Measured:
    """Compute all metrics of the results in the folder `root`; `name` is how reports call the run.

    Raises `LayerMixError` where there are no results, or one of their files is damaged or does not fit the others.
    """
    check_type("name", name, str)
    root = as_path(root, "folder of results")
    signature = read_signature(root)
    shown = one_line(name) or one_line(as_text(root.resolve().name)) or "unnamed"
    run = Measured(shown, signature, finished_parts(root, signature))
    for suite, facts in signature.suites.items():
        if suite in ("c", "cbar") and facts.severities != SEVERITIES:
            shown = ", ".join(map(str, facts.severities))
            run.notes.append(f"{suite} is at severities {shown} alone, so its means compare with others at these alone")
        if not run.parts[suite]:
            run.notes.append(f"{suite} is begun, and no part of it is evaluated yet")
        elif suite == "p":
            _measure_videos(run, root)
        else:
            _measure_images(run, root, suite)
    return run


def _measure_images(run: Measured, root: Path, suite: str) -> None:
    done: dict[str, _Part] = {}
    severities = run.signature.suites[suite].severities
    for part in run.parts[suite]:
        predictions = _load(run, root, suite, part)
        rates = error_rates(predictions)
        run.errors.setdefault(suite, {})[part] = dict(zip(predictions.severities, rates.tolist(), strict=True))
        if missing := sorted(set(severities) - set(predictions.severities)):
            run.notes.append(f"{suite}/{part} lacks severity {', '.join(map(str, missing))} and is in no mean")
        else:
            done[part] = _numbers(predictions, pool=run.signature.scale == "cifar")
    names = mean_list(suite, run.signature.scale)
    listed = {part: numbers for part, numbers in done.items() if part in names}
    if suite == "pgd":
        for part, metric in (("correct", "pgd_error"), ("released", "pgd_released_error")):
            _set_mean(run, metric, [done[part].error] if part in done else [], 1)
        return
    _set_mean(run, f"{suite}_error", [one.error for one in listed.values()], len(names))
    if suite in ("clean", "r") and run.signature.n_classes > TOP:
        _set_mean(run, f"{suite}_error5", [one.error5 for one in listed.values()], 1)
    of_alexnet = (run.signature.dataset, run.signature.scale, run.signature.n_classes) == ALEXNET
    if suite == "c" and of_alexnet and severities == SEVERITIES:
        run.normalized = normalized_errors({part: one.error for part, one in listed.items()})
        _set_mean(run, "c_error_normalized", list(run.normalized.values()), len(names))
    if listed:
        _set_calibration(run, suite, list(listed.values()), len(names))


def _numbers(part: Predictions, pool: bool) -> _Part:
    """The metrics of a part; its calibration is of all severities pooled, as for CIFAR-C, or the mean over them."""
    sure, right = part.confidences, part.correct
    groups = [(sure.ravel(), right.ravel())] if pool else list(zip(sure, right, strict=True))
    calibrations = [_calibration(*group) for group in groups]
    calibration = {metric: float(np.mean([one[metric] for one in calibrations])) for metric in calibrations[0]}
    return _Part(
        error=float(error_rates(part).mean()),
        error5=float(error_rates(part, TOP).mean()),
        calibration=calibration | {"nll": float(log_loss(part).mean())},
        diagram=reliability(sure.ravel(), right.ravel()),
    )


def _calibration(sure: np.ndarray, right: np.ndarray) -> dict[str, float]:
    rows = {metric: compute(sure, right) for metric, compute in CALIBRATION_METRICS.items()}
    return {metric: value for metric, value in rows.items() if value is not None}


def _set_calibration(run: Measured, suite: str, parts: Sequence[_Part], of: int) -> None:
    run.calibration[suite] = {
        metric: Number(float(np.mean([one.calibration[metric] for one in parts])), len(parts), of)
        for metric in parts[0].calibration
    }
    run.numbers[f"{suite}_rms"] = run.calibration[suite]["rms"]
    run.diagrams[suite] = pooled([one.diagram for one in parts])


def _measure_videos(run: Measured, root: Path) -> None:
    for part in run.parts["p"]:
        videos, noise = _load_videos(run, root, part), is_noise(part)
        run.consistency[part] = (flip_probability(videos, noise=noise), top5_distance(videos, noise=noise))
    names = mean_list("p", run.signature.scale)
    for number, metric in enumerate(("p_flips", "p_distance")):
        _set_mean(run, metric, [run.consistency[part][number] for part in names if part in run.consistency], len(names))


def normalize_consistency(run: Measured, reference: Mapping[str, Mapping[str, float]]) -> None:
    """Add mFP and mT5D in percent of those of a reference model such as AlexNet.

    `reference` has `flip_probability`, in percent, and `top5_distance`, each by perturbation. Raises `LayerMixError`
    where one is missing.
    """
    names = [part for part in mean_list("p", run.signature.scale) if part in run.consistency]
    for number, (metric, given) in enumerate((("p_flips", "flip_probability"), ("p_distance", "top5_distance"))):
        values = reference.get(given, {})
        if bad := [name for name in names if not 0 < values.get(name, 0) <= 100]:
            raise LayerMixError(
                f"expected a {given} of {bad[0]} above 0 and up to 100 in the reference for P, found "
                f"{values.get(bad[0], 'none')}; complete the file"
            )
        ratios = [100 * run.consistency[name][number] / values[name] for name in names]
        _set_mean(run, f"{metric}_normalized", ratios, len(mean_list("p", run.signature.scale)))


def _set_mean(run: Measured, metric: str, values: Sequence[float], of: int) -> None:
    if values:
        run.numbers[metric] = Number(float(np.mean(values)), len(values), of)


def _load(run: Measured, root: Path, suite: str, part: str) -> Predictions:
    found, path = load_part(root, suite, part), part_path(root, suite, part)
    if not isinstance(found, Predictions):
        raise _unfit(path, "predictions for images", "videos")
    severities = run.signature.suites[suite].severities
    if set(found.severities) - set(severities):  # another suite's; if some are only missing, a note says so
        raise _unfit(path, _severities(severities), _severities(found.severities))
    _check_fit(run, suite, path, count(found.images, "image"), found.n_classes)
    return found


def _severities(numbers: Sequence[int]) -> str:
    return f"severities {' '.join(map(str, numbers))}" if any(numbers) else "no severities"


def _load_videos(run: Measured, root: Path, part: str) -> SequencePredictions:
    found, path = load_part(root, "p", part), part_path(root, "p", part)
    if not isinstance(found, SequencePredictions):
        raise _unfit(path, "predictions for videos", "images")
    _check_fit(run, "p", path, count(found.videos, "video"), found.n_classes)
    return found


def _check_fit(run: Measured, suite: str, path: Path, size: str, n_classes: int) -> None:
    expected = count(run.signature.suites[suite].images, "video" if suite == "p" else "image")
    if size != expected:
        raise _unfit(path, expected, size)
    if n_classes > run.signature.n_classes:
        raise _unfit(path, f"{run.signature.n_classes} classes", str(n_classes))


def _unfit(path: Path, expected: str, found: str) -> LayerMixError:
    return LayerMixError(
        f"expected {expected} in {as_text(path)}, found {found}; delete it and run the evaluation again"
    )
