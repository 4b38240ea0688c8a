"""Render whole recipes by the compiled kernels: a recipe is sent as a list of nodes, each after its operands."""

import ctypes
from collections.abc import Sequence
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from layermix_gen.kernels import Image
from layermix_gen.kernels.native import address, room

LEAVES = ("image", "picture", "other")
CALLS = (  # in the order of `enum call` in kernels.h
    *LEAVES,
    *("invert", "posterize", "solarize", "brightness", "contrast", "autocontrast", "equalize"),
    *("grayscale", "color", "sharpness", "mirror", "erase"),
    *("rotate", "shear_x", "shear_y", "translate_x", "translate_y"),
    *("add", "multiply", "pixel", "element", "mean", "paste"),
    *("add_patch", "multiply_patch", "pixel_patch", "element_patch"),
)
NUMBERS = {name: number for number, name in enumerate(CALLS)}
ARGUMENTS = 7
_NODE = Struct(f"=iiii{ARGUMENTS}d")
_NONE = (0.0,) * ARGUMENTS
NODE = np.dtype([("call", "i4"), ("x", "i4"), ("y", "i4"), ("unused", "i4"), ("arguments", "f8", ARGUMENTS)])
CROP = ("picture", "top", "left", "flip_h", "flip_v")
VARIANT = np.dtype(  # `lm_variant`
    [(name, "u8") for name in ("image", "other", "out")]
    + [(name, "i4") for name in ("first", "nodes", *CROP, "unused")]
)
_Addresses = ctypes.c_void_p * len(LEAVES)


def node(name: str, x: int = 0, y: int = 0, arguments: tuple[float, ...] = ()) -> bytes:
    """One call of a recipe, as `lm_node` has it: x and y are the numbers of earlier nodes. KeyError for other calls."""
    return _NODE.pack(NUMBERS[name], x, y, 0, *arguments, *_NONE[len(arguments) :])


def run(library: ctypes.CDLL, nodes: bytes, leaves: Sequence[Image | None], out: Image) -> None:
    """Render the last of the `nodes` to `out`; the leaves (H, W, 3) that they use are C-contiguous and of its shape."""
    addresses = _Addresses(*[None if leaf is None else address(leaf) for leaf in leaves])
    height, width, _ = out.shape
    if library.lm_render(nodes, len(nodes) // _NODE.size, addresses, height, width, room(out)):
        raise MemoryError


class Programs(NamedTuple):
    """The recipes of many variants, as the kernels read them: `nodes` (NODE) and `variants` (VARIANT)."""

    nodes: npt.NDArray[Any]
    variants: npt.NDArray[Any]


def render_all(library: ctypes.CDLL, programs: Programs, pictures: npt.NDArray[np.uint8], size: int) -> None:
    """Render variants of `size` pixels, whose addresses are set, with crops of `pictures` (N, S, S) or (N, S, S, 3).

    All recipes, and the crops, which lie inside of the pictures, have been checked.
    """
    nodes, variants = programs
    channels = 3 if pictures.ndim == 4 else 1
    at = (address(nodes), address(variants), len(variants), address(pictures), pictures.shape[1], channels, size)
    if library.lm_render_all(*at):
        raise MemoryError
