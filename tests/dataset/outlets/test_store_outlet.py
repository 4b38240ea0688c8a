"""Builds, extensions and repairs of datasets in object stores: they are those of a folder, to the last byte."""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from layermix_gen import LayerMixDataset, LayerMixError, build, open_shards
from layermix_gen.dataset.names import LISTING
from layermix_gen.dataset.outlets import leases
from layermix_gen.dataset.outlets.object_store import ObjectStore
from layermix_gen.dataset.outlets.store_outlet import StoreOutlet
from layermix_gen.support import remote
from tests.dataset.outlets.stored import MEMORY, MORE, SETTINGS, built, differs, said, scratch
from tests.helpers import errors, files, invoke
from tests.servers import Traffic, objects, unfinished_uploads


def test_a_dataset_is_built_extended_and_repaired(
    at: str, local: dict[int, Path], photographs: Path, pool: Path
) -> None:
    """In S3, by two processes."""
    building = built(photographs, pool)
    building(at, SETTINGS)
    assert differs(at, local[1]) == []
    building(at, MORE, workers=2)
    assert differs(at, local[2]) == []
    assert open_shards(at).verify(workers=1, progress=False, replay=0.5).ok
    system, path = fsspec.core.url_to_fs(at)
    for name in ("v00/000001.tar", "index/000002.parquet", "plan.json"):
        system.pipe_file(f"{path}/{name}", b"damaged")
    system.rm_file(f"{path}/clean/000003.tar")
    system.pipe_file(f"{path}/v00/000004.tar", b"of somebody")
    found = invoke("verify", at, "--workers", 1)
    assert (found.exit_code, "v00/000004.tar  belongs to no shard; remove it" in found.stdout) == (1, True)
    system.rm_file(f"{path}/v00/000004.tar")
    assert invoke("verify", at, "--repair", "--workers", 1).exit_code == 0
    assert differs(at, local[2]) == []
    assert open_shards(at).verify(workers=1, progress=False).ok
    assert unfinished_uploads(at) == []


def test_partitions_complete_a_dataset(at: str, local: dict[int, Path], photographs: Path, pool: Path) -> None:
    """Those of three machines, in any order, one of them twice."""
    for number in (2, 0, 2, 1):
        manifest = built(photographs, pool)(at, MORE, partition=(number, 3))
    assert manifest.complete
    assert differs(at, local[2]) == []
    assert scratch() == []


def test_planes_are_given_up(memory: str, local: dict[int, Path], photographs: Path, pool: Path) -> None:
    building = built(photographs, pool)
    building(memory, SETTINGS)
    before = [images.tolist() for images, _ in LayerMixDataset(memory, 6, order="sequential")]
    building(memory, MORE, partition=(0, 2))
    assert [images.tolist() for images, _ in LayerMixDataset(memory, 6, order="sequential")] == before
    assert "v01/000002.tar" in objects(memory)
    building(memory, SETTINGS)
    assert differs(memory, local[1]) == []


def test_another_plan_and_objects_of_others_are_refused(memory: str, photographs: Path, pool: Path) -> None:
    building, system = built(photographs, pool), fsspec.filesystem("memory")
    system.pipe_file("/outlet/shards/thesis.tex", b"written by a person")
    with pytest.raises(LayerMixError, match=rf"^expected no objects below {MEMORY}, found 'thesis\.tex'; choose anot"):
        building(memory, SETTINGS)
    system.rm_file("/outlet/shards/thesis.tex")
    building(memory, SETTINGS)
    with pytest.raises(LayerMixError, match=rf"^{MEMORY} holds another dataset: seed 0 -> 1; repeat the command"):
        building(memory, replace(SETTINGS, seed=1))


def test_too_many_errors_are_listed_in_the_store(memory: str, photographs: Path, pool: Path, tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / "source" / "a").mkdir(parents=True, exist_ok=True)
        first = next(photographs.rglob("*.png"))
        (tmp_path / "source" / "a" / f"{number}.png").write_bytes(first.read_bytes()[: 100 if number == 2 else None])
    options = ("--size", 16, "--variants", 1, "--workers", 1, "--mixing-set", pool)
    found = invoke("build", tmp_path / "source", memory, *options, "--max-errors", 0)
    assert found.exit_code == 1
    assert re.search(
        rf"^{MEMORY} gets whole shards; until then, /.* holds at most 1 x 2 tars, each of 256MB\n", said(found)
    )
    assert f"0 are allowed; see {MEMORY}/errors.jsonl, then mend them" in found.stderr
    (tmp_path / "errors.jsonl").write_bytes(objects(memory)["errors.jsonl"])
    assert list(errors(tmp_path)) == ["a/2.png"]
    assert "dataset.json" not in objects(memory)
    found = invoke("build", tmp_path / "source", memory, *options, "--max-errors", 1)
    assert (found.exit_code, f"dataset     {MEMORY}\n" in found.stdout) == (0, True)


def test_a_dry_run_writes_nothing(at: str, photographs: Path, pool: Path) -> None:
    """Below a URL that is empty but for the mark that some tools make of a folder."""
    bucket, _, key = at[5:].partition("/")
    fsspec.filesystem("s3").call_s3("put_object", Bucket=bucket, Key=f"{key}/", Body=b"")
    assert invoke("build", photographs, at, "--size", 16, "--mixing-set", pool, "--dry-run").exit_code == 0
    assert ObjectStore(at).listing() == {}


def test_what_others_change_while_it_is_fetched(memory: str, tmp_path: Path) -> None:
    stored, outlet = ObjectStore(memory), StoreOutlet(ObjectStore(memory))
    stored.write("errors.jsonl", b"one")
    stored.write("index/000000.parquet", b"gone soon")
    listing = stored.listing()
    stored.write("errors.jsonl", b"one and two")
    stored.remove(["index/000000.parquet"])
    outlet.bring(tmp_path, listing)
    assert files(tmp_path) == ["errors.jsonl"]
    assert (tmp_path / "errors.jsonl").read_bytes() == b"one and two"
    stored.write("errors.jsonl", b"one or two.")  # of the same size
    outlet.refresh(tmp_path)
    assert (tmp_path / "errors.jsonl").read_bytes() == b"one or two."


# --- moments and faults -----------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The end of a process, after which nothing of it reaches the store."""


def dying(patch: pytest.MonkeyPatch, after: int) -> None:
    """Let no more than so many objects be written or removed."""
    left = [after]

    def limited(method: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            method(*arguments)

        return call

    system = type(fsspec.filesystem("memory"))
    for name in ("put_file", "pipe_file", "rm_file"):
        patch.setattr(system, name, limited(getattr(system, name)))
    patch.setattr(ObjectStore, "at_once", lambda self, work, names: [work(name) for name in names])


@pytest.mark.parametrize("way", ["build", "extension", "giving up"])
def test_a_build_that_dies_at_any_moment_is_resumed(
    way: str, memory: str, local: dict[int, Path], photographs: Path, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    building, system = built(photographs, pool), fsspec.filesystem("memory")
    monkeypatch.setattr(leases, "SECONDS", -1.0)  # those of the dead have expired
    if way != "build":
        building(memory, SETTINGS)
    if way == "giving up":
        building(memory, MORE, partition=(0, 2))
    begun = objects(memory)
    target = SETTINGS if way == "giving up" else MORE
    after, ended = 0, False
    while not ended:
        system.store.clear()
        system.pipe({f"/outlet/shards/{name}": data for name, data in begun.items()})
        with monkeypatch.context() as patch:
            dying(patch, after)
            try:
                building(memory, target)
                ended = True
            except Killed:
                pass
        if "dataset.json" in objects(memory):
            assert open_shards(memory).count() in (48, 72), after
        elif way != "build":
            raise AssertionError(f"no dataset after {after}")
        building(memory, target)
        assert differs(memory, local[target.variants]) == [], after
        after += 7 if way == "build" else 5
    assert after > 20


def test_what_is_transient_is_tried_again(
    at: str,
    store: tuple[str, Traffic],
    local: dict[int, Path],
    photographs: Path,
    pool: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A quarter of all requests."""
    rng, faults = np.random.default_rng(0), list[str]()

    def failing(method: str, path: str) -> str | None:
        if rng.random() > 0.25:
            return None
        faults.append(("500", "503", "429", "dropped", "dropped after", "stalled")[len(faults) % 6])
        return faults[-1]

    monkeypatch.setattr(remote, "PAUSE", 0.01)
    store[1].fault = failing
    built(photographs, pool)(at, SETTINGS)
    store[1].fault = lambda method, path: None
    assert len(set(faults)) == 6
    assert differs(at, local[1]) == []


# --- mixing sets ---------------------------------------------------------------------------------------------------


def test_a_mixing_set_is_fetched_once(
    at: str, store: tuple[str, Traffic], local: dict[int, Path], photographs: Path, pool: Path
) -> None:
    url = f"{at}/pool.npy"
    fsspec.filesystem("s3").put_file(str(pool), url)
    sent: list[str] = []
    store[1].fault = lambda method, path: sent.append(path) if method == "GET" and path.endswith(".npy") else None
    for workers in (2, 1):
        build(photographs, f"{at}/shards", SETTINGS, mixing_set=url, workers=workers, progress=False)
    assert differs(f"{at}/shards", local[1]) == ["plan.json"]
    assert len(sent) == 1
    assert json.loads(objects(f"{at}/shards")["plan.json"])["pool"]["location"] == url
    assert open_shards(f"{at}/shards").verify(replay=1.0, workers=1, progress=False).ok
    with pytest.raises(LayerMixError, match=rf"^expected {at}/none\.npy, found nothing there; check the URL$"):
        build(photographs, f"{at}/shards", SETTINGS, mixing_set=f"{at}/none.npy", workers=1, progress=False)


def test_source_mixing_set_and_output_may_all_be_in_a_store(
    at: str, local: dict[int, Path], photographs: Path, pool: Path
) -> None:
    system = fsspec.filesystem("s3")
    system.put_file(str(pool), f"{at}/pool.npy")
    for name in files(photographs):
        system.put_file(str(photographs / name), f"{at}/train/{name}")
    url, mixing_set = f"{at}/shards", f"{at}/pool.npy"
    build(f"{at}/train", url, SETTINGS, mixing_set=mixing_set, workers=2, progress=False)
    named = {"plan.json", LISTING}  # which say where the source is
    assert set(differs(url, local[1])) <= named
    assert open_shards(url).verify(replay=0.5, workers=1, progress=False).ok


@pytest.mark.parametrize("context", ["alone", "planning", "together"])
def test_a_stopped_process_waits_but_a_moment_for_a_store_that_does_not_answer(
    context: str, memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its leases are left to expire; one that ends by itself waits."""
    monkeypatch.setattr(leases, "FAREWELL", 0.2)
    outlet, answers = StoreOutlet(ObjectStore(memory)), threading.Event()
    entered = {
        "alone": outlet.alone(tmp_path),
        "planning": outlet.planning(tmp_path, lambda: None),
        "together": outlet.together(
            tmp_path, "0", (0, 1), prepare=lambda: None, is_prepared=lambda: True, waiting=lambda: None
        ),
    }[context]
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt), entered:  # noqa: PT012
        monkeypatch.setattr(ObjectStore, "listing", lambda *_: answers.wait() and {})
        monkeypatch.setattr(ObjectStore, "remove", lambda *_: answers.wait())
        raise KeyboardInterrupt
    assert time.monotonic() - begin < 5
    assert [name for name in objects(memory) if name.startswith(".lease")] != []
    answers.set()
