"""Plots: what is counted, what is expected, and where there is nothing to plot."""

import sys
from collections import Counter
from dataclasses import replace

import duckdb
import numpy as np
import pytest
from PIL import Image as PillowImage

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
    assert counts["blend"] == Counter(row["blends"][0] for row in rows if row["blends"][0])
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


def test_what_is_expected_follows_from_the_settings(squares):
    made = replace(
        squares.manifest, settings=replace(squares.settings, options={"magnitude": 5.0, "ops": ("rotate", "posterize")})
    )
    counts = expected(made, draws=0)
    assert counts["layer"] == dict.fromkeys((1, 2, 3), round(plots.WHOLE / 3))
    assert counts["operation"] == dict.fromkeys(("rotate", "posterize"), plots.WHOLE // 2)
    assert counts["blend"]["add"] == pytest.approx(2 * counts["blend"]["pixel"], abs=2)
    degrees = np.array(list(counts["rotate degrees"].elements()))
    bins = np.histogram(np.abs(degrees), 49, (0.3, 15))[0] / plots.POINTS  # 30 degrees · U(0.1, 5) / 10
    np.testing.assert_allclose(bins, 1 / 49, rtol=0.01)
    assert abs((degrees < 0).mean() - 0.5) < 1e-3
    assert counts["posterize bits"].keys() == {3, 4}
    assert counts["posterize bits"][4] / plots.POINTS == pytest.approx(2.4 / 4.9, abs=1e-3)  # 4 - int(U(0.04, 2))
    cuts = np.array([counts["pixel cut"][cut] for cut in range(257)]) / plots.POINTS
    np.testing.assert_allclose(cuts, 1 / 257, rtol=0.05)
    one, other = counts["add a"], counts["add b"]  # Beta(3, 1) or 2 - Beta(3, 1), and Beta(1, 3) or minus that
    shares = [sum(n for value, n in one.items() if value < bound) / plots.POINTS for bound in (0.5, 1, 1.5)]
    np.testing.assert_allclose(shares, [0.5**4, 0.5, 1 - 0.5**4], atol=1e-3)
    share = sum(n for value, n in other.items() if value > 0.5) / plots.POINTS
    assert share == pytest.approx(0.5**4, abs=1e-3)
    assert counts == expected(made, draws=0)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("layermix", {}),
        ("layermix", {"preset": "released", "covariance": "independent", "blend_covariance": "shared"}),
        (
            "layermix",
            {"layers": {"1": 1, "2": 0, "3": 3}, "blends": {"add": 1, "multiply": 0, "pixel": 2, "element": 0}},
        ),
        ("layermix", {"layers": {"1": 1, "2": 0, "3": 0}}),
        ("augmix", {"all_ops": True}),
        ("pixmix", {}),
        ("ipmix", {}),
        ("trivialaugment", {}),
    ],
)
def test_what_is_expected_is_what_the_method_draws(method, options, squares, monkeypatch):
    """By panels, values and shares: no sampler is missing, and none that plays no part."""
    monkeypatch.setattr(plots, "POINTS", 4096)
    settings = BuildSettings(method=method, options=options).resolve(32)
    made = replace(squares.manifest, settings=settings)
    known, drawn = expected(made, draws=4000), plots._drawn(made, 4000)
    assert known.keys() - {"layer", "operation", "blend"} == drawn.keys()
    for panel, counts in drawn.items():
        low, high = min(*counts, *known[panel]), max(*counts, *known[panel])
        totals = known[panel].total(), counts.total()
        shares = [
            np.histogram(list(found), 6, (low, high + 1e-9), weights=np.array(list(found.values())) / total)[0]
            for found, total in zip((known[panel], counts), totals, strict=True)
        ]
        noise = 5 * np.sqrt(shares[0] / counts.total()) + 5 / counts.total() + 4e-3
        assert (np.abs(shares[0] - shares[1]) < noise).all(), panel


def test_a_plot(squares, tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "POINTS", 4096)
    first, second = (plot(squares, tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second
    with PillowImage.open(tmp_path / "a.png") as drawn:
        assert drawn.format == "PNG"
        assert drawn.width == 1920
        colours = {colour for _, colour in drawn.convert("RGB").getcolors(1 << 24)}
    assert {(255, 255, 255), (0xB3, 0xC4, 0xE3)} <= colours


def test_the_operations_of_the_other_preset(tmp_path, digits, pool, monkeypatch):
    monkeypatch.setattr(plots, "POINTS", 4096)
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
