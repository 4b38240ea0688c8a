"""What a build leaves out, and what of it stays in memory."""

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from layermix_gen import BuildSettings, build
from layermix_gen.building.shard_inputs import ShardInputs
from layermix_gen.errors import BadImage

SMALL = BuildSettings(size=8, method="none", variants=1)


class Held:
    """What a source has read of an image before it finds it broken."""


def test_what_was_read_of_broken_images_is_not_kept(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that is kept has its traceback, and so the bytes of the file and the pixels so far."""
    held: list[weakref.ref[Held]] = []
    read = ShardInputs.read

    def broken(inputs: ShardInputs, position: int) -> Any:
        if position % 2:
            return read(inputs, position)
        part = Held()
        held.append(weakref.ref(part))
        raise BadImage("broken")

    monkeypatch.setattr(ShardInputs, "read", broken)
    gc.collect()
    gc.disable()
    try:
        manifest = build(photographs, tmp_path / "out", SMALL, workers=1, progress=False, max_errors=1000)
        assert manifest.skipped == len(held) > 10
        assert not [one for one in held if one() is not None]
    finally:
        gc.enable()
