"""The examples: the loss falls, a killed run ends as if nobody had killed it, ranks share the work."""

import importlib
import json
import os
import shlex
import signal
import struct
import subprocess
import sys
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from layermix_gen import BuildSettings, build
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from tests.helpers import invoke, wait_until
from tests.torchvision_on_cpu import allow_timm

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def shards(many: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 pieces of photographs in 4 classes, at 16 px: a clean plane and 2 variants that share its views."""
    root = tmp_path_factory.mktemp("shards")
    settings = BuildSettings(variants=2, size=16, view_mode="shared")
    build(many, root, settings, mixing_set=pool, workers=1, progress=False)
    return root


@pytest.fixture(scope="module")
def cutmix(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 pieces of photographs in 4 classes, at 24 px: a clean plane and 2 variants that have two labels each."""
    root = tmp_path_factory.mktemp("cutmix")
    settings = BuildSettings(variants=2, size=24, view_mode="shared", method="cutmix")
    build(many, root, settings, workers=1, progress=False)
    return root


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the examples importable; use one thread, as several would wait for each other on a busy machine."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def log(out: Path, name: str) -> list[Any]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


CIFAR = ("--model", "wrn-10-1", "--epochs", 2, "--batch-size", 8, "--rate", 0.05)


def arguments(shards: Path, out: Path, *more: object) -> list[str]:
    return [str(one) for one in (shards, "--test", shards, "--out", out, *more)]


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--jsd", "--fresh", "--mix", "augmix", "--view", "pad-crop"),
        ("--in-memory", "--outliers"),
        ("--soft-labels",),
    ],
    ids=["variants", "crops and triples", "outliers", "soft labels"],
)
def test_cifar_learns(
    shards: Path, cutmix: Path, many: Path, pool: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    from train_cifar import main

    shards = learnt = cutmix if "--soft-labels" in more else shards
    if "--view" in more:
        learnt = tmp_path / "whole"
        build(many, learnt, BuildSettings(variants=0, view="source", size=16), workers=1, progress=False)
    asked = arguments(shards, tmp_path, *CIFAR, *more, *([pool] if "--outliers" in more else []))
    main([str(learnt), *asked[1:]])
    losses, errors = log(tmp_path, "loss"), log(tmp_path, "error")
    assert sum(losses[-3:]) < 0.95 * sum(losses[:3])
    assert len(errors) == 2
    assert errors[1] < 50  # of 75 by chance
    assert log(tmp_path, "step")[-1] == 100


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((), {"jsd": 0, "in_memory": False, "compiled": False, "batch_size": 64, "rate": 0.2, "fresh": False}),
        (("--jsd", "shards"), {"jsd": 12}),
        (("--jsd-weight", "3"), {"jsd": 3}),
        (("--jsd-weight", "3", "--jsd"), {"jsd": 3}),
        (("--in-memory", "--compile", "--rate", "1"), {"in_memory": True, "compiled": True, "rate": 1}),
    ],
)
def test_options_make_the_recipe(asked: tuple[str, ...], expected: dict[str, Any]) -> None:
    from training_options import recipe_of, training_parser

    parser = training_parser("", views="rrc", batch_size=64, rate=0.2)
    recipe = recipe_of(parser.parse_args([*asked, *(() if "shards" in asked else ("shards",))]), 3, (0.5,), (0.25,))
    assert (recipe.epochs, recipe.mean, recipe.std) == (3, (0.5,), (0.25,))
    assert {name: getattr(recipe, name) for name in expected} == expected


@pytest.mark.parametrize("weight", ["-1", "nan"])
def test_a_weight_is_refused_before_anything_is_read(weight: str, tmp_path: Path) -> None:
    from train_cifar import main

    with pytest.raises(SystemExit, match=r"^Error: jsd_weight must be in \[0, 1e\+06\], got .*; change --jsd-weight$"):
        main([str(tmp_path / "nowhere"), "--jsd-weight", weight])


def test_the_last_line_is_the_command_that_measures_the_model(
    shards: Path, many: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from train_cifar import main

    main([str(shards), "--out", str(tmp_path), "--model", "wrn-10-1", "--epochs", "1", "--batch-size", "100"])
    line = capsys.readouterr().out.splitlines()[-1]
    build(many, tmp_path / "test", BuildSettings(variants=0, size=16, view="center"), workers=1, progress=False)
    program, *rest = shlex.split(line.replace("NAME=FOLDER", f"clean={tmp_path}/test"))
    assert program == "layermix-gen"
    ended = invoke(*rest[:-1], tmp_path / "results")
    assert ended.exit_code == 0, ended.output
    measured = json.loads((tmp_path / "results" / "run.json").read_text())
    assert (measured["normalization"], measured["n_classes"]) == ("mean 0.5, std 0.5", 4)


@pytest.mark.parametrize(
    ("program", "model"), [("train_cifar", ("wrn-10-1",)), ("train_imagenet", ("test_resnet", "--from-scratch"))]
)
@pytest.mark.parametrize(
    ("more", "line"),
    [
        ((), "expected both labels of variants of cutmix to be used, got a reader that yields the first alone; "),
        (("--jsd", "--soft-labels"), "expected one view of each image with soft_labels=True, got 3, whose labels may "),
    ],
    ids=["without soft labels", "soft labels of several views"],
)
def test_mistakes_end_with_one_line(
    program: str, model: tuple[str, ...], more: tuple[str, ...], line: str, cutmix: Path, tmp_path: Path
) -> None:
    allow_timm()
    main = importlib.import_module(program).main
    with pytest.raises(SystemExit) as caught:
        main([str(cutmix), "--out", str(tmp_path), *more, "--model", *model])
    assert isinstance(caught.value.code, str)  # which goes to standard error, with exit status 1
    assert caught.value.code.startswith(f"Error: {line}")
    assert len(caught.value.code.splitlines()) == 1


def test_a_source_that_is_not_there_ends_with_one_line(tmp_path: Path) -> None:
    from evaluate_fashion_mnist import main

    with pytest.raises(SystemExit, match=r"^Error: .*nowhere"):
        main([str(tmp_path / "out"), "--data", str(tmp_path / "nowhere")])


def start(program: str, *more: object, ranks: int = 0) -> "subprocess.Popen[bytes]":
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)) if ranks else ()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *torchrun, EXAMPLES / program, *map(str, more)], env=environment)


@pytest.mark.long
def test_a_killed_run_ends_as_if_nothing_had_been(shards: Path, tmp_path: Path) -> None:
    from train_cifar import main

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    more = (*CIFAR, "--epochs", 1, "--save-every", 7)
    process = start("train_cifar.py", *arguments(shards, killed, *more))
    wait_until((killed / "checkpoint.pt").exists, "a checkpoint")
    process.send_signal(signal.SIGKILL)
    process.wait()
    step = torch.load(killed / "checkpoint.pt", weights_only=True)["step"]
    assert 0 < step < 50
    resumed = start("train_cifar.py", *arguments(shards, killed, *more))
    main(arguments(shards, whole, *more))
    assert resumed.wait() == 0
    ends = [torch.load(out / "checkpoint.pt", weights_only=True) for out in (whole, killed)]
    assert [end["step"] for end in ends] == [50, 50]
    assert ends[0]["data"] == ends[1]["data"]
    assert all(torch.equal(value, ends[1]["model"][name]) for name, value in ends[0]["model"].items())
    assert log(killed, "error")[-1] == log(whole, "error")[-1]


@pytest.mark.long
def test_two_ranks(shards: Path, tmp_path: Path) -> None:
    more = ("--model", "wrn-10-1", "--epochs", 1, "--batch-size", 32, "--jsd")
    assert start("train_cifar.py", *arguments(shards, tmp_path, *more), ranks=2).wait() == 0
    assert log(tmp_path, "step")[-1] == 400 // 32
    assert len(log(tmp_path, "error")) == 1


def test_ranks_part_when_no_communication_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """All ranks meet before the group is destroyed, and the last communication outlives it; not so after an error."""
    from training import dist, ranks  # type: ignore[attr-defined]

    class Work:
        def wait(self) -> None:
            events.append("wait")

    def all_reduce(counts: torch.Tensor, *, async_op: bool) -> Work:
        assert async_op
        works.append(weakref.ref(work := Work()))
        return work

    works: list[weakref.ref[Work]] = []
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(dist, "init_process_group", lambda backend: None)
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    monkeypatch.setattr(dist, "barrier", lambda: events.append("barrier"))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: events.append(f"destroy, {bool(works[-1]())}"))
    events: list[str] = []
    with ranks() as here:
        here.add_up(torch.zeros(2))
    assert events == ["wait", "barrier", "destroy, True"]
    events.clear()
    with pytest.raises(KeyError), ranks() as here:
        raise KeyError(here.add_up(torch.zeros(2)))
    assert events == ["wait", "destroy, True"]


def test_imagenet(shards: Path, tmp_path: Path) -> None:
    allow_timm()
    from train_imagenet import main

    more = (
        "--model",
        "test_resnet",
        "--from-scratch",
        "--epochs",
        2,
        "--batch-size",
        8,
        "--rate",
        0.05,
    )
    main(arguments(shards, tmp_path, *more))
    losses, errors = log(tmp_path, "loss"), log(tmp_path, "error")
    assert sum(losses[-3:]) < 0.95 * sum(losses[:3])
    assert errors[1] < 50


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("wrn-40-4", 8_972_340),  # 8.9 million, as Zagoruyko and Komodakis have it
        ("wrn-28-10", 36_536_884),  # 36.5 million
        ("resnet-18", 11_220_132),
        ("resnext-29", 4_868_004),  # 32 x 4; 4.8 million for 10 classes
    ],
)
def test_models(name: str, parameters: int) -> None:
    from models import make_model

    with torch.device("meta"):  # shapes alone
        model = make_model(name, 100)
        assert sum(weight.numel() for weight in model.parameters()) == parameters
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 100)


@pytest.mark.parametrize("name", ["vgg-16", "wrn-30-4"])
def test_models_are_checked(name: str) -> None:
    from models import make_model

    with pytest.raises(SystemExit, match=r"^expected a "):
        make_model(name, 10)


@pytest.mark.long
def test_two_methods_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From IDX files to a report with plots; started again, nothing is done twice."""
    from evaluate_fashion_mnist import main

    monkeypatch.setattr("layermix_gen.building.planning.resolve_mixing_set", partial(resolve_mixing_set, count=8))
    rng, data, out = np.random.default_rng(0), tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for name, count in (("train", 128), ("t10k", 30)):
        images, labels = rng.integers(0, 256, (count, 28, 28), np.uint8), (np.arange(count) * 7 % 10).astype(np.uint8)
        heads = struct.pack(">4I", 0x803, count, 28, 28), struct.pack(">2I", 0x801, count)
        (data / f"{name}-images-idx3-ubyte").write_bytes(heads[0] + images.tobytes())
        (data / f"{name}-labels-idx1-ubyte").write_bytes(heads[1] + labels.tobytes())
    arguments = [str(out), "--data", str(data), "--epochs", "1"]
    main(arguments)
    report = json.loads((out / "report" / "report.json").read_text())
    assert [run["name"] for run in report["runs"]] == ["Baseline", "LayerMix"]
    for run in report["runs"]:
        assert set(run["numbers"]) == {"clean_error", "clean_error5", "clean_rms", "c_error", "c_rms", "pgd_error"}
        assert all(number["parts"] == number["of"] for number in run["numbers"].values())
        assert run["signature"]["checkpoint_rule"] == "last"
    assert len(list((out / "report").glob("*.png"))) == 4 + 1
    looked_at(out, images)
    kept = {path: path.stat().st_mtime_ns for path in (out / "results").rglob("*.npz")}
    main(arguments)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def looked_at(out: Path, test: np.ndarray[Any, Any]) -> None:
    """The sheet shows the first test images of two classes, which are number 0 and 7 here, clean and corrupted."""
    shown = {path.stem: np.asarray(Image.open(path)) for path in (out / "shown").iterdir()}
    corruptions = {name: np.load(out / "fashion-mnist-c" / f"{name}.npy") for name in ("fog", "gaussian_noise")}
    assert len(shown) == 6
    for label, first in ((0, 0), (9, 7)):
        assert (shown[f"class {label}, clean"] == test[first][:, :, None]).all()
        for name, arrays in corruptions.items():
            stem = f"class {label}, {name.replace('_', ' ')} 3"
            assert (shown[stem] == arrays[2 * len(test) + first]).all()
    with Image.open(out / "report" / "gradcam.png") as sheet:
        assert sheet.size == (2 * 28 + 3 * 224 + 2 * 14, 2 * 28 + 30 + 6 * 258 - 14)


def test_outliers_depend_on_seed_step_and_rank_alone(pool: Path) -> None:
    from training import Outliers, Ranks

    def drawn(seed: int, step: int, rank: int) -> torch.Tensor:
        images = torch.zeros((5, 2, 3, 24, 24), dtype=torch.uint8)
        return Outliers(str(pool), seed, Ranks(torch.device("cpu"), rank)).like(images, step)

    first = drawn(1, 7, 0)
    assert (first.shape, first.dtype) == ((5, 3, 24, 24), torch.uint8)
    assert torch.equal(first, drawn(1, 7, 0))
    assert not any(torch.equal(first, drawn(*other)) for other in ((2, 7, 0), (1, 8, 0), (1, 7, 1)))


@pytest.mark.parametrize("views", [1, 3])
def test_the_loss_with_outliers_is_the_sum(views: int) -> None:
    from training import loss_of

    torch.manual_seed(views)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 4 * 4, 5))
    images, others, labels = torch.rand(2, views, 3, 4, 4), torch.rand(6, 3, 4, 4), torch.tensor([1, 4])
    images = images if views > 1 else images[:, 0]
    alone = loss_of(model, images, labels, None, 12)
    exposure = -0.5 * model(others).softmax(1).log().mean()
    assert torch.isclose(loss_of(model, images, labels, others, 12), alone + exposure)
    light = loss_of(model, images, labels, None, 3)
    known = torch.nn.functional.cross_entropy(model(images[:, 0] if views > 1 else images), labels)
    assert torch.isclose(4 * (light - known), alone - known, atol=1e-6)  # a quarter of the divergence
    assert (light < alone) == (views > 1)


def test_the_rate_falls_as_a_cosine() -> None:
    from training import cosine

    assert cosine(0, 0.1) == pytest.approx(0.1)
    assert cosine(0.5, 0.1) == pytest.approx(0.05, rel=1e-4)
    assert cosine(1, 0.1) == pytest.approx(1e-6)
