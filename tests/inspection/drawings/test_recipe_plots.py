"""Plots: what is counted, what is expected, and where there is nothing to plot."""

import sys
from collections import Counter
from dataclasses import replace

import duckdb
import numpy as np
import pytest
from PIL import Image as PillowImage
from scipy import stats

from layermix_gen import BuildSettings, LayerMixError, build, open_shards
from layermix_gen.inspection.drawings import recipe_plots as plots
from layermix_gen.inspection.drawings.recipe_figure import compose, pictured
from layermix_gen.inspection.drawings.recipe_plots import expected, observed, plot
from layermix_gen.mixing.operations import DEFAULT_OPERATIONS

MISSING = r"^expected Matplotlib for plots, found none; pip install 'layermix-gen\[plots\]'$"


def built(root, source, pool, **settings):
    build(source, root, BuildSettings(**settings), mixing_set=pool, workers=1, progress=False)
    return open_shards(root)


def test_counts_are_those_of_the_rows(squares):
    rows = squares.query("layer > 0")
    counts = observed(squares.index, squares.manifest)
    assert counts["layer"] == Counter(row["layer"] for row in rows)
    assert counts["operation"] == Counter(row["op"] for row in rows)
    assert counts["blend"] == Counter(blend for row in rows for blend in row["blends"] if blend)
    degrees = Counter(value for row in rows if row["op"] == "rotate" for value in row["op_args"][: row["layer"]])
    assert counts["rotate degrees"] == degrees
    pairs = [(row["blends"][i], *row["blend_args"][2 * i : 2 * i + 2]) for row in rows for i in range(2)]
    assert counts["add a"] == Counter(a for blend, a, _ in pairs if blend == "add")
    assert counts["multiply b"] == Counter(b for blend, _, b in pairs if blend == "multiply")
    assert counts["element cut"] == Counter(cut for blend, cut, _ in pairs if blend == "element")
    assert not any(name.endswith("seed") for name in counts)
    assert "equalize" not in " ".join(counts)


@pytest.mark.parametrize(("column", "value"), [("ops", "['add', '', '']"), ("blends", "['nan', '']")])
def test_an_index_with_unknown_names_is_refused(column, value, squares, tmp_path):
    path = tmp_path / "000000.parquet"
    with duckdb.connect() as db:
        changed = f"SELECT * REPLACE ({value} AS {column}) FROM '{squares.index[0]}'"  # noqa: S608 - values of this test
        db.execute(f"COPY ({changed}) TO '{path}' (FORMAT parquet)")
    name = value.strip("[]").split("'")[1]
    with pytest.raises(
        LayerMixError, match=f"^expected operations and blends in .*, found '{name}'; restore the index"
    ):
        observed([path], squares.manifest)


def test_expected_counts_are_drawn_with_the_settings(squares):
    made = replace(
        squares.manifest, settings=replace(squares.settings, options={"magnitude": 5.0, "ops": ("rotate", "posterize")})
    )
    counts = expected(made, draws=4000)
    assert counts["layer"].total() == counts["operation"].total() == 4000
    assert set(counts["operation"]) == {"rotate", "posterize"}
    degrees = np.array(list(counts["rotate degrees"].elements()))
    assert stats.kstest(np.abs(degrees), "uniform", (0.3, 14.7)).pvalue > 1e-3  # 30 degrees · U(0.1, 5) / 10
    assert set(counts["posterize bits"]) == {3, 4}
    assert counts["pixel cut"].keys() <= set(range(257))
    assert counts == expected(made, draws=4000)


def test_a_plot(squares, tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "DRAWS", 5000)
    first, second = (plot(squares, tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second
    with PillowImage.open(tmp_path / "a.png") as drawn:
        assert drawn.format == "PNG"
        assert drawn.width == 1920
        colours = {colour for _, colour in drawn.convert("RGB").getcolors(1 << 24)}
    assert {(255, 255, 255), (0xB3, 0xC4, 0xE3)} <= colours


def test_the_operations_of_the_other_preset(tmp_path, digits, pool):
    shards = built(tmp_path / "shards", digits, pool, variants=1, options={"preset": "released"}, clean=False)
    counts = expected(shards.manifest, draws=2000)
    assert set(counts["operation"]) == set(DEFAULT_OPERATIONS["released"])
    assert counts["solarize_increasing threshold"][0.0] > 0
    assert pictured(compose(observed(shards.index, shards.manifest), counts, ("", ""))).width == 1920


def test_nothing_to_plot(tmp_path, digits, squares, monkeypatch):
    shards = built(tmp_path / "clean", digits, None, variants=0)
    with pytest.raises(LayerMixError, match="expected variants that were drawn in"):
        plot(shards, tmp_path / "plot.png")
    for name in ("layermix_gen.figures.style", "layermix_gen.inspection.drawings.recipe_figure"):
        monkeypatch.delitem(sys.modules, name, raising=False)  # else it need not be imported again
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    with pytest.raises(LayerMixError, match=MISSING):
        plot(squares, tmp_path / "plot.png")
    assert not (tmp_path / "plot.png").exists()
