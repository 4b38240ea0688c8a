"""A few hostile edits of each kind; for long runs see `tests.faults.__main__`."""

from pathlib import Path

from tests.faults.hostile import harness


def test_hostile_edits_are_refused_or_harmless(tmp_path: Path) -> None:
    tally = harness(12, 1, tmp_path)
    assert not tally.failures, str(tally)
    assert sum(tally.tried.values()) >= 25
