"""The kinds of fractals, one row each: a name, its share of a set, and the two functions of its module."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.fractals import ifs


@dataclass(frozen=True, slots=True)
class Kind:
    """`draw(rng)` gives JSON-able parameters; `render(size, **parameters)` uses no other randomness."""

    name: str
    share: float  # relative to the other kinds of the set
    draw: Callable[[np.random.Generator], dict[str, Any]]
    render: Callable[..., npt.NDArray[np.float32]]  # (S, S) in [0, 1]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("ifs", 1.0, ifs.draw, ifs.render),
    )
}  # fmt: skip


def select_kinds(names: tuple[str, ...] | None) -> tuple[Kind, ...]:
    """The kinds of these names, in the table's order; all of them for None."""
    unknown = sorted(set(names or ()) - set(KINDS))
    if unknown or names == ():
        found = ", ".join(unknown) or "none"
        raise LayerMixError(f"expected kinds of fractals among {', '.join(KINDS)}, got {found}; choose some of them")
    return tuple(kind for kind in KINDS.values() if names is None or kind.name in names)
