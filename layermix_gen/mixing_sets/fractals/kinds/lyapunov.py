"""Lyapunov exponents of the logistic map x -> r x (1 - x), where a word says which coordinate r is at each step.

Markus and Hess, "Lyapunov exponents of the logistic map with periodic forcing" (Computers & Graphics 13, 1989). Order
(negative exponents) and chaos (positive ones) are shaded separately.
"""

from itertools import cycle, islice
from typing import Any

import numpy as np

from layermix_gen.mixing_sets.fractals.kinds.base import Floats
from layermix_gen.mixing_sets.fractals.kinds.plane import Viewport, sampled, search

SETTLE = 24
ROUNDS = 72
LOGS = 4  # factors that are multiplied before the logarithm of their product is taken


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the word of a's and b's (at least one of each), the first x, and a place with 2 <= a, b <= 4."""
    letters = rng.permutation(["a", "b", *rng.choice(["a", "b"], int(rng.integers(0, 7)))])
    word = "".join(str(letter) for letter in letters)
    start = Viewport(3.2, 3.2, 1.6)
    place = search(rng, start, lambda x, y: np.clip(_exponents(x, y, word, 0.5), -1, 0), int(rng.integers(1, 4)))
    return {
        "place": place.rounded(),
        "word": word,
        "first": round(float(rng.uniform(0.3, 0.7)), 3),
        "chaos": round(float(rng.uniform(-1.5, 1.5)), 3),
    }


def render(size: int, place: dict[str, float], word: str, first: float, chaos: float) -> Floats:
    """The picture, float32 (S, S); `chaos` is the shade of positive exponents, where an exponent of -2 has -1."""

    def field(x: Floats, y: Floats) -> Floats:
        exponents = _exponents(x, y, word, first)
        order = -np.log1p(-np.minimum(exponents, 0)) / np.float32(np.log(3))
        return np.where(exponents < 0, order, np.float32(chaos) * (1 - np.exp(-3 * np.maximum(exponents, 0))))

    return sampled(size, place, field)


def _exponents(a: Floats, b: Floats, word: str, first: float) -> Floats:
    """The exponents of the points (n,); coordinates outside of [0, 4] are reflected into it."""
    a, b = (np.float32(4) - np.abs(np.float32(4) - np.abs(v)) for v in (a, b))
    rates = {"a": a, "b": b}
    x, product, total = np.full_like(a, first), np.ones_like(a), np.zeros_like(a)
    for number, letter in enumerate(islice(cycle(word), SETTLE + ROUNDS)):
        rate = rates[letter]
        if number >= SETTLE:
            product *= rate * (1 - 2 * x)
            if number % LOGS == LOGS - 1:
                total += np.log(np.abs(product) + np.float32(1e-12))
                product[:] = 1
        x = rate * x * (1 - x)
    return total / np.float32(ROUNDS)
