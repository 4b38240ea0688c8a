"""What all calls on tensors share: rounding, powers of two, and boxes, in the arithmetic of `kernels.numbers`.

Each operation of PyTorch is a kernel of its own, so that no compiler fuses a product and a sum: every step is rounded
as IEEE says, on a GPU as on the CPU. Hence no `addcmul`, `lerp` or `pow`, and no `torch.compile`, which joins steps.
"""

import torch
from torch import Tensor

from layermix_gen.kernels.numbers import EXP_TERMS, LN2


def quantized(values: Tensor) -> Tensor:
    """Round values to the nearest of 0 to 255, halves up."""
    return values.clamp(0, 255).add_(0.5).to(torch.uint8)


def exp2(values: Tensor) -> Tensor:
    """Powers of two, of float64 exponents within ±1000."""
    whole = torch.floor(values + 0.5)
    rest = (values - whole) * LN2
    series = torch.ones_like(rest)
    for term in range(EXP_TERMS, 0, -1):
        series = 1 + rest * (1 / term) * series
    return series * (whole.long() + 1023 << 52).view(torch.float64)


def single(arguments: Tensor, number: int) -> Tensor:
    """An argument of each call, of `arguments` (n, numbers), as float32 (n, 1, 1, 1)."""
    return arguments[:, number].float().view(-1, 1, 1, 1)


def inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """Which pixels lie in a box of each image, of `boxes` (n, 4), height, width, top and left: bool (n, H, W, 1)."""
    tall, wide, top, left = boxes.long().view(-1, 4, 1, 1).unbind(1)
    rows = torch.arange(height, device=boxes.device).view(1, -1, 1)
    columns = torch.arange(width, device=boxes.device).view(1, 1, -1)
    of_rows, of_columns = (rows >= top) & (rows < top + tall), (columns >= left) & (columns < left + wide)
    return (of_rows & of_columns).unsqueeze(-1)
