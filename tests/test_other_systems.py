"""On systems that lack what Linux has: macOS does everything, Windows all but the writing of shards."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from layermix_gen import BuildSettings, build
from tests.evaluate.made_results import make_results

TINY = ("--variants", "1", "--mixing-set", "set.npy", "--workers", "2")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with images, shards, and what takes away from Python what the system lacks."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "lacking").mkdir()
    shutil.copy(Path(__file__).with_name("other_systems.py"), folder / "lacking" / "sitecustomize.py")
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(4):
            image = Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8))
            image.save(folder / "images" / name / f"{number}.png")
    np.save(folder / "set.npy", rng.integers(0, 256, (3, 36, 36), np.uint8))
    build(folder / "images", folder / "shards", BuildSettings(variants=1), mixing_set=folder / "set.npy", workers=1)
    make_results(folder / "results")
    return folder


def run(world: Path, system: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    paths = os.pathsep.join([str(world / "lacking"), str(Path(__file__).parents[1])])
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=world,
        env=os.environ | {"PYTHONPATH": paths, "SYSTEM": system},
    )


def command(world: Path, system: str, *arguments: str) -> str:
    ended = run(world, system, "-m", "layermix_gen", *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def digest(shards: Path) -> str:
    return str(json.loads((shards / "dataset.json").read_text("utf-8"))["digest"])


READ = """
import os, sys
from layermix_gen import LayerMixDataset, open_shards
assert hasattr(os, "fork") == (sys.argv[1] == "macOS") and not hasattr(os, "sched_getaffinity")
ds = LayerMixDataset("shards", batch_size=4, seed=0)
print(sum(len(labels) for images, labels in ds), len(ds.in_memory()))
shards = open_shards("shards")
print(len(list(shards.query("layer > 0"))), shards.explain("000000000-v00", sys.argv[1] + ".png"))
print(shards.verify(replay=1, workers=1, progress=False))
"""


@pytest.mark.parametrize("system", ["macOS", "Windows"])
def test_shards_are_read_inspected_and_verified(world, system):
    ended = run(world, system, "-c", READ, system)
    assert ended.stderr == ""
    read, found, verified = ended.stdout.splitlines()
    assert read == "8 2"
    assert found == f"8 {system}.png"
    assert verified.endswith("16 samples rendered again; all is as it was built")


@pytest.mark.parametrize("system", ["macOS", "Windows"])
def test_what_writes_no_shards_works(world, system):
    out = f"of-{system}"
    command(world, system, "fractals", "render", f"{out}.npy", "--count", "7", "--size", "36", "--workers", "1")
    assert np.load(world / f"{out}.npy").shape[0] == 7
    options = ("--suite", "cbar", "--severities", "1", "--workers", "2")
    command(world, system, "evaluate", "corrupt", "images", f"{out}-corrupted", *options)
    assert "clean" in command(world, system, "evaluate", "report", "results", "--out", f"{out}-report")
    assert not list(world.glob(f"{out}*/.lock"))


def test_macos_builds_the_same_shards(world):
    command(world, "macOS", "build", "images", "built-on-macos", *TINY)
    assert digest(world / "built-on-macos") == digest(world / "shards")


@pytest.mark.parametrize("arguments", [("build", "images", "built", *TINY), ("verify", "shards", "--repair")])
def test_windows_writes_no_shards(world, arguments):
    ended = run(world, "Windows", "-m", "layermix_gen", *arguments)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "Error: expected Linux or macOS to write shards on, found Windows, which can only read them; build there, or "
        "in WSL"
    ]
    assert not (world / "built").exists()
