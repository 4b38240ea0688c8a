"""Define a perturbation: a kernel that makes a sequence of an image, and its published parameters at two scales.

A kernel takes an image, uint8 (H, W, 3), a generator, the number of frames F and the other parameters, and returns the
frames, uint8 (F, H, W, 3). Numbers, formulas and the order of steps are those of `make_cifar_p.py` and
`make_imagenet_p.py` in github.com/hendrycks/robustness (Hendrycks and Dietterich, 2019), written anew.
"""

from collections.abc import Callable
from dataclasses import dataclass

from layermix_gen.evaluate.video_files import Frames


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One row of the table of perturbations."""

    name: str  # as published
    kernel: Callable[..., Frames]  # (image, rng, *parameters)
    cifar: tuple[float, ...]  # the parameters at this scale; the first is the number of frames
    imagenet: tuple[float, ...]
    is_motion: bool = False  # the picture moves: what lies outside of the crop can come into it
