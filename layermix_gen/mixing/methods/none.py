"""The method `none`, which leaves the view as it is: the baseline that another method's cost is measured against."""

from layermix_gen.mixing.methods.base import DrawSettings, Recipe, Shares
from layermix_gen.mixing.recipe import IMAGE
from layermix_gen.support.seeds import Random


def draw(rng: Random, settings: DrawSettings) -> Recipe:
    """Return the recipe that leaves the view as it is."""
    return Recipe(method="none", expression=IMAGE)


def shares(settings: DrawSettings) -> Shares:
    """Return empty shares, since nothing is drawn."""
    return Shares()
