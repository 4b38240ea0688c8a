"""Builds of one partition take turns in a folder, and those of other partitions work together."""

import threading
from functools import partial
from pathlib import Path

import pytest

from layermix_gen import BuildSettings, build
from layermix_gen.building import builder
from layermix_gen.support.locks import Lock
from tests.helpers import files, snapshot


def test_a_build_waits_for_an_equal_one_alone(
    photographs: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, said, waits = tmp_path / "out", [], threading.Event()
    root.mkdir()

    def say(line: str) -> None:
        said.append(line)
        waits.set()

    monkeypatch.setattr(builder, "say", say)
    settings = BuildSettings(variants=1, size=8, shard_size="8")
    building = partial(build, photographs, root, settings, mixing_set=pool, workers=1)
    equal = Lock(root / ".lock-0-2")
    assert equal.take()
    second = threading.Thread(target=building, kwargs={"partition": (0, 2)})
    second.start()
    assert waits.wait(60)
    assert not list(root.glob("*/*.tar"))
    assert building(partition=(1, 2), progress=False).shards_finished == 1  # another one does not wait
    equal.leave()
    second.join(60)
    assert said == [f"another process builds the same shards of {root}; waiting until it has ended"]
    assert {"dataset.json", "v00/000002.tar"} <= set(files(root))
    before = snapshot(root)
    assert building(progress=False).complete
    assert snapshot(root) == before
    assert [name for name in files(root) if "lock" in name] == []
