"""The table of all perturbations by name, and the function that applies one."""

import numpy as np

from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.benchmarks import SCALES, Scale
from layermix_gen.evaluate.corruptions.perturbations import moving_views, pixel_changes
from layermix_gen.evaluate.corruptions.perturbations.base import Perturbation
from layermix_gen.evaluate.preprocessing import center_crop
from layermix_gen.evaluate.video_files import Frames
from layermix_gen.images import Image, as_image
from layermix_gen.support.checks import check_choice, check_whole

PERTURBATIONS: dict[str, Perturbation] = {
    row.name: row for module in (pixel_changes, moving_views) for row in module.ROWS
}

MOST_FRAMES = int(max(number for row in PERTURBATIONS.values() for number in (row.cifar[0], row.imagenet[0])))


def perturbed(image: Image, name: str, scale: Scale, rng: np.random.Generator, crop: int = 0) -> Frames:
    """The frames, uint8 (F, H, W, 3), of one perturbation of an image, uint8 (H, W, 3), as in the benchmark of `scale`.

    `crop` is the side of the centre square that is kept, as in ImageNet-P, where what moves brings in what lay outside
    of it; 0 keeps everything. Raises `LayerMixError` for an array that is no image or is smaller than `crop`, for a
    name or scale that no benchmark has, and for another generator than NumPy's.
    """
    check_choice("perturbation", name, PERTURBATIONS, change="the name")
    check_choice("scale", scale, SCALES, change="its spelling")
    check_type("rng", rng, np.random.Generator, "use np.random.default_rng(seed)")
    row, view = PERTURBATIONS[name], as_image(image)
    check_whole("crop", crop, 0, min(view.shape[:2]), change="crop=")
    if crop and not row.is_motion:
        view = center_crop(view, crop)
    frames = row.kernel(view, rng, *sequence_parameters(name, scale))
    if crop and row.is_motion:
        frames = np.stack([center_crop(frame, crop) for frame in frames])
    return frames


def sequence_parameters(name: str, scale: Scale) -> tuple[float, ...]:
    """The published parameters of a perturbation, of which the first is the number of frames."""
    row = PERTURBATIONS[name]
    return row.cifar if scale == "cifar" else row.imagenet
