"""The study: runs that are the same when repeated, what is done is not done again, and its statistics."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from layermix_gen import LayerMixError

EXAMPLES = Path(__file__).parents[1] / "examples"
PLAN = """
suites = ["clean", "c", "pgd", "calibration"]
images = 8

[defaults]
epochs = 1
variants = 2
group = "a"
network = "resnet-8-4"

[conditions]
fresh = { method = "pixmix", seeds = 1, fresh = true, mixing_set = "noise" }
layermix-jsd = { group = "c", seeds = 1, view_mode = "shared", loss = "jsd", mixing_set = "noise" }

[mixing_sets]
noise = { count = 4, size = 20, kinds = ["noise"] }
"""


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the examples importable; runs of a study set the number of threads."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def study(*arguments: Any) -> None:
    importlib.import_module("study").main([*map(str, arguments)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """260 images of 16 px to train on, and 20 to test with, in 2 classes that differ in brightness."""
    rng, path = np.random.default_rng(0), tmp_path / "data.npz"
    sets: dict[str, Any] = {}
    for split, count in (("train", 260), ("test", 20)):
        labels = np.arange(count) % 2
        sets[f"x_{split}"] = rng.integers(0, 128, (count, 16, 16, 3), np.uint8) + 100 * labels[
            :, None, None, None
        ].astype(np.uint8)
        sets[f"y_{split}"] = labels
    np.savez(path, **sets)
    return path


def test_two_runs_of_one_seed_give_the_same_result(data: Path, tmp_path: Path) -> None:
    (plan := tmp_path / "plan.toml").write_text(PLAN)
    found = []
    for out in (tmp_path / "one", tmp_path / "two"):
        study(plan, out, "--data", data, "--jobs", 1, "--uncompiled")
        results = sorted((out / "results").glob("*.json"))
        assert [path.stem for path in results] == ["fresh-seed0", "layermix-jsd-seed0"]
        found.append([json.loads(path.read_text()) for path in results])
    for facts in (*found[0], *found[1]):
        assert facts.pop("made")["train_seconds"] > 0
    assert found[0] == found[1]
    fresh, jsd = found[0]
    assert fresh["losses"] != jsd["losses"]
    assert set(fresh["results"]["by_part"]["c"]) > {"fog", "pixelate"}
    assert jsd["data"]["bytes"] > fresh["data"]["bytes"] > 0  # of the clean plane alone
    assert (fresh["run"]["dataset"], "fresh" in jsd["run"]) == ("clean", False)


def test_calibration_is_also_measured_with_rescaled_confidences(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the twelve test images that it is not measured on; what was measured before stays."""
    runs, held_out = importlib.import_module("study_runs"), []

    def fitted(logits: np.ndarray, labels: np.ndarray) -> float:
        held_out.append((logits.shape, labels.tolist()))
        return 0.25

    monkeypatch.setattr("layermix_gen.evaluate.running.calibrating.fit_temperature", fitted)
    (plan := tmp_path / "plan.toml").write_text(PLAN)
    study(plan, tmp_path, "--data", data, "--jobs", 1, "--uncompiled", "--only", "a")
    result = tmp_path / "results" / "fresh-seed0.json"
    before = json.loads(result.read_text())
    plan.write_text(PLAN.replace("fresh = true", "fresh = true, rescaled = true"))
    monkeypatch.setattr(runs, "fit", None)  # it is trained
    study(plan, tmp_path, "--data", data, "--jobs", 1, "--uncompiled", "--only", "a")
    after = json.loads(result.read_text())
    assert held_out == [((12, 2), [0, 1] * 6)]
    more = {"temperature", "part_clean_rms", "rescaled_clean_rms", "rescaled_c_rms"}
    assert {name: after["results"].pop(name) for name in more}["temperature"] == 0.25
    assert (after["results"], after["run"]) == (before["results"], before["run"])
    assert after["made"]["evaluate_seconds"] >= before["made"]["evaluate_seconds"]


def test_temperatures_need_test_images_that_nothing_is_measured_on(data: Path, tmp_path: Path) -> None:
    plan = PLAN.replace("images = 8", "images = 20").replace("fresh = true", "fresh = true, rescaled = true")
    (path := tmp_path / "plan.toml").write_text(plan)
    with pytest.raises(SystemExit, match=r"^Error: expected more test images than the 20 of the plan; lower images$"):
        study(path, tmp_path / "out", "--data", data, "--jobs", 1)
    assert not (tmp_path / "out" / "shards").exists()


def test_what_has_a_result_is_not_run_again(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (plan := tmp_path / "plan.toml").write_text(PLAN)
    out, done = tmp_path / "out", []
    monkeypatch.setattr(importlib.import_module("study_runs"), "_do", lambda one, lab: done.append(one.name))
    study(plan, out, "--data", data, "--jobs", 1, "--only", "a")
    one, lab = first_run(plan, data, out)
    (result := lab.result(one)).parent.mkdir(parents=True)
    result.write_text(json.dumps({"run": lab.facts(one), "test": lab.study.tests(), "results": {}}))
    study(plan, out, "--data", data, "--jobs", 1)
    assert done == ["fresh-seed0", "layermix-jsd-seed0"]
    study(plan, out, "--data", data, "--list")
    assert capsys.readouterr().out == "done  a fresh-seed0\nto do c layermix-jsd-seed0\n"
    plan.write_text(PLAN.replace('"pixmix", seeds = 1', '"pixmix", seeds = 2'))  # one more, beside the one that is done
    study(plan, out, "--data", data, "--list", "--only", "a")
    assert capsys.readouterr().out == "done  a fresh-seed0\nto do a fresh-seed1\n"
    plan.write_text(PLAN.replace("fresh = true", "fresh = true, rescaled = true"))  # more is to be measured
    study(plan, out, "--data", data, "--list", "--only", "a")
    assert capsys.readouterr().out == "done  a fresh-seed0\n"  # as far as it can be without the network
    (lab.folder(one) / "training.json").touch()
    study(plan, out, "--data", data, "--list", "--only", "a")
    assert capsys.readouterr().out == "to do a fresh-seed0\n"
    for changed in (("epochs = 1", "epochs = 2"), ("count = 4", "count = 5")):
        plan.write_text(PLAN.replace(*changed))
        with pytest.raises(
            SystemExit, match=r"fresh-seed0\.json is of another condition than the plan's; move it away"
        ):
            study(plan, out, "--data", data, "--jobs", 1)
    result.write_text('{"run": ')
    with pytest.raises(SystemExit, match=r"^Error: cannot read .*fresh-seed0\.json: .*; remove it"):
        study(plan, out, "--data", data, "--list")


def test_the_weight_of_the_loss_is_the_plans(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, recipes = importlib.import_module("study_runs"), []
    monkeypatch.setattr(runs, "train", lambda make, shards, test, recipe: recipes.append(recipe))
    (plan := tmp_path / "plan.toml").write_text(PLAN)
    _, lab = first_run(plan, data, tmp_path)
    plan.write_text(PLAN.replace('loss = "jsd"', 'loss = "jsd", jsd_weight = 3.0'))
    _, other = first_run(plan, data, tmp_path)
    made = [*lab.study.runs(), *other.study.runs(["c"])]
    for one in made:
        runs.learn_from(tmp_path, one, tmp_path, lab)
    assert [recipe.jsd for recipe in recipes] == [0, 12, 3]
    assert [one.facts().get("jsd_weight") for one in made] == [None, None, 3]


def first_run(plan: Path, data: Path, out: Path) -> tuple[Any, Any]:
    """The first run of a plan, and where it is made."""
    laboratory = importlib.import_module("study_laboratory").Laboratory
    matrix = importlib.import_module("study_matrix").read_plan(plan)
    return next(matrix.runs()), laboratory(matrix, str(data), out, out / "results", compiled=False)


def test_a_training_of_another_condition_is_not_taken_for_this_one(data: Path, tmp_path: Path) -> None:
    """As where a plan was changed, and the result that was refused then was moved away, as the error says."""
    (plan := tmp_path / "plan.toml").write_text(PLAN)
    one, lab = first_run(plan, data, tmp_path)
    (lab.folder(one) / "checkpoint.pt").touch()
    assert lab.folder(one) == tmp_path / "trained" / "fresh-seed0"  # again, for the same
    plan.write_text(PLAN.replace("epochs = 1", "epochs = 3").replace('"pixmix"', '"augmix"'))
    one, lab = first_run(plan, data, tmp_path)
    folders = f"{tmp_path}/trained/fresh-seed0 and {tmp_path}/predictions/fresh-seed0"
    with pytest.raises(LayerMixError, match=f"is of other epochs, method than the plan's; remove {folders}$"):
        lab.folder(one)
    (tmp_path / "trained" / "fresh-seed0" / "run.json").unlink()
    with pytest.raises(LayerMixError, match="beside a checkpoint, found none; remove "):
        lab.folder(one)


@pytest.mark.parametrize("changed", ["data", "test"])
def test_a_folder_is_of_one_test_set(changed: str, data: Path, tmp_path: Path) -> None:
    (plan := tmp_path / "plan.toml").write_text(PLAN)
    first_run(plan, data, tmp_path / "out")[1].claim()
    if changed == "data":
        data = data.rename(tmp_path / "others.npz")
    else:
        plan.write_text('test = "validation"\n' + PLAN)
    with pytest.raises(SystemExit, match=r"out is of other .* than the plan's; give another folder$"):
        study(plan, tmp_path / "out", "--data", data, "--jobs", 1)


def test_a_run_is_made_by_one_process_at_a_time(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (plan := tmp_path / "plan.toml").write_text(PLAN)
    runs, done = importlib.import_module("study_runs"), []
    monkeypatch.setattr(runs, "_do", lambda one, lab: done.append(one.name))
    one, lab = first_run(plan, data, tmp_path)
    with lab.alone_or_not(one, wait=False) as is_alone:
        assert is_alone
        assert not runs.do(one, lab, wait=False)
    assert done == []
    assert runs.do(one, lab, wait=False)
    assert done == ["fresh-seed0"]


def test_what_no_run_needs_any_more_is_removed(data: Path, tmp_path: Path) -> None:
    (plan := tmp_path / "plan.toml").write_text(PLAN)
    one, lab = first_run(plan, data, tmp_path)
    runs = [*lab.study.runs()]
    names = [run.condition.dataset for run in runs]
    for name in (*names, "of-another-plan"):
        (tmp_path / "shards" / name).mkdir(parents=True)
    (lab.folder(one) / "training.json").touch()
    lab.tidy(runs)
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == sorted([names[1], "of-another-plan"])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('method = "pixmix"', 'method = "pixmax"', "method must be one of"),
        ("variants = 2", "variant = 2", "a field too many, 'variant'"),
        ("variants = 2", 'variants = "2"', "variants"),
        ("[conditions]", "[conditions]\nnone = 3", "none is no table"),
        ('mixing_set = "noise"', 'mixing_set = "nose"', "expected a mixing set 'nose' in"),
        ('view_mode = "shared", ', "", "expected view_mode = 'shared' in layermix-jsd"),
        (
            'loss = "jsd"',
            'loss = "jsd", jsd_weight = -3.0',
            "expected a jsd_weight above 0 in layermix-jsd, found -3 in",
        ),
        ("images = 8", "images = ", "cannot read the plan"),
        (
            '"clean", "c", "pgd", "calibration"]\nimages = 8\n\n[defaults]',
            '"c"]\n[defaults]\nrescaled = true',
            "expected the suites clean and calibration in",
        ),
    ],
)
def test_a_wrong_plan_gives_one_line(old: str, new: str, expected: str, tmp_path: Path) -> None:
    (plan := tmp_path / "plan.toml").write_text(PLAN.replace(old, new))
    with pytest.raises(SystemExit) as ended:
        study(plan, tmp_path / "out", "--data", "nowhere", "--list")
    assert str(ended.value).startswith("Error: ")
    assert expected in str(ended.value)
    assert "\n" not in str(ended.value)


def test_a_study_that_cannot_be_done_ends_before_anything_is_built(data: Path, tmp_path: Path) -> None:
    (plan := tmp_path / "plan.toml").write_text(PLAN.replace("resnet-8-4", "resnext-7"))
    out = tmp_path / "out"
    with pytest.raises(SystemExit, match=r"^expected a model like .*, got 'resnext-7'$"):
        study(plan, out, "--data", data, "--jobs", 1)
    with pytest.raises(SystemExit, match=r"^Error: jobs must be a whole number from 1 on, got 0; change --jobs$"):
        study(plan, out, "--data", data, "--jobs", 0)
    assert not out.exists()
    plan.write_text(PLAN)
    with pytest.raises(SystemExit, match=r"^Error: expected a source of images, found nothing at "):
        study(plan, out, "--data", tmp_path / "mistyped", "--jobs", 1)
    assert not (out / "study.json").exists()  # else the right one would be refused


def test_a_report_of_a_broken_result_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "none-seed0.json").write_text('{"run": ')
    with pytest.raises(SystemExit, match=r"^Error: cannot read .*none-seed0\.json: .*; remove it"):
        importlib.import_module("study_report").main([str(tmp_path), str(tmp_path / "page.md")])


def test_plots_into_a_file_are_refused_before_the_page_is_written(tmp_path: Path) -> None:
    (page := tmp_path / "page.md").write_text("<!-- study: methods -->\nold\n<!-- end of study -->\n")
    runs = EXAMPLES.parent / "docs" / "study" / "runs"
    with pytest.raises(SystemExit, match=r"^Error: expected a folder for the plots, found the file .*page\.md; give"):
        importlib.import_module("study_report").main([str(runs), str(page), "--plots", str(page)])
    assert "old" in page.read_text()


def results_of(values: dict[str, list[float]]) -> Any:
    return importlib.import_module("study_analysis").Results(
        {
            name: {seed: {"results": {"c_error": value}} for seed, value in enumerate(seeds)}
            for name, seeds in values.items()
        }
    )


def test_differences_are_taken_within_seeds() -> None:
    """The second seed is 10 worse throughout: that is no noise of the comparison."""
    results = results_of({"a": [20.0, 30.0, 21.0], "b": [22.1, 32.0, 22.9], "c": [20.1, 29.9]})
    found = results.difference("b", "a", "c_error")
    assert found.value == pytest.approx(2.0)
    assert found.is_clear
    assert not results.difference("c", "a", "c_error").is_clear
    assert results.ranks(["a", "b", "c"], "c_error") == {"a": (1, 2), "b": (3, 3), "c": (1, 2)}


def test_a_difference_takes_all_seeds_and_none_that_nothing_connects() -> None:
    """What b lacks is 27.5 by Yates (1933): (3 (22 + 32) + 3 (26 + 25) - 205) / 4, all values summing to 205."""
    results = results_of({"a": [20.0, 30.0, 26.0], "b": [22.0, 32.0], "c": [20.1, 29.9, 25.0]})
    found = results.difference("b", "a", "c_error")
    assert found.value == pytest.approx((22 + 32 + 27.5) / 3 - (20 + 30 + 26) / 3)
    paired = results.difference("c", "a", "c_error")
    assert paired.value == pytest.approx(-1 / 3)
    assert paired.half_width < found.half_width
    apart = importlib.import_module("study_analysis").Results(
        {name: {seed: {"results": {"c_error": 1.0}}} for seed, name in enumerate(("a", "b"))}
    )
    assert apart.difference("b", "a", "c_error") is None


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(0), 0
    for _ in range(300):
        seeds = rng.normal(0, 2, 3)
        values = {
            name: list(true + seeds + rng.normal(0, 0.5, 3)) for name, true in {"a": 20, "b": 21, "c": 25}.items()
        }
        found = results_of(values).difference("b", "a", "c_error")
        covered += abs(found.value - 1) < found.half_width
    assert 0.92 < covered / 300 < 0.98


def test_the_report_fills_a_page(tmp_path: Path) -> None:
    (folder := tmp_path / "results").mkdir()
    for name, error in (("layermix", 20.0), ("none", 35.5)):
        for seed in (0, 1, 2):
            facts = {
                "run": {"name": name, "seed": seed},
                "results": {"c_error": error + seed + 0.1 * (seed == len(name) % 3)},
            }
            (folder / f"{name}-seed{seed}.json").write_text(json.dumps(facts))
    (page := tmp_path / "page.md").write_text("Before.\n<!-- study: methods -->\nold\n<!-- end of study -->\nAfter.\n")
    importlib.import_module("study_report").main([str(folder), str(page)])
    text = page.read_text()
    assert text.startswith("Before.\n<!-- study: methods -->\n|")
    assert text.endswith("<!-- end of study -->\nAfter.\n")
    assert "| `layermix` | 3 | - | 21.03 **(-15.50)** | - |" in text
    assert "Not run yet: `cutout`" in text
    assert "| smaller may be chance |  | - | 0.25 | - |" in text  # 4.303 sqrt(0.01 / 2) sqrt(2 / 3)
    assert "old" not in text


def test_a_plot_has_the_differences_and_their_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The colour says whether one is better or worse; conditions and metrics without results are left out."""
    plots, figures = importlib.import_module("study_plots"), []
    monkeypatch.setattr(plots, "save", lambda figure, file: figures.append(figure))
    results = results_of(
        {"none": [20.0, 30.0, 25.0], "good": [10.1, 20.0, 14.9], "bad": [40.0, 49.9, 45.1], "same": [20.0, 30.1, 24.9]}
    )
    rows = importlib.import_module("study_tables").against(
        "none", [("`none`", "none"), *((f"`{name}`", name) for name in ("good", "bad", "absent", "same"))]
    )
    plots.draw_differences(results, rows, "A title", tmp_path / "plot.png")
    [figure] = figures
    [axes] = figure.axes
    lines = [line for line in axes.lines if line.get_ydata()[0] in range(3) and line.get_color() != plots.QUIET]
    drawn = [(list(line.get_xdata()), int(line.get_ydata()[0]), line.get_color()) for line in lines]
    expected = []
    for row, (name, opinion) in enumerate((("good", "better"), ("bad", "worse"), ("same", "may be chance"))):
        found = results.difference(name, "none", "c_error")
        interval = [found.value - found.half_width, found.value + found.half_width]
        expected += [(ends, row, plots.OPINIONS[opinion]) for ends in (interval, [found.value])]
    assert drawn == expected
    written = [text.get_text() for text in figure.texts]
    assert [text for text in written if text in ("good", "bad", "absent", "same", "none")] == ["good", "bad", "same"]


def table_of(name: str, found: dict[str, dict[str, Any]]) -> list[str]:
    """The lines under the head of a table, of results with one seed each, by condition."""
    results = importlib.import_module("study_analysis").Results({key: {0: one} for key, one in found.items()})
    table: str = importlib.import_module("study_tables").TABLES[name](results)
    return table.splitlines()[2:]


def test_a_training_that_was_stopped_is_not_in_the_table_of_speeds() -> None:
    found = {
        network: {
            "run": {"group": "speed", "network": network, "epochs": 2, "variants": 1, "built": 0},
            "made": {"build_seconds": 1.0, "train_seconds": seconds, "evaluate_seconds": 1.0},
            "data": {"bytes": 1},
        }
        for network, seconds in (("small", 20.0), ("stopped", None), ("large", 50.0))
    }
    assert table_of("speed", found) == ["| `small` | 10 | 1.0 |", "| `large` | 25 | 2.5 |"]


def test_the_table_of_rescaled_confidences_has_the_runs_that_were_rescaled() -> None:
    """Those without C have none there; a mean takes the rescaled seeds alone."""
    whole = {"temperature": 0.5, "part_clean_rms": 9.0, "rescaled_clean_rms": 4.0, "c_rms": 8.0, "rescaled_c_rms": 5.0}
    clean = {name: whole[name] for name in ("temperature", "part_clean_rms", "rescaled_clean_rms")}
    both = {0: {"results": {"c_rms": 100.0}}, 1: {"results": whole}}
    results = importlib.import_module("study_analysis").Results(
        {"none": both, "augmix": {0: {"results": clean}}, "layermix": {0: {"results": {"c_rms": 7.0}}}}
    )
    table: str = importlib.import_module("study_tables").TABLES["rescaled-methods"](results)
    assert table.splitlines()[2:] == [
        "| `none` | 1 | 0.50 | 9.00 | 4.00 | 8.00 | 5.00 |",
        "| `augmix` | 1 | 0.50 | 9.00 | 4.00 | - | - |",
    ]


def coloured(path: Path) -> Any:
    """Which pixels of a plot are points and lines, and no letters, which differ among versions of Matplotlib."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return np.ptp(pixels, axis=2) > 40


def test_the_page_is_what_the_report_writes(tmp_path: Path) -> None:
    docs = EXAMPLES.parent / "docs"
    (page := tmp_path / "study.md").write_text((docs / "study.md").read_text())
    importlib.import_module("study_report").main([str(docs / "study" / "runs"), str(page), "--plots", str(tmp_path)])
    plots = sorted(path.name for path in tmp_path.glob("*.png"))
    assert plots == ["study-methods.png", "study-parts.png", "study-variants.png"]
    for name in plots:
        drawn, shown = coloured(tmp_path / name), coloured(docs / "images" / name)
        assert drawn.shape == shown.shape, name
        assert (drawn ^ shown).sum() < 0.1 * (drawn | shown).sum(), name
    assert page.read_text() == (docs / "study.md").read_text()
