"""Reports: several runs side by side, with the paper's rows, what is missing, and the signature of every number.

A report is made once and shown in any format; `write_report` writes all formats to a folder, with the plots.
"""

import csv
import io
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import as_texts, check_type
from layermix_gen.evaluate.metrics.measuring import METRICS_VERSION, Measured, measure, normalize_consistency
from layermix_gen.evaluate.reporting.contents import report_tables
from layermix_gen.evaluate.reporting.in_common import all_in_common
from layermix_gen.evaluate.reporting.markup import Table, as_html, as_latex, as_markdown, as_plain_text
from layermix_gen.evaluate.reporting.paper import PaperTable, paper_tables
from layermix_gen.evaluate.reporting.provenance import metrics_facts, notes, run_facts
from layermix_gen.figures.file_formats import PLOTS
from layermix_gen.support.checks import as_path, as_several, check_choice
from layermix_gen.support.files import disk_errors, read_json, reading, reason, replacing, write_json
from layermix_gen.support.locks import alone
from layermix_gen.support.notebooks import panels
from layermix_gen.support.text import as_text, facts, one_line

FACTS = "report.json"  # tells the next report that the files next to it are a report's
SUFFIXES = {"text": "txt", "markdown": "md", "csv": "csv", "latex": "tex"}
LEGEND = "{best} - not evaluated. (12/15) a mean over 12 of 15 parts: it does not compare, and is never best."


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """A report: runs, tables of the paper, and all of it as tables and notes to show.

    `metrics` are the facts that all numbers depend on, `signature` the facts of each run, by readable names.
    """

    runs: tuple[Measured, ...]
    paper: tuple[PaperTable, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    metrics: dict[str, str]
    signature: dict[str, dict[str, str]]

    def __repr__(self) -> str:
        return f"<Report of {', '.join(run.name for run in self.runs)}>"

    def _repr_html_(self) -> str:
        notes = panels.lines("\n".join([LEGEND.format(best="Bold: the best of those that compare."), *self.notes]))
        return panels.panel("Report", *map(as_html, self.tables), notes)

    def text(self, emphasize: Callable[[str], str] = str) -> str:
        """The report for a terminal. The best numbers have a star, and pass through `emphasize`."""
        blocks = [as_plain_text(table, emphasize) for table in self.tables]
        legend = LEGEND.format(best="* the best of those that compare.")
        blocks.append(legend + "".join(f"\n- {note}" for note in self.notes))
        return "\n\n".join([*blocks, *(f"{head}\n\n{facts(lines)}" for head, lines in self._signatures())])

    def markdown(self) -> str:
        """The report as GitHub's Markdown."""
        blocks = [as_markdown(table) for table in self.tables]
        blocks.append(LEGEND.format(best="Bold: the best of those that compare."))
        blocks.append("\n".join(f"- {note}" for note in self.notes))
        for head, lines in self._signatures():
            blocks.append(f"## {head}\n\n" + "\n".join(f"- {name}: {text}" for name, text in lines.items()))
        return "\n\n".join(filter(None, blocks))

    def latex(self) -> str:
        """The report as LaTeX: tables for the package booktabs, notes and signatures as comments."""
        comments = [f"% {note}" for note in self.notes]
        for head, lines in self._signatures():
            comments += [f"% {head}", *(f"%   {name}: {text}" for name, text in lines.items())]
        return "\n\n".join([*map(as_latex, self.tables), "\n".join(comments)])

    def csv(self) -> str:
        """The report as CSV: every number, and every fact of the signatures, on a line of its own."""
        text = io.StringIO()
        columns = ("source", "name", "metric", "part", "severity", "value", "parts", "of")
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        for run in self.runs:
            writer.writerows({"source": "here", "name": run.name} | row for row in _rows(run))
        writer.writerows({"source": "here"} | row for row in _rows_in_common(self.runs))
        for table in self.paper:
            for name, numbers in table.rows.items():
                source = {"source": table.source, "name": name}
                writer.writerows(source | {"metric": metric, "value": value} for metric, value in numbers.items())
        for name, value in self.metrics.items():
            writer.writerow({"source": "metrics", "metric": "signature", "part": name, "value": value})
        return text.getvalue().rstrip("\n")

    def json(self) -> dict[str, Any]:
        """The report for JSON: everything that it says, and the signatures in full."""
        return {
            "metrics_version": METRICS_VERSION,
            "runs": [_as_json(run) for run in self.runs],
            "in_common": [
                asdict(one) | {"means": {self.runs[number].name: mean for number, mean in one.means.items()}}
                for one in all_in_common(self.runs)
            ],
            "paper": [asdict(table) for table in self.paper],
            "notes": list(self.notes),
            "metrics": self.metrics,
            "signature": self.signature,
        }

    def _signatures(self) -> Iterator[tuple[str, dict[str, str]]]:
        yield "Signature of the metrics", self.metrics
        for name, lines in self.signature.items():
            yield f"Signature of {name}", lines


def make_report(
    results: Sequence[str | Path | tuple[str, str | Path]],
    paper: Sequence[str] = (),
    reference: str | Path | None = None,
) -> Report:
    """Measure folders of results and put them side by side, in the order given.

    Each of `results` is a folder, which names the run, or a pair of name and folder. `paper` are numbers of tables of
    the paper, such as `IV`, whose rows follow the runs. `reference` is a JSON file with `flip_probability`, in percent,
    and `top5_distance` of a model by perturbation: with it mFP and mT5D are normalised, too. Raises `LayerMixError`
    where results are missing or damaged, or two runs have the same name.
    """
    tables = paper_tables(as_texts("paper", paper))
    folders = [one if isinstance(one, tuple) else ("", one) for one in as_several("results", results)]
    if wrong := [pair for pair in folders if len(pair) != 2]:
        raise LayerMixError(f"expected a name and a folder in each pair of results, got {wrong[0]!r}; give both")
    runs = tuple(measure(folder, name) for name, folder in folders)
    names = [run.name for run in runs]
    if not runs or len(set(names)) < len(names):
        raise LayerMixError(f"expected results of different names, got {', '.join(names) or 'none'}; use NAME=FOLDER")
    if reference:
        given = _reference(as_path(reference, "file of a reference"))
        for run in runs:
            normalize_consistency(run, given)
    return Report(
        runs=runs,
        paper=tables,
        tables=report_tables(runs, tables),
        notes=tuple(dict.fromkeys(map(one_line, notes(runs, tables, as_text(reference or ""))))),
        metrics=metrics_facts(runs),
        signature={run.name: run_facts(run) for run in runs},
    )


def render(report: Report, form: str) -> str:
    """The report as `text`, `markdown`, `csv` or `latex`. Raises `LayerMixError` for another format."""
    check_choice("format", form, SUFFIXES)
    made: str = getattr(report, form)()
    return made


def write_report(report: Report, out: str | Path, *, plots: str = "png") -> list[Path]:
    """Write a report to the folder `out` in every format, `report.json` among them, with its plots; return the paths.

    `plots` is the format of the plots: "png", "pdf" or "svg". An earlier report in the folder is replaced; other files
    stay. Raises `LayerMixError` where a file that no report wrote has the name of one of the report's, where the folder
    cannot be written, or Matplotlib is missing.
    """
    try:
        from layermix_gen.evaluate.reporting.report_plots import draw_plots, plot_names  # Matplotlib is an extra
    except LayerMixError as error:
        raise LayerMixError(f"{error}, or print the report with --format alone") from error

    check_type("report", report, Report, "give what make_report returns")
    check_choice("plots", plots, PLOTS)
    out, texts = as_path(out, "folder of the report"), [f"report.{suffix}" for suffix in SUFFIXES.values()]
    _make_folder(out, (*texts, FACTS, *plot_names()))
    with alone(out), disk_errors(out):
        write_json(out / FACTS, report.json())  # first
        drawn = draw_plots(report.runs, out, plots)
        for form, name in zip(SUFFIXES, texts, strict=True):
            with replacing(out / name) as draft:
                draft.write_text(render(report, form) + "\n", encoding="utf-8")
    return [*(out / name for name in (*texts, FACTS)), *drawn]


def _make_folder(out: Path, own: Collection[str]) -> None:
    """Make the folder `out`. Raises `LayerMixError` where that fails, or a file of `own` in it is no report's."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        there = sorted(one.name for one in out.iterdir() if one.name in own)
    except OSError as error:
        why = "a file is there" if isinstance(error, FileExistsError) else reason(error)
        raise LayerMixError(f"cannot make the folder {as_text(out)}: {why}; choose another --out") from error
    if there and FACTS not in there:
        raise LayerMixError(
            f"expected no {there[0]} that is not an earlier report's in {as_text(out)}, found one; choose another --out"
        )


def _rows(run: Measured) -> Iterator[dict[str, Any]]:
    """The numbers and the signature of a run, each as a row of the CSV."""
    for metric, number in run.numbers.items():
        yield {"metric": metric, **asdict(number)}
    for suite, metrics in run.calibration.items():
        for metric, number in metrics.items():
            if metric != "rms":  # it is among the numbers
                yield {"metric": f"{suite}_{metric}", **asdict(number)}
    for suite, parts in run.errors.items():
        for part, errors in parts.items():
            for severity, error in errors.items():
                yield {"metric": f"{suite}_error", "part": part, "severity": severity, "value": error}
    for part, error in run.normalized.items():
        yield {"metric": "c_error_normalized", "part": part, "value": error}
    for part, (flips, distance) in run.consistency.items():
        yield {"metric": "p_flips", "part": part, "value": flips}
        yield {"metric": "p_distance", "part": part, "value": distance}
    for name, value in run_facts(run).items():
        yield {"metric": "signature", "part": name, "value": value}


def _rows_in_common(runs: Sequence[Measured]) -> Iterator[dict[str, Any]]:
    """The means over what runs have in common as rows of the CSV, with the parts and severities that they are over."""
    for one in all_in_common(runs):
        extent = {"part": " ".join(one.parts), "severity": " ".join(map(str, one.severities))}
        for number, mean in one.means.items():
            row = {"name": runs[number].name, "metric": f"{one.suite}_error_in_common", "value": mean}
            yield row | extent | {"parts": len(one.parts), "of": one.of}


def _as_json(run: Measured) -> dict[str, Any]:
    calibration = {
        suite: {metric: asdict(number) for metric, number in metrics.items()}
        for suite, metrics in run.calibration.items()
    }
    return {
        "name": run.name,
        "numbers": {metric: asdict(number) for metric, number in run.numbers.items()},
        "calibration": calibration,
        "errors": run.errors,
        "normalized": run.normalized,
        "consistency": {
            part: {"flip_probability": flips, "top5_distance": distance}
            for part, (flips, distance) in run.consistency.items()
        },
        "signature": asdict(run.signature),
    }


def _reference(path: Path) -> dict[str, dict[str, float]]:
    with reading(path, "change --reference-p"):
        value = read_json(path, "mend it, or change --reference-p")
    tables = value.values() if isinstance(value, dict) else [None]
    if not all(isinstance(one, dict) and all(isinstance(x, int | float) for x in one.values()) for one in tables):
        raise LayerMixError(
            f"expected numbers by perturbation under flip_probability and top5_distance in {as_text(path)}, found "
            "otherwise; mend it, or change --reference-p"
        )
    return dict(value)
