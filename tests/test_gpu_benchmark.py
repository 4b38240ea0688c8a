"""The benchmark of a GPU is tried on the CPU: it finds no difference there, and writes all that it promises."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_all_of_it_runs_on_the_cpu(pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    sets = {}
    for split, count in (("train", 40), ("test", 10)):
        sets[f"x_{split}"] = rng.integers(0, 256, (count, 8, 8, 3), np.uint8)
        sets[f"y_{split}"] = np.arange(count, dtype=np.uint8) % 10
    np.savez(tmp_path / "data.npz", **sets)  # type: ignore[arg-type]
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    gpu = importlib.import_module("gpu")
    for name, small in {"BATCH": 16, "GROUP": 1, "TIMED": 0.01, "ATTACKED": 4, "RENDERED": {9: 5}}.items():
        monkeypatch.setattr(gpu, name, small)
    more = ("--networks", "resnet-8-4", "--minutes", "0.01", "--most", "1", "--test", "10", "--device", "cpu")
    gpu.main([str(tmp_path / "data.npz"), str(tmp_path / "out"), "--mixing-set", str(pool), *more])
    found = json.loads((tmp_path / "out" / "gpu.json").read_text())
    for name in ("copied", "in_memory", "fresh", "fresh in_memory"):
        assert found[f"batches {name}"] == {"levels_apart": 0, "labels_apart": 0}
    assert found["rendered at 9 px"]["levels_apart"] == 0
    assert min(found["rendered at 9 px"]["images_per_second"].values()) > 0
    assert found["normalize_bf16"] == {"apart": 0}
    assert (found["attack"]["epsilons"], found["attack"]["pixels_apart"]) == (1, 0)
    assert found["answers"]["cpu float32"] == {"confidences_apart": 0, "other_answers": 0}
    assert 0 < found["answers"]["cpu bf16"]["confidences_apart"] < 0.01
    fresh = {"fresh by the CPU", "fresh on the device", "fresh in memory on the device"}
    assert set(found["resnet-8-4"]["waits"]) == {"streamed", "in memory", "online at 450/s"} | fresh
    for method in ("none", "layermix"):
        assert {"seconds", "clean_error", "pgd_error"} < found[f"resnet-8-4 {method}"].keys()
    assert "failed" not in found


def test_a_part_that_fails_does_not_end_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    gpu = importlib.import_module("gpu")
    trial = gpu.Trial(tmp_path, "cpu")
    for name in ("attack", "rendering"):
        with trial.part(name):
            raise RuntimeError(f"no {name}")
    trial.note(done=True)
    expected = {"failed": {"attack": "no attack", "rendering": "no rendering"}, "done": True}
    assert json.loads((tmp_path / "gpu.json").read_text()) == expected


def test_a_gpu_that_is_not_there_gives_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    gpu = importlib.import_module("gpu")
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"^Error: expected a GPU that torch can use, found none; try --device cpu$"):
        gpu.main([str(tmp_path), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
