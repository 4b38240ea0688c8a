"""Without PyTorch, which only the reader and the running of models need: everything else works, and these say so."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.evaluate.made_results import make_results


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with images, and a module `torch` that is not found."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "blocked").mkdir()
    (folder / "blocked" / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')\n")
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(
                folder / "images" / name / f"{number}.png"
            )
    return folder


def run(world: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    paths = os.pathsep.join([str(world / "blocked"), str(Path(__file__).parents[1])])
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=world, env=os.environ | {"PYTHONPATH": paths}
    )


WALK = """
import json, sys
from click.testing import CliRunner
from layermix_gen.cli import main

if __name__ == "__main__":  # workers import this script
    for command in json.loads(sys.argv[1]):
        ended = CliRunner().invoke(main, command.split())
        assert ended.exit_code == 0, ended.output
        print(json.dumps(ended.stdout))
"""


def test_commands(world):
    """One after the other in one process, which no command may make import PyTorch."""
    make_results(world / "results")
    (world / "walk.py").write_text(WALK)
    said_by = {
        "fractals render set.npy --count 7 --size 36 --workers 1": "",
        "build images shards --mixing-set set.npy --workers 2": "8 = 8 written + 0 skipped",
        "inspect shards": "72",
        "inspect shards --key 000000000-v00": "(image",
        "verify shards --replay 1": "72",
        "evaluate corrupt images corrupted --suite cbar --severities 1 --workers 1": "",
        "evaluate report results": "clean",
    }
    ended = run(world, "walk.py", json.dumps([*said_by]))
    assert ended.returncode == 0, ended.stderr
    for line, said in zip(ended.stdout.splitlines(), said_by.values(), strict=True):
        assert said in json.loads(line)


NEEDED = "expected PyTorch for the reader and for running models, found none; pip install 'layermix-gen[torch]'"


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "run", "--model", "timm:resnet18", "--out", "out", "--data", "imagenet=images"),
        ("evaluate", "gradcam", "--model", "timm:resnet18", "--out", "out.png", "images"),
    ],
    ids=["run", "gradcam"],
)
def test_commands_that_run_models(world, arguments):
    ended = run(world, "-m", "layermix_gen", *arguments)
    assert (ended.returncode, ended.stderr) == (1, f"Error: {NEEDED}\n")


def test_names(world):
    script = """
from layermix_gen import LayerMixError, build
try:
    from layermix_gen import LayerMixDataset
except ImportError as error:
    assert isinstance(error, LayerMixError)
    print(error)
import layermix_gen.evaluate
try:
    layermix_gen.evaluate.run
except LayerMixError as error:
    print(error)
"""
    ended = run(world, "-c", script)
    assert (ended.stdout, ended.stderr) == (f"{NEEDED}\n" * 2, "")
