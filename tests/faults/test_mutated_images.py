"""A short run of the harness, and what it must notice."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.faults import mutated_images
from tests.faults.mutated_images import MUTATIONS, fault_of, harness, mutated
from tests.images.test_codec import SAMPLES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures its memory by /proc")


def test_no_mutated_file_does_harm(tmp_path: Path) -> None:
    tally = harness(600, 1, tmp_path)
    assert tally.failures == []
    assert set(tally.tried) == {mutation.__name__ for mutation in MUTATIONS}
    assert sum(tally.tried.values()) == 600


def test_the_same_round_is_the_same_file() -> None:
    assert [mutated(3, number) for number in range(50)] == [mutated(3, number) for number in range(50)]
    assert len({mutated(3, number)[1] for number in range(50)}) > 45


def test_what_is_no_image_and_no_bad_image_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter(range(99))
    for decoder, fault in (
        (lambda *_: 1 / 0, "raises ZeroDivisionError: division by zero"),
        (lambda *_: None, "raises LayerMixError: expected an image as a uint8 array"),
        (lambda *_: np.full((1, 1, 3), next(given), np.uint8), "gives (1, 1, 3) "),
    ):
        monkeypatch.setattr(mutated_images, "decode", decoder)
        assert (fault_of(SAMPLES["png"], 1) or "").startswith(fault)
