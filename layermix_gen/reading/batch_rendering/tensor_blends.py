"""Blends of two images, on a batch (n, H, W, 3), and any of these within a box alone. `kernels.blending` explains them.

`arguments` are float64 (n, numbers). Those of masks have the cut alone: their random bytes, (n, at least as many as are
needed), come with them.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from layermix_gen.kernels.blending import LEAST, MOST
from layermix_gen.kernels.numbers import SMALLEST, log2
from layermix_gen.reading.batch_rendering.tensor_numbers import exp2, inside, quantized, single


def add(x: Tensor, y: Tensor, arguments: Tensor) -> Tensor:
    """Return (a(2x-1) + b(2y-1) + 1) / 2."""
    a, b = arguments[:, :1], arguments[:, 1:2]
    return _sum(x, y, torch.cat((a, b, 255 * (1 - a - b) / 2), 1))


def mean(x: Tensor, y: Tensor, arguments: Tensor) -> Tensor:
    """Return weight · x + (1 - weight) · y."""
    return _sum(x, y, torch.cat((arguments, 1 - arguments, torch.zeros_like(arguments)), 1))


def _sum(x: Tensor, y: Tensor, arguments: Tensor) -> Tensor:
    return quantized(x.float() * single(arguments, 0) + y.float() * single(arguments, 1) + single(arguments, 2))


def multiply(x: Tensor, y: Tensor, arguments: Tensor) -> Tensor:
    """Return (2x)^a · max(2y, 1e-37)^b / 2; a >= 0."""
    logarithms = _logarithms(arguments.device)
    a, b = arguments[:, :1], arguments[:, 1:2]
    of_x = 127.5 * exp2(torch.cat((torch.zeros_like(a), a * logarithms), 1))
    of_y = exp2(torch.cat((b * LEAST, b * logarithms), 1)).clamp(max=MOST)
    of_x[:, :1] = torch.where(a >= SMALLEST, 0.0, of_x[:, :1])
    return quantized(_factors(x, of_x.float()) * _factors(y, of_y.float()))


@cache
def _logarithms(device: torch.device) -> Tensor:
    """The logarithms of 2x for the levels 1 to 255, copied to a device once: a GPU is waited for."""
    return torch.from_numpy(log2(np.arange(1.0, 256)) + (1 - log2(np.array([255.0])))).to(device)


def _factors(x: Tensor, tables: Tensor) -> Tensor:
    """What tables (n, 256) have for the levels of images."""
    numbers = x.int() + torch.arange(0, len(x) * 256, 256, dtype=torch.int32, device=x.device).view(-1, 1, 1, 1)
    return tables.flatten().index_select(0, numbers.flatten()).view(x.shape)


def pixel(x: Tensor, y: Tensor, arguments: Tensor, noise: Tensor) -> Tensor:
    """Return x where the mask is set, else y; one mask for all channels."""
    return _chosen(x, y, arguments, noise[:, : x.shape[1] * x.shape[2]].reshape(*x.shape[:3], 1))


def element(x: Tensor, y: Tensor, arguments: Tensor, noise: Tensor) -> Tensor:
    """Return x where the mask is set, else y; one mask bit for each channel value."""
    return _chosen(x, y, arguments, noise[:, : x[0].numel()].reshape(x.shape))


def _chosen(x: Tensor, y: Tensor, arguments: Tensor, noise: Tensor) -> Tensor:
    return torch.where(noise < arguments[:, 0].short().view(-1, 1, 1, 1), x, y)


def pixel_patch(x: Tensor, y: Tensor, arguments: Tensor, noise: Tensor) -> Tensor:
    """Blend by `pixel` within a box, whose pixels the bytes belong to."""
    return _chosen_patch(x, y, arguments, noise, 1)


def element_patch(x: Tensor, y: Tensor, arguments: Tensor, noise: Tensor) -> Tensor:
    """Blend by `element` within a box, whose values the bytes belong to."""
    return _chosen_patch(x, y, arguments, noise, 3)


def _chosen_patch(x: Tensor, y: Tensor, arguments: Tensor, noise: Tensor, channels: int) -> Tensor:
    count, height, width = x.shape[:3]
    rows = torch.arange(height, device=x.device).view(1, -1, 1, 1)
    columns = torch.arange(width, device=x.device).view(1, 1, -1, 1)
    _, wide, top, left = arguments[:, 1:].long().view(-1, 4, 1, 1, 1).unbind(1)
    wide = torch.minimum(wide, width - left).clamp(min=0)  # as far as it lies in the image
    numbers = ((rows - top) * wide + columns - left) * channels + torch.arange(channels, device=x.device)
    last = height * width * channels - 1
    bytes_at = noise.gather(1, numbers.clamp(0, last).view(count, -1)).view(numbers.shape)
    return torch.where(inside(arguments[:, 1:], height, width), _chosen(x, y, arguments, bytes_at), x)


def paste(x: Tensor, y: Tensor, arguments: Tensor) -> Tensor:
    """Return y in a box of a height and width at (top, left), as far as it lies in the image, else x."""
    return torch.where(inside(arguments, x.shape[1], x.shape[2]), y, x)


def patch_of(blend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The blend within a box alone, whose numbers come last."""

    def within(x: Tensor, y: Tensor, arguments: Tensor) -> Tensor:
        where = inside(arguments[:, -4:], x.shape[1], x.shape[2])
        return torch.where(where, blend(x, y, arguments[:, :-4]), x)

    return within
