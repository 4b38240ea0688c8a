"""How each call of the recipe language is made for a batch: one table row each, of a function on tensors.

A call without a row is made image by image by NumPy, which is slow, but right: an operation needs no second kernel.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from layermix_gen.kernels.numbers import sine_and_cosine
from layermix_gen.kernels.programs import LEAVES
from layermix_gen.mixing.operations import OPERATIONS, KernelKind
from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call
from layermix_gen.mixing.renderer import evaluated
from layermix_gen.reading.batch_rendering import (
    tensor_blends,
    tensor_filters,
    tensor_tones,
    tensor_warps,
)

MOST_TABLES = 4096  # that are kept, of 768 bytes: more than a batch calls for


def _as_they_are(*arguments: float) -> Sequence[float]:
    return arguments


@dataclass(frozen=True, slots=True)
class BatchKernel:
    """How a call is made for many images at once.

    `run` takes the operands, uint8 (n, H, W, 3), then what `prepare` makes of the arguments of each call, (n, ...), and
    for masks random bytes (n, `noise` · H · W, at least). Calls with the same `run` are made together.
    """

    run: Callable[..., Tensor]
    prepare: Callable[..., Any] = _as_they_are
    noise: int = 0


def _mask(run: Callable[..., Tensor], noise: int) -> BatchKernel:
    """The kernel of a blend by a mask: its second argument is the seed of its random bytes."""
    return BatchKernel(run, lambda cut, seed, *box: (cut, *box), noise)


@lru_cache(MOST_TABLES)
def _table(name: str, *arguments: float) -> npt.NDArray[np.uint8]:
    """The table (3, 256) of an operation that depends on no pixel."""
    table = OPERATIONS[name].kernel(*arguments)
    return np.ascontiguousarray(np.broadcast_to(table.reshape(256, -1).T, (3, 256)))


_TABLES = {
    row.name: BatchKernel(tensor_tones.looked_up, partial(_table, row.name))
    for row in OPERATIONS.values()
    if row.kind is KernelKind.TABLE and not row.renders_as
}
KERNELS = _TABLES | {
    "contrast": BatchKernel(tensor_tones.contrast),
    "autocontrast": BatchKernel(tensor_tones.autocontrast),
    "equalize": BatchKernel(tensor_tones.equalize),
    "grayscale": BatchKernel(tensor_filters.grayscale),
    "color": BatchKernel(tensor_filters.color),
    "sharpness": BatchKernel(tensor_filters.sharpness),
    "mirror": BatchKernel(tensor_filters.mirror),
    "erase": BatchKernel(tensor_filters.erase),
    "rotate": BatchKernel(tensor_warps.rotate, sine_and_cosine),
    "shear_x": BatchKernel(tensor_warps.shift_rows, lambda factor: (0.0, factor)),
    "shear_y": BatchKernel(tensor_warps.shift_columns, lambda factor: (0.0, factor)),
    "translate_x": BatchKernel(tensor_warps.shift_rows, lambda pixels: (-pixels, 0.0)),
    "translate_y": BatchKernel(tensor_warps.shift_columns, lambda pixels: (-pixels, 0.0)),
    "add": BatchKernel(tensor_blends.add),
    "mean": BatchKernel(tensor_blends.mean),
    "multiply": BatchKernel(tensor_blends.multiply),
    "pixel": _mask(tensor_blends.pixel, 1),
    "element": _mask(tensor_blends.element, 3),
    "paste": BatchKernel(tensor_blends.paste),
    "add_patch": BatchKernel(tensor_blends.patch_of(tensor_blends.add)),
    "multiply_patch": BatchKernel(tensor_blends.patch_of(tensor_blends.multiply)),
    "pixel_patch": _mask(tensor_blends.pixel_patch, 1),
    "element_patch": _mask(tensor_blends.element_patch, 3),
}


@cache
def kernel_of(name: str) -> BatchKernel:
    """How a call of the language is made."""
    return KERNELS.get(name) or BatchKernel(partial(_one_by_one, name))


def _one_by_one(name: str, *given: Tensor) -> Tensor:
    """Make a call by NumPy, for each image on its own."""
    *operands, arguments = given
    stacks = [operand.cpu().numpy() for operand in operands]
    leaves, names = (IMAGE, PICTURE)[: len(operands)], LEAVES[: len(operands)]
    made = [
        evaluated(Call(name, leaves, tuple(numbers)), dict(zip(names, images, strict=True)))
        for *images, numbers in zip(*stacks, arguments.tolist(), strict=True)
    ]
    return torch.from_numpy(np.stack(made)).to(operands[0].device)
