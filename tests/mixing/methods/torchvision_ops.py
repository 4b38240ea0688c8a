"""What torchvision draws and does, in the words of recipes: a second route for methods that torchvision has, too."""

import math
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from layermix_gen.images import Image
from layermix_gen.mixing.methods import Recipe
from layermix_gen.mixing.recipe import IMAGE, Call, Expression
from layermix_gen.mixing.renderer import render
from tests.torchvision_on_cpu import allow_timm

allow_timm()

from torchvision import transforms  # noqa: E402
from torchvision.transforms import autoaugment  # noqa: E402
from torchvision.transforms import functional as F  # noqa: E402

SIZE = 32
BILINEAR = F.InterpolationMode.BILINEAR
__all__ = ["F", "transforms"]


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def name_of(name: str) -> str:
    """The name of an operation of ours, for torchvision's: `shear_x` for `ShearX`."""
    return name.lower() if name == "AutoContrast" else re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


# --- what is drawn -------------------------------------------------------------------------------------------------

Space = dict[
    str, tuple[list[float], bool]
]  # of each operation: all magnitudes, none where it has no, and whether signed


def autoaugment_space(size: int = SIZE) -> Space:
    return _space(autoaugment.AutoAugment()._augmentation_space(10, (size, size)))


def randaugment_space(size: int = SIZE) -> Space:
    return _space(autoaugment.RandAugment()._augmentation_space(31, (size, size)))


def trivialaugment_space(size: int = SIZE) -> Space:
    return _space(autoaugment.TrivialAugmentWide()._augmentation_space(31))


def _space(space: dict[str, tuple[torch.Tensor, bool]]) -> Space:
    return {name_of(name): (values.tolist() if values.ndim else [], signed) for name, (values, signed) in space.items()}


def sub_policies(policy: str) -> list[list[tuple[str, float, int]]]:
    """The sub-policies of AutoAugment: operation, probability and level of both steps."""
    table = autoaugment.AutoAugment(autoaugment.AutoAugmentPolicy(policy)).policies
    return [[(name_of(name), chance, level or 0) for name, chance, level in steps] for steps in table]


def arguments(name: str, magnitude: float) -> tuple[float, ...]:
    """The arguments of an operation of ours that mean what a magnitude of torchvision's means."""
    if name.startswith("translate"):
        return (float(int(round(magnitude, 4))),)  # float32 has 15.999999 for 16 in the middle of the wide space
    if name == "posterize":
        return (int(magnitude),)
    if name == "solarize":
        return (round(max(math.ceil(magnitude) - 0.5, 0) / 255, 4),)
    return (round(magnitude + (name in ("brightness", "color", "contrast", "sharpness")), 4) + 0.0,)


Step = tuple[str, tuple[float, ...]]


def choices(space: Space, name: str, levels: Sequence[int]) -> Iterator[tuple[Step, float]]:
    """The steps that an operation may make at these levels, which are all equally likely: with arguments, and share."""
    magnitudes, is_signed = space[name]
    if not magnitudes:
        yield (name, ()), 1.0
        return
    signs = (1, -1) if is_signed else (1,)
    for level in levels:
        for sign in signs:
            yield (name, arguments(name, sign * magnitudes[level])), 1 / len(levels) / len(signs)


# --- what is done --------------------------------------------------------------------------------------------------


def _sheared(x: torch.Tensor, *factors: float) -> torch.Tensor:
    degrees = [math.degrees(math.atan(factor)) for factor in factors]
    return F.affine(x, 0.0, [0, 0], 1.0, degrees, BILINEAR)


def _moved(x: torch.Tensor, *pixels: float) -> torch.Tensor:
    return F.affine(x, 0.0, [int(one) for one in pixels], 1.0, [0.0, 0.0], BILINEAR)


KERNELS: dict[str, Callable[..., torch.Tensor]] = {
    "shear_x": lambda x, factor: _sheared(x, factor, 0),
    "shear_y": lambda x, factor: _sheared(x, 0, factor),
    "translate_x": lambda x, pixels: _moved(x, pixels, 0),
    "translate_y": lambda x, pixels: _moved(x, 0, pixels),
    "rotate": lambda x, degrees: F.rotate(x, degrees, BILINEAR),
    "brightness": F.adjust_brightness,
    "color": F.adjust_saturation,
    "contrast": F.adjust_contrast,
    "sharpness": F.adjust_sharpness,
    "posterize": F.posterize,
    "solarize": lambda x, threshold: F.solarize(x, 255 * threshold),
    "autocontrast": F.autocontrast,
    "equalize": F.equalize,
    "invert": F.invert,
}
# How far ours are from theirs at most, in levels. Theirs cut where ours round, and cut gray before it is mixed in.
CLOSE = {
    **dict.fromkeys(KERNELS, 1),
    **dict.fromkeys(("translate_x", "translate_y", "posterize", "solarize", "equalize", "invert"), 0),
    **dict.fromkeys(("color", "contrast"), 2),
}


def as_torchvision(call: Call, image: Image) -> Image:
    """An operation done by torchvision to uint8 (H, W, 3)."""
    tensor = torch.from_numpy(image.transpose(2, 0, 1).copy())
    return KERNELS[call.name](tensor, *call.arguments).numpy().transpose(1, 2, 0)


def steps(expression: Expression) -> list[Call]:
    """The calls of a chain of operations, each of the image that it is given."""
    if not isinstance(expression, Call):
        return []
    return [*steps(expression.operands[0]), Call(expression.name, (IMAGE,), expression.arguments)]


def differences(recipes: Sequence[Recipe], images: Sequence[Image]) -> dict[str, int]:
    """The largest difference that each operation makes in a step of these recipes; the images in turn."""
    largest: dict[str, int] = {}
    for number, recipe in enumerate(recipes):
        image = x = images[number % len(images)]
        for call in steps(recipe.expression):
            theirs, x = as_torchvision(call, x), render(call, x)
            gap = int(np.abs(x.astype(int) - theirs).max())
            largest[call.name] = max(largest.get(call.name, 0), gap)
        np.testing.assert_array_equal(x, render(recipe.expression, image))
    return largest
