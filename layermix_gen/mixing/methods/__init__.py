"""The methods, one table row each: ways to draw recipes from a random generator, without touching a pixel."""

from layermix_gen.mixing.methods import augmix, ipmix, layermix, none, pixmix
from layermix_gen.mixing.methods.augmix import AugMixOptions
from layermix_gen.mixing.methods.base import DrawSettings, Method, Recipe, Shares
from layermix_gen.mixing.methods.ipmix import IPMixOptions
from layermix_gen.mixing.methods.layermix import LayerMixOptions
from layermix_gen.mixing.methods.option_fields import MethodOptions, NoOptions
from layermix_gen.mixing.methods.pixmix import PixMixOptions

_ROWS = (
    Method("layermix", LayerMixOptions, layermix.draw, layermix.shares, mixes_pictures=True),
    Method("none", NoOptions, none.draw, none.shares, mixes_pictures=False),
    Method("augmix", AugMixOptions, augmix.draw, augmix.shares),
    Method("pixmix", PixMixOptions, pixmix.draw, pixmix.shares, mixes_pictures=True),
    Method("ipmix", IPMixOptions, ipmix.draw, ipmix.shares, mixes_pictures=True),
)

METHODS = {row.name: row for row in _ROWS}
UNMIXED = "none"  # the method of clean planes

__all__ = [
    "METHODS",
    "UNMIXED",
    "AugMixOptions",
    "DrawSettings",
    "IPMixOptions",
    "LayerMixOptions",
    "Method",
    "MethodOptions",
    "PixMixOptions",
    "Recipe",
    "Shares",
]
