"""docs/scale.md is held to benchmarks/scale.py: its table is what the script computes from the rates that it names."""

import json
import re
import sys
from functools import partial
from pathlib import Path

import pytest

from layermix_gen.building import planning
from layermix_gen.mixing_sets.provision import resolve_mixing_set

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text("utf-8")
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT / "benchmarks")
    import scale

RATES = scale.Rates(**json.loads(re.findall(r"^ {4}(\{.*?\})$", PAGE, re.MULTILINE)[0]))
DATASET, PRICES = scale.Dataset(), scale.Prices()


def test_the_table_is_that_of_the_script() -> None:
    assert scale.table(DATASET, RATES, PRICES, [1, 16, 256]) in PAGE, "run: python benchmarks/scale.py --rates ..."


def test_prices_are_those_of_the_script() -> None:
    for name, value in (("core_hour", "0.05"), ("put_1000", "0.005"), ("get_1000", "0.0004"), ("gb_month", "0.023")):
        assert getattr(PRICES, name) == float(value)
        assert f"{value} " in PAGE
        assert f"`--{name.replace('_', '-')}`" in PAGE
    assert f"`--pages-per-second {PRICES.pages_per_second:g}`" in PAGE
    assert (f"{PRICES.gets_per_second:,.0f} GET" in PAGE, f"{PRICES.puts_per_second:,.0f} PUT" in PAGE) == (True, True)


@pytest.mark.parametrize(
    ("images", "shard_images", "cores", "building", "used", "held"),
    [
        (1000, 100, 1, 90.0, 90.0, 100.0),  # 9 planes at 100 images a second, listed in 10 s
        (1000, 100, 10, 9.0, 90.0, 190.0),
        (1000, 100, 4, 27.0, 90.0, 148.0),  # three rounds, the last with two shards
        (1000, 100, 99, 9.0, 90.0, 99 * 19.0),  # most have nothing to do
    ],
)
def test_the_core_with_the_most_shards_ends_last(
    images: int, shard_images: int, cores: int, building: float, used: float, held: float
) -> None:
    rates = scale.Rates(100.0, 1000.0, 100.0, 1000.0, 1e9)
    column = scale.column(scale.Dataset(images, 1000, 8, shard_images), rates, scale.Prices(), cores)
    assert column["building"] == f"{building:.0f} s"
    assert column["core hours, at work and held"] == f"{used / 3600:.1f}, {held / 3600:.1f}"


@pytest.mark.parametrize(("megabytes", "of_tar"), [(1, 1), (30, 1), (40, 2 + 3), (256, 2 + 16)])
def test_requests_that_write_a_shard(megabytes: int, of_tar: int) -> None:
    rates = scale.Rates(1.0, megabytes * 1e6 / 100, 1.0, 1.0, 1.0)
    assert scale.puts(scale.Dataset(1000, 1, 1, 100), rates) == 10 * (2 * of_tar + 1)


def test_a_short_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(planning, "resolve_mixing_set", partial(resolve_mixing_set, count=2))
    monkeypatch.setattr(sys, "argv", ["scale.py", str(tmp_path), "--count", "4", "--rounds", "1", "--cores", "8"])
    scale.main()
    first, _, head, *_ = capsys.readouterr().out.splitlines()
    assert min(json.loads(first).values()) > 0
    assert head == "| | 8 cores |"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("images", "classes", "pages"), [(5, 1, 2), (1000, 1, 2), (1001, 1, 3), (2400, 2, 5), (5, 5, 6)]
)
def test_a_bucket_is_listed_class_by_class(images: int, classes: int, pages: int) -> None:
    assert scale.Dataset(images, classes=classes).pages == pages
