"""The signature of results: the model, its weights, the data and the settings that they depend on."""

import math
from dataclasses import dataclass, field

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_real, check_type
from layermix_gen.evaluate.benchmarks import SCALES, SUITES, Scale
from layermix_gen.support.checks import check_choice, check_whole

CHECKPOINT_RULES = ("last", "best", "unknown")


@dataclass(frozen=True, slots=True)
class Suite:
    """The data and settings of one suite on which its numbers depend."""

    images: int  # of each part, at each severity; videos for p
    severities: tuple[int, ...] = (0,)
    data: str = ""  # the folder or file
    settings: dict[str, str | int | float] = field(default_factory=dict)  # such as PGD's epsilon, steps and restarts
    stamps: dict[str, str] = field(default_factory=dict)  # by part; a stamp changes when the part's files do

    def __post_init__(self) -> None:
        check_type("severities", self.severities, tuple)
        for name in ("settings", "stamps"):
            check_type(name, getattr(self, name), dict)
        _check_types(
            len(self.severities) > 0,
            _are(int, self.images, *self.severities),
            _are(str, self.data, *self.settings, *self.stamps, *self.stamps.values()),
            all(type(value) in (str, int, float) for value in self.settings.values()),
        )
        check_whole("images", self.images, 1, change="images=")


@dataclass(frozen=True, slots=True)
class Signature:
    """What results depend on: two runs with the same signature give the same predictions.

    `scale` selects the list of C-bar and the convention of calibration under C; `checkpoint_rule` says which epoch was
    taken: the last, the best on the test set, or unknown. `model_sha256` is that of the file that the model comes
    from, "" where there is none; it does not cover what that file imports.
    """

    model: str
    model_sha256: str
    checkpoint: str  # "" where there is none
    checkpoint_sha256: str
    checkpoint_rule: str
    dataset: str
    scale: Scale
    n_classes: int
    normalization: str  # what is done to pixels in [0, 1]; cropping is a setting of each suite
    precision: str  # of the forward pass, such as float32
    seed: int
    versions: dict[str, str]
    suites: dict[str, Suite] = field(default_factory=dict)
    temperature: float = 1.0  # by which the logits are divided

    def __post_init__(self) -> None:
        check_type("versions", self.versions, dict)
        check_type("suites", self.suites, dict)
        texts = (self.model, self.model_sha256, self.checkpoint, self.checkpoint_sha256, self.checkpoint_rule)
        more = (self.dataset, self.scale, self.normalization, self.precision, *self.versions, *self.versions.values())
        _check_types(_are(str, *texts, *more), _are(int, self.seed))
        check_real("temperature", self.temperature, 0, math.inf, "change temperature=", above=True)
        check_whole("n_classes", self.n_classes, 1, change="n_classes=")
        check_choice("checkpoint rule", self.checkpoint_rule, CHECKPOINT_RULES)
        check_choice("scale", self.scale, SCALES, change="scale=")
        for name, suite in self.suites.items():
            check_type(f"suite {name}", suite, Suite)
            check_choice("suite", name, SUITES, change="suites=")


def _are(kind: type, *values: object) -> bool:
    return all(type(value) is kind for value in values)


def _check_types(*facts: bool) -> None:
    """Raise `LayerMixError` unless all `facts` hold: signatures are read from files that anyone may have edited."""
    if not all(facts):
        raise LayerMixError("expected values as they are annotated, got a value of another type or range; change it")
