"""The methods, one table row each: ways to draw recipes from a random generator, without touching a pixel."""

from layermix_gen.mixing.methods import autoaugment, erasing, layermix, none, randaugment
from layermix_gen.mixing.methods.base import DrawSettings, Method, Recipe, Shares
from layermix_gen.mixing.methods.layermix import LayerMixOptions
from layermix_gen.mixing.methods.option_fields import MethodOptions, NoOptions

_ROWS = (
    Method("layermix", LayerMixOptions, layermix.draw, layermix.shares, mixes_pictures=True),
    Method("none", NoOptions, none.draw, none.shares, mixes_pictures=False),
    Method("cutout", erasing.CutoutOptions, erasing.draw_cutout, erasing.shares),
    Method("random_erasing", erasing.RandomErasingOptions, erasing.draw_random_erasing, erasing.shares),
    Method("autoaugment", autoaugment.AutoAugmentOptions, autoaugment.draw, autoaugment.shares),
    Method("randaugment", randaugment.RandAugmentOptions, randaugment.draw_randaugment, randaugment.shares),
    Method("trivialaugment", randaugment.TrivialAugmentOptions, randaugment.draw_trivialaugment, randaugment.shares),
)

METHODS = {row.name: row for row in _ROWS}
UNMIXED = "none"  # the method of clean planes

__all__ = ["METHODS", "UNMIXED", "DrawSettings", "LayerMixOptions", "Method", "MethodOptions", "Recipe", "Shares"]
