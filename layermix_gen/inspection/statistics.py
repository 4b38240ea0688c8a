"""Compare counts with expected shares: a standard score (z) for each, and Pearson's chi-square test for all of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REMARKABLE = 1e-3  # p below which a test says that something is wrong


@dataclass(frozen=True, slots=True)
class Frequency:
    """How often one value was drawn: its share of all draws, the expected share, and z, in standard deviations."""

    name: int | str
    count: int
    share: float
    expected: float
    z: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The frequencies of all possible values, and the p of Pearson's chi-square test: 1 where nothing was drawn."""

    frequencies: tuple[Frequency, ...]
    p: float

    @property
    def is_remarkable(self) -> bool:
        """Whether chance alone gives such counts in fewer than one of a thousand datasets."""
        return self.p < REMARKABLE


def compare(counts: Mapping[Any, int], expected: Mapping[Any, float]) -> Comparison:
    """Compare counts with expected shares, which add up to 1; a count where none is expected makes p = 0."""
    total = sum(counts.values())
    frequencies: list[Frequency] = []
    statistic = 0.0
    for name in [*expected, *(name for name in counts if name not in expected)]:
        count, share = counts.get(name, 0), expected.get(name, 0.0)
        mean = total * share
        deviation = math.sqrt(mean * (1 - share))
        z = (count - mean) / deviation if deviation else math.copysign(math.inf, count - mean) if count != mean else 0.0
        frequencies.append(Frequency(name, count, count / total if total else 0.0, share, z))
        statistic += (count - mean) ** 2 / mean if mean else math.inf if count else 0.0
    return Comparison(tuple(frequencies), chi_square_p(statistic, len(expected) - 1))


def chi_square_p(statistic: float, freedom: int) -> float:
    """The probability that chi-square with `freedom` degrees of freedom is larger than `statistic`.

    This is the regularized gamma function Q(freedom/2, statistic/2). As freedom/2 is a whole or half number, it is a
    finite sum (Abramowitz and Stegun, 26.4.4 and 26.4.5).
    """
    half = statistic / 2
    if half <= 0:
        return 1.0
    if freedom < 1 or half == math.inf:
        return 0.0
    first = 0.5 if freedom % 2 else 0.0
    orders = (first + i for i in range(freedom // 2))
    tail = sum(math.exp(order * math.log(half) - half - math.lgamma(order + 1)) for order in orders)
    return min(1.0, tail + (math.erfc(math.sqrt(half)) if freedom % 2 else 0.0))
