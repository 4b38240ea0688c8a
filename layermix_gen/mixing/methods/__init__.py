"""The methods, one table row each: ways to draw recipes from a random generator, without touching a pixel."""

from layermix_gen.mixing.methods import layermix, none
from layermix_gen.mixing.methods.base import PRESETS, DrawSettings, Method, Recipe, Shares

_ROWS = (
    Method("layermix", layermix.draw, layermix.shares, mixes_pictures=True),
    Method("none", none.draw, none.shares, mixes_pictures=False),
)

METHODS = {row.name: row for row in _ROWS}
UNMIXED = "none"  # the method of clean planes

__all__ = ["METHODS", "PRESETS", "UNMIXED", "DrawSettings", "Method", "Recipe", "Shares"]
