"""What the results of a study say: means over seeds, differences of conditions, and how large a difference is noise.

All runs of a seed begin with the same weights and see the images in the same order, so conditions are compared within
seeds: by least squares, a value is the sum of its condition's, its seed's and a rest, whose variance has the degrees of
freedom that are left, those of all conditions together. Student's t then gives the interval of a difference. With the
same n seeds in both conditions, that is the mean of the paired differences, with the standard error s √(2/n). The test
images are the same for all, and so are the shards of a condition, so that their draw is not in the noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student
from study_matrix import read_facts

from layermix_gen import LayerMixError

METRICS = {
    "clean_error": "clean",
    "c_error": "C",
    "cbar_error": "C-bar",
    "p_flips": "mFP",
    "pgd_error": "PGD",
    "clean_rms": "RMS clean",
    "c_rms": "RMS C",
}
SURE = 0.95


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much a condition's mean is above another's, and the half width of its interval."""

    value: float
    half_width: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return abs(self.value) > self.half_width


@dataclass(frozen=True, slots=True)
class Fit:
    """The values of a metric as sums of their condition's and their seed's, by least squares."""

    conditions: list[str]
    solution: np.ndarray  # of the conditions, then of the seeds
    covariance: np.ndarray  # of the solution, in units of the variance of the rest
    span: np.ndarray  # projects on what the values determine
    deviation: float  # of the rest; NaN where nothing is left to tell it
    freedom: int

    @classmethod
    def of(cls, values: Mapping[str, Mapping[int, float]]) -> "Fit":
        """Fit the values of each condition by seed."""
        rows = [(name, seed, value) for name, by_seed in values.items() for seed, value in by_seed.items()]
        conditions, seeds = sorted({row[0] for row in rows}), sorted({row[1] for row in rows})
        design = np.zeros((len(rows), len(conditions) + len(seeds)))
        for number, (name, seed, _) in enumerate(rows):
            design[number, [conditions.index(name), len(conditions) + seeds.index(seed)]] = 1
        found = np.array([row[2] for row in rows])
        inverse = np.linalg.pinv(design)
        solution = inverse @ found
        rest, freedom = found - design @ solution, len(rows) - int(np.linalg.matrix_rank(design))
        deviation = sqrt(float(rest @ rest) / freedom) if freedom else float("nan")
        return cls(conditions, solution, inverse @ inverse.T, inverse @ design, deviation, freedom)

    def difference(self, condition: str, reference: str) -> Difference | None:
        """Condition less reference, and the half width of its interval; None where no seeds connect them."""
        contrast = np.zeros(len(self.solution))
        contrast[self.conditions.index(condition)] += 1
        contrast[self.conditions.index(reference)] -= 1
        if not np.allclose(contrast @ self.span, contrast):
            return None
        error = self.deviation * sqrt(float(contrast @ self.covariance @ contrast))
        quantile = float(student.ppf((1 + SURE) / 2, self.freedom)) if self.freedom else float("nan")
        return Difference(float(contrast @ self.solution), quantile * error)


class Results:
    """All results of a study, by condition and seed."""

    def __init__(self, found: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> None:
        self.found = found
        self._fits: dict[str, Fit] = {}

    @classmethod
    def read(cls, folder: Path) -> "Results":
        """Read the JSON files of a folder. Raises `LayerMixError` if there are none."""
        found: dict[str, dict[int, dict[str, Any]]] = {}
        for path in sorted(folder.glob("*.json")):
            result = read_facts(path, ("run", "results"))
            found.setdefault(result["run"]["name"], {})[result["run"]["seed"]] = result
        if not found:
            raise LayerMixError(f"expected the results of a study in {folder}, found none; run study.py first")
        return cls(found)

    def values(self, condition: str, metric: str) -> dict[int, float]:
        """The metric of each seed that has it."""
        runs = self.found.get(condition, {})
        return {seed: run["results"][metric] for seed, run in runs.items() if metric in run["results"]}

    def mean(self, condition: str, metric: str) -> float | None:
        """The mean over the seeds."""
        values = list(self.values(condition, metric).values())
        return float(np.mean(values)) if values else None

    def deviation(self, condition: str, metric: str) -> float | None:
        """The standard deviation over the seeds, with n - 1."""
        values = list(self.values(condition, metric).values())
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    def noise(self, metric: str) -> tuple[float, int]:
        """The standard deviation of the rest that neither condition nor seed explains, and its degrees of freedom."""
        fit = self._fit(metric)
        return fit.deviation, fit.freedom

    def difference(self, condition: str, reference: str, metric: str) -> Difference | None:
        """By how much a condition is above a reference; None where one has no value, or no seeds connect them."""
        fit = self._fit(metric)
        return fit.difference(condition, reference) if {condition, reference} <= set(fit.conditions) else None

    def _fit(self, metric: str) -> "Fit":
        if metric not in self._fits:
            self._fits[metric] = Fit.of({name: self.values(name, metric) for name in self.found})
        return self._fits[metric]

    def ranks(self, conditions: Sequence[str], metric: str) -> dict[str, tuple[int, int]]:
        """The lowest and the highest rank that each condition may have, 1 being the best, as far as noise allows."""
        there = [name for name in conditions if self.values(name, metric)]
        ranks = {}
        for name in there:
            found = [self.difference(other, name, metric) for other in there if other != name]
            clear = [one.value for one in found if one and one.is_clear]
            ranks[name] = (1 + sum(value < 0 for value in clear), len(there) - sum(value > 0 for value in clear))
        return ranks

    def cost(self, condition: str) -> dict[str, float]:
        """GB of what a condition reads, and seconds of one core to build that, to train and to evaluate."""
        runs = list(self.found[condition].values())
        one, made = runs[0]["run"], [run["made"] for run in runs]
        share = one["variants"] / (one["built"] or one["variants"])
        seconds = {
            "build": [share * facts["build_seconds"] for facts in made],
            "train": [facts["train_seconds"] for facts in made if facts["train_seconds"] is not None],
            "evaluate": [facts["evaluate_seconds"] for facts in made],
        }
        return {"GB": runs[0]["data"]["bytes"] / 1e9} | {
            name: float(np.median(values)) for name, values in seconds.items() if values
        }
