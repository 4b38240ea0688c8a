"""Reports as JSON: one object on standard output, with the fields that the page on them says."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from layermix_gen.support.parsing import jsonable
from tests.helpers import invoke

PAGE = Path(__file__).parents[2] / "docs" / "reports.md"


def documented(title: str) -> set[str]:
    """The fields of the tables below a heading of the page."""
    (section,) = re.findall(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def parsed(result: Result, status: int = 0) -> dict[str, Any]:
    """The report, which is the only line on standard output."""
    assert result.exit_code == status, result.output
    (line,) = result.stdout.splitlines()
    report = json.loads(line)
    assert type(report) is dict
    return report


@pytest.fixture(scope="module")
def out(photographs: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built dataset. Not to be written to."""
    out = tmp_path_factory.mktemp("json") / "out"
    assert invoke("build", photographs, out, *options(pool)).exit_code == 0
    return out


def options(pool: Path) -> tuple[object, ...]:
    return ("--mixing-set", pool, "--size", 32, "--variants", 1, "--workers", 1, "--shard-size", 10)


def test_a_build(photographs: Path, pool: Path, tmp_path: Path, out: Path) -> None:
    built = invoke("build", photographs, tmp_path / "out", *options(pool), "--json")
    report = parsed(built)
    assert report.keys() == documented("build")
    assert built.stderr.startswith("building 24 images in 2 planes")
    manifest = json.loads((out / "dataset.json").read_text())
    assert (report["digest"], report["dataset"]) == (manifest["digest"], str(tmp_path / "out"))
    assert report["inputs"] == report["written"] + report["skipped"] == 24
    assert report["labels"] == {"images": 24, "labels": 24, "classes": 4, "empty": [], "lost": []}
    assert report["settings"]["options"]["layers"] == {"1": 1.0, "2": 1.0, "3": 1.0}


def test_a_partition_has_no_digest(photographs: Path, pool: Path, tmp_path: Path) -> None:
    report = parsed(invoke("build", photographs, tmp_path / "out", *options(pool), "--json", "--partition", "0/2"))
    assert (report["complete"], report["digest"], report["shards_finished"]) == (False, "", 2)
    assert (report["partition"], report["inputs"], report["source"]["count"]) == ([0, 2], 16, 24)


def test_a_dry_run(photographs: Path, pool: Path, tmp_path: Path) -> None:
    report = parsed(invoke("build", photographs, tmp_path / "out", *options(pool), "--dry-run", "--json"))
    assert report.keys() == documented("build --dry-run")
    assert (report["inputs"], report["planes"], report["images"], report["workers"]) == (24, 2, 48, 1)
    assert not (tmp_path / "out").exists()


def test_a_plan(photographs: Path, pool: Path, tmp_path: Path, out: Path) -> None:
    planned = invoke("plan", photographs, tmp_path / "out", *options(pool), "--json")
    report = parsed(planned)
    assert report.keys() == documented("plan")
    assert (report["inputs"], report["shards"], report["planes"]) == (24, 3, ["clean", "v00"])
    built = parsed(invoke("build-planned", tmp_path / "out", "--workers", 1, "--json"))
    shared = report.keys() & built.keys() - {"labels"}
    assert {name: built[name] for name in shared} == {name: report[name] for name in shared}


def test_a_summary(out: Path) -> None:
    report = parsed(invoke("inspect", out, "--json"))
    assert report.keys() == documented("build") - {"labels", "partition"} | documented("inspect")
    assert report["images_by_label"] == {"0": 6, "1": 6, "2": 6, "3": 6}
    assert sum(one["count"] for one in report["layers"]["frequencies"]) == 24
    refused = invoke("inspect", out, "--json", "--limit", 3)
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_the_state_of_a_build(photographs: Path, pool: Path, tmp_path: Path) -> None:
    assert invoke("build", photographs, tmp_path / "out", *options(pool), "--partition", "0/2").exit_code == 0
    report = parsed(invoke("inspect", tmp_path / "out", "--json", "--jobs", 2))
    fields = documented("inspect of an unfinished dataset") | {"labels", "run", "partition"}
    nested = {"first", "of", "images_per_second", "seconds_since_last", "goes_on", "null"}
    assert report.keys() == (documented("build") | fields) - {"labels", "run", "partition"} - nested
    assert (report["complete"], report["digest"], report["missing"]) == (False, "", [1])
    assert report["partitions"] == [{"first": 1, "of": 2, "shards": 1, "missing": [1]}]
    assert report["pace"]["shards"] == 2


def test_a_verification(out: Path, photographs: Path, pool: Path, tmp_path: Path) -> None:
    report = parsed(invoke("verify", out, "--json", "--workers", 1))
    assert report.keys() | {"mended", "left", "digest"} == documented("verify")
    assert (report["ok"], report["samples"], report["problems"]) == (True, 48, [])
    copy = tmp_path / "out"
    assert invoke("build", photographs, copy, *options(pool)).exit_code == 0
    (copy / "v00" / "000000.tar").unlink()
    damaged = parsed(invoke("verify", copy, "--json", "--workers", 1), status=1)
    assert (damaged["ok"], damaged["problems"][0]["file"]) == (False, "v00/000000.tar")
    mended = parsed(invoke("verify", copy, "--json", "--repair", "--workers", 1))
    assert mended.keys() == documented("verify")
    assert (mended["ok"], mended["mended"]) == (True, ["v00/000000.tar"])


def test_suites(tmp_path: Path) -> None:
    suite = tmp_path / "CIFAR-10-C"
    suite.mkdir()
    np.save(suite / "labels.npy", np.zeros(50, np.int64))
    np.save(suite / "fog.npy", np.zeros((50, 32, 32, 3), np.uint8))
    found = invoke("evaluate", "check-data", tmp_path, "--json")
    report = parsed(found, status=1)
    assert report.keys() == documented("evaluate check-data")
    assert report["suites"][0]["suite"] == "c"
    assert report["problems"] == sum(len(one["problems"]) for one in report["suites"]) > 0
    assert re.fullmatch(r"Error: found \d+ problems?; .*\n", found.stderr)


@pytest.mark.parametrize("command", ["build", "plan", "inspect", "verify", "evaluate check-data"])
def test_errors_leave_standard_output_empty(command: str, tmp_path: Path) -> None:
    nothing = [tmp_path / "nothing", *([tmp_path / "out"] if command in ("build", "plan") else [])]
    result = invoke(*command.split(), *nothing, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(r"Error: expected .*\n", result.stderr)


def test_values_that_json_cannot_hold() -> None:
    assert jsonable({1: (float("inf"), Path("a"), 0.5), "b": None}) == {"1": [None, "a", 0.5], "b": None}
