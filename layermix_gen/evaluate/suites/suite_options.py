"""Options for opening suites: the preprocessing of image files, the parts to include, and the threads that decode."""

from dataclasses import dataclass

from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.benchmarks import CENTER, NONE, RESIZE_AND_CENTER
from layermix_gen.evaluate.preprocessing import PREPROCESSINGS
from layermix_gen.support.checks import check_choice, check_whole
from layermix_gen.support.processes import available_cpus

PHOTOGRAPHS = RESIZE_AND_CENTER  # of a validation set and of ImageNet-R, in every published protocol


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """Options for opening suites.

    `preprocessing` applies to ImageNet-C, C-bar and P: "center-224", as their authors do, or "resize-256-center-224",
    as AugMix and its successors do; "none" leaves all images as they are, including the validation set and ImageNet-R.
    `extras` adds the corruptions that are in no mean.
    """

    preprocessing: str = CENTER
    extras: bool = False
    threads: int = 0  # 0: one per CPU

    def __post_init__(self) -> None:
        check_choice("preprocessing", self.preprocessing, PREPROCESSINGS)
        check_type("extras", self.extras, bool)
        check_whole("threads", self.threads, 0)

    @property
    def photographs(self) -> str:
        """The preprocessing of a validation set and of ImageNet-R."""
        return NONE if self.preprocessing == NONE else PHOTOGRAPHS

    @property
    def workers(self) -> int:
        """The number of threads that decode images."""
        return self.threads or available_cpus()
