"""A short run of clocks that jump; `python -m tests.faults clocks --rounds 500` is a long one."""

from pathlib import Path

from tests.faults.clocks import harness


def test_clocks_that_jump_harm_no_build(tmp_path: Path) -> None:
    tally = harness(4, 0, tmp_path)
    assert tally.tried == {"without locks": 2, "with locks": 2}
    assert tally.failures == []
