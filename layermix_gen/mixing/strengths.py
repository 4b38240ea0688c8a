"""Samplers of operations' strengths: `paper` and `released`, as LayerMix and its code have them, and `augmix`.

A sampler takes a generator, the magnitude m in (0, 10] and the side of the image in pixels, and returns the arguments
of one operation. They are rounded here, once, so that a recipe's text says exactly what is rendered.
"""

from collections.abc import Callable
from typing import TypeAlias

from layermix_gen.support.seeds import Random

StrengthSampler: TypeAlias = Callable[[Random, float, int], tuple[float, ...]]

ArgumentSampler: TypeAlias = Callable[[Random], tuple[float, ...]]
"""A sampler whose other arguments are settled."""


def settled(sampler: StrengthSampler, magnitude: float, side: int) -> ArgumentSampler:
    """A sampler at a magnitude, for images of `side` pixels."""
    return lambda rng: sampler(rng, magnitude, side)


def uniform(rng: Random, low: float, high: float) -> float:
    return low + (high - low) * rng.random()


def rounded(value: float) -> float:
    """`value` with the four decimals that a recipe keeps, and no negative zero."""
    return round(value, 4) + 0.0


def _sign(rng: Random) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0


def _level(rng: Random, magnitude: float) -> float:
    """Draw a strength as a share of an operation's range, as AugMix and PixMix do."""
    return uniform(rng, 0.1, magnitude) / 10


def nothing(rng: Random, magnitude: float, side: int) -> tuple[float, ...]:
    return ()


def signed(limit: float) -> StrengthSampler:
    """A sampler of the `paper` preset: a random share of `limit`, with a random sign."""
    return lambda rng, magnitude, side: (rounded(_level(rng, magnitude) * limit * _sign(rng)),)


def signed_shift(rng: Random, magnitude: float, side: int) -> tuple[float, ...]:
    return (rounded(_level(rng, magnitude) * 0.33 * side * _sign(rng)),)


def factor(rng: Random, magnitude: float, side: int) -> tuple[float, ...]:
    return (rounded(1 + 0.9 * _level(rng, magnitude) * _sign(rng)),)


def bits(rng: Random, magnitude: float, side: int) -> tuple[float, ...]:
    return (4 - int(4 * _level(rng, magnitude)),)


def threshold(rng: Random, magnitude: float, side: int) -> tuple[float, ...]:
    return (rounded(1 - _level(rng, magnitude)),)


def released_signed(limit: float) -> StrengthSampler:
    """A sampler of the `released` preset: U(0.1, m/10 · limit), the 0.1 in the unit of `limit`, with a random sign."""
    return lambda rng, magnitude, side: (rounded(uniform(rng, 0.1, magnitude / 10 * limit) * _sign(rng)),)


def released_shift(rng: Random, magnitude: float, side: int) -> tuple[float, ...]:
    return (rounded(uniform(rng, 0.1, magnitude / 10 * int(0.33 * side)) * _sign(rng)),)


def released_bits(rng: Random, magnitude: float, side: int) -> tuple[float, ...]:
    return (int(uniform(rng, 0.1, 4 * magnitude / 10)),)


def released_bits_rising(rng: Random, magnitude: float, side: int) -> tuple[float, ...]:
    return (4 - int(uniform(rng, 0.1, 4 * magnitude / 10)),)


def released_threshold(rng: Random, magnitude: float, side: int) -> tuple[float, ...]:
    return (rounded(uniform(rng, 0.1, magnitude / 10)),)


def released_threshold_rising(rng: Random, magnitude: float, side: int) -> tuple[float, ...]:
    """Draw U(0.1, (1 - m)/10); at m = 8 it is below 0 in 7 of 8 draws, which inverts the whole image."""
    return (rounded(max(uniform(rng, 0.1, (1 - magnitude) / 10), 0.0)),)


def whole_signed(limit: float) -> StrengthSampler:
    """A sampler of AugMix: a random share of `limit`, cut to a whole number, with a random sign."""
    return lambda rng, magnitude, side: (float(int(_level(rng, magnitude) * limit)) * _sign(rng) + 0.0,)


def whole_shift(rng: Random, magnitude: float, side: int) -> tuple[float, ...]:
    return (float(int(_level(rng, magnitude) * side / 3)) * _sign(rng) + 0.0,)


def whole_threshold(rng: Random, magnitude: float, side: int) -> tuple[float, ...]:
    """Draw the lowest value that is inverted, a whole number: the threshold lies half a step below it."""
    return (rounded((255.5 - int(256 * _level(rng, magnitude))) / 255),)


def wide_factor(rng: Random, magnitude: float, side: int) -> tuple[float, ...]:
    return (rounded(1.8 * _level(rng, magnitude) + 0.1),)
