"""What the results of a study say: means over seeds, differences of conditions, and how large a difference is noise.

All runs of a seed begin with the same weights and see the images in the same order, so conditions are compared within
seeds. The noise of a metric is estimated from all conditions together, by least squares: a value is the sum of its
condition's, its seed's and a rest, whose variance has the degrees of freedom that are left. A difference of two
conditions with n common seeds then has the standard error s √(2/n), and Student's t gives its interval. The test images
are the same for all, so that which of them were drawn is not in the noise.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

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


class Results:
    """All results of a study, by condition and seed."""

    def __init__(self, found: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> None:
        self.found = found

    @classmethod
    def read(cls, folder: Path) -> "Results":
        """Read the JSON files of a folder. Raises `LayerMixError` if there are none."""
        found: dict[str, dict[int, dict[str, Any]]] = {}
        for path in sorted(folder.glob("*.json")):
            result = json.loads(path.read_text())
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
        rows = [
            (condition, seed, value)
            for condition in self.found
            for seed, value in self.values(condition, metric).items()
        ]
        conditions, seeds = sorted({row[0] for row in rows}), sorted({row[1] for row in rows})
        design = np.zeros((len(rows), len(conditions) + len(seeds)))
        for number, (condition, seed, _) in enumerate(rows):
            design[number, [conditions.index(condition), len(conditions) + seeds.index(seed)]] = 1
        values = np.array([row[2] for row in rows])
        solution, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
        rest, freedom = values - design @ solution, len(rows) - int(rank)
        return (sqrt(float(rest @ rest) / freedom), freedom) if freedom else (float("nan"), 0)

    def clear_from(self, metric: str, seeds: int) -> float:
        """How large the difference of two conditions with as many common seeds must be to be more than noise."""
        deviation, freedom = self.noise(metric)
        return float(student.ppf((1 + SURE) / 2, freedom)) * deviation * sqrt(2 / seeds) if freedom else float("nan")

    def difference(self, condition: str, reference: str, metric: str) -> Difference | None:
        """Condition less reference over the seeds that both have; None where there are none."""
        ours, others = self.values(condition, metric), self.values(reference, metric)
        common = sorted(set(ours) & set(others))
        if not common:
            return None
        value = float(np.mean([ours[seed] - others[seed] for seed in common]))
        return Difference(value, self.clear_from(metric, len(common)))

    def ranks(self, conditions: Sequence[str], metric: str) -> dict[str, int]:
        """The rank of each condition by its mean, 1 being the lowest."""
        means = {name: mean for name in conditions if (mean := self.mean(name, metric)) is not None}
        return {name: rank for rank, name in enumerate(sorted(means, key=lambda name: means[name]), 1)}

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
