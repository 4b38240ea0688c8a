"""The matrix of a study: a table in TOML says which datasets are built, which networks trained on them, how often."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from layermix_gen import BuildSettings, LayerMixError
from layermix_gen.evaluate.losses import JSD_WEIGHT
from layermix_gen.mixing.methods import METHODS, MethodOptions
from layermix_gen.support.checks import check_choice
from layermix_gen.support.parsing import made_of

LOSSES = ("ce", "jsd")
TESTS = ("test", "validation")


@dataclass(frozen=True, slots=True)
class Condition:
    """A cell of the matrix: a dataset, of which `variants` planes are read, a loss and a network.

    `built` is how many planes the dataset has, by default `variants`; conditions that differ in `variants` alone share
    one. `mixing_set` names one of the study's sets, "" the fractals that a build renders. `seeds` is how many runs
    there are; a seed decides the weights at the start, the order of the images, and which variant an epoch shows.
    `jsd_weight` is that of the divergence in the loss `jsd`. With `fresh`, clean images are mixed anew in each epoch,
    while they are read, and no variants are stored. With `rescaled`, calibration is also measured after temperature
    scaling, by test images that it is not measured on.
    """

    name: str
    group: str
    seeds: int = 2
    method: str = "layermix"
    options: Mapping[str, Any] = field(default_factory=dict)
    variants: int = 4
    built: int = 0
    view_mode: str = "independent"
    mixing_set: str = ""
    format: str = "png"
    quality: int = 95
    subsampling: str = "444"
    loss: str = "ce"
    jsd_weight: float = JSD_WEIGHT
    network: str = "resnet-8-16"
    epochs: int = 20
    fresh: bool = False
    rescaled: bool = False

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise LayerMixError(f"expected a loss of {', '.join(LOSSES)} in {self.name}, found {self.loss!r}")
        if self.loss == "jsd" and self.view_mode != "shared" and not self.fresh:
            raise LayerMixError(f"expected view_mode = 'shared' in {self.name}, as its loss needs; set it")
        if self.jsd_weight <= 0:
            raise LayerMixError(f"expected a jsd_weight above 0 in {self.name}, found {self.jsd_weight:g}; mend it")
        if not self.variants <= (self.built or self.variants):
            raise LayerMixError(f"expected at most the {self.built} variants that are built in {self.name}; mend it")

    @property
    def settings(self) -> BuildSettings:
        """How its dataset is built: with `fresh`, the clean images alone."""
        coded: dict[str, Any] = {"format": self.format, "quality": self.quality, "subsampling": self.subsampling}
        if self.fresh:
            return BuildSettings(variants=0, method="none", **coded)
        return BuildSettings(
            variants=self.built or self.variants,
            clean=self.loss == "jsd" or self.view_mode == "shared",
            method=self.method,
            options=dict(self.options) or None,
            view_mode=self.view_mode,
            **coded,
        )

    @property
    def mix(self) -> MethodOptions | None:
        """What a fresh condition mixes by; None for stored variants."""
        if not self.fresh:
            return None
        check_choice("method", self.method, METHODS)
        return METHODS[self.method].options_of(dict(self.options) or None)

    @property
    def dataset(self) -> str:
        """The name of its dataset: conditions with the same settings and mixing set have the same."""
        options = json.dumps(self.options, sort_keys=True) if self.options else ""
        coded = [] if self.format == "png" else [self.format, str(self.quality), self.subsampling]
        if self.fresh:
            return "_".join(["clean", *coded])
        parts = [self.method, options, self.mixing_set, *coded, self.view_mode, str(self.built or self.variants)]
        return "_".join(re.sub(r"\W+", "-", part).strip("-") for part in parts if part)


@dataclass(frozen=True, slots=True)
class Run:
    """One training of a condition, and its evaluation."""

    condition: Condition
    seed: int

    @property
    def name(self) -> str:
        return f"{self.condition.name}-seed{self.seed}"

    def facts(self) -> dict[str, Any]:
        """What decides its results, but for the data and the versions."""
        facts = asdict(self.condition)
        del facts["rescaled"]  # which adds some
        if not self.condition.fresh:  # so that results from before there was this choice remain
            del facts["fresh"]
        if self.condition.jsd_weight == JSD_WEIGHT:  # likewise
            del facts["jsd_weight"]
        return facts | {"seed": self.seed, "dataset": self.condition.dataset}


@dataclass(frozen=True, slots=True)
class Study:
    """The conditions, and on what they are evaluated.

    `test` is "test", the source's test split, or "validation": the last `held_out` images of the training split, which
    are then not trained on; a choice is made by these. The clean error is that of all test images; C, C-bar and PGD
    take the first `images` of them, P the first `sequences`. `mixing_sets` maps names to options of `fractals render`,
    or to `{"folder": PATH}`, a folder of pictures, in the study's folder if it is not absolute.
    """

    conditions: tuple[Condition, ...]
    suites: tuple[str, ...] = ("clean", "c", "cbar", "p", "pgd", "calibration")
    test: str = "test"
    held_out: int = 5000
    images: int = 2000
    sequences: int = 500
    mixing_sets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def split(self) -> dict[str, Any]:
        """Which images the runs are evaluated on, and how many are therefore not trained on."""
        return {"on": self.test, "held_out": self.held_out if self.test == "validation" else 0}

    def tests(self) -> dict[str, Any]:
        """What the runs are evaluated on."""
        return self.split() | {
            "images": self.images,
            "sequences": self.sequences,
            "suites": list(self.suites),
        }

    def runs(self, only: Sequence[str] = ()) -> Iterator[Run]:
        """All runs in the order of their worth: group after group, and what reads the same shards together.

        `only` are patterns such as `b`, `layermix-*` or `none-seed0`: a group, a condition or a run.
        """
        for group in sorted({one.group for one in self.conditions}):
            for one in (one for one in self.conditions if one.group == group):
                for run in (Run(one, seed) for seed in range(one.seeds)):
                    names = (group, run.condition.name, run.name)
                    if not only or any(fnmatch(name, pattern) for name in names for pattern in only):
                        yield run


def read_plan(path: Path) -> Study:
    """Read a study's plan: settings of the study, `defaults` of the conditions, then `conditions` by name.

    Raises `LayerMixError` where it is not such a table.
    """
    try:
        table = tomllib.loads(path.read_text())
        defaults, conditions, sets = (table.pop(name, {}) for name in ("defaults", "conditions", "mixing_sets"))
        for name, one in {"defaults": defaults, "conditions": conditions, "mixing_sets": sets, **conditions}.items():
            if not isinstance(one, dict):
                raise ValueError(f"{name} is no table")
        made = tuple(_condition(name, defaults | facts) for name, facts in conditions.items())
        study: Study = made_of(Study, table, conditions=made, mixing_sets=sets)
    except (OSError, ValueError) as error:  # what is no TOML is one, too
        raise LayerMixError(f"cannot read the plan {path}: {error}; docs/study/plan.toml is one") from error
    check_choice("test", study.test, TESTS, change=str(path))
    if not made:
        raise LayerMixError(f"expected a table [conditions] in {path}, found none; see docs/study/plan.toml")
    if not {"clean", "calibration"} <= set(study.suites) and any(one.rescaled for one in made):
        raise LayerMixError(f"expected the suites clean and calibration in {path}, as rescaled is set; add them")
    for one in made:
        _ = one.settings, one.mix  # which are checked when they are made
        if one.mixing_set and one.mixing_set not in sets:
            raise LayerMixError(f"expected a mixing set {one.mixing_set!r} in [mixing_sets] of {path}; add it")
    return study


def _condition(name: str, facts: dict[str, Any]) -> Condition:
    """A condition of parsed TOML. Raises ValueError where a value is of another type, or none of its fields."""
    options = facts.pop("options", {})
    if not isinstance(options, dict):
        raise ValueError(f"the options of the condition {name} are no table")
    try:
        made: Condition = made_of(Condition, facts, name=name, options=options)
    except ValueError as error:
        raise ValueError(f"{error} in the condition {name}") from error
    return made


def read_facts(path: Path, names: Sequence[str] = ()) -> dict[str, Any]:
    """The table in a JSON file of a study. Raises `LayerMixError` where it has not all `names`, or is none."""
    try:
        found = json.loads(path.read_text())
        if not isinstance(found, dict) or not set(names) <= found.keys():
            raise ValueError(f"no table of {', '.join(names) or 'facts'}")
    except (OSError, ValueError) as error:
        raise LayerMixError(f"cannot read {path}: {error}; remove it, then run the same command again") from error
    return found
