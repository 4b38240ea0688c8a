"""Builds that are planned ahead in an object store: the bytes of one in a folder, by jobs that share nothing else."""

from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pytest

from layermix_gen import BuildSettings, LayerMixError, build, build_planned, finish, open_shards, plan
from layermix_gen.building import planning
from layermix_gen.dataset.outlets.leases import ALONE, PLANNING, Lease
from layermix_gen.dataset.outlets.object_store import ObjectStore
from layermix_gen.inspection.verification import repair
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from layermix_gen.sources.folder import FolderSource
from tests.building.test_planned import OPTIONS, QUIET, SETTINGS, other_fractals
from tests.dataset.outlets.stored import differs
from tests.helpers import digest, invoke
from tests.servers import objects

PLANNED = ["mixing-set.json", "mixing-set.npy", "plan.json", "sources.parquet"]
FEW = partial(resolve_mixing_set, count=8, workers=1)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Render 8 fractals instead of 384."""
    monkeypatch.setattr(planning, "resolve_mixing_set", FEW)
    monkeypatch.setattr(repair, "resolve_mixing_set", FEW)


@pytest.fixture(scope="module")
def local(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset, planned and built in a folder."""
    root = tmp_path_factory.mktemp("local") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "resolve_mixing_set", FEW)
        plan(photographs, root, SETTINGS, **QUIET)
    build_planned(root, **QUIET)
    return root


def test_jobs_in_any_order_and_an_end_make_the_dataset_of_a_folder(
    at: str, local: Path, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The jobs neither list the source nor render fractals; some run twice, one before the end is asked for."""
    found = invoke("plan", photographs, at, *OPTIONS, "--workers", 1)
    assert (found.exit_code, f"layermix-gen finish {at}" in found.stdout) == (0, True)
    assert sorted(objects(at)) == PLANNED
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FolderSource, "items", None)
        patch.setenv("LAYERMIX_GEN_CACHE", str(tmp_path / "empty"))
        build_planned(at, partition=(2, 3), **QUIET)
        missing = invoke("finish", at, "--jobs", 3)
        assert (missing.exit_code, missing.stdout) == (1, "")
        assert missing.stderr == (
            f"Error: expected all shards, but 4 of 6 shards of {at} are not finished: 0-1,3-4; build them by "
            f"`layermix-gen build-planned {at}`, or --partition i/3 with i = 0-1\n"
        )
        build_planned(at, partition=(0, 3), **QUIET | {"workers": 2})
        for number in (2, 1):
            build_planned(at, partition=(number, 3), **QUIET)
    assert not (tmp_path / "empty").exists()
    assert differs(at, local) == []
    before = objects(at)
    assert finish(at).digest == digest(local)
    assert objects(at) == before
    assert open_shards(at).verify(workers=1, progress=False, replay=0.5).ok


def test_finish_completes_what_lacks_its_manifest(at: str, local: Path, photographs: Path) -> None:
    plan(photographs, at, SETTINGS, **QUIET)
    build_planned(at, **QUIET)
    system, path = fsspec.core.url_to_fs(at)
    for name in ("dataset.json", "v00/sizes.json"):
        system.rm_file(f"{path}/{name}")
    assert finish(at).digest == digest(local)
    assert differs(at, local) == []


def test_planes_are_added_by_a_plan(memory: str, photographs: Path, tmp_path: Path) -> None:
    more = BuildSettings(variants=3, size=8, shard_size="4")
    for place in (memory, tmp_path / "out"):
        for settings in (SETTINGS, more):
            plan(photographs, place, settings, **QUIET)
            for number in (1, 0):
                build_planned(place, partition=(number, 2), **QUIET)
    assert differs(memory, tmp_path / "out") == []


def test_fractals_of_another_processor_stop_no_job(
    memory: str, local: Path, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even jobs that were not planned ahead: all take the file that the first one put in the store."""
    build(photographs, memory, SETTINGS, partition=(0, 2), **QUIET)
    other_fractals(tmp_path / "elsewhere")
    monkeypatch.setenv("LAYERMIX_GEN_CACHE", str(tmp_path / "elsewhere"))
    assert build(photographs, memory, SETTINGS, partition=(1, 2), **QUIET).digest == digest(local)
    assert differs(memory, local) == []


def test_a_damaged_mixing_set_is_found_and_mended(memory: str, local: Path, photographs: Path) -> None:
    plan(photographs, memory, SETTINGS, **QUIET)
    build_planned(memory, **QUIET)
    system, path = fsspec.core.url_to_fs(memory)
    data = system.cat_file(f"{path}/mixing-set.npy")
    system.pipe_file(f"{path}/mixing-set.npy", data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(LayerMixError, match=r"mixing-set.* has other bytes|holds another dataset: mixing set"):
        build_planned(memory, **QUIET)
    found = open_shards(memory).repair(workers=1, progress=False)
    assert (found.ok, found.mended) == (True, ("mixing-set.npy",))
    assert differs(memory, local) == []


def test_a_killed_plan_is_gone_on_with(memory: str, local: Path, photographs: Path) -> None:
    """It had written the mixing set, and not yet the plan."""
    plan(photographs, memory, SETTINGS, **QUIET)
    system, path = fsspec.core.url_to_fs(memory)
    for name in ("plan.json", "sources.parquet"):
        system.rm_file(f"{path}/{name}")
    plan(photographs, memory, SETTINGS, **QUIET)
    build_planned(memory, **QUIET)
    assert differs(memory, local) == []


def test_one_process_at_a_time_plans(memory: str, photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next says that it waits until the first has ended, and then finds its plan and its fractals."""
    other, said = Lease(ObjectStore(memory), PLANNING), list[str]()
    assert other.take(ALONE) == []

    def end(seconds: float) -> None:
        assert "plan.json" not in objects(memory)
        if said:
            other.drop()

    monkeypatch.setattr(planning, "say", said.append)
    monkeypatch.setattr("layermix_gen.dataset.outlets.store_outlet.time.sleep", end)
    plan(photographs, memory, SETTINGS, workers=1)
    assert sorted(objects(memory)) == PLANNED
    assert said == [f"another process makes the plan of {memory}, or its mixing set; waiting until it has ended"]


def test_without_a_plan_there_is_nothing_to_build(memory: str) -> None:
    for work in (partial(build_planned, memory, **QUIET), partial(finish, memory)):
        with pytest.raises(LayerMixError, match=f"in {memory}, found none; write it by .* SOURCE {memory}"):
            work()


@pytest.mark.parametrize("command", ["build", "build-planned"])
def test_ray_needs_an_output_that_all_nodes_reach(command: str, memory: str, photographs: Path) -> None:
    places: list[Any] = [photographs, memory] if command == "build" else [memory]
    found = invoke(command, *places, "--engine", "ray")
    line = f"Error: expected an output that all nodes reach, got {memory}; give a folder that they share, or a URL\n"
    assert (found.exit_code, found.stderr) == (1, line)
