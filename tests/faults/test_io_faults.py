"""A short run of faults of the system's calls; `python -m tests.faults io_faults --rounds 500` is a long one."""

import shutil
from pathlib import Path

import pytest

from tests.faults.io_faults import harness


@pytest.mark.skipif(shutil.which("cc") is None, reason="the faults are injected by a library in C")
def test_some_of_each_kind(tmp_path: Path) -> None:
    tally = harness(6, 0, tmp_path)
    assert sum(tally.tried.values()) == 6
    assert any(kind.endswith("stopped") for kind in tally.tried)
    assert tally.failures == []
