"""The notebook of the examples: its cells run in their order, each shows what it should, and it holds no outputs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

TOUR = Path(__file__).parents[1] / "examples" / "tour.ipynb"
CELLS = json.loads(TOUR.read_text("utf-8"))["cells"]
RUNNER = """
import ast, json, sys

names = {"__name__": "__main__"}
for source in json.load(sys.stdin):
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    shown = last and eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    if shown is not None:
        print("shows", type(shown).__name__, bool(shown._repr_html_()) if hasattr(shown, "_repr_html_") else "")
"""


def test_the_cells_run_in_their_order(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    pictures = np.random.default_rng(0).integers(0, 256, (6, 36, 36), np.uint8)
    np.save(cache / "fractals-v1-seed0-384x36.npy", pictures)  # in the place of those that are rendered
    code = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
    environment = os.environ | {"LAYERMIX_GEN_CACHE": str(cache), "TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(code),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(TOUR.parents[1])},
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    shown = [line.removeprefix("shows ") for line in lines if line.startswith("shows ")]
    assert shown == [
        "Manifest True",
        "Shards True",
        "Call True",
        "Image ",
        "Image ",
        "DataFrame True",
        "SingleSample True",
        "VerificationReport True",
    ]
    same, losses, accuracy = (line for line in lines if not line.startswith("shows "))
    assert same == "the same pixels: True"
    first, last = map(float, losses.removeprefix("loss ").split(" -> "))
    assert last < 0.9 * first
    assert int(accuracy.partition("%")[0]) > 50


def test_it_holds_no_outputs() -> None:
    for cell in CELLS:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
        assert not cell["metadata"]
