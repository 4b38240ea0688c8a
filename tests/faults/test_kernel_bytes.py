"""A short run of the harness, and what it must notice."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layermix_gen.kernels import programs
from layermix_gen.mixing.methods.layermix import PRESETS
from tests.faults import kernel_bytes
from tests.faults.kernel_bytes import OTHER_METHODS, harness


def test_kernels_have_the_bytes_of_numpy(tmp_path: Path) -> None:
    tally = harness(900, 1, tmp_path)
    assert tally.failures == []
    assert [tally.tried.pop(kind) for kind in ("hostile", "view", *PRESETS)] == [300, 150, 150, 150]
    assert {*tally.tried} == {*OTHER_METHODS}
    assert sum(tally.tried.values()) == 150


def test_other_bytes_and_bytes_beside_the_result_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = programs.run

    def changed(*arguments: Any) -> None:
        run(*arguments)
        np.invert(arguments[-1], out=arguments[-1])

    monkeypatch.setattr(programs, "run", changed)
    monkeypatch.setattr(kernel_bytes, "KINDS_OF_ROUNDS", ["paper"])
    assert "differs in" in harness(1, 1, tmp_path).failures[0]

    def beside(*arguments: Any) -> None:
        run(*arguments)
        arguments[-1].base[-1] = 0

    monkeypatch.setattr(programs, "run", beside)
    assert "writes beside its result" in harness(1, 1, tmp_path).failures[0]
