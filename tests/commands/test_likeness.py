"""`build --like`: the settings and the mixing set of another dataset, with the options that are given in place."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from layermix_gen.commands.options import likeness
from layermix_gen.dataset.plan import read_plan
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from tests.helpers import digest, invoke
from tests.servers import stored_at

SHAPE = ("--variants", 2, "--no-clean", "--size", 24, "--shard-size", 10)
OPTIONS = (*SHAPE, "--seed", 5, "--magnitude", 3, "--workers", 1)


@pytest.fixture(scope="module")
def model(photographs: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of many settings that are not the defaults. Not to be written to."""
    out = tmp_path_factory.mktemp("like") / "model"
    assert invoke("build", photographs, out, *OPTIONS, "--mixing-set", pool).exit_code == 0
    return out


def settings(out: Path) -> dict[str, Any]:
    """The settings of a dataset, of which the options of the method are an object."""
    found: dict[str, Any] = json.loads((out / "plan.json").read_text())["settings"]
    return found


def built(photographs: Path, out: Path, *arguments: object) -> Path:
    result = invoke("build", photographs, out, "--workers", 1, *arguments)
    assert result.exit_code == 0, result.output
    return out


def test_the_same_dataset_again(model: Path, photographs: Path, tmp_path: Path) -> None:
    assert digest(built(photographs, tmp_path / "out", "--like", model)) == digest(model)


def test_a_dry_run_and_a_plan(model: Path, photographs: Path, tmp_path: Path) -> None:
    told = invoke("build", photographs, tmp_path / "out", "--like", model, "--dry-run", "--workers", 1)
    assert "24 inputs x 2 planes = 48 images" in told.stdout
    assert invoke("plan", photographs, tmp_path / "out", "--like", model, "--workers", 1).exit_code == 0
    assert settings(tmp_path / "out") == settings(model)


def test_what_is_given_takes_the_place(model: Path, photographs: Path, tmp_path: Path) -> None:
    given = ("--variants", 1, "--clean", "--seed", 0, "--blending-ratio", 2)  # the last three of which are defaults
    out = built(photographs, tmp_path / "out", "--like", model, *given)
    changed = settings(model) | {"variants": 1, "clean": True, "seed": 0}
    changed["options"] = changed["options"] | {"blending_ratio": 2.0}
    assert settings(out) == changed
    assert changed["options"]["magnitude"] == 3


def test_another_method_has_its_own_options(model: Path, photographs: Path, tmp_path: Path) -> None:
    out = built(photographs, tmp_path / "out", "--like", model, "--method", "mixup", "--alpha", 0.4)
    plan = read_plan(out)
    assert plan is not None
    assert (plan.settings.method, plan.settings.options.alpha, plan.settings.size) == ("mixup", 0.4, 24)
    assert plan.mixing_set is None
    again = built(photographs, tmp_path / "again", "--like", out)
    assert settings(again) == settings(out)


def test_a_dataset_in_an_object_store(model: Path, photographs: Path, pool: Path, tmp_path: Path) -> None:
    with stored_at() as (url, _):
        built(photographs, f"{url}/model", *OPTIONS, "--mixing-set", pool)  # type: ignore[arg-type]
        out = built(photographs, tmp_path / "out", "--like", f"{url}/model")
    assert digest(out) == digest(model)


def test_what_is_not_there(model: Path, photographs: Path, tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        result = invoke("build", photographs, tmp_path / "out", "--workers", 1, *arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        return line

    (tmp_path / "empty").mkdir()
    line = f"Error: expected a dataset with a plan.json at {tmp_path}/empty, found none; give another --like"
    assert refused("--like", tmp_path / "empty") == line
    assert refused("--like", tmp_path / "no").startswith("Error: expected a dataset in a folder, found none at ")
    assert "'magnitude' is no option" in refused("--like", _of_another_method(photographs, tmp_path), "--magnitude", 3)


def _of_another_method(photographs: Path, folder: Path) -> Path:
    return built(photographs, folder / "cutout", "--method", "cutout", "--size", 24, "--variants", 1)


def test_fractals_are_made_for_the_size_and_the_seed(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layermix_gen.building.planning.resolve_mixing_set", partial(resolve_mixing_set, count=8))
    monkeypatch.setattr(likeness, "DEFAULT_COUNT", 8)
    model = built(photographs, tmp_path / "model", *SHAPE)
    plan = read_plan(model)
    assert plan is not None
    assert likeness.mixing_set_like(str(plan.root), plan, plan.settings) == str(plan.mixing_set_place)
    assert likeness.mixing_set_like(str(plan.root), plan, replace(plan.settings, seed=1)) is None
    larger = read_plan(built(photographs, tmp_path / "larger", "--like", model, "--size", 32))
    assert larger is not None
    assert larger.mixing_set is not None
    assert larger.mixing_set.size == 36
    assert plan.mixing_set is not None
    gone = replace(plan, mixing_set=replace(plan.mixing_set, location=str(tmp_path / "fractals.npy")))
    assert likeness.mixing_set_like(str(gone.root), gone, gone.settings) is None  # rendered again


def test_a_mixing_set_that_is_gone(photographs: Path, pool: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.npy"
    own.write_bytes(pool.read_bytes())
    model = built(photographs, tmp_path / "model", *OPTIONS, "--mixing-set", own)
    own.unlink()
    result = invoke("build", photographs, tmp_path / "out", "--like", model, "--workers", 1)
    assert result.stderr == (
        f"Error: expected the mixing set {own}, which the dataset was built with, found none; restore it or give "
        "--mixing-set\n"
    )
    assert digest(built(photographs, tmp_path / "out", "--like", model, "--mixing-set", pool)) == digest(model)
