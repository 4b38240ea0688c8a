"""Which numbers compare: those of one dataset, of as many images, at the same severities and with the same settings.

Every table marks the best of what compares, and a report says what does not, and why. How pixels are normalized is no
reason: it belongs to the model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from layermix_gen.evaluate.benchmarks import SEVERITIES, SUITES, TITLES
from layermix_gen.evaluate.metrics.measuring import Measured
from layermix_gen.evaluate.reporting.paper import PaperTable

UNKNOWN = "unknown"

# How many images the paper's test sets have, and those of C and C-bar at each severity. ImageNet-200 is 200 of
# ImageNet's 1000 classes, and each of these has 50 images in the validation set.
PAPER_IMAGES = {"cifar10": 10_000, "cifar100": 10_000, "imagenet-200": 10_000, "imagenet": 50_000}
PAPER_RENDITIONS = 30_000  # of ImageNet-R, the same 200 classes
PAPER_ATTACK: dict[str, str | int | float] = {"epsilon": 2 / 255, "steps": 20, "step_size": 0.5 / 255, "restarts": 1}
PAPER_PHOTOGRAPHS = "resize-256-center-224"  # as the authors' code cuts ImageNet's files, those of C and C-bar too


@dataclass(frozen=True, slots=True)
class Basis:
    """What the numbers of a suite depend on beside the model: two numbers compare where their bases are equal.

    `facts` are pairs of a name and a text for people, in one order.
    """

    dataset: str
    facts: tuple[tuple[str, str], ...]

    def differing(self, others: Sequence["Basis"]) -> str:
        """The facts, its dataset among them, that one of the others does not share; "" where all do."""
        shown = [self.dataset] if any(other.dataset != self.dataset for other in others) else []
        own, theirs = dict(self.facts), [dict(other.facts) for other in others]
        for name in dict.fromkeys(name for facts in (own, *theirs) for name in facts):
            text = own.get(name, UNKNOWN)
            if any(facts.get(name, UNKNOWN) != text for facts in theirs):
                shown.append(f"{name} {text}")
        return ", ".join(shown)


def setting_text(value: str | int | float) -> str:
    """A setting for people; what differs in later digits is the same."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def run_basis(run: Measured, suite: str) -> Basis:
    """That of a suite that the run has."""
    one, facts = run.signature, run.signature.suites[suite]
    return _basis(one.dataset, suite, one.scale, str(facts.images), facts.severities, facts.settings)


def paper_basis(table: PaperTable, suite: str) -> Basis:
    """That of the published suites, which the paper's numbers are of."""
    images = str(PAPER_RENDITIONS if suite == "r" else PAPER_IMAGES[table.dataset])
    arrays = table.dataset.startswith("cifar")
    settings = {"preprocessing": "none" if arrays else PAPER_PHOTOGRAPHS}
    if suite == "p" and not arrays:  # that of ImageNet-P: what was computed there cannot be told
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
    if suite in ("c", "cbar"):  # which chooses C-bar's list, and how calibration is pooled
        facts["scale"] = scale
    facts |= {name: setting_text(value) for name, value in sorted(settings.items())}
    return Basis(dataset, tuple(facts.items()))


def bases(run: Measured) -> dict[str, Basis]:
    """By suite, all those of a run."""
    return {suite: run_basis(run, suite) for suite in run.signature.suites}


def paper_bases(table: PaperTable) -> dict[str, Basis]:
    """By suite, those of the numbers that a table of the paper has."""
    suites = {metric.partition("_")[0] for row in table.rows.values() for metric in row}
    return {suite: paper_basis(table, suite) for suite in SUITES if suite in suites}


def incomparable(runs: Sequence[Measured], paper: Sequence[PaperTable]) -> Iterator[str]:
    """A line for each suite of a dataset of which there are numbers that do not compare: whose, and what differs."""
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
    """By run, how it differs from those that most of the runs compare with in a suite; "" for these.

    Of groups of one size it is the one at all severities that counts, then the first.
    """
    found = [run_basis(run, suite) for run in runs]
    whole = ("severities", " ".join(map(str, SEVERITIES)))
    usual = max(found, key=lambda basis: (found.count(basis), whole in basis.facts))
    return [basis.differing([usual]) for basis in found]
