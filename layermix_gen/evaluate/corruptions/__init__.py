"""The corruptions of ImageNet-C, CIFAR-C and the sequences of P (Hendrycks and Dietterich, 2019), and C-bar (2021).

`CORRUPTIONS` and `PERTURBATIONS` are the tables of all of them; `corrupted` and `perturbed` apply one. The benchmarks'
own generators have the same parameters; docs/corruptions.md says how close each is to the original.
"""

from layermix_gen.evaluate.corruptions.effects.base import Closeness, Corruption
from layermix_gen.evaluate.corruptions.perturbations.base import Perturbation
from layermix_gen.evaluate.corruptions.perturbations.published_sequences import PERTURBATIONS, perturbed
from layermix_gen.evaluate.corruptions.published import CORRUPTIONS, corrupted, names_of

__all__ = [
    "CORRUPTIONS",
    "PERTURBATIONS",
    "Closeness",
    "Corruption",
    "Perturbation",
    "corrupted",
    "names_of",
    "perturbed",
]
