"""The methods, one table row each: ways to draw recipes from a random generator, without touching a pixel."""

from layermix_gen.mixing.methods import (
    augmix,
    autoaugment,
    erasing,
    ipmix,
    layermix,
    none,
    pairs,
    pixmix,
    randaugment,
)
from layermix_gen.mixing.methods.base import DrawSettings, Method, Recipe, Shares
from layermix_gen.mixing.methods.layermix import LayerMixOptions
from layermix_gen.mixing.methods.option_fields import MethodOptions, NoOptions

_ROWS = (
    Method("layermix", LayerMixOptions, layermix.draw, layermix.shares, mixes_pictures=True, law=layermix.law),
    Method("none", NoOptions, none.draw, none.shares),
    Method("cutout", erasing.CutoutOptions, erasing.draw_cutout, erasing.shares),
    Method("random_erasing", erasing.RandomErasingOptions, erasing.draw_random_erasing, erasing.shares),
    Method("mixup", pairs.MixupOptions, pairs.draw_mixup, pairs.shares_of_mixup, mixes_labels=True),
    Method("cutmix", pairs.CutMixOptions, pairs.draw_cutmix, pairs.shares_of_cutmix, mixes_labels=True),
    Method("autoaugment", autoaugment.AutoAugmentOptions, autoaugment.draw, autoaugment.shares),
    Method("randaugment", randaugment.RandAugmentOptions, randaugment.draw_randaugment, randaugment.shares),
    Method("trivialaugment", randaugment.TrivialAugmentOptions, randaugment.draw_trivialaugment, randaugment.shares),
    Method("augmix", augmix.AugMixOptions, augmix.draw, augmix.shares),
    Method("pixmix", pixmix.PixMixOptions, pixmix.draw, pixmix.shares, mixes_pictures=True),
    Method("ipmix", ipmix.IPMixOptions, ipmix.draw, ipmix.shares, mixes_pictures=True),
)

METHODS = {row.name: row for row in _ROWS}
UNMIXED = "none"  # the method of clean planes

__all__ = [
    "METHODS",
    "UNMIXED",
    "DrawSettings",
    "LayerMixOptions",
    "Method",
    "MethodOptions",
    "Recipe",
    "Shares",
]
