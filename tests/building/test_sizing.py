"""How many samples fit a bound: compared with sums of drawn sizes that are even, skewed, or of two kinds."""

from pathlib import Path

import numpy as np
import pytest

from layermix_gen.building import sizing
from layermix_gen.building.sizing import SAMPLE, samples_within
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.dataset.tar import END
from layermix_gen.images.codec import Encoding, encode
from layermix_gen.sources import open_source
from tests.sources.tars.written_tars import png, write

SIZES = {
    "equal": lambda rng, shape: np.full(shape, 3072),
    "even": lambda rng, shape: rng.integers(2048, 4096, shape),
    "skewed": lambda rng, shape: 1536 + rng.exponential(4000, shape).astype(int),
    "of two kinds": lambda rng, shape: rng.choice([2048, 20480], shape, p=[0.9, 0.1]),
}


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("number", [3, 30, 300])
def test_sums_stay_within_the_bound(kind: str, number: int) -> None:
    """Twenty datasets of 500 shards, each sized by a sample of its own."""
    rng, mean = np.random.default_rng(0), SIZES[kind](np.random.default_rng(1), 10_000).mean()
    bound = int(number * mean) + END
    for _ in range(20):
        found = samples_within(bound, SIZES[kind](rng, SAMPLE).tolist())
        assert SIZES[kind](rng, (500, found)).sum(1).max() + END <= bound or found == 1


def test_little_is_given_away() -> None:
    rng = np.random.default_rng(0)
    assert samples_within(3072 * 100 + END, [3072] * SAMPLE) == 100
    assert samples_within(3072 * 100 + END - 1, [3072] * SAMPLE) == 99
    even = SIZES["even"](rng, SAMPLE).tolist()
    assert samples_within(3_072_000, even) > 900
    assert samples_within(100, even) == 1  # a tar holds one sample at least


def test_the_allowances_by_hand() -> None:
    """16 sizes of mean 1000 and deviation 400: 1300 is the mean allowed for, (4/13)^2 the squared variation.

    For n = 100 the factor is (1 - v / 900 + 5 sqrt(v / 900))^3 = 1.16166, so 100 samples take 151,016 bytes.
    """
    sizes = [600, 1400] * 8
    needed = 100 * 1300 * (1 - (4 / 13) ** 2 / 900 + 5 * (4 / 13) / 30) ** 3
    assert needed == pytest.approx(151_000, rel=0.01)
    assert needed > 140_000  # so that 100 times the largest is less, which decides
    assert samples_within(140_000 + END, sizes) == 100
    assert samples_within(140_000 + END - 1, sizes) == 99
    more = [*sizes, 10_000]  # one large size: now the quantile decides
    assert samples_within(151_000 + END, more) < 80


@pytest.mark.parametrize(("bound", "measured"), [("2GB", False), ("800KB", False), ("600KB", True), ("4KB", True)])
def test_a_dataset_is_measured_unless_all_samples_would_fit(
    bound: str, measured: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine samples of at most 4 * 3072 + 65536 bytes, which take 2000 bytes in fact."""
    source = open_source(write(tmp_path / "0.tar", {f"{number}.png": png() for number in range(9)}))
    calls: list[int] = []
    monkeypatch.setattr(sizing, "_sizes_of_planes", lambda *_: calls.append(1) or [[2000] * SAMPLE])
    settings = BuildSettings(size=32, method="none", shard_size=bound).resolve(None)
    assert sizing.planned_shards(source, source.items(), settings) == (9 if bound == "4KB" else 1)
    assert bool(calls) == measured


@pytest.mark.parametrize("encoding", [Encoding("png"), Encoding("jpg", 100), Encoding("webp", 100)], ids=str)
def test_no_image_takes_more_bytes_than_are_assumed(encoding: Encoding) -> None:
    for levels in (2, 256):
        noise = np.random.default_rng(0).integers(0, levels, (64, 64, 3), np.uint8) * np.uint8(255 // (levels - 1))
        assert len(encode(noise, encoding)) < sizing.LARGEST_VALUE * noise.size


def test_measuring_lists_no_source_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker process measures under a limit of CPU time, which the listing of large tars would use up."""
    source = open_source(write(tmp_path / "0.tar", {f"{name}.png": png() for name in "ab"} | {"a.cls": b"cat"}))
    items, classes = source.items(), source.classes
    again = open_source(source.location)
    monkeypatch.setattr(type(again), "items", lambda _: pytest.fail("listed"))
    settings = BuildSettings(size=32, method="none").resolve(None)
    sizes = list(sizing._measured(again, items, classes, settings))
    assert [len(one) for one in sizes] == [1, 1]
