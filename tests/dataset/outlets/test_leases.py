"""Two processes in one place: leases exclude each other, and the dead keep none."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest

from layermix_gen import LayerMixError, open_shards
from layermix_gen.dataset.outlets import holders, leases
from layermix_gen.dataset.outlets.leases import ALONE, Claim, Lease
from layermix_gen.dataset.outlets.object_store import ObjectStore
from tests.dataset.outlets.stored import MEMORY, SETTINGS, built, differs
from tests.helpers import start, wait_until, without_start
from tests.servers import objects


def test_leases_exclude_each_other(memory: str) -> None:
    held = ObjectStore(memory)
    one, two, three = Lease(held), Lease(held), Lease(held)
    assert one.take(ALONE) == []
    assert two.take(Claim("a")) == [ALONE]
    one.convert(Claim("a", 0, 2))
    assert one.others() == []
    assert two.take(Claim("b", 1, 2)) == [Claim("a", 0, 2)]
    assert two.take(Claim("a", 2, 4)) == [Claim("a", 0, 2)]
    assert two.take(Claim("a", 1, 2)) == []
    assert three.take(ALONE) in ([Claim("a", 0, 2), Claim("a", 1, 2)], [Claim("a", 1, 2), Claim("a", 0, 2)])
    one.drop()
    two.drop()
    assert three.is_last()
    assert objects(memory) == {}


def test_a_lease_that_was_taken_over_is_not_converted(memory: str) -> None:
    held = ObjectStore(memory)
    slow, other = Lease(held), Lease(held)
    assert slow.take(ALONE) == []
    held.remove([slow.name])  # as expired, while its process slept
    assert other.take(Claim("b")) == []
    with pytest.raises(LayerMixError, match=rf"^another process took over {MEMORY}, as this one had not reached it"):
        slow.convert(Claim("a"))
    slow.drop()
    assert list(objects(memory)) == [other.name]
    other.drop()


def test_leases_of_the_dead_and_of_the_silent_are_removed(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    held = ObjectStore(memory)
    mine = holders.holder()
    dead = mine.rpartition("-")[0] + "-1"  # a process of this number began at another time
    for name in (dead, "elsewhere-7-7-7"):
        held.write(f".lease/{name}~{'0' * 16}~alone", b"")
    lease = Lease(held)
    assert lease.others() == [ALONE]
    assert [name.split("~")[0] for name in objects(memory)] == [".lease/elsewhere-7-7-7"]
    assert lease.take(ALONE) == [ALONE]
    monkeypatch.setattr(leases, "SECONDS", -1.0)
    assert lease.take(ALONE) == []
    lease.drop()
    assert objects(memory) == {}


def test_a_clock_that_is_late_does_not_keep_the_lease_of_a_dead_process(
    memory: str, photographs: Path, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ObjectStore(memory).write(f".lease/elsewhere-7-7-7~{'0' * 16}~alone", b"")
    written = fsspec.filesystem("memory").store
    for stored in written.values():
        stored.created -= timedelta(seconds=1000)
    with monkeypatch.context() as patch:
        patch.setattr("layermix_gen.dataset.outlets.leases.time.time", lambda: 0.0)
        patch.setattr("layermix_gen.dataset.outlets.store_outlet.SECONDS", 0.5)
        built(photographs, pool)(memory, SETTINGS)
    assert "dataset.json" in objects(memory)


def test_a_lease_is_written_again(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT", 0.01)
    held = ObjectStore(memory)
    lease = Lease(held)
    lease.take(ALONE)
    (before,) = held.listing(".lease").values()
    wait_until(lambda: held.listing(".lease")[lease.name].seconds > before.seconds, "another writing")
    with lease._writing:  # between two writings
        held.remove([lease.name])  # by somebody who took it for expired
    time.sleep(0.1)
    assert held.listing(".lease") == {}
    lease.drop()


def test_a_store_in_memory_is_of_one_process(memory: str, photographs: Path, pool: Path) -> None:
    with pytest.raises(LayerMixError, match=rf"^{MEMORY} is in the memory of one process; use 1 worker$"):
        built(photographs, pool)(memory, SETTINGS, workers=2)


def test_builds_at_one_moment(at: str, photographs: Path, pool: Path, local: dict[int, Path]) -> None:
    """Two of one plan, and one of another: one of the plans wins, and all builds of it end well."""
    options = ("--variants", 1, "--size", 16, "--shard-size", 6, "--workers", 1, "--mixing-set", pool)
    seeds = (0, 1, 0)
    running = [start("build", photographs, at, *options, "--seed", seed) for seed in seeds]
    told = [process.communicate(timeout=120)[1] for process in running]
    ended = {seed: {one.returncode for one, of in zip(running, seeds, strict=True) if of == seed} for seed in seeds}
    assert ended in ({0: {0}, 1: {1}}, {0: {1}, 1: {0}}), told
    refused = [
        without_start(text).splitlines()[-1] for process, text in zip(running, told, strict=True) if process.returncode
    ]
    assert all(f"{at} holds another dataset: seed " in line for line in refused)
    assert ended[1] == {0} or differs(at, local[1]) == []
    assert ".lease" not in "".join(objects(at))


def test_a_build_that_lost_its_lease_writes_nothing_more(memory: str, photographs: Path, pool: Path) -> None:
    def removing(self: Any, path: Path, name: str) -> None:
        uploading(self, path, name)
        if name == "index/000001.parquet":
            self.remove(list(self.listing(".lease")))

    uploading = ObjectStore.upload
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ObjectStore, "upload", removing)
        with pytest.raises(LayerMixError, match=rf"^another process took over {MEMORY}, as this one had not reached"):
            built(photographs, pool)(memory, SETTINGS)
    assert "index/000001.parquet" in objects(memory)
    assert "v00/000002.tar" not in objects(memory)


def test_a_build_by_another_plan_waits_and_is_refused(
    memory: str, photographs: Path, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Lease(ObjectStore(memory))
    other.take(Claim("a"))
    monkeypatch.setattr("layermix_gen.dataset.outlets.store_outlet.PATIENCE", 0.2)
    said = rf"^another process is writing to {MEMORY}; wait for it, then run this again$"
    with pytest.raises(LayerMixError, match=said):
        built(photographs, pool)(memory, SETTINGS)
    other.drop()
    built(photographs, pool)(memory, SETTINGS)
    other.take(Claim("a"))
    with pytest.raises(LayerMixError, match=said):
        open_shards(memory).repair(workers=1, progress=False)
    other.drop()
