"""Compiled kernels against NumPy, bit for bit: recipes that methods draw, any that the language allows, and views.

Results lie between guards, which must stay as they are; `make sanitize` runs the same with AddressSanitizer and UBSan.
"""

from collections.abc import Callable
from ctypes import CDLL
from pathlib import Path
from typing import TypeAlias

import numpy as np

from layermix_gen.images import Image
from layermix_gen.images.views import VIEWS, render_view
from layermix_gen.kernels import native, programs
from layermix_gen.mixing.methods import METHODS, DrawSettings
from layermix_gen.mixing.methods.layermix import PRESETS
from layermix_gen.mixing.recipe import SIGNATURES, Call, Expression, Leaf
from layermix_gen.mixing.renderer import evaluated, nodes_of
from tests.faults.tally import Tally
from tests.kernels.levels import LIBRARIES
from tests.strategies import KINDS, make_image

GUARD = 64  # bytes around a result
EXTREMES = (0.0, 1.0, -1.0, 0.5, 1e-6, 1e-320, 1e5, 1e6, -1e6, 255.0, 256.0, 2.0**31, 2.0**32 - 1)
DEPTH = 6  # of a hostile recipe
Rendering: TypeAlias = Callable[[CDLL, Image], None]


def guarded(library: CDLL, rendering: Rendering, shape: tuple[int, ...]) -> Image:
    """What a rendering writes between guards, to unaligned memory. Raises ValueError where a guard has changed."""
    size = int(np.prod(shape))
    room = np.full(size + 2 * GUARD + 1, 0xA5, np.uint8)
    out = room[GUARD + 1 :][:size].reshape(shape)
    rendering(library, out)
    if (room[: GUARD + 1] != 0xA5).any() or (room[-GUARD:] != 0xA5).any():
        raise ValueError("writes beside its result")
    return out


def fault_of(rendering: Rendering, expected: Image) -> str | None:
    """The level of the first library that renders something else, and what; None if all render what is expected."""
    for level, library in LIBRARIES.items():
        try:
            found = guarded(library, rendering, expected.shape)
        except ValueError as error:
            return f"{level} {error}"
        if not np.array_equal(found, expected):
            return f"{level} differs in {np.count_nonzero(found != expected)} values"
    return None


def side_of(rng: np.random.Generator) -> int:
    return int(rng.choice([rng.integers(1, 5), rng.integers(5, 40), rng.integers(40, 301)], p=[0.3, 0.6, 0.1]))


def inputs_of(rng: np.random.Generator, height: int, width: int) -> list[Image]:
    seeds = rng.integers(0, 2**32, 3).tolist()
    return [make_image(str(rng.choice(KINDS)), height, width, seed) for seed in seeds]


def hostile(rng: np.random.Generator, depth: int = DEPTH) -> Expression:
    """Any expression of the language, whose numbers are often the bounds of what is allowed."""
    if depth == 0 or rng.random() < 0.25:
        return Leaf(str(rng.choice(programs.LEAVES)))
    name = str(rng.choice(list(SIGNATURES)))
    operands, parameters = SIGNATURES[name]
    numbers = []
    for one in parameters:
        usual = rng.uniform(max(one.low, -40), min(one.high, 40))
        inside = [value for value in EXTREMES if one.low <= value <= one.high]
        number = rng.choice([usual, rng.uniform(one.low, one.high), one.low, one.high, *inside])
        numbers.append(int(number) if one.whole else float(number))
    return Call(name, tuple(hostile(rng, depth - 1) for _ in range(operands)), tuple(numbers))


def drawn(rng: np.random.Generator, name: str, size: int) -> Expression:
    """A recipe of a method, or of LayerMix with a preset."""
    method = METHODS.get(name) or METHODS["layermix"]
    options = {"preset": name} if name in PRESETS else {}
    return method.draw(rng, DrawSettings(size, 10, 300, method.options_of(options).resolve(size))).expression


def view_fault(rng: np.random.Generator) -> str | None:
    """What goes wrong with a view of a random source."""
    height, width, size = side_of(rng), side_of(rng), side_of(rng)
    source = make_image("random", height, width, int(rng.integers(2**32)))
    view = VIEWS[str(rng.choice(list(VIEWS)))](rng, height, width, size)
    with only(None):
        expected = render_view(source, view, size)

    def rendering(library: CDLL, out: Image) -> None:
        with only(library):
            render_view(source, view, size, out)

    fault = fault_of(rendering, expected)
    return fault and f"{fault}: {view} of {width}x{height} px at {size} px"


class only:  # noqa: N801 - a context
    """Let the package use one library, or NumPy."""

    def __init__(self, library: CDLL | None) -> None:
        self._library, self._before = library, native.library

    def __enter__(self) -> None:
        native.library = lambda: self._library  # type: ignore[assignment]

    def __exit__(self, *_: object) -> None:
        native.library = self._before


def recipe_fault(expression: Expression, inputs: list[Image]) -> str | None:
    """What goes wrong with a recipe."""
    expected = evaluated(expression, dict(zip(programs.LEAVES, inputs, strict=True)))
    nodes = nodes_of(expression)
    fault = fault_of(lambda library, out: programs.run(library, nodes, inputs, out), expected)
    return fault and f"{fault}: {expression} of {inputs[0].shape}"


KINDS_OF_ROUNDS = ("hostile", "view", *PRESETS, *(name for name in METHODS if name != "layermix"))


def harness(rounds: int, seed: int, folder: Path) -> Tally:
    """Compare in `rounds` of each kind in turn: hostile recipes, views, recipes of each preset and method."""
    tally, rng = Tally(), np.random.default_rng(seed)
    for number in range(rounds):
        kind = KINDS_OF_ROUNDS[number % len(KINDS_OF_ROUNDS)]
        if kind == "view":
            tally.record(kind, view_fault(rng))
        elif kind == "hostile":
            tally.record(kind, recipe_fault(hostile(rng), inputs_of(rng, side_of(rng), side_of(rng))))
        else:
            size = side_of(rng)
            tally.record(kind, recipe_fault(drawn(rng, kind, size), inputs_of(rng, size, size)))
    return tally
