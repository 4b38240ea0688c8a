"""Compiled kernels against NumPy, bit for bit: recipes that methods draw, any that the language allows, and views.

Results lie between guards, which must stay as they are; `make sanitize` runs the same with AddressSanitizer and UBSan.
"""

import sys
from collections.abc import Callable
from ctypes import CDLL
from pathlib import Path
from typing import TypeAlias

import numpy as np

from layermix_gen.images import Image
from layermix_gen.images.views import VIEWS, render_view
from layermix_gen.kernels import programs
from layermix_gen.mixing.methods import METHODS, DrawSettings
from layermix_gen.mixing.methods.layermix import PRESETS
from layermix_gen.mixing.operations import Parameter
from layermix_gen.mixing.recipe import MAX_CALLS, MAX_DEPTH, SIGNATURES, Call, Expression, Leaf
from layermix_gen.mixing.renderer import evaluated, nodes_of
from tests.faults.tally import Tally
from tests.kernels.levels import COMPILED, COMPILED_CALLS, LIBRARIES, guarded, using
from tests.strategies import KINDS, make_image

EXTREMES = (0.0, 1.0, -1.0, 0.5, 1e-6, 1e-40, 1e-320, 1e5, 1e6, -1e6, 255.0, 256.0, 2.0**31, 2.0**32 - 1)
MOST = 16  # different calls of a hostile recipe
Rendering: TypeAlias = Callable[[CDLL, Image], None]
METHOD = "method"  # each but LayerMix in turn
KINDS_OF_ROUNDS = ("hostile", "view", "hostile", METHOD, *PRESETS)
OTHER_METHODS = tuple(name for name in METHODS if name != "layermix")


def fault_of(rendering: Rendering, expected: Image) -> str | None:
    """The level of the first library that renders something else, and what; None if all render what is expected."""
    for level, library in LIBRARIES.items():
        try:
            with guarded(expected.shape) as found:
                rendering(library, found)
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


def hostile(rng: np.random.Generator) -> Expression:
    """Any expression of calls that have kernels: they share operands, and their numbers are often at the bounds."""
    made: list[tuple[Expression, int, int]] = [(Leaf(name), 0, 0) for name in programs.LEAVES]
    for _ in range(rng.integers(1, MOST + 1)):
        name = str(rng.choice(COMPILED_CALLS))
        operands, parameters = SIGNATURES[name]
        newest_or_any = [made[-1] if rng.random() < 0.5 else made[rng.integers(len(made))] for _ in range(operands)]
        parts, calls, depths = zip(*newest_or_any, strict=True)
        if sum(calls) < MAX_CALLS and max(depths) < MAX_DEPTH:
            call = Call(name, parts, tuple(number_of(rng, one) for one in parameters))
            made.append((call, 1 + sum(calls), 1 + max(depths)))
    return made[-1][0]


def number_of(rng: np.random.Generator, one: Parameter) -> float:
    usual = rng.uniform(max(one.low, -40), min(one.high, 40))
    inside = [value for value in EXTREMES if one.low <= value <= one.high]
    number = rng.choice([usual, rng.uniform(one.low, one.high), one.low, one.high, *inside])
    return int(number) if one.whole else float(number)


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
    with using(None):
        expected = render_view(source, view, size)

    def rendering(library: CDLL, out: Image) -> None:
        with using(library):
            render_view(source, view, size, out)

    fault = fault_of(rendering, expected)
    return fault and f"{fault}: {view} of {width}x{height} px at {size} px"


def recipe_fault(expression: Expression, inputs: list[Image]) -> str | None:
    """What goes wrong with a recipe."""
    expected = evaluated(expression, dict(zip(programs.LEAVES, inputs, strict=True)))
    nodes = nodes_of(expression)
    fault = fault_of(lambda library, out: programs.run(library, nodes, inputs, out), expected)
    return fault and f"{fault}: {expression} of {inputs[0].shape}"


def harness(rounds: int, seed: int, folder: Path) -> Tally:
    """Compare in so many rounds: a third are hostile recipes, a sixth each views, methods and presets of LayerMix."""
    if not LIBRARIES:
        sys.exit(f"error: found no kernels in {COMPILED}; compile them")
    tally, rng = Tally(), np.random.default_rng(seed)
    for number in range(rounds):
        turn, place = divmod(number, len(KINDS_OF_ROUNDS))
        kind = KINDS_OF_ROUNDS[place]
        if kind == METHOD:
            kind = OTHER_METHODS[turn % len(OTHER_METHODS)]
        if kind == "view":
            fault = view_fault(rng)
        elif kind == "hostile":
            fault = recipe_fault(hostile(rng), inputs_of(rng, side_of(rng), side_of(rng)))
        else:
            size = side_of(rng)
            fault = recipe_fault(drawn(rng, kind, size), inputs_of(rng, size, size))
        tally.record(kind, fault)
    return tally
