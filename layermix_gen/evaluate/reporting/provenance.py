"""What the numbers of a report depend on, and the notes to read before comparing them."""

from collections.abc import Iterator, Sequence

from layermix_gen._version import __version__
from layermix_gen.evaluate.benchmarks import TITLES, mean_list
from layermix_gen.evaluate.metrics.measuring import METRICS_VERSION, Measured
from layermix_gen.evaluate.reporting.comparability import incomparable, setting_text
from layermix_gen.evaluate.reporting.paper import PaperTable
from layermix_gen.evaluate.results.signature import Suite
from layermix_gen.support.text import count, one_line


def metrics_facts(runs: Sequence[Measured]) -> dict[str, str]:
    """The version of the metrics and the lists that the runs' means are over, by readable names."""
    facts = {"version": f"{METRICS_VERSION}, of layermix-gen {__version__}"}
    for suite in ("c", "cbar", "p"):
        scales = dict.fromkeys(run.signature.scale for run in runs if suite in run.signature.suites)
        lists = {mean_list(suite, scale): scale for scale in scales}
        for names, scale in lists.items():
            at_scale = f", {scale}" if len(lists) > 1 else ""
            facts[f"{TITLES[suite]} means over{at_scale}"] = f"{len(names)}: {' '.join(names)}"
    return facts


def run_facts(run: Measured) -> dict[str, str]:
    """The signature of a run, by readable names: model, data and settings, and N of each suite."""
    one = run.signature
    checkpoint = f"{one.checkpoint}, {one.checkpoint_rule} epoch, sha256 {one.checkpoint_sha256[:16]}"
    facts = {
        "model": f"{one.model}, sha256 {one.model_sha256[:16]}" if one.model_sha256 else one.model,
        "checkpoint": checkpoint if one.checkpoint else "none",
        "dataset": f"{one.dataset}, {one.n_classes} classes",
        "scale": f"{one.scale}, for the list of C-bar and calibration under corruptions",
        "normalization": one.normalization,
        "precision": one.precision,
        "temperature": f"{one.temperature:g}",
        "seed": str(one.seed),
    }
    suites = {TITLES[name]: _suite(suite, len(run.parts[name]), name == "p") for name, suite in one.suites.items()}
    versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
    facts |= suites | {"versions": versions}
    return {name: one_line(text) for name, text in facts.items()}


def _suite(suite: Suite, parts: int, videos: bool) -> str:
    facts = [f"N = {count(suite.images, 'video' if videos else 'image')}"]
    if any(suite.severities):
        facts.append(f"severities {' '.join(map(str, suite.severities))}")
    facts += [f"{name} {setting_text(value)}" for name, value in suite.settings.items()]
    return ", ".join([*facts, f"{count(parts, 'part')} evaluated", *filter(None, [suite.data])])


def notes(runs: Sequence[Measured], paper: Sequence[PaperTable], reference: str = "") -> Iterator[str]:
    """Notes on what limits a comparison: incomplete means, what does not compare, which mCE it is, the paper's notes.

    `reference` is the file that mFP and mT5D are normalised by.
    """
    for run in runs:
        yield from (f"{run.name}: {note}" for note in run.notes)
    yield from incomparable(runs, paper)
    if rescaled := [f"{run.name} by {run.signature.temperature:g}" for run in runs if run.signature.temperature != 1]:
        yield f"logits are divided by a temperature ({', '.join(rescaled)}): confidences are rescaled there alone"
    if any("c_error" in run.numbers for run in runs):
        yield (
            "mCE raw is the mean error, as the paper prints it; mCE normalised has AlexNet at 100, and is defined for "
            "ImageNet-C with 1000 classes at all severities alone"
        )
    if reference and any(run.consistency for run in runs):
        yield f"mFP normalised and mT5D normalised have the reference model of {reference} at 100"
    elif reference:
        yield f"{reference} normalises nothing, for no run has P"
    datasets = {run.signature.dataset for run in runs}
    for table in paper:
        if table.dataset not in datasets:
            yield f"paper {table.table} is about {table.dataset}, which no run is about: its numbers do not compare"
        yield from (f"paper {table.table}: {note}" for note in table.notes)
