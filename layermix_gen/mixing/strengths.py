"""How operations' strengths are drawn: `paper` and `released`, as LayerMix and its code have them, and `augmix`.

A sampler takes the magnitude m in (0, 10] and the side of the image in pixels, and says how an operation's argument is
drawn then. It is rounded here, once, so that a recipe's text says exactly what is rendered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from layermix_gen.support.seeds import Random

ArgumentSampler: TypeAlias = Callable[[Random], tuple[float, ...]]
"""Draws the arguments of an operation or a blend, where all else is settled."""


@dataclass(frozen=True, slots=True)
class Strength:
    """How the one argument of an operation is drawn: base + direction x / unit, of x = U(low, high).

    Then x is at least `least`, a whole number if `is_whole`, and has a random sign if `is_signed`. It is a table row
    instead of a function, so that the kernels can draw by it, too. Without parameters, nothing is drawn.
    """

    low: float = 0.0
    high: float = 0.0
    base: float = 0
    direction: int = 1
    unit: float = 1
    least: float = -1e9
    is_whole: bool = False
    is_signed: bool = False
    parameters: int = 1

    def __call__(self, rng: Random) -> tuple[float, ...]:
        """Draw the arguments."""
        if not self.parameters:
            return ()
        x = uniform(rng, self.low, self.high)
        if x < self.least:
            x = self.least
        if self.is_whole:
            x = int(x)
        if self.is_signed and rng.random() >= 0.5:
            x = -x
        value = self.base + self.direction * x
        if self.unit != 1:
            value /= self.unit
        return (value if self.is_whole and self.unit == 1 and not self.is_signed else rounded(value),)


StrengthSampler: TypeAlias = Callable[[float, int], Strength]


@cache
def settled(sampler: StrengthSampler, magnitude: float, side: int) -> Strength:
    """A sampler at a magnitude, for images of `side` pixels."""
    return sampler(magnitude, side)


def uniform(rng: Random, low: float, high: float) -> float:
    return low + (high - low) * rng.random()


def rounded(value: float) -> float:
    """`value` with the four decimals that a recipe keeps, and no negative zero."""
    return round(value, 4) + 0.0


def _share(limit: float, magnitude: float) -> tuple[float, float]:
    """The bounds of a random share of an operation's range, as AugMix and PixMix draw it: U(0.1, m) / 10."""
    return limit * 0.1 / 10, limit * magnitude / 10


def nothing(magnitude: float, side: int) -> Strength:
    return Strength(parameters=0)


def signed(limit: float) -> StrengthSampler:
    """A sampler of the `paper` preset: a random share of `limit`, with a random sign."""
    return lambda magnitude, side: Strength(*_share(limit, magnitude), is_signed=True)


def signed_shift(magnitude: float, side: int) -> Strength:
    return Strength(*_share(0.33 * side, magnitude), is_signed=True)


def factor(magnitude: float, side: int) -> Strength:
    return Strength(*_share(0.9, magnitude), base=1, is_signed=True)


def bits(magnitude: float, side: int) -> Strength:
    return Strength(*_share(4, magnitude), base=4, direction=-1, is_whole=True)


def threshold(magnitude: float, side: int) -> Strength:
    return Strength(*_share(1, magnitude), base=1, direction=-1)


def released_signed(limit: float) -> StrengthSampler:
    """A sampler of the `released` preset: U(0.1, m/10 · limit), the 0.1 in the unit of `limit`, with a random sign."""
    return lambda magnitude, side: Strength(0.1, magnitude / 10 * limit, is_signed=True)


def released_shift(magnitude: float, side: int) -> Strength:
    return Strength(0.1, magnitude / 10 * int(0.33 * side), is_signed=True)


def released_bits(magnitude: float, side: int) -> Strength:
    return Strength(0.1, 4 * magnitude / 10, is_whole=True)


def released_bits_rising(magnitude: float, side: int) -> Strength:
    return Strength(0.1, 4 * magnitude / 10, base=4, direction=-1, is_whole=True)


def released_threshold(magnitude: float, side: int) -> Strength:
    return Strength(0.1, magnitude / 10)


def released_threshold_rising(magnitude: float, side: int) -> Strength:
    """Draw U(0.1, (1 - m)/10); at m = 8 it is below 0 in 7 of 8 draws, which inverts the whole image."""
    return Strength(0.1, (1 - magnitude) / 10, least=0.0)


def whole_signed(limit: float) -> StrengthSampler:
    """A sampler of AugMix: a random share of `limit`, cut to a whole number, with a random sign."""
    return lambda magnitude, side: Strength(*_share(limit, magnitude), is_whole=True, is_signed=True)


def whole_shift(magnitude: float, side: int) -> Strength:
    return Strength(*_share(side / 3, magnitude), is_whole=True, is_signed=True)


def whole_threshold(magnitude: float, side: int) -> Strength:
    """Draw the lowest value that is inverted, a whole number: the threshold lies half a step below it."""
    return Strength(*_share(256, magnitude), base=255.5, direction=-1, unit=255, is_whole=True)


def wide_factor(magnitude: float, side: int) -> Strength:
    return Strength(*_share(1.8, magnitude), base=0.1)
