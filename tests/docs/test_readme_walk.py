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

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
NAMES = """
import numpy as np
image, view, fractal = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
"""
ELSEWHERE = ("make ", "evaluate run", "evaluate report")  # commands that are run by other tests, on other data


FEWER = {"evaluate corrupt": " --severities 1 --corruptions fog,pixelate"}  # what a command takes minutes without


def commands(block: str) -> list[str]:
    lines = [line.partition("  #")[0] for line in block.splitlines() if not any(name in line for name in ELSEWHERE)]
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
    shown = []
    for number, (kind, block) in enumerate(BLOCKS):
        if kind == "sh":
            shown += [run("sh", "-c", line) for line in commands(block)]
        else:
            (place / f"{number}.py").write_text(NAMES + block)
            shown.append(run(sys.executable, f"{number}.py"))
    found = next(text for text in shown if "000000003-v00" in text and "pixel" in text)
    assert "layer" in found
    assert (place / "tree.png").stat().st_size > 10_000
    assert (place / "corrupted").is_dir()
