"""The kinds of fractals, one row each: a name, its share of a set, and the two functions of its module."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.mixing_sets.fractals.kinds import escape, flame, fold, ifs, lyapunov, newton, noise
from layermix_gen.mixing_sets.fractals.kinds.base import Floats


@dataclass(frozen=True, slots=True)
class FractalKind:
    """One kind: `draw(rng)` returns JSON-able parameters; `render(size, **parameters)` uses no other randomness."""

    name: str
    share: float  # relative to the other kinds of the set
    draw: Callable[[np.random.Generator], dict[str, Any]]
    render: Callable[..., Floats]  # returns a field (S, S) of any range; `tone` maps it to gray levels


_ROWS = (
    FractalKind("escape", 0.25, escape.draw, escape.render),
    FractalKind("flame", 0.25, flame.draw, flame.render),
    FractalKind("fold", 0.12, fold.draw, fold.render),
    FractalKind("ifs", 0.18, ifs.draw, ifs.render),
    FractalKind("lyapunov", 0.04, lyapunov.draw, lyapunov.render),
    FractalKind("newton", 0.1, newton.draw, newton.render),
    FractalKind("noise", 0.06, noise.draw, noise.render),
)

KINDS = {row.name: row for row in _ROWS}


def select_kinds(names: tuple[str, ...] | None) -> tuple[FractalKind, ...]:
    """The kinds of these names, in the table's order; all of them for None."""
    unknown = sorted(set(names or ()) - set(KINDS))
    if unknown or names == ():
        found = ", ".join(unknown) or "none"
        raise LayerMixError(f"expected kinds of fractals among {', '.join(KINDS)}, got {found}; choose some of them")
    return tuple(kind for kind in KINDS.values() if names is None or kind.name in names)
