"""The page on running an evaluation: its snippets run, and it names every suite, preprocessing, form and variant."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from layermix_gen.evaluate.benchmarks import PGD
from layermix_gen.evaluate.preprocessing import PREPROCESSINGS
from layermix_gen.evaluate.results.results_folder import read_signature
from layermix_gen.evaluate.running.pgd import attack as attack_function
from layermix_gen.evaluate.suites.suite_folders import DATASETS, ROLES
from tests.docs.test_pages import snippets
from tests.evaluate.worlds import pixels, write_cifar10, write_corruptions

PAGE = Path(__file__).parents[2] / "docs" / "evaluate-run.md"
NET = """
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
"""


def test_the_snippets_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_cifar10(tmp_path / "data")
    write_corruptions(tmp_path / "data" / "CIFAR-10-C")
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "results").mkdir()
    made = {}
    exec(NET, made)  # noqa: S102
    torch.save(made["net"]().state_dict(), "last.pt")
    for name in ("cat", "cup"):
        PillowImage.fromarray(pixels(len(name), 1, 260, 300, 3)[0]).save(f"{name}.png")
    names: dict[str, Any] = {"images": torch.rand(3, 3, 32, 32), "labels": torch.tensor([1, 2, 3])}
    names["logits"] = 9 * torch.eye(10)[[1, 2, 4]]  # the last is mistaken
    for snippet in snippets(PAGE):
        exec(snippet, names)  # noqa: S102
    assert capsys.readouterr().out.startswith("clean: 1 problem, 20 images as cifar10:test, in data\n")
    assert set(read_signature("results/layermix").suites) == {"clean", "c", "pgd"}
    assert names["attack"] is attack_function
    assert names["confidences"].mean() == pytest.approx(2 / 3)
    assert (names["adversarial"] - names["images"]).abs().max() <= 8 / 255 + 1e-6
    assert names["seen"].maps.shape == (3, 32, 32)
    with PillowImage.open("sheet.png") as sheet:
        assert np.asarray(sheet).std() > 0


@pytest.mark.parametrize("name", [*ROLES, *DATASETS, *PREPROCESSINGS, *PGD])
def test_every_choice_is_documented(name):
    text = PAGE.read_text(encoding="utf-8")
    assert f"`{name}`" in text or f"{name}=DIR" in text
