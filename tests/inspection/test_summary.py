"""The summary: counts by a second route, expected shares from the settings, and a mark on what deviates."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chi2, chisquare

from layermix_gen import BuildSettings, open_shards
from layermix_gen.inspection.statistics import chi_square_p, compare
from layermix_gen.mixing.methods import METHODS
from tests.helpers import build as run_build
from tests.helpers import edit_manifest, invoke, rows
from tests.inspection.built import Built
from tests.strategies import steady

# --- what is to be expected ------------------------------------------------------------------------------------------

SETTINGS = [
    BuildSettings(),
    BuildSettings(options={"preset": "released", "magnitude": 3}),
    BuildSettings(options={"ops": ("rotate", "solarize", "invert")}),
    BuildSettings(options={"ops": ("mirror",)}),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.mixing)
def test_shares_are_those_of_what_is_drawn(settings: BuildSettings) -> None:
    """6,000 draws differ from the shares no more than chance makes them."""
    drawing = settings.resolve(32).drawing(5, 40)
    shares, rng = METHODS["layermix"].shares(drawing), np.random.default_rng(1)
    drawn = [METHODS["layermix"].draw(rng, drawing) for _ in range(6000)]
    for expected, found in (
        (shares.layers, [recipe.layer for recipe in drawn]),
        (shares.ops, [recipe.op for recipe in drawn]),
        (shares.blends, [blend for recipe in drawn for blend in recipe.blends]),
    ):
        assert math.isclose(sum(expected.values()), 1)
        assert set(found) == set(expected)
        assert compare({name: found.count(name) for name in expected}, expected).p > 1e-3  # type: ignore[arg-type]


def test_shares_by_hand() -> None:
    shares = METHODS["layermix"].shares(BuildSettings(options={"ops": ("rotate", "solarize", "invert")}).drawing(1, 0))
    assert shares.layers == pytest.approx({1: 1 / 3, 2: 1 / 3, 3: 1 / 3})
    assert shares.ops == pytest.approx({"rotate": 1 / 3, "solarize": 1 / 3, "invert": 1 / 3})
    assert shares.blends == pytest.approx({"add": 1 / 3, "multiply": 1 / 3, "pixel": 1 / 6, "element": 1 / 6})
    assert METHODS["none"].shares(BuildSettings(method="none").drawing(0, 0)).ops == {}


# --- comparisons -----------------------------------------------------------------------------------------------------


@steady()
@given(st.floats(0, 400), st.integers(1, 30))
def test_p_is_scipys(statistic: float, freedom: int) -> None:
    assert chi_square_p(statistic, freedom) == pytest.approx(chi2.sf(statistic, freedom), rel=1e-9, abs=1e-300)


@steady()
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 9)), min_size=2, max_size=12))
def test_a_comparison_is_scipys(frequencies: list[tuple[int, int]]) -> None:
    counts = {name: count for name, (count, _) in enumerate(frequencies)}
    weights = sum(weight for _, weight in frequencies)
    expected = {name: weight / weights for name, (_, weight) in enumerate(frequencies)}
    found, total = compare(counts, expected), sum(counts.values())
    if not total:
        assert found.p == 1
        return
    means = [share * total for share in expected.values()]
    assert found.p == pytest.approx(chisquare(list(counts.values()), means).pvalue, rel=1e-6, abs=1e-300)
    for frequency in found.frequencies:
        law = binom(total, expected[frequency.name])  # type: ignore[index]
        assert frequency.share == frequency.count / total
        assert frequency.z == pytest.approx((frequency.count - law.mean()) / law.std())


def test_what_was_never_to_be_drawn_is_remarkable() -> None:
    found = compare({"a": 100, "x": 1}, {"a": 1.0})
    assert [(frequency.name, frequency.z) for frequency in found.frequencies] == [("a", -math.inf), ("x", math.inf)]
    assert found.is_remarkable
    assert not compare({"a": 100}, {"a": 1.0}).is_remarkable


# --- the whole -------------------------------------------------------------------------------------------------------


def test_counts_and_sizes_are_those_of_the_rows(large: Built) -> None:
    summary, everything = large.open().summary(), rows(large.root)
    variants = [row for row in everything if row["layer"]]
    assert summary.labels == {label: 75 if label < 2 else 74 for label in range(7)}
    for frequencies, of_rows in (
        (summary.layers.frequencies, [row["layer"] for row in variants]),
        (summary.ops.frequencies, [row["op"] for row in variants]),
        (summary.blends.frequencies, [row["blends"][0] for row in variants if row["blends"][0]]),
    ):
        assert {frequency.name: frequency.count for frequency in frequencies} == {
            name: of_rows.count(name) for name in set(of_rows)
        }

    def mean(sizes: list[int]) -> float:
        return pytest.approx(sum(sizes) / len(sizes))  # type: ignore[return-value]

    assert summary.layer_sizes == {
        layer: mean([row["size"] for row in everything if row["layer"] == layer]) for layer in range(4)
    }
    assert summary.op_sizes["rotate"] == mean([row["size"] for row in variants if row["op"] == "rotate"])
    assert summary.blend_sizes[2]["add"] == mean(
        [row["size"] for row in variants if row["layer"] == 2 and row["blends"][0] == "add"]
    )
    assert not any(test.is_remarkable for test in (summary.layers, summary.ops, summary.blends))


def test_the_command_prints_one_screen(large: Built, small: Built) -> None:
    result = invoke("inspect", large.root)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) <= 35
    assert max(map(len, lines)) <= 110
    assert f"digest      {large.manifest.digest}" in lines
    assert any(line.startswith("images      2600: 520 in 5 planes (clean v00 v01 v02 v03)") for line in lines)
    assert any(line.startswith("classes     7 of 74 (2) to 75 (0) images") for line in lines)
    assert lines[-1].startswith("as the settings draw them; chi-square: layers p = ")
    lines = invoke("inspect", small.root).stdout.splitlines()
    assert "skipped     1 not an image" in lines
    assert "classes     4 of 6 images" in lines


def test_a_deviation_is_marked(large: Built, photographs, tmp_path) -> None:
    """The index and the settings disagree, as in a dataset that was put together from others."""
    copy = large.copy(tmp_path / "copy")
    edit_manifest(copy, lambda value: value["settings"]["options"]["ops"].remove("equalize"))
    text = str(open_shards(copy).summary())
    (line,) = [line for line in text.splitlines() if line.startswith("equalize")]
    assert line.split()[2:4] == ["0.0%", "+inf!"]
    assert text.splitlines()[-1].startswith("operations NOT as the settings draw them; chi-square: ")


def test_a_dataset_without_mixing_has_no_distribution(photographs, tmp_path) -> None:
    run_build(photographs, tmp_path / "out", "--method", "none", "--size", 16, "--variants", 1, "--no-clean")
    lines = invoke("inspect", tmp_path / "out").stdout.splitlines()
    assert lines[-1] == "method      none, seed 0"
    assert not any(line.startswith("mixing set") for line in lines)


@pytest.mark.parametrize("method", ["mixup", "augmix"])
def test_a_dataset_without_variants_has_no_distribution(method: str, photographs, tmp_path) -> None:
    run_build(photographs, tmp_path / "out", "--variants", 0, "--size", 16, "--method", method)
    lines = invoke("inspect", tmp_path / "out").stdout.splitlines()
    assert lines[-1].split(maxsplit=1) == ["method", f"{method}, seed 0"]
