"""Builds of partitions that overlap take turns in a folder, and those of others work together."""

import threading
from functools import partial
from pathlib import Path

import pytest

from layermix_gen import BuildSettings, build
from layermix_gen.building import build_run
from layermix_gen.support.locks import Lock
from tests.helpers import files, snapshot


@pytest.mark.parametrize("held", [".lock-0-2", ".lock-0-1", ".lock-2-3", ".lock-6-8"])
def test_a_build_waits_for_those_that_build_the_same_shards(
    held: str, photographs: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, said, waits = tmp_path / "out", [], threading.Event()
    root.mkdir()

    def say(line: str) -> None:
        said.append(line)
        waits.set()

    monkeypatch.setattr(build_run, "say", say)
    settings = BuildSettings(variants=1, size=8, shard_size="8")
    building = partial(build, photographs, root, settings, mixing_set=pool, workers=1)
    other = Lock(root / held)
    assert other.take()
    second = threading.Thread(target=building, kwargs={"partition": (0, 2)})
    second.start()
    assert waits.wait(60)
    assert not list(root.glob("*/*.tar"))
    if held.endswith(("-2", "-8")):  # another one does not wait
        assert building(partition=(1, 2), progress=False).shards_finished == 1
    other.leave()
    second.join(60)
    assert said == [f"another process builds shards of {root} that are of this partition; waiting until it has ended"]
    assert {"v00/000000.tar", "v00/000002.tar"} <= set(files(root))
    assert building(progress=False).complete
    before = snapshot(root)
    assert building(progress=False).complete
    assert snapshot(root) == before
    assert [name for name in files(root) if "lock" in name] == []


def test_no_image_is_built_twice_by_builds_that_overlap(photographs: Path, pool: Path, tmp_path: Path) -> None:
    root, made = tmp_path / "out", []
    settings = BuildSettings(variants=1, size=8, shard_size="2")

    def building(partition: tuple[int, int]) -> None:
        made.append(
            build(
                photographs,
                root,
                settings,
                mixing_set=pool,
                workers=1,
                partition=partition,
                progress=False,
            )
        )

    threads = [threading.Thread(target=building, args=[share]) for share in ((0, 1), (0, 2), (1, 3), (5, 6), (3, 4))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(manifest.run.images for manifest in made) == 48
    assert [name for name in files(root) if "lock" in name] == []
