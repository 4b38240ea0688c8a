"""Which numbers compare: they need the same dataset, the same number of images, the same severities and settings.

Every table marks the best among numbers that compare, and a report says which do not, and why. The normalization of
pixels is no reason: it belongs to the model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from layermix_gen.evaluate.benchmarks import RESIZE_AND_CENTER, SEVERITIES, SUITES, TITLES
from layermix_gen.evaluate.metrics.measuring import Measured
from layermix_gen.evaluate.reporting.paper import PaperTable

UNKNOWN = "unknown"

# How many images the paper's test sets have, C and C-bar at each severity. ImageNet-200 is 200 of ImageNet's 1000
# classes, and each of these has 50 images in the validation set.
PAPER_IMAGES = {"cifar10": 10_000, "cifar100": 10_000, "imagenet-200": 10_000, "imagenet": 50_000}
PAPER_RENDITIONS = 30_000  # of ImageNet-R, the same 200 classes
PAPER_ATTACK: dict[str, str | int | float] = {"epsilon": 2 / 255, "steps": 20, "step_size": 0.5 / 255, "restarts": 1}
PAPER_PHOTOGRAPHS = RESIZE_AND_CENTER  # as the authors' code crops ImageNet's files, also for C and C-bar


@dataclass(frozen=True, slots=True)
class Basis:
    """What the numbers of a suite depend on besides the model: two numbers compare where their bases are equal.

    `facts` are pairs of a name and a readable text, always in the same order.
    """

    dataset: str
    facts: tuple[tuple[str, str], ...]

    def differing(self, others: Sequence["Basis"]) -> str:
        """The facts, including the dataset, that one of the others does not share, as text; "" where all do."""
        shown = [self.dataset] if any(other.dataset != self.dataset for other in others) else []
        own, theirs = dict(self.facts), [dict(other.facts) for other in others]
        for name in dict.fromkeys(name for facts in (own, *theirs) for name in facts):
            text = own.get(name, UNKNOWN)
            if any(facts.get(name, UNKNOWN) != text for facts in theirs):
                shown.append(f"{name} {text}")
        return ", ".join(shown)


def setting_text(value: str | int | float) -> str:
    """A setting as readable text; floats that differ only after six digits give the same."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def run_basis(run: Measured, suite: str) -> Basis:
    """The basis of a run's suite."""
    one, facts = run.signature, run.signature.suites[suite]
    return _basis(one.dataset, suite, one.scale, str(facts.images), facts.severities, facts.settings)


def paper_basis(table: PaperTable, suite: str) -> Basis:
    """The basis of a published suite, which the paper's numbers are for."""
    images = str(PAPER_RENDITIONS if suite == "r" else PAPER_IMAGES[table.dataset])
    arrays = table.dataset.startswith("cifar")
    settings = {"preprocessing": "none" if arrays else PAPER_PHOTOGRAPHS}
    if suite == "p" and not arrays:  # ImageNet-P's: it is not known how its numbers were computed
        images = settings["preprocessing"] = UNKNOWN
    severities = SEVERITIES if suite in ("c", "cbar") else ()
    attack = PAPER_ATTACK if suite == "pgd" else {}
    return _basis(table.dataset, suite, "cifar" if arrays else "imagenet", images, severities, settings | attack)


def _basis(
    dataset: str,
    suite: str,
    scale: str,
    images: str,
    severities: Sequence[int],
    settings: dict[str, str | int | float] | dict[str, str],
) -> Basis:
    facts = {"N": images}
    if any(severities):
        facts["severities"] = " ".join(map(str, severities))
    if suite in ("c", "cbar"):  # it selects C-bar's list, and how calibration is pooled
        facts["scale"] = scale
    facts |= {name: setting_text(value) for name, value in sorted(settings.items())}
    return Basis(dataset, tuple(facts.items()))


def bases(run: Measured) -> dict[str, Basis]:
    """The bases of a run, by suite."""
    return {suite: run_basis(run, suite) for suite in run.signature.suites}


def paper_bases(table: PaperTable) -> dict[str, Basis]:
    """The bases of the numbers in a table of the paper, by suite."""
    suites = {metric.partition("_")[0] for row in table.rows.values() for metric in row}
    return {suite: paper_basis(table, suite) for suite in SUITES if suite in suites}


def incomparable(runs: Sequence[Measured], paper: Sequence[PaperTable]) -> Iterator[str]:
    """A line for each suite of a dataset with numbers that do not compare: whose they are, and what differs."""
    named = [(run.name, {suite: one for suite, one in bases(run).items() if run.parts[suite]}) for run in runs]
    datasets = list(dict.fromkeys(run.signature.dataset for run in runs))
    named += [(f"paper {table.table}", paper_bases(table)) for table in paper]
    for dataset in datasets:
        for suite in SUITES:
            groups: dict[Basis, dict[str, None]] = {}  # names, each of them once
            for name, found in named:
                if suite in found and found[suite].dataset == dataset:
                    groups.setdefault(found[suite], {})[name] = None
            if len(groups) > 1:
                sides = [f"{', '.join(names)} ({basis.differing([*groups])})" for basis, names in groups.items()]
                yield f"{TITLES[suite]} of {dataset} has numbers that do not compare: {'; '.join(sides)}"


def apart(runs: Sequence[Measured], suite: str) -> list[str]:
    """By run, how its basis in a suite differs from the most common one; "" where it does not.

    Among bases that are equally common, one at all severities is preferred, then the first.
    """
    found = [run_basis(run, suite) for run in runs]
    whole = ("severities", " ".join(map(str, SEVERITIES)))
    usual = max(found, key=lambda basis: (found.count(basis), whole in basis.facts))
    return [basis.differing([usual]) for basis in found]
