"""Reports: their content in each format, the marks of the best, the notes on missing numbers, and the plots."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen import __version__
from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.benchmarks import CBAR, SEVERITIES, C, P
from layermix_gen.evaluate.metrics.measuring import Number
from layermix_gen.evaluate.reporting.contents import CALIBRATION
from layermix_gen.evaluate.reporting.markup import (
    Cell,
    Table,
    as_latex,
    as_markdown,
    as_plain_text,
    mark_best,
    mark_columns,
)
from layermix_gen.evaluate.reporting.paper import paper_tables
from layermix_gen.evaluate.reporting.report import Report, make_report, render, write_report
from layermix_gen.evaluate.reporting.report_plots import bars
from layermix_gen.evaluate.results.predictions import stack
from layermix_gen.evaluate.results.results_folder import begin_results, save_part
from layermix_gen.support.files import temporary
from tests.evaluate.made_results import make_results, make_signature, some_images, some_videos
from tests.helpers import invoke


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Results of a weak model, of a strong one that lacks a corruption, and of one that has only been run on clean."""
    root = tmp_path_factory.mktemp("results")
    make_results(root / "weak", skill=1, n_classes=100)
    make_results(root / "strong", skill=5, seed=1, without=("c/fog",), n_classes=100)
    make_results(root / "clean_only", skill=3, seed=2, suites=("clean",), n_classes=100)
    return [root / name for name in ("weak", "strong", "clean_only")]


@pytest.fixture(scope="module")
def report(folders: list[Path]) -> Report:
    return make_report(folders, ["IV"])


# --- tables ----------------------------------------------------------------------------------------------------------

SMALL = Table(
    "Errors, 50% & more",
    ("Method",),
    ("C", "RMS"),
    (
        (("a_b",), (Cell(Number(31.204), best=True), Cell(None))),
        (("c|d",), (Cell(Number(9.0, 12, 15)), Cell(Number(5.55), 1))),
    ),
)


def test_text_by_hand() -> None:
    assert as_plain_text(SMALL).splitlines() == [
        "Errors, 50% & more",
        "",
        "Method             C  RMS",
        "-------------------------",
        "a_b           31.20*    -",
        "c|d     9.00 (12/15)  5.5",
    ]
    assert "           <31.20*>" in as_plain_text(SMALL, lambda text: f"<{text}>")
    starred = Table("", ("Method",), ("C*",), ((("ours*",), (Cell(Number(1)),)),))
    assert "<" not in as_plain_text(starred, lambda text: f"<{text}>")  # names may have stars


def test_markdown_by_hand() -> None:
    assert as_markdown(SMALL).splitlines() == [
        "## Errors, 50% & more",
        "",
        "| Method | C | RMS |",
        "| --- | ---: | ---: |",
        "| a_b | **31.20** | - |",
        "| c\\|d | 9.00 (12/15) | 5.5 |",
    ]


def test_latex_by_hand() -> None:
    lines = as_latex(SMALL).splitlines()
    assert lines[2:5] == [r"\caption{Errors, 50\% \& more}", r"\begin{tabular}{lrr}", r"\toprule"]
    assert lines[7:9] == [r"a\_b & \textbf{31.20} & -- \\", r"c|d & 9.00 (12/15) & 5.5 \\"]
    signs = Table("", ("Method",), ("C",), (((r"a\b~c^d#e$f{g}",), (Cell(None),)),))
    escaped = r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d\#e\$f\{g\} & -- \\"
    assert escaped in as_latex(signs).splitlines()


def test_rows_that_latex_would_take_for_arguments() -> None:
    """After a line break `[` begins its length, and a star is a part of it."""
    names = ("[best]", "*ours", "ours*", "a[b]")
    lines = as_latex(Table("", ("Method",), ("C",), tuple(((name,), (Cell(None),)) for name in names))).splitlines()
    assert lines[7:11] == [r"{}[best] & -- \\", r"{}*ours & -- \\", r"ours* & -- \\", r"a[b] & -- \\"]


@pytest.mark.parametrize(
    ("numbers", "better", "best"),
    [
        ([Number(2), Number(1), Number(3)], "low", [1]),
        ([Number(2), Number(1), Number(3)], "high", [2]),
        ([Number(2), Number(1), Number(3)], "", []),
        ([Number(1.001), Number(1.004), Number(3)], "low", [0, 1]),  # as they are printed
        ([Number(2), Number(1, 14, 15), Number(3)], "low", [0]),
        ([Number(2), None, None], "low", []),
        ([Number(2), Number(1, 14, 15)], "low", []),
        ([None, None], "low", []),
        ([Number(float(0)), Number(0)], "low", [0, 1]),
    ],
)
def test_the_best(numbers: list[Number | None], better: str, best: list[int]) -> None:
    marked = mark_best([Cell(number) for number in numbers], better, ["cifar100"] * len(numbers))  # type: ignore[arg-type]
    assert [i for i, cell in enumerate(marked) if cell.best] == best


def test_the_best_of_columns() -> None:
    cells = [[Cell(Number(1)), Cell(Number(1))], [Cell(Number(2)), Cell(Number(2))]]
    rows = mark_columns(cells, ["low", "high"], [["cifar100"] * 2] * 2)
    assert [[cell.best for cell in row] for row in rows] == [[True, False], [False, True]]
    assert mark_columns([], ["low"], []) == []


def test_the_best_of_each_group() -> None:
    """A number that is alone in its group has nothing to be better than."""
    marked = mark_best([Cell(Number(one)) for one in (5, 2, 4, 3, 1)], "low", ["a", "b", "a", "b", "c"])
    assert [cell.best for cell in marked] == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("ours", "paper", "best"),
    [
        (9.44, 9.4, [True, True]),  # 9.4, both
        (9.36, 9.4, [True, True]),
        (9.46, 9.4, [False, True]),
        (9.34, 9.4, [True, False]),
    ],
)
def test_the_best_is_by_decimals_that_both_have(ours: float, paper: float, best: list[bool]) -> None:
    cells = [Cell(Number(ours), 2), Cell(Number(paper), 1)]
    assert [cell.best for cell in mark_best(cells, "low", ["a", "a"])] == best
    assert [cell.best for cell in mark_best(cells[::-1], "low", ["a", "a"])] == best[::-1]
    apart = [*cells, Cell(Number(30.1), 1), Cell(Number(9.41, 14, 15), 0)]  # neither lowers the others' decimals
    assert [cell.best for cell in mark_best(apart, "low", ["a", "a", "b", "a"])] == [*best, False, False]
    two = [Cell(Number(9.44)), Cell(Number(9.41)), Cell(Number(30.1), 1)]
    assert [cell.best for cell in mark_best(two, "low", ["a", "a", "b"])] == [False, True, False]


# --- the paper's numbers ---------------------------------------------------------------------------------------------


def test_the_papers_tables() -> None:
    tables = paper_tables(["III", "IV", "V", "VI", "VII", "VIII", "IX"])
    assert [(one.table, one.dataset) for one in tables[:3]] == [
        ("III", "cifar10"),
        ("III", "cifar100"),
        ("IV", "cifar100"),
    ]
    assert [one.model for one in tables if one.table == "VII"] == ["WRN-40-4", "WRN-28-10", "ResNet-18", "ResNeXt-29"]
    assert sum(len(one.rows) for one in tables) == 9 + 9 + 10 + 17 + 12 + 16 + 8 + 5
    by_number = {one.table: one for one in tables}
    assert by_number["IV"].rows["LayerMix"]["c_error"] == 30.3
    assert by_number["VIII"].rows["PixMix"]["cbar_error"] == 27.57
    assert by_number["IX"].rows["Baseline"]["c_error"] == 60.19
    assert by_number["IX"].rows["LayerMix m=8 beta=3"]["r_rms"] == 10.42
    assert by_number["V"].rows["LayerMix JSD gray"] == {
        "clean_error": 18.01,
        "c_error": 28.89,
        "pgd_released_error": 89.07,
        "p_flips": 5.3,
    }


@pytest.mark.parametrize("number", ["4", "ivv", "X", ""])
def test_other_tables(number: str) -> None:
    with pytest.raises(LayerMixError, match=rf"^expected tables of III, IV, .*, got '{number}'; change --paper"):
        paper_tables(["IV", number])


def test_small_numbers_of_tables() -> None:
    assert paper_tables(["ix", "Iv"]) == paper_tables(["IV", "IX"])


def test_where_rms_comes_from_is_noted() -> None:
    """The note is on every table that has such a column, and on no other."""
    for table in paper_tables(["III", "IV", "V", "VI", "VII", "VIII", "IX"]):
        has_rms = any(metric.endswith("_rms") for row in table.rows.values() for metric in row)
        noted = [note for note in table.notes if "leaves the most confident bin out of RMS" in note]
        assert len(noted) == has_rms
        assert all("is inferred" in note for note in noted)


def test_tables_of_another_dataset_are_noted_and_apart(folders: list[Path]) -> None:
    """LayerMix's clean error on ImageNet-200 is below all here, and takes no star from them."""
    report = make_report(folders, ["VIII"])
    assert any("paper VIII is about imagenet-200, which no run is about" in note for note in report.notes)
    rows = dict(report.tables[0].rows)
    assert rows["strong", "here"][0].best
    assert rows["Cutmix", "paper VIII, imagenet-200, ResNet-50"][0].best


# --- whole reports ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def thousands(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Results of a thousand classes on every suite: two runs of one dataset, and one of another that is better."""
    root = tmp_path_factory.mktemp("thousands")
    facts: dict[str, Any] = {"scale": "imagenet", "n_classes": 1000, "suites": ("clean", "c", "cbar", "r", "p", "pgd")}
    make_results(root / "one", skill=3, dataset="imagenet", **facts)
    make_results(root / "two", skill=4, dataset="imagenet", seed=1, **facts)
    make_results(root / "other", skill=9, dataset="mine", seed=2, **facts)
    return [root / name for name in ("one", "two", "other")]


def printed(values: list[float], better: str) -> list[tuple[str, bool]]:
    """Two numbers as a table should have them: the better one marked, both if they are printed alike."""
    texts = [f"{value:.2f}" for value in values]
    best = {"low": min, "high": max}[better](texts, key=float) if better else None
    return [(text, text == best) for text in texts]


def test_every_cell_by_a_second_route(thousands: list[Path], tmp_path: Path) -> None:
    tables = {"flip_probability": dict.fromkeys(P, 50), "top5_distance": dict.fromkeys(P, 20)}
    (tmp_path / "p.json").write_text(json.dumps(tables))
    report = make_report(thousands[:2], reference=tmp_path / "p.json")
    runs, shown = report.runs, iter(report.tables)
    overview = {
        "Clean": "clean_error",
        "Clean@5": "clean_error5",
        "C mCE raw": "c_error",
        "C mCE normalised": "c_error_normalized",
        "C-bar mCE raw": "cbar_error",
        "R": "r_error",
        "R@5": "r_error5",
        "P mFP": "p_flips",
        "P mFP normalised": "p_flips_normalized",
        "P mT5D": "p_distance",
        "P mT5D normalised": "p_distance_normalized",
        "PGD": "pgd_error",
        "PGD released": "pgd_released_error",
        "RMS clean": "clean_rms",
        "RMS C": "c_rms",
        "RMS C-bar": "cbar_rms",
        "RMS R": "r_rms",
    }
    table = next(shown)
    assert table.columns == tuple(overview)
    expected = [printed([run.numbers[metric].value for run in runs], "low") for metric in overview.values()]
    assert texts(table) == {
        ("one", "here"): [one for one, _ in expected],
        ("two", "here"): [one for _, one in expected],
    }

    expected_columns = {
        "rms": ("RMS", "low"),
        "rms_floor": ("floor", ""),
        "rms_released": ("RMS released", ""),
        "ece": ("ECE", "low"),
        "aurra": ("AURRA", "high"),
        "nll": ("NLL (nats)", "low"),
    }
    assert expected_columns.items() <= CALIBRATION.items()
    table, rows = next(shown), {}
    assert table.columns == tuple(head for head, _ in CALIBRATION.values())
    for suite, title in (("clean", "Clean"), ("c", "C"), ("cbar", "C-bar"), ("r", "ImageNet-R")):
        pairs = [
            printed([run.calibration[suite][one].value for run in runs], best) for one, (_, best) in CALIBRATION.items()
        ]
        rows |= {(title, name): [pair[number] for pair in pairs] for number, name in enumerate(("one", "two"))}
    assert texts(table) == rows

    for suite, names, value in (
        ("c", C, lambda run, part: np.mean(list(run.errors["c"][part].values()))),
        ("c", C, lambda run, part: run.normalized[part]),
        ("cbar", CBAR["imagenet"], lambda run, part: np.mean(list(run.errors["cbar"][part].values()))),
    ):
        table = next(shown)
        assert table.columns == ("one", "two")
        assert table.title.endswith(", %")
        assert f" {'C-bar' if suite == 'cbar' else 'C'}" in table.title
        assert texts(table) == {(part,): printed([value(run, part) for run in runs], "low") for part in names}

    table = next(shown)
    assert table.columns == ("FP one", "FP two", "T5D one", "T5D two")
    assert texts(table) == {
        (part,): [one for i in range(2) for one in printed([run.consistency[part][i] for run in runs], "low")]
        for part in P
    }
    assert next(shown, None) is None


def texts(table: Table) -> dict[tuple[str, ...], list[tuple[str, bool]]]:
    return {labels: [(cell.text, cell.best) for cell in cells] for labels, cells in table.rows}


def test_the_best_are_those_of_their_dataset_in_every_table(thousands: list[Path]) -> None:
    """A run of another dataset, which is better everywhere, takes no star and gets none: it is alone on its dataset."""
    alone, together = make_report(thousands[:2]), make_report(thousands)
    assert len(together.tables) == 6
    for before, table in zip(alone.tables, together.tables, strict=True):
        stars = {key for key, cell in cells_of(table).items() if cell.best}
        assert stars == {key for key, cell in cells_of(before).items() if cell.best}
        assert stars, table.title


def cells_of(table: Table) -> dict[tuple[str, ...], Cell]:
    """The cells by row, column and run, whichever of rows and columns names the run."""
    found = {}
    for labels, cells in table.rows:
        for head, cell in zip(table.columns, cells, strict=True):
            names = [*labels, *head.split(" ")]
            (run,) = (name for name in names if name in ("one", "two", "other"))
            found[*labels, head, run] = cell
    return found


def test_other_severities_do_not_compare(tmp_path: Path) -> None:
    """Without the hardest severities every model looks better."""
    for name, skill, severities in (("few", 4, (1, 2)), ("all", 3, SEVERITIES), ("some", 2, SEVERITIES)):
        make_results(tmp_path / name, skill, suites=("clean", "c"), severities=severities)
    report = make_report([tmp_path / name for name in ("few", "all", "some")])
    runs = {"clean": set(), "c": set()}
    for table in report.tables:
        for labels, cells in table.rows:
            for head, cell in zip(table.columns, cells, strict=True):
                of_c = "by corruption" in table.title or "C" in (*labels, *head.split())
                runs["c" if of_c else "clean"] |= {"few", "all", "some"} & {*labels, head} if cell.best else set()
    assert runs["clean"] >= {"few"}
    assert runs["c"] == {"all"}


def test_what_is_missing_is_shown(report: Report) -> None:
    (line,) = (line for line in report.text().splitlines() if re.match(r"strong +here", line))
    assert "(14/15)" in line
    assert "(14/15)*" not in line
    cells = dict(zip(report.tables[0].columns, dict(report.tables[0].rows)["clean_only", "here"], strict=True))
    assert [head for head, cell in cells.items() if cell.text != "-"] == ["Clean", "Clean@5", "RMS clean"]
    (line,) = (line for line in report.text().splitlines() if line.startswith("fog "))
    assert line.split()[2] == "-"


def test_a_corruption_that_no_run_has_keeps_its_row(folders: list[Path]) -> None:
    rows = dict(make_report(folders[1:2]).tables[2].rows)
    assert [cell.text for cell in rows["fog",]] == ["-"]
    assert len(rows) == 15


def test_partial_runs_are_compared_over_what_they_have_in_common(tmp_path: Path) -> None:
    """Of corruptions and of severities; the best is marked, and what only one of them has changes nothing."""
    make_results(tmp_path / "whole", 2, suites=("clean", "c"))
    make_results(tmp_path / "part", 4, seed=1, suites=("clean", "c"), without=("c/fog", "c/snow"))
    make_results(tmp_path / "few", 3, seed=2, suites=("c",), severities=(1, 3), without=("c/fog",))
    make_results(tmp_path / "other", 5, suites=("c",), images=60)
    report = make_report([tmp_path / name for name in ("whole", "part", "other")])
    (table,) = (table for table in report.tables if "all runs have" in table.title)
    ((labels, cells),) = table.rows
    whole, part, _ = report.runs
    parts = [name for name in C if name not in ("fog", "snow")]
    wanted = [np.mean([list(run.errors["c"][name].values()) for name in parts]) for run in (whole, part)]
    assert (labels, table.columns) == (("C: 13 of 15",), ("whole", "part", "other"))
    assert [cell.text for cell in cells] == [*(f"{value:.2f}" for value in wanted), "-"]
    assert [cell.best for cell in cells] == [False, True, False]
    assert "C: 13 of 15" in report.text()
    report = make_report([tmp_path / name for name in ("whole", "part", "few")])
    (table,) = (table for table in report.tables if "all runs have" in table.title)
    ((labels, cells),) = table.rows
    assert labels == ("C: 13 of 15 at 1 3",)
    few = report.runs[2].errors["c"]
    mean = np.mean([few[name][severity] for name in parts for severity in (1, 3)])
    assert cells[2].text == f"{mean:.2f}"
    (row,) = (
        row
        for row in csv.DictReader(io.StringIO(report.csv()))
        if (row["name"], row["metric"]) == ("few", "c_error_in_common")
    )
    assert (row["part"].split(), row["severity"], row["parts"], row["of"]) == (parts, "1 3", "13", "15")
    (common,) = json.loads(json.dumps(report.json()))["in_common"]
    assert (common["suite"], common["parts"], common["severities"], common["of"]) == ("c", parts, [1, 3], 15)
    assert common["means"].keys() == {"whole", "part", "few"}
    assert float(row["value"]) == common["means"]["few"] == pytest.approx(mean)


def test_whole_runs_need_no_table_of_what_they_have_in_common(folders: list[Path], tmp_path: Path) -> None:
    make_results(tmp_path / "other", 3, suites=("c",), n_classes=100)
    report = make_report([folders[0], tmp_path / "other"])
    assert not any("all runs have" in table.title for table in report.tables)
    assert report.json()["in_common"] == []
    assert "in_common" not in report.csv()
    lacking = tuple(f"c/{name}" for name in C if name != "fog")
    make_results(tmp_path / "fog", 3, suites=("c",), without=lacking, n_classes=100)
    report = make_report([folders[1], tmp_path / "fog"])  # fog is what the first one lacks
    assert not any("all runs have" in table.title for table in report.tables)


def test_tables_without_numbers_are_left_out(tmp_path: Path) -> None:
    signature, _ = make_results(tmp_path / "p", suites=("p",))
    save_part(tmp_path / "p", signature, "p", "shear", some_videos(np.random.default_rng(0)))
    make_results(tmp_path / "pgd", suites=("pgd",))
    (overview, consistency) = make_report([tmp_path / "p"]).tables
    assert (overview.title[:8], consistency.title[:11]) == ("Overview", "Consistency")
    assert [labels[0] for labels, _ in consistency.rows] == [*P, "shear (extra)"]
    (overview,) = make_report([tmp_path / "pgd"]).tables
    assert overview.columns == ("PGD", "PGD released")


def test_the_overview_has_the_papers_rows(report: Report) -> None:
    assert re.search(r"LayerMix +paper IV, cifar100, WRN-40-4 +20\.7 +- +30\.3", report.text())
    assert "| LayerMix | paper IV, cifar100, WRN-40-4 |" in report.markdown()


@pytest.mark.parametrize("form", ["text", "markdown", "csv", "latex"])
def test_every_format_has_the_signature(report: Report, form: str) -> None:
    text = render(report, form)
    for fact in (
        "metrics",
        "models.py:small",
        "last epoch",
        "abababababababab",
        "normalization",
        "N = 120 images",
        "seed",
    ):
        assert fact in text, fact
    assert all(name in text for name in C)
    assert "epsilon 0.00784314" in text


def test_the_signature_by_hand(thousands: list[Path], folders: list[Path]) -> None:
    report = make_report([thousands[0], folders[1]])
    assert report.metrics == {
        "version": f"1, of layermix-gen {__version__}",
        "C means over": f"15: {' '.join(C)}",
        "C-bar means over, imagenet": f"10: {' '.join(CBAR['imagenet'])}",
        "C-bar means over, cifar": f"10: {' '.join(CBAR['cifar'])}",
        "P means over": f"10: {' '.join(P)}",
    }
    assert list(make_report(thousands[:1]).metrics) == ["version", "C means over", "C-bar means over", "P means over"]
    attack = "epsilon 0.00784314, steps 20, step_size 0.00196078, restarts 1"
    assert report.signature["strong"] == {
        "model": f"models.py:small, sha256 {'ef' * 8}",
        "checkpoint": f"a.pt, last epoch, sha256 {'ab' * 8}",
        "dataset": "cifar100, 100 classes",
        "scale": "cifar, for the list of C-bar and calibration under corruptions",
        "normalization": "mean 0, std 1",
        "precision": "float32",
        "temperature": "1",
        "seed": "0",
        "Clean": "N = 120 images, preprocessing none, 1 part evaluated, data/x",
        "C": "N = 120 images, severities 1 2 3 4 5, preprocessing none, 14 parts evaluated, data/x-c",
        "C-bar": "N = 120 images, severities 1 2 3 4 5, preprocessing none, 10 parts evaluated, data/x-cbar",
        "P": "N = 6 videos, preprocessing none, 10 parts evaluated, data/x-p",
        "PGD": f"N = 120 images, preprocessing none, {attack}, 2 parts evaluated",
        "versions": "torch 2.13.0",
    }


def test_the_notes_by_hand(folders: list[Path], tmp_path: Path) -> None:
    raw = (
        "mCE raw is the mean error, as the paper prints it; mCE normalised has AlexNet at 100, and is defined for "
        "ImageNet-C with 1000 classes at all severities alone"
    )
    assert make_report(folders).notes == (raw,)
    assert make_report(folders[2:]).notes == ()


def test_raw_and_normalised_are_together(tmp_path: Path) -> None:
    make_results(tmp_path / "a", suites=("c",), scale="imagenet", n_classes=1000, dataset="imagenet")
    text = make_report([tmp_path / "a"], ["IX"]).text()
    assert "C mCE raw  C mCE normalised" in text
    assert "Corruption error normalised by AlexNet" in text
    assert "60.19" in text


def test_csv_has_every_number(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(report.csv())))
    fog = [row for row in rows if row["name"] == "weak" and row["part"] == "fog" and row["metric"] == "c_error"]
    weak = report.runs[0]
    assert [float(row["value"]) for row in fog] == list(weak.errors["c"]["fog"].values())
    assert [row["severity"] for row in fog] == list("12345")
    (mean,) = (row for row in rows if (row["name"], row["metric"], row["part"]) == ("strong", "c_error", ""))
    assert (mean["parts"], mean["of"]) == ("14", "15")
    assert len([row for row in rows if row["source"].startswith("paper IV")]) == 10 * 9
    assert {"sha256" in row["value"] for row in rows if row["part"] == "checkpoint"} == {True}


def test_csv_by_a_second_route(thousands: list[Path]) -> None:
    """Every number of a run is there once, at full precision."""
    report = make_report(thousands[:1])
    (run,) = report.runs
    expected = {(metric, "", ""): number.value for metric, number in run.numbers.items()}
    for suite, metrics in run.calibration.items():
        expected |= {(f"{suite}_{metric}", "", ""): number.value for metric, number in metrics.items()}
    for suite, parts in run.errors.items():
        for part, errors in parts.items():
            expected |= {(f"{suite}_error", part, str(severity)): error for severity, error in errors.items()}
    expected |= {("c_error_normalized", part, ""): error for part, error in run.normalized.items()}
    expected |= {("p_flips", part, ""): flips for part, (flips, _) in run.consistency.items()}
    expected |= {("p_distance", part, ""): distance for part, (_, distance) in run.consistency.items()}
    rows = [row for row in csv.DictReader(io.StringIO(report.csv())) if row["metric"] != "signature"]
    found = {(row["metric"], row["part"], row["severity"]): float(row["value"]) for row in rows}
    assert found == expected
    assert len(rows) == len(expected)


def test_json_by_a_second_route(thousands: list[Path]) -> None:
    report = make_report(thousands[:1])
    (run,), (value,) = report.runs, json.loads(json.dumps(report.json()))["runs"]
    assert value["numbers"]["c_error"] == {"value": run.numbers["c_error"].value, "parts": 15, "of": 15}
    assert value["calibration"]["r"]["ece"] == {"value": run.calibration["r"]["ece"].value, "parts": 1, "of": 1}
    assert value["errors"]["c"]["fog"] == {str(number): error for number, error in run.errors["c"]["fog"].items()}
    assert value["normalized"] == run.normalized
    flips, distance = run.consistency["tilt"]
    assert value["consistency"]["tilt"] == {"flip_probability": flips, "top5_distance": distance}


def test_json_has_everything(report: Report) -> None:
    value = json.loads(json.dumps(report.json()))
    assert value["metrics_version"] == 1
    assert [run["name"] for run in value["runs"]] == ["weak", "strong", "clean_only"]
    assert value["runs"][0]["signature"]["suites"]["c"]["severities"] == [1, 2, 3, 4, 5]
    assert value["runs"][1]["numbers"]["c_error"]["parts"] == 14
    assert value["paper"][0]["rows"]["OE"]["c_rms"] == 13.8


def test_partial_corruptions_are_noted(tmp_path: Path) -> None:
    signature, _ = make_results(tmp_path / "run", suites=("c",))
    rng = np.random.default_rng(0)
    save_part(tmp_path / "run", signature, "c", "fog", stack({number: some_images(rng, 1) for number in (1, 2)}))
    assert "- run: c/fog lacks severity 3, 4, 5 and is in no mean" in make_report([tmp_path / "run"]).text()


def test_an_incomplete_corruption_has_no_bar(tmp_path: Path) -> None:
    """A mean over two severities gets no bar next to means over five, as it gets no number in the table."""
    signature, _ = make_results(tmp_path, suites=("c",))
    rng = np.random.default_rng(0)
    save_part(tmp_path, signature, "c", "fog", stack({number: some_images(rng, 1) for number in (1, 2)}))
    (run,) = make_report([tmp_path]).runs
    (axes,) = bars([run], "c").axes
    heights = [bar.get_height() for bar in axes.patches]  # type: ignore[attr-defined]
    assert [number for number, height in enumerate(heights) if np.isnan(height)] == [0, 1 + C.index("fog")]
    assert heights[1 + C.index("snow")] == pytest.approx(np.mean(list(run.errors["c"]["snow"].values())))


@pytest.mark.filterwarnings("error")
def test_extras_alone_make_no_plot(tmp_path: Path) -> None:
    signature = make_signature(("c",))
    begin_results(tmp_path / "run", signature)
    rng = np.random.default_rng(0)
    part = stack({number: some_images(rng, 1) for number in (1, 2, 3, 4, 5)})
    save_part(tmp_path / "run", signature, "c", "spatter", part)
    paths = write_report(make_report([tmp_path / "run"]), tmp_path / "report")
    assert [path.name for path in paths if path.suffix == ".png"] == []
    assert re.search(r"^spatter \(extra\) +\d", (tmp_path / "report" / "report.txt").read_text(), re.MULTILINE)


def test_a_run_may_be_called_metrics(folders: list[Path]) -> None:
    """Its signature does not replace that of the metrics."""
    report = make_report([("metrics", folders[2])])
    assert "mean" not in "".join(report.signature["metrics"])
    assert report.signature["metrics"]["model"] == f"models.py:small, sha256 {'ef' * 8}"
    text = report.text()
    assert re.search(r"^Signature of the metrics\n\nversion +1, of layermix-gen", text, re.MULTILINE)
    assert re.search(r"^Signature of metrics\n\nmodel +models.py:small", text, re.MULTILINE)
    rows = list(csv.DictReader(io.StringIO(report.csv())))
    assert [row["part"] for row in rows if row["source"] == "metrics"] == ["version"]
    assert report.json()["metrics"] == report.metrics


@pytest.mark.parametrize("form", ["text", "markdown", "csv", "latex"])
def test_a_name_is_one_line_in_every_format(folders: list[Path], form: str) -> None:
    broken, whole = (make_report([(name, folders[0])], ["IV"]) for name in ("two\nlines\r\n", "two lines"))
    assert render(broken, form) == render(whole, form)
    assert "two lines" in render(whole, form)


def test_facts_and_notes_are_one_line(tmp_path: Path) -> None:
    """A model, a checkpoint and a folder may be called anything."""
    changes: dict[str, Any] = {"model": "a\n.py:b", "checkpoint": "c\u2028d", "suites": ("c",), "severities": (1, 3)}
    make_results(tmp_path / "run", **changes)
    report = make_report([("run", tmp_path / "run")])
    assert report.signature["run"]["model"].startswith("a .py:b, sha256")
    assert report.signature["run"]["checkpoint"].startswith("c d, last epoch")
    for text in report.latex().split("\n\n")[-1].splitlines():
        assert text.startswith("% ")


def test_names(folders: list[Path]) -> None:
    assert [run.name for run in make_report([("a=b", folders[0]), folders[1]]).runs] == ["a=b", "strong"]
    with pytest.raises(LayerMixError, match=r"^expected results of different names, got weak, weak; use NAME=FOLDER"):
        make_report([folders[0], folders[0]])
    with pytest.raises(LayerMixError, match=r"^expected results of different names, got none"):
        make_report([])


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_prints_what_python_makes(folders: list[Path], tmp_path: Path) -> None:
    for form in ("text", "markdown", "csv", "latex"):
        result = invoke("evaluate", "report", folders[0], f"ours={folders[1]}", "--paper", "III,IV", "--format", form)
        assert result.exit_code == 0, result.output
        assert result.output == render(make_report([folders[0], ("ours", folders[1])], ["III", "IV"]), form) + "\n"


def test_the_command_writes_all(folders: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "a" / "report"
    result = invoke("evaluate", "report", *folders, "--out", out)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == [
        "bars-c.png",
        "bars-cbar.png",
        "heat-map-c.png",
        "heat-map-cbar.png",
        "reliability-c.png",
        "reliability-cbar.png",
        "reliability-clean.png",
        "report.csv",
        "report.json",
        "report.md",
        "report.tex",
        "report.txt",
    ]
    assert (out / "report.md").read_text() == make_report(folders).markdown() + "\n"
    for path in out.glob("*.png"):
        with PillowImage.open(path) as picture:
            assert min(picture.size) > 300
            assert np.asarray(picture.convert("L")).std() > 5


def test_the_last_equals_sign_before_a_folder_parts_name_and_folder(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for link in ("plain", "m=0", "x=y=z"):
        (tmp_path / link).symlink_to(folders[2])
    own = folders[2].name
    named = {"A=B=plain": "A=B", "A=m=0": "A", "A=B=m=0": "A=B", "A=x=y=z": "A", "m=0": own, "plain": own}
    for text, name in named.items():
        result = invoke("evaluate", "report", text)
        assert result.exit_code == 0, result.output
        assert f"\nSignature of {name}\n" in result.output


def test_bytes_that_are_no_utf8(folders: list[Path], tmp_path: Path) -> None:
    """They are in the names of a run, of its folder, of the reference and of the report's folder."""
    folder, out = (tmp_path / os.fsdecode(name) for name in (b"run\xe9", b"out\xff"))
    folder.symlink_to(folders[0])
    own = tmp_path / os.fsdecode(b"own\xe9")
    make_results(own, suites=("clean",))
    flips = {"flip_probability": dict.fromkeys(P, 50), "top5_distance": dict.fromkeys(P, 9)}
    reference = tmp_path / os.fsdecode(b"p\xfe.json")
    reference.write_text(json.dumps(flips))
    command: list[Any] = [
        sys.executable,
        "-m",
        "layermix_gen",
        "evaluate",
        "report",
        own,
        b"n\xe9=" + os.fsencode(folder),
    ]
    command += ["--out", out, "--reference-p", reference]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C.UTF-8"})
    assert run.returncode == 0, run.stderr
    assert "Signature of own\\xe9\n" in run.stdout
    assert "p\\xfe.json at 100" in run.stdout
    assert {path.name for path in out.iterdir()} >= {"report.txt", "report.csv", "report.json", "bars-c.png"}
    assert f"wrote {tmp_path}/out\\xff/report.txt" in run.stderr
    wrong: list[list[Any]] = [
        ["--reference-p", tmp_path / os.fsdecode(b"no\xe9")],
        ["--out", folders[0] / os.fsdecode(b"run.json/\xe9")],
    ]
    for more in wrong:
        run = subprocess.run([*command[:6], *more], capture_output=True, text=True, check=False)
        assert run.returncode == 1
        assert run.stderr.startswith("Error: cannot ")
        assert run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--paper", "X"], "expected tables of III"),
        (["--reference-p", "nothing.json"], "cannot read nothing.json: no such file"),
        (["nothing"], "expected results of `evaluate run` in nothing, found no run.json"),
        ([__file__], f"expected results of `evaluate run` in {__file__}, found no run.json; check the path"),
        (["A="], "expected a folder of results or NAME=FOLDER, got 'A='; give both"),
        (["=results"], "expected a folder of results or NAME=FOLDER, got '=results'; give both"),
        (["A=nothing"], "expected results of `evaluate run` in nothing, found no run.json"),
        (["A=B=nothing"], "expected results of `evaluate run` in nothing, found no run.json"),
        (["--reference-p", "."], "cannot read .: not a regular file; "),
    ],
)
def test_mistakes_get_one_line(folders: list[Path], more: list[str], message: str) -> None:
    result = invoke("evaluate", "report", folders[0], *more)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {message}")
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("text", ["[]", '{"flip_probability": 3}', '{"flip_probability": {"tilt": "a"}}', "{"])
def test_a_damaged_reference(folders: list[Path], tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    result = invoke("evaluate", "report", folders[0], "--reference-p", tmp_path / "p.json")
    assert result.exit_code == 1
    assert re.match(r"Error: expected (numbers by perturbation|JSON)", result.output)
    assert result.output.endswith("; mend it, or change --reference-p\n")
    assert result.output.count("\n") == 1


def test_consistency_beside_a_reference(folders: list[Path], tmp_path: Path) -> None:
    run = make_report([folders[0]]).runs[0]
    flips, distances = ({name: pair[i] for name, pair in run.consistency.items()} for i in range(2))
    (tmp_path / "p.json").write_text(json.dumps({"flip_probability": flips, "top5_distance": distances}))
    report = make_report([folders[0]], reference=tmp_path / "p.json")
    assert report.runs[0].numbers["p_flips_normalized"].value == pytest.approx(100)
    assert "P mFP  P mFP normalised  P mT5D  P mT5D normalised" in report.text()
    assert f"- mFP normalised and mT5D normalised have the reference model of {tmp_path}/p.json at 100" in report.text()
    unused = make_report([folders[2]], reference=tmp_path / "p.json")
    assert f"{tmp_path}/p.json normalises nothing, for no run has P" in unused.notes


def test_without_matplotlib_there_is_one_line(folders: list[Path], tmp_path: Path) -> None:
    """No half-written report is left; tables need no Matplotlib."""
    code = "import sys; sys.modules['matplotlib.axes'] = None; from layermix_gen.cli import main; main()"
    command = [sys.executable, "-c", code, "evaluate", "report", str(folders[2])]
    printed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (printed.returncode, printed.stderr) == (0, "")
    failed = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith(
        "Error: expected Matplotlib for plots, found none; pip install 'layermix-gen[plots]'"
    )
    assert failed.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made(folders: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out, reason in (("file", "a file is there"), ("file/report", "not a directory"), ("x" * 300, "file name too")):
        result = invoke("evaluate", "report", folders[2], "--out", tmp_path / out)
        assert result.exit_code == 1
        assert re.fullmatch(rf"Error: cannot make the folder \S+: {reason}.*; choose another --out\n", result.output)


def test_files_of_others_are_left_alone(folders: list[Path], tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("mine")
    with pytest.raises(
        LayerMixError, match=r"^expected no report.md that is not an earlier report's in .*, found one;"
    ):
        write_report(make_report([folders[2]]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]
    (tmp_path / "report.md").rename(tmp_path / "notes.md")
    for _ in range(2):
        write_report(make_report([folders[2]]), tmp_path)
        assert (tmp_path / "notes.md").read_text() == "mine"


def test_a_report_that_was_cut_short_is_written_again(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("layermix_gen.evaluate.reporting.report.render", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_report(make_report([folders[2]]), tmp_path)
    assert (tmp_path / "reliability-clean.png").exists()
    assert all(path.exists() for path in write_report(make_report([folders[2]]), tmp_path))


def test_an_earlier_report_is_replaced(folders: list[Path], tmp_path: Path) -> None:
    """Plots that the new report lacks are removed, and so are the files that a killed process left."""
    (tmp_path / ".hidden").touch()
    temporary(tmp_path / "report.md").touch()
    earlier = write_report(make_report(folders[1:]), tmp_path)
    paths = write_report(make_report(folders[2:]), tmp_path)
    assert {path.name for path in earlier} - {path.name for path in paths} == {
        f"{name}.png"
        for name in ("bars-c", "bars-cbar", "heat-map-c", "heat-map-cbar", "reliability-c", "reliability-cbar")
    }
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / ".hidden", *paths])
    vectors = write_report(make_report(folders[2:]), tmp_path, plots="pdf")
    assert [path.name for path in vectors if path.suffix == ".pdf"] == ["reliability-clean.pdf"]
    assert (tmp_path / "reliability-clean.pdf").read_bytes().startswith(b"%PDF")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / ".hidden", *vectors])
    with pytest.raises(LayerMixError, match=r"^plots must be one of png, pdf, svg, got 'gif'; change --plots$"):
        write_report(make_report(folders[2:]), tmp_path, plots="gif")


def test_reports_and_metrics_import_no_torch(folders: list[Path], tmp_path: Path) -> None:
    """Measuring and printing take a fraction of a second and of the memory that torch takes."""
    code = (
        "import sys; from layermix_gen.evaluate import make_report, write_report, measure; "
        "write_report(make_report(sys.argv[1:2]), sys.argv[2]); print('torch' in sys.modules, 'cv2' in sys.modules)"
    )
    command: list[Any] = [sys.executable, "-c", code, folders[0], tmp_path]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False False"
