"""What runs that were evaluated in part have in common: the mean error over the corruptions and severities of all.

A mean over 12 of 15 corruptions does not compare with one over all; but over the 12 that both have, the two do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layermix_gen.evaluate.benchmarks import SEVERITIES, TITLES, mean_list
from layermix_gen.evaluate.metrics.measuring import Measured
from layermix_gen.evaluate.reporting.comparability import Basis, run_basis


@dataclass(frozen=True, slots=True)
class InCommon:
    """The parts and severities of a suite that several runs have, and the mean error of each run over them."""

    suite: str
    parts: tuple[str, ...]
    severities: tuple[int, ...]
    of: int  # parts of the full list
    means: dict[int, float]  # in percent, by the number of the run

    @property
    def extent(self) -> str:
        """What the means are over: `12 of 15`, `15 at 1 3 5`."""
        share = f"{len(self.parts)} of {self.of}" if len(self.parts) < self.of else str(self.of)
        return share if self.severities == SEVERITIES else f"{share} at {' '.join(map(str, self.severities))}"

    @property
    def title(self) -> str:
        """The suite, and what the means are over."""
        return f"{TITLES[self.suite]}: {self.extent}"


def all_in_common(runs: Sequence[Measured]) -> list[InCommon]:
    """What runs have in common of C, then of C-bar."""
    return [one for suite in ("c", "cbar") for one in in_common(runs, suite)]


def in_common(runs: Sequence[Measured], suite: str) -> Iterator[InCommon]:
    """What runs have in common that would compare if they had the same parts and severities, but have not.

    Nothing is yielded of runs whose means compare as they are.
    """
    groups: dict[Basis, list[int]] = {}
    for number, run in enumerate(runs):
        if run.errors.get(suite):
            basis = run_basis(run, suite)
            facts = tuple(fact for fact in basis.facts if fact[0] != "severities")
            groups.setdefault(replace(basis, facts=facts), []).append(number)
    for numbers in groups.values():
        if len(numbers) > 1 and (found := _of_group(runs, suite, numbers)):
            yield found


def _of_group(runs: Sequence[Measured], suite: str, numbers: Sequence[int]) -> InCommon | None:
    group = [runs[number] for number in numbers]
    severities = sorted(set.intersection(*(set(run.signature.suites[suite].severities) for run in group)))
    listed = mean_list(suite, group[0].signature.scale)
    parts = [part for part in listed if all(set(severities) <= run.errors[suite].get(part, {}).keys() for run in group)]
    means = [run.numbers.get(f"{suite}_error") for run in group]
    is_same = len({run.signature.suites[suite].severities for run in group}) == 1
    if not parts or not severities or (is_same and all(mean and mean.complete for mean in means)):
        return None
    values = {
        number: float(np.mean([run.errors[suite][part][severity] for part in parts for severity in severities]))
        for number, run in zip(numbers, group, strict=True)
    }
    return InCommon(suite, tuple(parts), tuple(severities), len(listed), values)
