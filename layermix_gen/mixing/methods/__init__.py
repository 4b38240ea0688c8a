"""The methods: ways of drawing recipes. A method uses a random generator and touches no pixel."""

from collections.abc import Callable

from layermix_gen.mixing.methods import layermix, none
from layermix_gen.mixing.methods.base import PRESETS, DrawSettings, Method, Recipe, Shares

METHODS: dict[str, Method] = {"layermix": layermix.draw, "none": none.draw}
SHARES: dict[str, Callable[[DrawSettings], Shares]] = {"layermix": layermix.shares, "none": none.shares}

__all__ = ["METHODS", "PRESETS", "SHARES", "DrawSettings", "Method", "Recipe", "Shares"]
