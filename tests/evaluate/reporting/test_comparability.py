"""What compares with what: no best across other data, severities or settings, and a note on what differs."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from layermix_gen.evaluate import Attack
from layermix_gen.evaluate.metrics.measuring import Measured
from layermix_gen.evaluate.reporting.comparability import (
    PAPER_IMAGES,
    Basis,
    apart,
    paper_bases,
    paper_basis,
    run_basis,
)
from layermix_gen.evaluate.reporting.paper import PaperTable, paper_tables
from layermix_gen.evaluate.reporting.report import Report, make_report
from layermix_gen.evaluate.results.signature import Suite
from layermix_gen.evaluate.suites.suite_folders import PUBLISHED
from layermix_gen.evaluate.suites.suite_options import PHOTOGRAPHS
from tests.evaluate.made_results import ATTACK, SETTINGS, make_results, make_signature

RESIZED: dict[str, Any] = {"preprocessing": PHOTOGRAPHS}
DIFFERENT = "has numbers that do not compare"


def starred(report: Report, name: str) -> set[str]:
    """Where a run, or a row of the paper, is best: columns, or the rows of tables that have a column for each run."""
    found = set()
    for table in report.tables:
        for labels, cells in table.rows:
            for head, cell in zip(table.columns, cells, strict=True):
                if cell.best and name in (*labels, *head.split(" ", 1)):
                    found.add(head if name in labels else f"{table.title.split(':')[0]}: {labels[0]}")
    return found


def measured(name: str = "run", **changes: Any) -> Measured:
    """A run of which nothing but its signature is known."""
    signature = make_signature(**changes)
    return Measured(name, signature, dict.fromkeys(signature.suites, ("some",)))


def table_of(number: str) -> PaperTable:
    return paper_tables([number])[0]


@pytest.mark.parametrize(
    ("change", "suites", "shown"),
    [
        ({"attack": ATTACK | {"epsilon": 0.1 / 255, "steps": 1}}, ["PGD"], "epsilon 0.000392157, steps 1"),
        ({"attack": ATTACK | {"restarts": 5}}, ["PGD"], "restarts 5"),
        ({"attack": ATTACK | RESIZED}, ["PGD"], "preprocessing resize-256-center-224"),
        ({"images": 200}, ["Clean", "C", "PGD"], "N 200"),
        ({"settings": RESIZED}, ["Clean", "C"], "preprocessing resize-256-center-224"),
        ({"settings": {}}, ["Clean", "C"], "preprocessing unknown"),
        ({"severities": (1, 3)}, ["C"], "severities 1 3"),
        ({"scale": "imagenet"}, ["C"], "scale imagenet"),
    ],
)
def test_other_data_and_settings_do_not_compare(
    tmp_path: Path, change: dict[str, Any], suites: list[str], shown: str
) -> None:
    """The second run is better in all; where it does not compare nobody is best, and one note a suite says why."""
    for name, skill, more in (("one", 1, {}), ("two", 9, change)):
        make_results(tmp_path / name, skill, suites=("clean", "c", "pgd"), **more)
    report = make_report([tmp_path / "one", tmp_path / "two"])
    best = starred(report, "one") | starred(report, "two")
    columns = {"Clean": ["Clean", "RMS clean"], "C": ["C mCE raw", "RMS C"], "PGD": ["PGD", "PGD released"]}
    assert {suite for suite, heads in columns.items() if best & {*heads}} == {*columns} - {*suites}
    assert any("Error by corruption" in what for what in best) == ("C" not in suites)
    notes = [note for note in report.notes if DIFFERENT in note]
    assert [note.split(" of ")[0] for note in notes] == suites
    assert all(note.endswith(f"; two ({shown})") for note in notes)


def test_what_belongs_to_the_model_is_no_reason(tmp_path: Path) -> None:
    facts: dict[str, Any] = {
        "normalization": "mean 0.5, std 0.2",
        "precision": "bf16",
        "seed": 3,
        "checkpoint_sha256": "cd" * 32,
    }
    attack = ATTACK | {"epsilon": 2 / 255 + 1e-12}  # as another way to write it
    make_results(tmp_path / "one", 1, suites=("clean", "pgd"))
    make_results(tmp_path / "two", 9, suites=("clean", "pgd"), attack=attack, **facts)
    report = make_report([tmp_path / "one", tmp_path / "two"])
    assert starred(report, "two") >= {"Clean", "PGD", "PGD released"}
    assert report.notes == ()


def test_the_notes_by_hand(tmp_path: Path) -> None:
    """A note names the facts of a suite that differ, and no others; suites and datasets of a single run have none."""
    make_results(tmp_path / "one", suites=("clean", "pgd"))
    make_results(tmp_path / "two", suites=("clean", "pgd"), attack=ATTACK | {"steps": 1})
    make_results(tmp_path / "three", suites=("clean", "r"), images=50)
    make_results(tmp_path / "four", suites=("clean",), images=30, dataset="mine")
    report = make_report([tmp_path / name for name in ("one", "two", "three", "four")], ["V"])
    assert [note for note in report.notes if DIFFERENT in note] == [
        "Clean of cifar100 has numbers that do not compare: one, two (N 120); three (N 50); paper V (N 10000)",
        "PGD of cifar100 has numbers that do not compare: one (N 120, steps 20); two (N 120, steps 1); "
        "paper V (N 10000, steps 20)",
    ]


def test_a_suite_that_is_begun_has_no_numbers(tmp_path: Path) -> None:
    make_results(tmp_path / "one", suites=("clean",))
    make_results(tmp_path / "two", suites=("clean",), images=50, without=("clean/clean",))
    report = make_report([tmp_path / "one", tmp_path / "two"])
    assert not [note for note in report.notes if DIFFERENT in note]


def test_the_published_suites_compare_with_the_paper(tmp_path: Path) -> None:
    """A run that is better than all of its rows takes their star; on half of the images it takes none."""
    for name, images in (("whole", 10_000), ("half", 5_000)):
        make_results(tmp_path / name, 9, suites=("clean", "pgd"), images=images, n_classes=100)
    whole, half = (make_report([tmp_path / name], ["V"]) for name in ("whole", "half"))
    assert starred(whole, "whole") == {"Clean", "PGD released"}
    assert starred(half, "half") == set()
    rows = {labels[0] for labels, cells in half.tables[0].rows if any(cell.best for cell in cells)}
    assert rows
    assert rows <= set(table_of("V").rows)
    assert not [note for note in whole.notes if DIFFERENT in note]
    assert [note for note in half.notes if DIFFERENT in note] == [
        f"{suite} of cifar100 {DIFFERENT}: half (N 5000); paper V (N 10000)" for suite in ("Clean", "PGD")
    ]


def test_the_papers_cifar_is_as_we_evaluate_it() -> None:
    run = measured(images=10_000)
    run.signature.suites["p"] = Suite(10_000, settings=SETTINGS)
    assert paper_bases(table_of("IV")) == {suite: run_basis(run, suite) for suite in ("clean", "c", "cbar", "p", "pgd")}


@pytest.mark.parametrize(("number", "classes", "images"), [("VIII", 200, 10_000), ("IX", 1000, 50_000)])
def test_the_papers_imagenet_is_cut_as_its_authors_do(number: str, classes: int, images: int) -> None:
    """They resize the files of C and C-bar, too; our default, the original authors', does not compare with that."""
    table = table_of(number)
    facts: dict[str, Any] = {
        "dataset": table.dataset,
        "scale": "imagenet",
        "n_classes": classes,
        "suites": ("clean", "c", "cbar", "r"),
    }
    run = measured(images=images, settings=RESIZED, **facts)
    run.signature.suites["r"] = Suite(30_000, settings=RESIZED)
    for suite in facts["suites"]:
        assert run_basis(run, suite) == paper_basis(table, suite), suite
    usual = measured(images=images, settings={"preprocessing": "center-224"}, **facts)
    found = run_basis(usual, "c").differing([paper_basis(table, "c")])
    assert found == "preprocessing center-224"


def test_the_papers_imagenet_p_compares_with_nothing_but_itself() -> None:
    basis = paper_basis(table_of("VIII"), "p")
    assert basis.facts == (("N", "unknown"), ("preprocessing", "unknown"))


def test_what_the_paper_is_said_to_have_is_what_others_say_too() -> None:
    attack: dict[str, Any] = {
        name: value for name, value in dataclasses.asdict(Attack()).items() if name not in ("variant", "seed")
    }
    assert SETTINGS | attack == ATTACK
    paper = dict(paper_basis(table_of("IV"), "pgd").facts)
    assert {name: float(paper[name]) for name in attack} == pytest.approx(attack, rel=1e-5)
    assert PAPER_IMAGES["cifar10"] == PUBLISHED["cifar10c"]
    assert PAPER_IMAGES["cifar100"] == PUBLISHED["cifar100cbar"]
    assert PAPER_IMAGES["imagenet"] == PUBLISHED["val"] == 5 * PAPER_IMAGES["imagenet-200"]
    assert dict(paper_basis(table_of("IX"), "r").facts)["N"] == str(PUBLISHED["imagenetr"])
    assert {table.dataset for table in paper_tables(["III", "IV", "V", "VI", "VII", "VIII", "IX"])} == {*PAPER_IMAGES}


def test_runs_apart_from_most() -> None:
    few, one, two = measured(severities=(1, 3)), measured(), measured(seed=1)
    assert apart([few, one, two], "c") == ["severities 1 3", "", ""]
    assert apart([few, one], "c") == ["severities 1 3", ""]  # of as many, that of all severities
    assert apart([few, few, one], "c") == ["", "", "severities 1 2 3 4 5"]
    assert apart([one, measured(dataset="mine")], "c") == ["", "mine"]
    assert apart([few, one], "clean") == ["", ""]


def test_a_fact_that_one_lacks_is_unknown() -> None:
    one, two = Basis("a", (("N", "1"), ("cut", "no"))), Basis("a", (("N", "1"),))
    assert (one.differing([two]), two.differing([one])) == ("cut no", "cut unknown")
    assert one.differing([one]) == ""
