"""Fresh variants rendered on a device: clean images are copied there with what was drawn for them, then mixed together.

The CPU decodes, and draws recipes. The bytes are those of the kernels.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from layermix_gen.dataset.names import CLEAN_PLANE
from layermix_gen.errors import LayerMixError
from layermix_gen.mixing.methods import Recipe
from layermix_gen.mixing.recipe import IMAGE, Expression
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.reading.batch_rendering.batch_programs import BatchProgram, Packer, Piece, programs
from layermix_gen.reading.batch_rendering.batch_renderer import run_programs
from layermix_gen.reading.batch_rendering.device_check import check_device
from layermix_gen.reading.batches.loader import Batch
from layermix_gen.reading.batches.tensors import labels_and_fields
from layermix_gen.reading.device import check_memory, on_device, take
from layermix_gen.reading.fresh.draws import Draws
from layermix_gen.reading.fresh.fresh_variants import FreshDraws, FreshVariants
from layermix_gen.reading.selection import Selection
from layermix_gen.support.checks import check_choice

CPU, DEVICE = "cpu", "device"
RENDERED_BY = (CPU, DEVICE)
PART = 2**26  # bytes of a mixing set that are copied to a device at once
TOGETHER, MOST_TOGETHER = 2**26, 8  # bytes of the images of small batches that are rendered together; and batches


class BatchPlan(NamedTuple):
    """How the fresh views of a batch are rendered: the crops of pictures that they use, and the programs."""

    pictures: Piece | None
    programs: list[BatchProgram]


class DeviceRenderer:
    """Renders the fresh views of batches on a device, where the mixing set lies once."""

    def __init__(self, fresh: FreshVariants, device: torch.device) -> None:
        """Raises `LayerMixError` for a device that renders otherwise than the CPU, or has no room for the pictures."""
        self.fresh, self.device = fresh, device
        self._pictures: Tensor | None = None
        check_device(device)
        if fresh.mix.mixing_set:
            remedy = "leave out render='device', or give mixing_set= fewer pictures"
            check_memory(fresh.mix.mixing_set.pictures.shape, device, "pictures of the mixing set", remedy)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it without what lies on the device."""
        return DeviceRenderer, (self.fresh, self.device)

    def on(self, device: torch.device) -> "DeviceRenderer":
        """The renderer of the same views on a device, this one if it is that."""
        return self if device == self.device else DeviceRenderer(self.fresh, device)

    def together(self, batch_size: int) -> int:
        """How many batches are worth rendering together: a step takes as long for one small image as for thousands."""
        size = self.fresh.mix.drawing.size
        return max(1, min(MOST_TOGETHER, TOGETHER // (batch_size * len(self.fresh.names) * size * size * 3)))

    def deliver(
        self,
        batches: Iterable[Batch],
        selection: Selection,
        fields: Sequence[str],
        *,
        several: bool,
        held: Tensor | None = None,
        together: int = 1,
    ) -> Iterator[tuple[Any, ...]]:
        """Yield `batches` as `as_tensors` does, rendered on the device, so many of them at a time.

        Their pixels are the clean images and, for each fresh view, the second ones: (B, 1 + second images, H, W, 3). Or
        all clean images are `held` on the device, by row of the selection.
        """
        source = iter(batches)

        def planned() -> Iterator[tuple[Any, ...]]:
            while group := [*islice(source, together)]:
                draws = Draws.joined([batch.draws[first] for batch in group for first in sorted(batch.draws)])
                rows = np.ascontiguousarray(draws.leaves.T.clip(0))  # any where there is no second image
                leaves = torch.from_numpy(rows if held is not None else group[0].pixels)
                rest = [labels_and_fields(batch, selection, fields, several=several) for batch in group]
                yield (*self._planned(draws), [len(batch.rows) for batch in group], leaves, *chain.from_iterable(rest))
                del group, leaves, rest  # so that their memory is free for the batches to come

        for plan, packed, sizes, leaves, *rest in on_device(planned(), self.device):
            given = leaves if held is None else take(held, leaves)
            images, width = self._rendered(plan, packed, given).movedim(-1, 2), len(rest) // len(sizes)
            images = images if several else images[:, 0]
            for number, part in enumerate(images.split(sizes)):
                yield (part, *rest[number * width : (number + 1) * width])

    def _planned(self, draws: FreshDraws) -> tuple[BatchPlan, Tensor]:
        """How the views of some images are rendered, and the numbers of that, which the device needs."""
        size, packer, width = self.fresh.mix.drawing.size, Packer(), 1 + self.fresh.second_images
        crops: list[tuple[int, ...]] = []
        recipes, leaves = [], []
        for place, drawn in enumerate(draws.recipes):
            for recipe, numbers in self._views(drawn, place * width, len(draws) * width, crops):
                recipes.append(recipe)
                leaves.append(numbers)
        planned = [*programs(recipes, leaves, (size, size), packer)]
        plan = BatchPlan(packer.add(np.array(crops, np.int64)) if crops else None, planned)
        return plan, packer.packed(pinned=self.device.type == "cuda")

    def _views(
        self, drawn: Sequence[Recipe], first: int, pictures: int, crops: list[tuple[int, ...]]
    ) -> Iterator[tuple[Expression, Mapping[str, int]]]:
        """The recipe of each view of an image, and the numbers of its leaves: the image's own is `first`.

        Crops of pictures are numbered from `pictures` on, and added to `crops`.
        """
        number = 0
        for name in self.fresh.names:
            if name == CLEAN_PLANE:
                yield IMAGE, {"image": first}
                continue
            recipe, leaves = drawn[number], {"image": first, "other": first + 1 + number}
            if recipe.picture:
                view = recipe.picture
                leaves["picture"] = pictures + len(crops)
                crops.append((view.index, view.top, view.left, view.flip_h, view.flip_v))
            number += 1
            yield recipe.expression, leaves

    def _rendered(self, plan: BatchPlan, packed: Tensor, leaves: Tensor) -> Tensor:
        """The views (n, V, H, W, 3) of images, from those and their second images (n, 1 + second images, H, W, 3)."""
        views, shape = len(self.fresh.names), leaves.shape[2:]
        given = [leaves.flatten(0, 1)]
        if plan.pictures and self.fresh.mix.mixing_set:
            if self._pictures is None:
                self._pictures = on_the_device(self.fresh.mix.mixing_set, self.device)
            given.append(cut_pictures(self._pictures, plan.pictures.of(packed), shape[0]))
        return run_programs(plan.programs, packed, torch.cat(given), len(leaves) * views).view(-1, views, *shape)


def on_the_device(mixing_set: MixingSet, device: torch.device) -> Tensor:
    """The pictures of a set on a device, copied a part at a time: a set may be larger than the memory that is free."""
    pictures = mixing_set.pictures
    there, step = torch.empty(pictures.shape, dtype=torch.uint8, device=device), max(1, PART // pictures[0].size)
    for begin in range(0, len(pictures), step):
        there[begin : begin + step] = torch.from_numpy(np.array(pictures[begin : begin + step]))
    return there


def cut_pictures(pictures: Tensor, crops: Tensor, size: int) -> Tensor:
    """Crops of `size` px of pictures (N, S, S) or (N, S, S, 3): (n, size, size, 3).

    `crops` (n, 5) are the number of the picture, top, left, and whether it is mirrored, left to right and upside down.
    """
    number, top, left, flip_h, flip_v = crops.view(-1, 5, 1, 1).unbind(1)
    places = torch.arange(size, device=crops.device)
    rows = top + torch.where(flip_v > 0, size - 1 - places, places).view(-1, size, 1)
    columns = left + torch.where(flip_h > 0, size - 1 - places, places).view(-1, 1, size)
    cut = pictures[number, rows, columns]
    return cut if cut.ndim == 4 else cut.unsqueeze(3).expand(-1, -1, -1, 3)


def settle_renderer(render: str, fresh: FreshVariants | None, device: torch.device | None) -> DeviceRenderer | None:
    """What renders fresh views on a device; None where the CPU does. Raises `LayerMixError` where neither fits."""
    check_choice("render", render, RENDERED_BY, change="render=")
    if render == CPU:
        return None
    if fresh is None:
        raise LayerMixError("render='device' is for views='fresh', which was not asked for; leave it out")
    if device is None:
        raise LayerMixError("expected a device to render on with render='device', got none; give device='cuda'")
    return DeviceRenderer(fresh, device)
