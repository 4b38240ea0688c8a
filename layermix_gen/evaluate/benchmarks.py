"""The fixed lists of the benchmarks: the corruptions that each mean is over, in order, and AlexNet's errors on them.

Means are over these names and no others. The benchmarks' own code averages over every folder that it finds, so that
extra corruptions slip into its means.
"""

from typing import Literal, TypeAlias

from layermix_gen.support.checks import check_choice

Scale: TypeAlias = Literal["cifar", "imagenet"]
SCALES: tuple[Scale, ...] = ("cifar", "imagenet")
SEVERITIES = (1, 2, 3, 4, 5)
LABELS = "labels.npy"  # next to the arrays of a suite
NONE, CENTER, RESIZE_AND_CENTER = "none", "center-224", "resize-256-center-224"  # what is done to photographs first

# Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations" (2019),
# section 4.1: the 15 of ImageNet-C and CIFAR-C in the order of its figure 1, and the 4 extra ones for validation.
C = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
C_EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")  # never in the mean

# Mintun, Kirillov and Xie, "On Interaction Between Augmentations and Corruptions in Natural Corruption Robustness"
# (2021): the ten of CIFAR-10-C-bar and the ten of ImageNet-C-bar, spelled as the published files and folders are.
CBAR: dict[Scale, tuple[str, ...]] = {
    "cifar": (
        "blue_noise_sample",
        "brownish_noise",
        "checkerboard_cutout",
        "inverse_sparkles",
        "pinch_and_twirl",
        "ripple",
        "circular_motion_blur",
        "lines",
        "sparkles",
        "transverse_chromatic_abberation",
    ),
    "imagenet": (
        "blue_noise_sample",
        "brownish_noise",
        "checkerboard_cutout",
        "inverse_sparkles",
        "sparkles",
        "caustic_refraction",
        "cocentric_sine_waves",
        "perlin_noise",
        "plasma_noise",
        "single_frequency_greyscale",
    ),
}

# Hendrycks and Dietterich (2019), section 4.2: the ten of ImageNet-P, and the extra ones published with them.
P = (
    "gaussian_noise",
    "shot_noise",
    "motion_blur",
    "zoom_blur",
    "snow",
    "brightness",
    "translate",
    "rotate",
    "tilt",
    "scale",
)
P_EXTRA = ("spatter", "speckle_noise", "gaussian_blur", "shear")  # never in the mean
P_NOISE = ("gaussian_noise", "shot_noise", "speckle_noise")  # each frame is compared with the first one

PGD = ("correct", "released")  # the attack as defined, and as the authors' code implements it

# AlexNet's errors, as fractions, on each of the 15 of ImageNet-C, averaged over the severities: the divisors of mCE.
# From the code that accompanies Hendrycks and Dietterich (2019).
ALEXNET_C = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}

SUITES = ("clean", "c", "cbar", "r", "p", "pgd")
TITLES = {
    "clean": "Clean",
    "c": "C",
    "cbar": "C-bar",
    "r": "ImageNet-R",
    "p": "P",
    "pgd": "PGD",
}


def mean_list(suite: str, scale: Scale) -> tuple[str, ...]:
    """The parts that a suite's mean is over, in order. Raises `LayerMixError` for an unknown suite."""
    check_choice("suite", suite, SUITES, change="its spelling")
    check_choice("scale", scale, SCALES, change="its spelling")
    return {"c": C, "cbar": CBAR[scale], "p": P, "pgd": PGD[:1]}.get(suite, (suite,))


def extra_list(suite: str) -> tuple[str, ...]:
    """The parts of a suite that may be evaluated but are in no mean."""
    return {"c": C_EXTRA, "p": P_EXTRA, "pgd": PGD[1:]}.get(suite, ())


def check_part(suite: str, part: str, scale: Scale) -> None:
    """Raise `LayerMixError` unless `part` is one of the suite's."""
    known = (*mean_list(suite, scale), *extra_list(suite))
    check_choice(f"part of suite {suite}", part, known, change="its spelling")
