"""A short run of the harness of object stores."""

from pathlib import Path

import pytest

from tests.faults.object_stores import harness


@pytest.mark.long
def test_what_was_killed_in_a_store_is_resumed(tmp_path: Path) -> None:
    tally = harness(2, 0, tmp_path)
    assert sum(tally.tried.values()) == 2
    assert tally.failures == []
