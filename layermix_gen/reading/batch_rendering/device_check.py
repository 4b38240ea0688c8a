"""A check that a device renders as the CPU does, to the last bit, before a reader relies on it."""

from functools import cache

import numpy as np
import torch

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image
from layermix_gen.mixing.recipe import parse
from layermix_gen.mixing.renderer import rendered
from layermix_gen.reading.batch_rendering.batch_renderer import render_batch

SIDE = 24  # px
RECIPES = (
    "rotate(multiply(rotate(image, -3.1), picture, 0.83, 0.21), 24.7)",
    "posterize(pixel(solarize(image, 0.3), brightness(other, 1.37), 90, 123456789), 3)",
    "equalize(element(autocontrast(image), contrast(picture, 0.41), 200, 4294967295))",
    "shear_x(add(shear_y(image, 0.23), picture, 0.91, -0.37), -0.19)",
    "translate_y(mean(translate_x(image, 5.3), other, 0.613), -2.7)",
    "sharpness(multiply_patch(color(image, 1.62), picture, 1.31, -0.27, 9, 30, 3, 8), 0.44)",
    "mirror(add_patch(grayscale(image), invert(other), 0.77, 0.52, 12, 7, 5, 6))",
    "erase(pixel_patch(paste(image, other, 8, 9, 2, 11), picture, 128, 7, 10, 11, 4, 9), 5, 6, 1, 2, 200, 3, 70)",
    "element_patch(rotate(image, 137.0), brightness(picture, 0.7), 77, 99, 40, 13, 6, 3)",
)


@cache
def check_device(device: torch.device) -> None:
    """Raise `LayerMixError` where a device cannot render, or gives other pixels than the CPU."""
    leaves = [_image(number) for number in range(3)]
    remedy = "leave out render='device', and name another device or none"
    try:
        stacked = (torch.from_numpy(leaf).movedim(2, 0).to(device).expand(len(RECIPES), -1, -1, -1) for leaf in leaves)
        found = render_batch(RECIPES, *stacked).movedim(1, 3).cpu().numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        why = " ".join(str(error).split())
        raise LayerMixError(f"expected a device that can render, got {device} ({why}); {remedy}") from error
    for recipe, pixels in zip(RECIPES, found, strict=True):
        apart = np.abs(pixels.astype(int) - rendered(parse(recipe), *leaves)).max()
        if apart:
            raise LayerMixError(
                f"expected {device} to render as the CPU does, found pixels {apart}/255 apart in {recipe}; {remedy}"
            )


def _image(number: int) -> Image:
    """An image of slopes and noise."""
    y, x, channel = np.ogrid[:SIDE, :SIDE, :3]
    noise = (x * 7919 + y * 104729 + channel * 1299709 + number) ** 2 // 64 % 61
    return np.ascontiguousarray(((9 + number) * x + 5 * y + 40 * channel + noise) % 256, np.uint8)
