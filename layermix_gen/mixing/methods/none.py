"""No mixing: the view as it is. The floor that a method's cost is measured against."""

import numpy as np

from layermix_gen.mixing.methods.base import DrawSettings, Recipe, Shares
from layermix_gen.mixing.recipe import IMAGE


def draw(rng: np.random.Generator, settings: DrawSettings) -> Recipe:
    """Draw nothing."""
    return Recipe(method="none", expression=IMAGE)


def shares(settings: DrawSettings) -> Shares:
    """Nothing is drawn."""
    return Shares(layers={}, ops={}, blends={})
