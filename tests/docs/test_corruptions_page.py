"""docs/corruptions.md is held to the code: its snippets run, its tables have every corruption and parameter."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from layermix_gen.evaluate.corruptions import CORRUPTIONS, PERTURBATIONS
from layermix_gen.evaluate.corruptions.effects.base import Severities

PAGE = Path(__file__).parents[2] / "docs" / "corruptions.md"


def test_the_snippets_run(tmp_path, monkeypatch, photographs, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photographs").symlink_to(photographs)
    names: dict[str, Any] = {"__name__": "__main__", "image": np.zeros((48, 64, 3), np.uint8)}
    for snippet in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(snippet, names)  # noqa: S102
    assert "24 images (folder) at severities 1, 3, imagenet scale" in capsys.readouterr().out
    assert len(list((tmp_path / "photographs-c" / "pixelate").rglob("*.JPEG"))) == 48
    assert names["foggy"].shape == (48, 64, 3)
    assert names["tilted"].shape == (31, 48, 64, 3)


def cell(severities: Severities | None) -> str:
    """The parameters as the page has them."""
    texts = [(" ".join(f"{value:g}" for value in values), len(values)) for values in severities or ()]
    return " ".join(text if count == 1 else f"({text})" for text, count in texts)


def test_every_corruption_has_its_row():
    page, _, sequences = PAGE.read_text("utf-8").partition("\n## P\n")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE))
    assert set(rows) == set(CORRUPTIONS)
    for name, row in CORRUPTIONS.items():
        cifar, imagenet, closeness, measured, speed = rows[name].split(" | ")
        assert (cifar.strip(), imagenet.strip(), closeness) == (cell(row.cifar), cell(row.imagenet), row.closeness)
        assert measured
        assert re.search(r"\d", speed)
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", sequences, re.MULTILINE))
    assert set(rows) == set(PERTURBATIONS)
    for name, perturbation in PERTURBATIONS.items():
        numbers = [" ".join(f"{value:g}" for value in values) for values in (perturbation.cifar, perturbation.imagenet)]
        assert rows[name].split(" | ")[:2] == numbers
