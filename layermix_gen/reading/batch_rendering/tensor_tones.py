"""Operations that map each level of a channel to another, on a batch: lookups, and tables made of histograms.

`kernels.tones` explains the tables; those that depend on no pixel are made there.
"""

import torch
from torch import Tensor

from layermix_gen.kernels.tones import LUMA
from layermix_gen.reading.batch_rendering.tensor_numbers import quantized


def looked_up(x: Tensor, tables: Tensor) -> Tensor:
    """Map every level of images (n, H, W, 3) by the tables (n, 3, 256) of their channels."""
    return tables.reshape(-1).index_select(0, _numbers(x, torch.int32).flatten()).view(x.shape)


def histograms(x: Tensor) -> Tensor:
    """How often each level occurs in each channel: int64 (n, 3, 256)."""
    places = _numbers(x, torch.int64).flatten()
    counts = torch.zeros(len(x) * 3 * 256, dtype=torch.int64, device=x.device)
    counts.scatter_add_(0, places, torch.ones((), dtype=torch.int64, device=x.device).expand(places.shape))
    return counts.view(-1, 3, 256)


def _numbers(x: Tensor, kind: torch.dtype) -> Tensor:
    """The number of the entry of each value in tables (n, 3, 256) that lie one behind the other."""
    return x.to(kind) + torch.arange(0, len(x) * 3 * 256, 256, dtype=kind, device=x.device).view(-1, 1, 1, 3)


def contrast(x: Tensor, arguments: Tensor) -> Tensor:
    """Scale each level's distance from the mean gray level of its image."""
    levels, factor = torch.arange(256, device=x.device), arguments[:, 0].view(-1, 1)
    red, green, blue = (histograms(x) * levels).sum(2).double().unbind(1)
    mean = ((LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue) / (x.shape[1] * x.shape[2])).view(-1, 1)
    tables = quantized(levels * factor + mean * (1 - factor))
    return looked_up(x, tables.unsqueeze(1).expand(-1, 3, -1))


def autocontrast(x: Tensor, arguments: Tensor) -> Tensor:
    """Stretch each channel to the full range, rounded to the nearest level; one of a single level stays as it is."""
    levels = torch.arange(256, device=x.device)
    low, high = x.amin((1, 2)).long().unsqueeze(-1), x.amax((1, 2)).long().unsqueeze(-1)
    span = (high - low).clamp(min=1)
    stretched = (510 * (levels.clamp(low, high) - low) + span) // (2 * span)
    return looked_up(x, torch.where(low == high, levels, stretched).to(torch.uint8))


def equalize(x: Tensor, arguments: Tensor) -> Tensor:
    """Equalise each channel in integers, omitting the last occupied bin from the step."""
    levels, counts = torch.arange(256, device=x.device), histograms(x)
    cumulative, last = counts.cumsum(2), x.amax((1, 2)).long().unsqueeze(-1)
    step = (x.shape[1] * x.shape[2] - counts.gather(2, last)) // 255
    mapped = ((cumulative - counts + step // 2) // step.clamp(min=1)).clamp(0, 255)
    return looked_up(x, torch.where(step == 0, levels, mapped).to(torch.uint8))
