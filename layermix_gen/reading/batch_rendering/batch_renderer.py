"""Render the recipes of a batch by PyTorch, on the device of its images: to the bytes that `render` gives one by one.

Recipes are planned on the CPU (`batch_programs`). On the device, each step is a few operations on all images that need
the same call, so that a batch of LayerMix takes some thirty steps.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from layermix_gen.errors import LayerMixError
from layermix_gen.kernels.programs import LEAVES
from layermix_gen.mixing.recipe import Expression, as_expression
from layermix_gen.mixing.renderer import names_in
from layermix_gen.reading.batch_rendering.batch_programs import BatchProgram, Packer, programs
from layermix_gen.reading.batch_rendering.tensor_masks import BLOCK, random_bytes


def render_batch(
    recipes: Sequence[Expression | str], images: Tensor, pictures: Tensor | None = None, others: Tensor | None = None
) -> Tensor:
    """Render a recipe for each image of a batch, on the batch's device.

    `images`, `pictures` and `others` are the leaves of the recipes: uint8 (B, 3, H, W), of one shape and on one device;
    those that no recipe uses may be left out. Returns a new uint8 (B, 3, H, W), channels last in memory, with the bytes
    that `render` gives for each. Raises `LayerMixError` for what is not a recipe, and for tensors that are missing or
    do not fit.
    """
    expressions = [as_expression(recipe) for recipe in recipes]
    leaves = {"image": _checked("images", images, images)}
    for name, given in {"picture": pictures, "other": others}.items():
        if given is not None:
            leaves[name] = _checked(f"{name}s", given, images)
    if len(expressions) != len(images):
        raise LayerMixError(f"expected a recipe for each of {len(images)} images, got {len(expressions)}; give as many")
    for name in LEAVES:
        if name not in leaves and any(name in names_in(one) for one in {*expressions}):
            raise LayerMixError(f"a recipe uses {name!r}, which was not given; pass {name}s=")
    count, packer = len(images), Packer()
    firsts = {name: place * count for place, name in enumerate(leaves)}
    numbers = ({name: first + i for name, first in firsts.items()} for i in range(count))
    planned = [*programs(expressions, numbers, (images.shape[2], images.shape[3]), packer)]
    packed = packer.packed(pinned=images.is_cuda).to(images.device, non_blocking=True)
    stacked = torch.cat([leaf.movedim(1, 3) for leaf in leaves.values()])
    return run_programs(planned, packed, stacked, count).movedim(3, 1)


def _checked(name: str, given: Any, images: Any) -> Tensor:
    """Check that a leaf is uint8 (B, 3, H, W), of the shape of `images` and on its device."""
    if not isinstance(given, Tensor) or given.dtype != torch.uint8 or given.ndim != 4 or given.shape[1] != 3:
        found = f"{given.dtype} {tuple(given.shape)}" if isinstance(given, Tensor) else type(given).__name__
        raise LayerMixError(f"expected {name} as a uint8 tensor (B, 3, H, W), got {found}; convert them first")
    if 0 in given.shape[2:]:
        raise LayerMixError(f"expected {name} with at least one pixel, got shape {tuple(given.shape)}")
    if given.shape != images.shape or given.device != images.device:
        raise LayerMixError(
            f"expected images and {name} of one shape on one device, got {tuple(images.shape)} on {images.device} and "
            f"{tuple(given.shape)} on {given.device}"
        )
    return given


def run_programs(planned: Sequence[BatchProgram], packed: Tensor, leaves: Tensor, count: int) -> Tensor:
    """Run programs on `leaves` (images, H, W, 3): `count` rendered images (count, H, W, 3), in the order of recipes."""
    out, done = torch.empty((count, *leaves.shape[1:]), dtype=torch.uint8, device=leaves.device), 0
    for program in planned:
        made = _run(program, packed, leaves)
        out[done : done + len(made)] = made
        done += len(made)
    return out


def _run(program: BatchProgram, packed: Tensor, leaves: Tensor) -> Tensor:
    images = torch.empty((program.rows, *leaves.shape[1:]), dtype=torch.uint8, device=leaves.device)
    used = program.leaves.of(packed)
    images[: len(used)] = leaves.index_select(0, used)
    noise, done = _noise(program, packed), len(used)
    for step in program.steps:
        given = [images.index_select(0, rows.of(packed)) for rows in step.operands]
        given.append(step.arguments.of(packed))
        if step.noise and noise is not None:
            begin, each = step.noise
            given.append(noise[begin * BLOCK : (begin + step.size * each) * BLOCK].view(step.size, -1))
        images[done : done + step.size] = step.run(*given)
        done += step.size
    return images.index_select(0, program.results.of(packed))


def _noise(program: BatchProgram, packed: Tensor) -> Tensor | None:
    """The random bytes of all masks of a program, made at once: that takes hundreds of operations, however many."""
    if program.noise is None:
        return None
    seeds, blocks, total = program.noise
    return random_bytes(seeds.of(packed), blocks.of(packed), total)
