"""A short run of the harness of kills."""

from pathlib import Path

import pytest

from tests.faults.kills import harness


@pytest.mark.long
def test_what_was_killed_is_resumed(tmp_path: Path) -> None:
    tally = harness(3, 0, tmp_path)
    assert sum(tally.tried.values()) == 3
    assert tally.failures == []
