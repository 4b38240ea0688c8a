"""The README is walked as a newcomer walks it: its blocks in their order, as scripts, on the images of the demo."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
NAMES = """
import numpy as np
image, view, fractal = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
"""
MODEL = """
import torch


def make():
    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(48, 5))
"""
FEWER = {"evaluate corrupt": " --severities 1 --corruptions fog,pixelate"}  # what a command takes minutes without


def commands(block: str) -> list[str]:
    lines = [line.partition("  #")[0] for line in block.splitlines() if not line.startswith("make ")]
    return [line + "".join(more for name, more in FEWER.items() if name in line) for line in lines]


@pytest.mark.skipif(find_spec("skimage") is None, reason="the demo needs scikit-image")
def test_the_blocks_run_in_their_order(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    rng = np.random.default_rng(0)
    for size in (36, 256):  # a smaller set in the place of the fractals that are rendered
        np.save(cache / f"fractals-v1-seed0-384x{size}.npy", rng.integers(0, 256, (6, size, size), np.uint8))
    place = tmp_path / "home"
    (place / "path" / "to").mkdir(parents=True)
    scripts = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"LAYERMIX_GEN_CACHE": str(cache), "PATH": scripts, "PYTHONPATH": str(ROOT)}

    def run(*command: str) -> str:
        ended = subprocess.run(command, capture_output=True, text=True, cwd=place, env=environment)
        assert ended.returncode == 0, f"{command}: {ended.stderr}"
        assert "Traceback" not in ended.stderr
        return ended.stdout

    run("layermix-gen", "demo", "demo-out")
    for name in ("train", "test"):
        shutil.copytree(place / "demo-out" / "photographs", place / "path" / "to" / name)
    (place / "model.py").write_text(MODEL)  # what a reader has, or has trained
    torch.save(torch.nn.Sequential(*[torch.nn.Identity()] * 2, torch.nn.Linear(48, 5)).state_dict(), place / "last.pt")
    shown = []
    for number, (kind, block) in enumerate(BLOCKS):
        if kind == "sh":
            for line in commands(block):
                shown.append(run("sh", "-c", line))
                if "evaluate run" in line:
                    shutil.copytree(place / "results" / "a", place / "results" / "b")  # for the report to compare
        else:
            (place / f"{number}.py").write_text(NAMES + block)
            shown.append(run(sys.executable, f"{number}.py"))
    found = next(text for text in shown if "000000003-v00" in text and "pixel" in text)
    assert "layer" in found
    assert (place / "tree.png").stat().st_size > 10_000
    assert any("inputs      6 = 6 written + 0 skipped" in text for text in shown)
    report = shown[-1]  # of the runs, next to the rows of the paper
    assert [line.split()[0] for line in report.splitlines() if re.match(r"[ab] +here ", line)] == ["a", "b"]
    assert "paper IV, cifar100" in report
