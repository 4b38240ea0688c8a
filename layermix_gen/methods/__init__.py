"""The methods: ways of drawing recipes. A method uses a random generator and touches no pixel."""

from layermix_gen.methods import layermix, none
from layermix_gen.methods.base import PRESETS, DrawSettings, Method, Recipe

METHODS: dict[str, Method] = {"layermix": layermix.draw, "none": none.draw}

__all__ = ["METHODS", "PRESETS", "DrawSettings", "Method", "Recipe"]
