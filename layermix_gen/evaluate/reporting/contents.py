"""The content of a report: its tables, their columns, and whether lower or higher is better."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from layermix_gen.evaluate.benchmarks import TITLES, extra_list, mean_list
from layermix_gen.evaluate.metrics.measuring import CALIBRATED, Measured, Number
from layermix_gen.evaluate.reporting.comparability import Basis, bases, paper_bases, run_basis
from layermix_gen.evaluate.reporting.in_common import all_in_common
from layermix_gen.evaluate.reporting.markup import Better, Cell, Table, mark_best, mark_columns
from layermix_gen.evaluate.reporting.paper import PaperTable

OVERVIEW = {
    "clean_error": "Clean",
    "clean_error5": "Clean@5",
    "c_error": "C mCE raw",
    "c_error_normalized": "C mCE normalised",
    "cbar_error": "C-bar mCE raw",
    "r_error": "R",
    "r_error5": "R@5",
    "p_flips": "P mFP",
    "p_flips_normalized": "P mFP normalised",
    "p_distance": "P mT5D",
    "p_distance_normalized": "P mT5D normalised",
    "pgd_error": "PGD",
    "pgd_released_error": "PGD released",
    "clean_rms": "RMS clean",
    "c_rms": "RMS C",
    "cbar_rms": "RMS C-bar",
    "r_rms": "RMS R",
    "calibration_rms": "RMS (on what?)",
}
"""The metrics of the first table and their heads. The last is the paper's, which does not say on which data it is."""

CALIBRATION: dict[str, tuple[str, Better]] = {
    "rms": ("RMS", "low"),
    "rms_floor": ("floor", ""),
    "rms_released": ("RMS released", ""),
    "ece": ("ECE", "low"),
    "aurra": ("AURRA", "high"),
    "nll": ("NLL (nats)", "low"),
}


def report_tables(runs: Sequence[Measured], paper: Sequence[PaperTable]) -> tuple[Table, ...]:
    """All tables that have something to show."""
    tables = [
        _overview(runs, paper),
        _in_common(runs),
        _calibration(runs),
        _by_corruption(runs, "c", "Error by corruption, C: mean over severities, %", Measured.mean_error),
        _by_corruption(
            runs, "c", "Corruption error normalised by AlexNet, C, %", lambda run, _, part: run.normalized.get(part)
        ),
        _by_corruption(runs, "cbar", "Error by corruption, C-bar: mean over severities, %", Measured.mean_error),
        _consistency(runs),
    ]
    return tuple(table for table in tables if table.rows and table.columns)


def _overview(runs: Sequence[Measured], paper: Sequence[PaperTable]) -> Table:
    """The overview: a row for each run, then the paper's rows."""
    lines = [_Line((run.name, "here"), run.numbers, 2, run.signature.dataset, bases(run)) for run in runs]
    for table in paper:
        for method, values in table.rows.items():
            numbers = {metric: Number(value) for metric, value in values.items()}
            lines.append(_Line((method, table.source), numbers, table.decimals, table.dataset, paper_bases(table)))
    metrics = [metric for metric in OVERVIEW if any(metric in line.numbers for line in lines)]
    cells = [[Cell(line.numbers.get(metric), line.decimals) for metric in metrics] for line in lines]
    groups = [[line.bases.get(metric.partition("_")[0], line.dataset) for metric in metrics] for line in lines]
    marked = mark_columns(cells, ["low"] * len(metrics), groups)
    rows = tuple((line.labels, one) for line, one in zip(lines, marked, strict=True))
    title = "Overview: errors and calibration in %, mT5D in ranks; lower is better"
    return Table(title, ("Method", "Source"), tuple(OVERVIEW[metric] for metric in metrics), rows)


class _Line(NamedTuple):
    labels: tuple[str, str]
    numbers: dict[str, Number]
    decimals: int
    dataset: str
    bases: dict[str, Basis]  # by suite; numbers of no suite are compared within their dataset


def _in_common(runs: Sequence[Measured]) -> Table:
    """A row for each suite that runs have in part: their means over what all of them have."""
    rows = []
    for one in all_in_common(runs):
        values = [one.means.get(number) for number in range(len(runs))]
        cells = [Cell(None if value is None else Number(value)) for value in values]
        rows.append(((one.title,), mark_best(cells, "low", [0] * len(runs))))
    title = "Mean error over the corruptions and severities that all runs have, %"
    return Table(title, ("Data",), tuple(run.name for run in runs), tuple(rows))


def _calibration(runs: Sequence[Measured]) -> Table:
    rows: list[tuple[tuple[str, ...], tuple[Cell, ...]]] = []
    for suite in CALIBRATED:
        found = [run for run in runs if suite in run.calibration]
        cells = [[Cell(run.calibration[suite].get(metric)) for metric in CALIBRATION] for run in found]
        groups = [[run_basis(run, suite)] * len(CALIBRATION) for run in found]
        marked = mark_columns(cells, [better for _, better in CALIBRATION.values()], groups)
        rows += [((TITLES[suite], run.name), line) for run, line in zip(found, marked, strict=True)]
    heads = tuple(head for head, _ in CALIBRATION.values())
    title = "Calibration in %: floor is what a perfectly calibrated model would score; AURRA is better when higher"
    return Table(title, ("Data", "Method"), heads, tuple(rows))


def _by_corruption(
    runs: Sequence[Measured], suite: str, title: str, value: Callable[[Measured, str, str], float | None]
) -> Table:
    found = [run for run in runs if run.parts.get(suite)]
    listed = list(dict.fromkeys(part for run in found for part in mean_list(suite, run.signature.scale)))
    parts = [(part, part) for part in listed]
    parts += [
        (part, f"{part} (extra)") for part in extra_list(suite) if any(part in run.errors[suite] for run in found)
    ]
    rows = []
    for part, label in parts:
        values = [value(run, suite, part) for run in found]
        cells = [Cell(None if one is None else Number(one)) for one in values]
        if any(one is not None for one in values) or value is Measured.mean_error:
            rows.append(((label,), mark_best(cells, "low", [run_basis(run, suite) for run in found])))
    return Table(title, ("Corruption",), tuple(run.name for run in found), tuple(rows))


def _consistency(runs: Sequence[Measured]) -> Table:
    found = [run for run in runs if run.consistency]
    names = [*mean_list("p", "cifar"), *extra_list("p")]
    rows = []
    for part in names:
        pairs = [run.consistency.get(part) for run in found]
        cells: tuple[Cell, ...] = ()
        for number in range(2):
            values = [None if pair is None else Number(pair[number]) for pair in pairs]
            cells += mark_best([Cell(one) for one in values], "low", [run_basis(run, "p") for run in found])
        if part not in extra_list("p") or any(pairs):
            rows.append(((f"{part} (extra)" if part in extra_list("p") else part,), cells))
    heads = tuple(f"{head} {run.name}" for head in ("FP", "T5D") for run in found)
    return Table(
        "Consistency by perturbation: flips in %, top-5 distance in ranks", ("Perturbation",), heads, tuple(rows)
    )
