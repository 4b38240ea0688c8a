"""Estimates: figures worked out by hand, and times by a clock that the test sets."""

from dataclasses import replace
from pathlib import Path

import pytest

from layermix_gen import BuildSettings, estimate
from layermix_gen.building import estimator
from layermix_gen.building.estimator import Estimate
from layermix_gen.sources.labels import LabelCounts
from layermix_gen.support.text import duration

LARGE = Estimate(
    inputs=1000,
    planes=5,
    images=5000,
    shards=7,
    own_shards=7,
    bytes=50_000_000,
    core_seconds=7000.0,
    workers=32,
    fractal_seconds=640.0,
)


def test_a_summary_by_hand() -> None:
    """7 shards of 1000 s each keep 7 of 32 workers at work, for the time of one shard."""
    assert LARGE.summary().splitlines() == [
        "samples     1000 inputs x 5 planes = 5000 images",
        "shards      7, each of about 143 samples a plane",
        "size        50.0 MB, 10000 bytes an image",
        "mixing set  384 fractals, rendered before that in about 20 s",
        "time        16.7 minutes on 7 workers, 5 images/s",
        "core hours  1.94",
    ]


@pytest.mark.parametrize(
    ("workers", "own", "seconds", "reason"),
    [
        (1, 7, 7000, "one worker builds all"),
        (2, 7, 4000, "one of two builds four shards"),
        (3, 7, 3000, "one of three builds three"),
        (7, 7, 1000, "one each"),
        (32, 7, 1000, "no shard is shared"),
        (32, 2, 1000, "a partition of two shards"),
        (1, 2, 2000, "a partition of two shards, one after the other"),
        (4, 0, 0, "a partition without a shard"),
    ],
)
def test_the_longest_worker_decides(workers: int, own: int, seconds: float, reason: str) -> None:
    changed = replace(LARGE, workers=workers, own_shards=own)
    assert changed.seconds == seconds, reason
    assert f"time        {duration(seconds)} on " in changed.summary()


def test_little_work_is_told_in_seconds() -> None:
    small = replace(LARGE, core_seconds=9.0, workers=2, fractal_seconds=0.0)
    assert small.summary().splitlines()[3:] == [
        "time        5.1 s on 2 workers, 972 images/s",
        "core hours  0.0025 (9.0 s)",
    ]
    assert "time        1.3 s on 2 workers for 2 of 7 shards, 1111 images/s" in replace(small, own_shards=2).summary()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (9.9, "9.9 s"),
        (95, "95 s"),
        (119.4, "119 s"),
        (120, "2.0 minutes"),
        (7199, "120.0 minutes"),
        (7200, "2.0 hours"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_an_estimate_by_a_clock_of_its_own(
    many: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each image takes 2 s by this clock: 400 images take 800 s, and 400 s on two workers with 10 shards."""
    now = [0.0]
    monkeypatch.setattr(estimator.time, "perf_counter", lambda: now[0])  # type: ignore[attr-defined]
    measured = estimator.sample_bytes  # type: ignore[attr-defined]

    def slow(source, items, *rest, **options):
        now[0] += 2.0 * len(items)
        return [[3000, 5000] for _ in measured(source, items, *rest, **options)]

    monkeypatch.setattr(estimator, "sample_bytes", slow)
    settings = BuildSettings(size=16, variants=1, shard_size="40")
    found = estimate(many, tmp_path / "out", settings, mixing_set=pool, workers=2)
    labels, form = LabelCounts(400, 400, 4), "16 px, pad-crop views, independent, as png"
    assert found == Estimate(400, 2, 800, 10, 10, 800 * 4000, 800.0, 2, labels=labels, form=form)
    assert "labels      400 labelled images in 4 classes\n" in found.summary()
    assert f"form        {form}\n" in found.summary()
    assert found.seconds == 400
    with monkeypatch.context() as patch:
        patch.setattr(estimator, "sample_bytes", lambda *_, **__: [])
        assert estimate(many, tmp_path / "out", settings, mixing_set=pool).bytes == 800 * 4096
