"""Operations that move pixels, on a batch (n, H, W, 3): interpolated between neighbours, black outside.

`kernels.warping` explains them. Pixels are fetched as whole numbers of 32 bits, out of images with a border of one
black pixel; places further out are moved onto it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from layermix_gen.kernels.warping import FAR, ONE


def shift_rows(x: Tensor, arguments: Tensor) -> Tensor:
    """Take each pixel from a shift, and a slope times its distance below the centre, to the right: (n, 2) of both."""
    height, width = x.shape[1:3]
    shift, slope = arguments.split(1, 1)
    whole, weight = _split(shift + slope * _from_centre(height, x.device))
    columns = torch.arange(width, dtype=torch.int32, device=x.device) + whole.unsqueeze(2)
    rows = torch.arange(height, dtype=torch.int32, device=x.device).view(1, -1, 1)
    near, far = _pixels_at(x, [(rows, columns), (rows, columns + 1)])
    return _mixed(near, far, weight.view(-1, height, 1, 1))


def shift_columns(x: Tensor, arguments: Tensor) -> Tensor:
    """Take each pixel from a shift, and a slope times its distance right of the centre, below."""
    return shift_rows(x.transpose(1, 2), arguments).transpose(1, 2)


def rotate(x: Tensor, arguments: Tensor) -> Tensor:
    """Turn counter-clockwise about the centre, by a sine and a cosine: (n, 2)."""
    height, width = x.shape[1:3]
    sine, cosine = arguments.view(-1, 2, 1, 1).unbind(1)
    right, down = _from_centre(width, x.device).view(1, 1, -1), _from_centre(height, x.device).view(1, -1, 1)
    column = ((width - 1) / 2 + 1 - sine * down) + cosine * right  # of the image within its border
    row = ((height - 1) / 2 + 1 + cosine * down) + sine * right
    left, top = column.floor(), row.floor()
    across, below = (column - left).float().unsqueeze(3), (row - top).float().unsqueeze(3)
    left, top = left.int() - 1, top.int() - 1
    corners = _pixels_at(x, [(top + i, left + j) for j in (0, 1) for i in (0, 1)])
    upper_left, lower_left, upper_right, lower_right = (corner.float() for corner in corners)
    of_left = upper_left + (lower_left - upper_left) * below
    of_right = upper_right + (lower_right - upper_right) * below
    return (of_left + (of_right - of_left) * across + 0.5).to(torch.uint8)


def _from_centre(size: int, device: torch.device) -> Tensor:
    """How far each of so many pixels lies behind the centre."""
    return torch.arange(size, dtype=torch.float64, device=device) - (size - 1) / 2


def _split(shift: Tensor) -> tuple[Tensor, Tensor]:
    """The whole pixels of shifts, and the rest as a weight below 2^15: int32."""
    shift = shift.clamp(-FAR, FAR)
    whole = shift.floor()
    weight = ((shift - whole) * ONE + 0.5).floor().int()
    return whole.int() + (weight == ONE), weight % ONE


def _mixed(near: Tensor, far: Tensor, weight: Tensor) -> Tensor:
    """Return near + (far - near) · weight / 2^15, with 7 bits behind the point before it is rounded."""
    near, far = near.int() << 7, far.int() << 7
    step = ((far - near) * weight >> 14) + 1 >> 1
    return (near + step + 64 >> 7).to(torch.uint8)


def _pixels_at(x: Tensor, places: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """The pixels (n, H, W, 3) at each of some rows and columns, int32, black outside."""
    count, height, width = x.shape[:3]
    bordered = F.pad(x, (0, 1, 1, 1, 1, 1)).contiguous().view(torch.int32).flatten()  # a fourth channel fills 32 bits
    stride = width + 2
    firsts = torch.arange(0, len(bordered), (height + 2) * stride, dtype=torch.int32, device=x.device).view(-1, 1, 1)
    found = []
    for rows, columns in places:
        numbers = firsts + (rows.clamp(-1, height) + 1) * stride + (columns.clamp(-1, width) + 1)
        pixels = bordered.index_select(0, numbers.flatten()).view(torch.uint8)
        found.append(pixels.view(count, height, width, 4)[..., :3])
    return found
