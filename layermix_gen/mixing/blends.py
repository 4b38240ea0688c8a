"""The blends that make one image from two, one table row each: name, kernel, parameters, and how they are drawn.

`add` and `multiply` act on values at the same place and clip the result; the masks of `pixel` and `element` choose
between x and y at each place. The sampling is that of LayerMix's table I. Other methods take a weighted `mean`, `paste`
a box of y into x, or blend within a box alone: `add_patch` and so on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from layermix_gen.images import Image
from layermix_gen.kernels import blending
from layermix_gen.mixing.operations import BOX, Parameter
from layermix_gen.mixing.strengths import ArgumentSampler, rounded, uniform
from layermix_gen.support.seeds import Random

CoefficientSampler: TypeAlias = Callable[[Random, float], tuple[float, ...]]


def patch_name(blend: str) -> str:
    """The name of a blend within a box alone: `add_patch`."""
    return f"{blend}_patch"


# --- samplers: (rng, blending ratio) -> arguments ------------------------------------------------------------------


def _coefficients(rng: Random, ratio: float) -> tuple[float, ...]:
    """Draw a and b; one coin decides for both: on average a weighted mean, or x amplified and y subtracted.

    They are of Beta(ratio, 1) and Beta(1, ratio), or 1 + and - Beta(1, ratio), by the inverses of their distributions:
    U^(1/ratio), and 1 minus that.
    """
    power = 1 / ratio
    coin, a, b = rng.random() < 0.5, rng.random() ** power, rng.random() ** power
    return (rounded(a), rounded(1 - b)) if coin else (rounded(2 - a), rounded(b - 1))


def _mask_arguments(rng: Random, ratio: float) -> tuple[float, ...]:
    return int(uniform(rng, 0, 257)), int(uniform(rng, 0, 2**32))


# --- the table -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Blend:
    """One blend: what it is called, what it does, and how methods draw its arguments."""

    name: str
    parameters: tuple[Parameter, ...]
    kernel: Callable[..., Image]  # in NumPy, of (x, y, *arguments)
    sample: CoefficientSampler | None = None


B = Parameter("b", -2, 2)
MASK = (Parameter("cut", 0, 256, whole=True), Parameter("seed", 0, 2**32 - 1, whole=True))

_DRAWN = (
    Blend("add", (Parameter("a", -2, 2), B), blending.add, _coefficients),
    Blend("multiply", (Parameter("a", 0, 2), B), blending.multiply, _coefficients),
    Blend("pixel", MASK, blending.pixel, _mask_arguments),
    Blend("element", MASK, blending.element, _mask_arguments),
)
_PATCHES = tuple(Blend(patch_name(row.name), (*row.parameters, *BOX), blending.patch_of(row.kernel)) for row in _DRAWN)
_OTHERS = (
    Blend("mean", (Parameter("weight", 0, 1),), blending.mean),
    Blend("paste", BOX, blending.paste),
)

BLENDS = {row.name: row for row in (*_DRAWN, *_OTHERS, *_PATCHES)}
DRAWN_BLENDS = {row.name: row.sample for row in _DRAWN if row.sample}
"""How the arguments are drawn of the blends that LayerMix and its kin choose from, by the blend's name."""


def settled_blend(name: str, ratio: float) -> ArgumentSampler:
    """How the arguments of a blend are drawn at a blending ratio."""
    sampler = DRAWN_BLENDS[name]
    return lambda rng: sampler(rng, ratio)
