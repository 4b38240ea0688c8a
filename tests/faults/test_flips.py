"""A short run of the flips: some bytes of every file."""

from pathlib import Path

from tests.faults.flips import harness


def test_no_flipped_bit_goes_unnoticed(tmp_path: Path) -> None:
    tally = harness(36, 0, tmp_path)
    assert {"tar", "index", "dataset.json", "plan.json", "sources.parquet", "sizes.json"} <= tally.tried.keys()
    assert tally.failures == []
