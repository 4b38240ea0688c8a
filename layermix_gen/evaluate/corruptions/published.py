"""The table of all corruptions by name, those that make up a suite, and the function that applies one."""

from typing import Literal, TypeAlias

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.benchmarks import SCALES, SEVERITIES, Scale, extra_list, mean_list
from layermix_gen.evaluate.corruptions.effects import blur, digital, obscuring, pixel_noise, warps, waves, weather
from layermix_gen.evaluate.corruptions.effects.base import Corruption, Severities
from layermix_gen.images import Image, as_image
from layermix_gen.support.checks import check_choice, check_whole

Family: TypeAlias = Literal["c", "cbar", "p"]
FAMILIES: tuple[Family, ...] = ("c", "cbar", "p")
VERSION = 1  # of the kernels: changes when any of them yields other bytes

CORRUPTIONS: dict[str, Corruption] = {
    row.name: row for module in (pixel_noise, blur, weather, digital, waves, obscuring, warps) for row in module.ROWS
}


def names_of(suite: Family, scale: Scale) -> tuple[str, ...]:
    """The corruptions of a suite: the 15 and the 4 extra ones of C, the ten of C-bar at that scale, or P's 10 and 4.

    Raises `LayerMixError` for any other suite or scale.
    """
    check_choice("suite", suite, FAMILIES)
    return (*mean_list(suite, scale), *extra_list(suite))


def corrupted(image: Image, name: str, severity: int, scale: Scale, rng: np.random.Generator) -> Image:
    """Apply one corruption to an image, uint8 (H, W, 3), at severity 1 to 5 of the benchmark of `scale`: a new image.

    Raises `LayerMixError` for an array that is no image, for a name, severity or scale that no benchmark has, and for
    another generator than NumPy's.
    """
    check_choice("corruption", name, CORRUPTIONS, change="the name")
    check_whole("severity", severity, SEVERITIES[0], SEVERITIES[-1], change="the severity")
    check_type("rng", rng, np.random.Generator, "use np.random.default_rng(seed)")
    return CORRUPTIONS[name].kernel(as_image(image), rng, *parameters(name, scale)[severity - 1])


def parameters(name: str, scale: Scale) -> Severities:
    """The published parameters of a corruption, one tuple per severity. Raises `LayerMixError` where there are none."""
    found: Severities | None = getattr(CORRUPTIONS[name], scale) if scale in SCALES else None
    if found is None:
        raise LayerMixError(f"expected a scale at which {name} is published, got {scale!r}; give the other scale")
    return found
