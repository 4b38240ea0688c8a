"""A short run of the races; `python -m tests.faults races --rounds 500` is a long one."""

from pathlib import Path

from tests.faults.races import harness


def test_each_race_once(tmp_path: Path) -> None:
    tally = harness(7, 0, tmp_path)
    assert len(tally.tried) == 7
    assert tally.failures == []
