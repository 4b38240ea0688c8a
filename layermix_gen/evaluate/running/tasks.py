"""Find what to evaluate: suites, their parts, and what all parts of a suite share, before any is predicted.

What headers and names of folders tell is checked at once; a part that consists of image files is listed only before
its turn.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.benchmarks import PGD, SUITES
from layermix_gen.evaluate.metrics.measuring import CALIBRATED
from layermix_gen.evaluate.results.signature import Suite
from layermix_gen.evaluate.running.run_options import Attack
from layermix_gen.evaluate.suites import Data, Part, SuiteOptions, SuiteSource, complete, find_suite
from layermix_gen.evaluate.suites.agreement import contradiction, differs
from layermix_gen.evaluate.suites.batching import Images, as_size
from layermix_gen.evaluate.suites.file_stamps import stamp
from layermix_gen.support.checks import check_choice
from layermix_gen.support.text import as_text

CALIBRATION = "calibration"  # computed from the predictions for the suites `CALIBRATED`, as far as there are data
CHOICES = (*SUITES, CALIBRATION)
FIRST = 2  # images that the model is probed with: it must take more than one


@dataclass(frozen=True, slots=True, eq=False)
class SuiteTask:
    """A suite to evaluate: its source, its first part and the first images of that, all parts' stamps, the attack."""

    source: SuiteSource
    first: Part
    images: Images
    parts: tuple[str, ...]
    stamps: dict[str, str]
    attack: Attack | None = None

    def open(self, part: str) -> Part:
        """Open a part. Raises `LayerMixError` where it differs from the first in what all parts have in common."""
        is_first = self.attack or part == self.source.parts[0]
        opened = self.first if is_first else _open(self.source, part, self.first)
        return replace(opened, size=self.images.shape[1:3])

    def facts(self) -> Suite:
        """The suite's entry in the signature."""
        part, options = self.first, asdict(self.attack) if self.attack else {}
        return Suite(
            images=part.total // len(part.severities),
            severities=part.severities,
            data=as_text(self.source.folder),
            settings={"preprocessing": self.source.preprocessing}
            | {name: value for name, value in options.items() if name not in ("variant", "seed")},
            stamps=self.stamps,
        )


def make_tasks(
    data: Data, suites: Sequence[str], options: SuiteOptions, attack: Attack, variants: Sequence[str]
) -> dict[str, SuiteTask]:
    """The tasks by suite, in their order. Raises `LayerMixError` for unknown suites and variants, and for bad data."""
    chosen = chosen_suites(suites, data)
    variants = chosen_variants(variants, chosen)
    tasks = {name: _task(name, data, options, attack, variants) for name in chosen}
    for suite in ("c", "cbar"):
        if suite in tasks and "clean" in tasks:
            _check_labels(tasks[suite], tasks["clean"])
    _check_sizes(list(tasks.values()))
    return tasks


def chosen_suites(names: Sequence[str], data: Data) -> tuple[str, ...]:
    """The suites to evaluate, in their order. Raises `LayerMixError` for unknown ones and those without data."""
    for name in names:
        check_choice("suite", name, CHOICES, change="--suites")
    wanted = set(names) or set(data.folders)
    if CALIBRATION in wanted and "clean" in data.folders:
        wanted.add("clean")
    if CALIBRATION in wanted and not wanted.intersection(CALIBRATED):
        wanted |= data.folders.keys() & set(CALIBRATED)
    if wanted == {CALIBRATION}:
        raise LayerMixError(
            f"expected data for calibration, which is that of {', '.join(CALIBRATED)}, got none of these; "
            "add --data clean=DIR"
        )
    for name in SUITES:
        folder = "clean" if name == "pgd" else name
        if name in wanted and folder not in data.folders:
            raise LayerMixError(
                f"expected data for the suite {name}, got {', '.join(data.folders)} alone; "
                f"add --data {folder}=DIR, or leave {name} out"
            )
    return tuple(name for name in SUITES if name in wanted)


def chosen_variants(names: Sequence[str], suites: Sequence[str]) -> tuple[str, ...]:
    """The variants of the attack, in their order. Raises `LayerMixError` for unknown ones, and if pgd is not chosen."""
    for name in names:
        check_choice("variant of PGD", name, PGD, change="--pgd")
    if names and "pgd" not in suites:
        raise LayerMixError(f"expected pgd among the suites for its variant {names[0]}; add it to --suites")
    return tuple(name for name in PGD if name in (names or PGD[:1]))


def _task(name: str, data: Data, options: SuiteOptions, attack: Attack, variants: tuple[str, ...]) -> SuiteTask:
    source = complete(find_suite("clean" if name == "pgd" else name, data, options))
    stamps = {part: stamp(source.folder, source.look(part)) for part in source.parts}
    first = source.open(source.parts[0])
    for part in source.parts if source.in_order else ():  # arrays: no image files to list
        _open(source, part, first)
    images = next(first.batches(FIRST))[:FIRST]
    if name == "pgd":
        return SuiteTask(source, first, images, variants, dict.fromkeys(variants, stamps["clean"]), attack)
    return SuiteTask(source, first, images, source.parts, stamps)


def _open(source: SuiteSource, part: str, first: Part) -> Part:
    """Open a part. Raises `LayerMixError` where it differs from the first in what all parts have in common."""
    opened = source.open(part)
    if problem := differs(opened, first, as_text(source.folder / part)):
        raise LayerMixError(problem)
    return opened


def _check_sizes(tasks: Sequence[SuiteTask]) -> None:
    """Raise `LayerMixError` where suites have images of different sizes: these cannot come from one test set."""
    suites: dict[tuple[int, ...], str] = {}
    for task in tasks:
        suites.setdefault(task.images.shape[1:3], task.source.suite)
    if len(suites) > 1:
        found = " and ".join(f"{as_size(size)} in {suite}" for size, suite in suites.items())
        raise LayerMixError(
            f"expected images of one size in all suites, found {found}; make them alike, or evaluate them one after "
            "the other"
        )


def _check_labels(corrupted: SuiteTask, clean: SuiteTask) -> None:
    """Raise `LayerMixError` where, by their labels, the corrupted images cannot be made from the clean ones."""
    in_order = corrupted.source.in_order and clean.source.in_order
    if problem := contradiction(corrupted.first, clean.first, in_order):
        raise LayerMixError(f"{as_text(corrupted.source.folder)}: {problem}")
