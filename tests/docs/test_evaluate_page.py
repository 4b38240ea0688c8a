"""The page on evaluation: its snippets run, and it names every metric, list and public function."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from layermix_gen import BuildSettings, build
from layermix_gen.evaluate.reporting.contents import CALIBRATION
from tests.docs.test_pages import snippets
from tests.evaluate.made_results import make_results

PAGE = Path(__file__).parents[2] / "docs" / "evaluate.md"


def test_the_snippets_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photographs: Path, pool: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = BuildSettings(variants=2, size=16, view_mode="shared")
    build(photographs, "shards", settings, mixing_set=pool, workers=1, progress=False)
    for number, name in enumerate(("baseline", "layermix")):
        make_results(Path("results") / name, seed=number, n_classes=100)
    rng = np.random.default_rng(0)
    given = {
        "model": torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 4)),
        "probabilities": rng.dirichlet(np.ones(4), 200),
        "labels": rng.integers(0, 4, 200),
    }
    made = {}
    for snippet in snippets(PAGE):
        names = dict(given)
        exec(snippet, names)  # noqa: S102
        made |= names
    assert len(made["paths"]) == 5 + 7
    assert all(path.stat().st_size > 0 for path in made["paths"])
    assert all(0 < number < 100 for number in made["numbers"].values())
    assert made["errors"].shape == (5,)
    assert made["mce"].complete
    assert made["loss"].isfinite()
    assert made["logits"].shape == (8, 3, 4)
    assert made["unknown"].shape == (8, 4)


def test_every_metric_is_documented() -> None:
    text = PAGE.read_text(encoding="utf-8")
    heads = [head.split(" (")[0] for head, _ in CALIBRATION.values()]
    metrics = re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE)
    assert [head for head in heads if head not in metrics] == []
    for metric in ("error@1, error@5", "mCE raw", "mCE normalised", "mFP", "mT5D", "PGD", "R"):
        assert metric in metrics
