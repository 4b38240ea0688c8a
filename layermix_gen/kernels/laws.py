"""Draw the recipes of LayerMix by the compiled kernels, for many images at once.

`methods.layermix.draw` says what is drawn; from the numbers of the same key, the recipes are the same.
"""

import ctypes
from collections.abc import Mapping
from ctypes import c_double, c_int32
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from layermix_gen.kernels.native import address, room
from layermix_gen.kernels.programs import NODE, NUMBERS, VARIANT, Programs

MOST_NODES = 7
Keys: TypeAlias = npt.NDArray[np.uint64]

_FLAGS, _NUMBERS = ("parameters", "is_whole", "is_signed"), ("low", "high", "base", "direction", "unit", "least")
STRENGTH_FIELDS = ("call", *_FLAGS, *_NUMBERS)
STRENGTH = np.dtype([(name, "f8" if name in _NUMBERS else "i4") for name in STRENGTH_FIELDS])  # `lm_strength`


class LawFields(ctypes.Structure):
    """`lm_law`."""

    _fields_ = (
        ("size", c_int32),
        ("pictures", c_int32),
        ("picture_size", c_int32),
        ("has_flips", c_int32),
        ("operations", c_int32),
        ("is_one_operation", c_int32),
        ("is_one_blend", c_int32),
        ("layers", c_int32),
        ("layer", c_int32 * 3),
        ("blends", c_int32),
        ("blend", c_int32 * 4),
        ("layer_weight", c_double * 3),
        ("layer_total", c_double),
        ("blend_weight", c_double * 4),
        ("blend_total", c_double),
        ("power", c_double),
    )


class Law:
    """How LayerMix draws, in the terms of the kernels.

    `strengths` has the row of each operation, of type STRENGTH; `layers` and `blends` are weights by name; `ratio` is
    that of the blends' coefficients. The other `fields` are numbers of `lm_law`, by name.
    """

    def __init__(
        self,
        strengths: npt.NDArray[Any],
        layers: Mapping[str, float],
        blends: Mapping[str, float],
        ratio: float,
        **fields: int,
    ) -> None:
        self._strengths = strengths
        self._fields = LawFields(
            operations=len(strengths),
            layers=len(layers),
            layer=tuple(map(int, layers)),
            layer_weight=tuple(layers.values()),
            layer_total=sum(layers.values()),
            blends=len(blends),
            blend=tuple(NUMBERS[name] for name in blends),
            blend_weight=tuple(blends.values()),
            blend_total=sum(blends.values()),
            power=1 / ratio,
            **fields,
        )

    def draw(self, library: ctypes.CDLL, keys: Keys) -> Programs:
        """Draw a recipe by each key (N, 2): the words of its Philox. Addresses of the variants are 0."""
        nodes, variants = np.empty(len(keys) * MOST_NODES, NODE), np.empty(len(keys), VARIANT)
        strengths, law = address(self._strengths), ctypes.addressof(self._fields)
        library.lm_draw(law, strengths, address(keys), len(keys), room(nodes), room(variants))
        return Programs(nodes, variants)
