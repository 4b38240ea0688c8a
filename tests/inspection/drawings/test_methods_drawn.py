"""Datasets of every method can be looked at: summary, plot, tree, sheet and gallery show what the method has."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from layermix_gen import BuildSettings, build, open_shards
from layermix_gen.inspection.drawings import recipe_plots
from layermix_gen.inspection.drawings.recipe_figure import compose
from layermix_gen.inspection.drawings.recipe_plots import expected, observed
from layermix_gen.inspection.shards import Shards
from layermix_gen.mixing.methods import METHODS
from tests.inspection.built import verify

PLOTTED = ("cutmix", "autoaugment", "ipmix")  # without operations, without blends, with both
DRAWING = [name for name in METHODS if name != "none"]


@pytest.fixture(scope="module", params=DRAWING)
def dataset(
    request: pytest.FixtureRequest, digits: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory
) -> Shards:
    """Digits in 4 variants of a method."""
    method, root = METHODS[request.param], tmp_path_factory.mktemp("of-a-method") / "shards"
    settings = BuildSettings(variants=4, method=method.name)
    build(digits, root, settings, mixing_set=pool if method.mixes_pictures else None, workers=1, progress=False)
    return open_shards(root)


def test_the_counts_are_those_that_the_method_draws(dataset: Shards) -> None:
    summary, text = dataset.summary(), str(dataset.summary())
    variants = dataset.query("variant >= 0")
    for comparison, column in ((summary.ops, "ops"), (summary.blends, "blends")):
        counts = {one.name: one.count for one in comparison.frequencies}
        assert sum(counts.values()) == sum(row[column][0] != "" for row in variants)
        assert not comparison.is_remarkable
    assert "as the settings draw them; chi-square" in text
    assert ("layer" in text) == (dataset.settings.method == "layermix")


def test_all_is_rendered_again(dataset: Shards) -> None:
    assert verify(Path(dataset.location), replay=0.2) == []


@pytest.mark.parametrize("dataset", PLOTTED, indirect=True)
def test_it_is_plotted_where_nothing_is_cut(dataset: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, wanted = observed(dataset.index, dataset.manifest), expected(dataset.manifest, 500)
    axes = compose(counts, wanted, ("", "")).axes
    assert len(axes) == len(counts.keys() | wanted.keys())
    places = {tuple(np.round(one.get_position().bounds, 4)) for one in axes}
    assert len(places) == len(axes)  # no panel lies on another
    if dataset.settings.method == "cutmix":
        monkeypatch.setattr(recipe_plots, "DRAWS", 500)
        assert dataset.plot(tmp_path / "plot.png").stat().st_size > 10_000


def test_samples_are_explained_and_listed(dataset: Shards, tmp_path: Path) -> None:
    rows = dataset.query("recipe <> 'image'", limit=1)
    assert rows
    for row in rows:
        assert dataset.explain(row["key"], tmp_path / "tree.png").stat().st_size > 5_000
        replay = dataset.replay(row)
        assert np.array_equal(replay.pixels, dataset.pixels(row))
        assert (replay.other is not None) == bool(row["other"])
    assert dataset.sheet(tmp_path / "sheet.png", limit=2).stat().st_size > 5_000
    page = dataset.gallery(tmp_path / "gallery.html", limit=2).read_text(encoding="utf-8")
    found = re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.DOTALL)
    facts = json.loads(found[1]) if found else {}
    shown = dataset.query(limit=2)
    assert facts["columns"]["other"] == [row["other"] for row in shown]
    assert facts["columns"]["ops"] == [list(dict.fromkeys(op for op in row["ops"] if op)) for row in shown]
