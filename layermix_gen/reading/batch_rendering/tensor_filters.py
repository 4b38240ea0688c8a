"""Operations that mix the channels or the neighbours of a pixel, or paint over a box, on a batch (n, H, W, 3).

`kernels.filtering` explains them. `arguments` are float64 (n, numbers).
"""

import torch
from torch import Tensor

from layermix_gen.kernels.filtering import GRAY
from layermix_gen.kernels.tones import LUMA
from layermix_gen.reading.batch_rendering.tensor_numbers import inside, quantized, single


def grayscale(x: Tensor, arguments: Tensor) -> Tensor:
    """The gray level of each pixel, in all channels."""
    red, green, blue = x.int().unbind(3)
    gray = GRAY[0] * red + GRAY[1] * green + GRAY[2] * blue + 32768 >> 16
    return gray.to(torch.uint8).unsqueeze(3).expand(x.shape)


def color(x: Tensor, arguments: Tensor) -> Tensor:
    """Scale each channel's distance from the gray level of its pixel."""
    values = x.float()
    red, green, blue = (part * weight for part, weight in zip(values.split(1, 3), LUMA, strict=True))
    gray = (red + green + blue) * single(1 - arguments, 0)
    return quantized(values * single(arguments, 0) + gray)


def sharpness(x: Tensor, arguments: Tensor) -> Tensor:
    """Scale each pixel's distance from a 3x3 blur of weights 1 and 5 (of 13); the outermost pixels stay."""
    height, width = x.shape[1:3]
    result, whole = x.clone(), x.int()
    if min(height, width) < 3:
        return result
    centre, sums = whole[:, 1:-1, 1:-1], 4 * whole[:, 1:-1, 1:-1]
    for top in range(3):
        for left in range(3):
            sums += whole[:, top : height - 2 + top, left : width - 2 + left]
    blurred = sums.float() * single((1 - arguments) / 13, 0)
    result[:, 1:-1, 1:-1] = quantized(centre.float() * single(arguments, 0) + blurred)
    return result


def erase(x: Tensor, arguments: Tensor) -> Tensor:
    """Fill a box, as far as it lies in the image, with a colour of whole levels."""
    colors = arguments[:, 4:].to(torch.uint8).view(-1, 1, 1, 3)
    return torch.where(inside(arguments[:, :4], x.shape[1], x.shape[2]), colors, x)


def mirror(x: Tensor, arguments: Tensor) -> Tensor:
    """Left to right."""
    return x.flip(2)
