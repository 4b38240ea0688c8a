"""The corruptions of ImageNet-C, CIFAR-C (Hendrycks and Dietterich, 2019) and C-bar (Mintun et al., 2021).

`CORRUPTIONS` is the table of all of them, and `corrupted` applies one. The benchmarks' own generators have the same
parameters; docs/corruptions.md says how close each corruption is to the original.
"""

from layermix_gen.evaluate.corruptions.effects.base import Closeness, Corruption
from layermix_gen.evaluate.corruptions.published import CORRUPTIONS, corrupted, names_of

__all__ = ["CORRUPTIONS", "Closeness", "Corruption", "corrupted", "names_of"]
