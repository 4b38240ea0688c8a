"""LayerMix training sets, computed offline and written as WebDataset shards.

`build` makes a dataset as the command line does; `LayerMix` mixes one image at a time; `render` runs a recipe. Names
are imported when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from layermix_gen._version import __version__ as __version__

if TYPE_CHECKING:
    from layermix_gen.building.builder import build
    from layermix_gen.building.estimator import estimate
    from layermix_gen.dataset.manifest import Manifest
    from layermix_gen.dataset.settings import BuildSettings
    from layermix_gen.errors import BadImage, Interrupted, LayerMixError
    from layermix_gen.inspection.drawings.sheet import contact_sheet
    from layermix_gen.inspection.drawings.tree import recipe_tree
    from layermix_gen.inspection.shards import open_shards
    from layermix_gen.mixing.recipe import parse
    from layermix_gen.mixing.renderer import render
    from layermix_gen.mixing_sets.mixing_set import MixingSet, open_mixing_set, pack
    from layermix_gen.online import LayerMix
    from layermix_gen.reading.device import normalize
    from layermix_gen.reading.reader import LayerMixDataset

_HOMES = {
    "BadImage": "errors",
    "BuildSettings": "dataset.settings",
    "Interrupted": "errors",
    "LayerMix": "online",
    "LayerMixDataset": "reading.reader",
    "LayerMixError": "errors",
    "Manifest": "dataset.manifest",
    "MixingSet": "mixing_sets.mixing_set",
    "build": "building.builder",
    "contact_sheet": "inspection.drawings.sheet",
    "estimate": "building.estimator",
    "normalize": "reading.device",
    "open_mixing_set": "mixing_sets.mixing_set",
    "open_shards": "inspection.shards",
    "pack": "mixing_sets.mixing_set",
    "parse": "mixing.recipe",
    "recipe_tree": "inspection.drawings.tree",
    "render": "mixing.renderer",
}

__all__ = [
    "BadImage",
    "BuildSettings",
    "Interrupted",
    "LayerMix",
    "LayerMixDataset",
    "LayerMixError",
    "Manifest",
    "MixingSet",
    "build",
    "contact_sheet",
    "estimate",
    "normalize",
    "open_mixing_set",
    "open_shards",
    "pack",
    "parse",
    "recipe_tree",
    "render",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
