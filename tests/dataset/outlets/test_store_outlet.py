"""Builds, extensions and repairs of datasets in object stores: they are those of a folder, to the last byte."""

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from click.testing import Result

from layermix_gen import BuildSettings, LayerMixDataset, LayerMixError, build, open_shards
from layermix_gen.dataset.names import LISTING
from layermix_gen.dataset.outlets import holders, leases
from layermix_gen.dataset.outlets.leases import ALONE, Claim, Lease
from layermix_gen.dataset.outlets.object_store import ObjectStore
from layermix_gen.dataset.outlets.store_outlet import StoreOutlet
from layermix_gen.support import remote
from tests.helpers import errors, files, invoke, start, wait_until, without_start
from tests.servers import Traffic, objects, stored_at, unfinished_uploads

SETTINGS = BuildSettings(variants=1, size=16, shard_size="6")  # 24 photographs in 4 shards
MORE = replace(SETTINGS, variants=2)
MEMORY = "memory://outlet/shards"


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[str, Traffic]]:
    with stored_at() as found:
        yield found


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for the temporary ones of this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))


@pytest.fixture
def at(store: tuple[str, Traffic], request: pytest.FixtureRequest) -> Iterator[str]:
    """A URL for this test alone, in S3, where afterwards all requests are answered again."""
    url, traffic = store
    yield f"{url}-{request.node.name.partition('[')[0]}"
    traffic.fault = lambda method, path: None


@pytest.fixture
def memory() -> Iterator[str]:
    """An empty place in this process's memory."""
    yield MEMORY
    fsspec.filesystem("memory").store.clear()


@pytest.fixture(scope="module")
def local(photographs: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The datasets in folders, by their numbers of variants."""
    root = tmp_path_factory.mktemp("local")
    for settings in (SETTINGS, MORE):
        built(photographs, pool)(root / str(settings.variants), settings)
    return {variants: root / str(variants) for variants in (1, 2)}


def built(photographs: Path, pool: Path) -> Callable[..., Any]:
    return partial(build, photographs, mixing_set=pool, workers=1, progress=False)


def differs(url: str, root: Path) -> list[str]:
    """The names of what differs between a store and a folder, but for the time of a run in the manifest."""
    found = objects(url)
    names = set(found).symmetric_difference(files(root))
    both = set(found) - names - {"dataset.json"}
    return sorted(names | {name for name in both if found[name] != (root / name).read_bytes()})


def said(found: Result) -> str:
    """What a command wrote to standard error after it said what it builds."""
    return without_start(found.stderr)


def scratch() -> list[Path]:
    """The temporary folders of builds that are there."""
    return sorted(Path(tempfile.gettempdir()).glob(f"{holders.PREFIX}*-*-*-*"))


# --- whole lives ---------------------------------------------------------------------------------------------------


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


# --- moments -------------------------------------------------------------------------------------------------------


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


# --- refusals ------------------------------------------------------------------------------------------------------

WITHOUT = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": "/none"}
REFUSED = {
    "no credentials": (WITHOUT, "", "cannot be reached without credentials (NoCredentialsError: Unable to locate cre"),
    "no profile": (WITHOUT | {"AWS_PROFILE": "nobody"}, "", "cannot be reached without credentials (ProfileNotFound"),
    "unreachable": ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "", "cannot be reached, although tried again (Endpoin"),
    "denied": ({}, "403", "is denied (PermissionError: the region is wrong, says the test); use credentials with the"),
    "another region": ({}, "400", "is in another region (OSError: [Errno 22] the region is wrong, says the test); set"),
}


@pytest.mark.parametrize("command", ["build", "verify", "repair"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_a_store_refuses_is_one_line(
    case: str,
    command: str,
    at: str,
    store: tuple[str, Traffic],
    photographs: Path,
    pool: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    surroundings, answer, line = REFUSED[case]
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    monkeypatch.setattr(remote, "PAUSE", 0.01)
    monkeypatch.setattr(remote, "TRIES", 2)
    type(fsspec.filesystem("s3")).clear_instance_cache()
    store[1].fault = lambda method, path: answer
    arguments = {
        "build": ("build", photographs, at, "--mixing-set", pool, "--size", 16),
        "verify": ("verify", at),
        "repair": ("verify", at, "--repair"),
    }[command]
    found = invoke(*arguments)
    type(fsspec.filesystem("s3")).clear_instance_cache()
    assert found.exit_code == 1
    assert said(found).startswith("Error: ")
    assert said(found).count("\n") == 1
    assert line in said(found)
    assert "unsaid" not in said(found)


def test_no_bucket_is_one_line(store: tuple[str, Traffic], photographs: Path, pool: Path) -> None:
    for arguments in (("build", photographs, "s3://nowhere/a", "--mixing-set", pool), ("verify", "s3://nowhere/a")):
        found = invoke(*arguments)
        assert found.exit_code == 1
        assert found.stderr.startswith("Error: s3://nowhere/a is in no bucket (FileNotFoundError: The specified bucket")


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("s3://me:secret@host/a", "expected a URL without credentials, got one of s3://host with some; leave"),
        ("https://host/a?X-Amz-Signature=secret", "expected a URL without credentials, got one of https://host with s"),
        (
            "https://host/a",
            "expected a folder or a URL that can be written to, such as s3://bucket/name, got https://h",
        ),
        ("file:///a", "got file:///a; give the path alone"),
    ],
)
def test_urls_that_cannot_be_written_to(url: str, line: str, photographs: Path) -> None:
    found = invoke("build", photographs, url)
    assert found.exit_code == 1
    assert line in found.stderr
    assert "secret" not in found.stderr


def test_a_full_scratch_folder_is_named(memory: str, photographs: Path, pool: Path, monkeypatch: Any) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("layermix_gen.dataset.tar.TarWriter.add", full)
    with pytest.raises(LayerMixError) as caught:
        built(photographs, pool)(memory, SETTINGS)
    assert str(caught.value).startswith(f"cannot write to {tempfile.gettempdir()}/layermix-gen-")
    assert "no space left on device; make room there, or set TMPDIR to a larger disk, then run" in str(caught.value)
    assert scratch() == []
    assert sorted(objects(memory)) == sorted(["plan.json", LISTING])


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


# --- two at once ---------------------------------------------------------------------------------------------------


def test_leases_exclude_each_other(memory: str) -> None:
    held = ObjectStore(memory)
    one, two, three = Lease(held), Lease(held), Lease(held)
    assert one.take(ALONE) == []
    assert two.take(Claim("a")) == [ALONE]
    assert one.take(Claim("a", 0, 2)) == []  # converted
    assert one.others() == []
    assert two.take(Claim("b", 1, 2)) == [Claim("a", 0, 2)]
    assert two.take(Claim("a", 2, 4)) == [Claim("a", 0, 2)]
    assert two.take(Claim("a", 1, 2)) == []
    assert three.take(ALONE) in ([Claim("a", 0, 2), Claim("a", 1, 2)], [Claim("a", 1, 2), Claim("a", 0, 2)])
    one.drop()
    two.drop()
    assert three.is_last()
    assert objects(memory) == {}


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


# --- leftovers -----------------------------------------------------------------------------------------------------


def test_uploads_in_parts_leave_nothing(
    at: str, store: tuple[str, Traffic], photographs: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where one fails, nor after the next build where a process was killed in it."""
    large, stored = tmp_path / "large", ObjectStore(at)
    large.write_bytes(np.random.default_rng(0).bytes(11 << 20))
    monkeypatch.setattr("layermix_gen.dataset.outlets.object_store.PARTS", {"chunksize": 5 << 20, "max_concurrency": 2})
    monkeypatch.setattr(remote, "PAUSE", 0.01)
    stored.upload(large, "large")
    assert objects(at)["large"] == large.read_bytes()
    posts = iter(range(1000))
    store[1].fault = lambda method, path: "dropped after" if method == "POST" and next(posts) == 1 else None
    stored.upload(large, "large")  # where the answer to its completion is lost
    store[1].fault = lambda method, path: None
    assert objects(at)["large"] == large.read_bytes()
    stored.remove(["large"])
    puts = iter(range(1000))
    store[1].fault = lambda method, path: "403" if method == "PUT" and next(puts) == 1 else None
    with pytest.raises(LayerMixError, match=r"^access to s3://bucket/.* is denied"):
        stored.upload(large, "large")
    store[1].fault = lambda method, path: None
    assert (objects(at), unfinished_uploads(at)) == ({}, [])
    store[1].fault = lambda method, path: "403" if method == "GET" and path == "/bucket" else None
    stored.abort_uploads()  # which not everybody may do
    store[1].fault = lambda method, path: None
    fsspec.filesystem("s3").call_s3("create_multipart_upload", Bucket="bucket", Key=f"{at[12:]}/v00/000000.tar")
    assert len(unfinished_uploads(at)) == 1
    built(photographs, pool)(at, SETTINGS)
    assert unfinished_uploads(at) == []


def test_scratch_folders_of_killed_processes_are_removed(memory: str, photographs: Path, pool: Path) -> None:
    dead = holders.holder().rpartition("-")[0] + "-1"
    temporary = Path(tempfile.gettempdir())
    left, others = temporary / f"{holders.PREFIX}{dead}-abc", temporary / f"{holders.PREFIX}elsewhere-7-7-7-abc"
    for folder in (left, others):
        folder.mkdir()
    built(photographs, pool)(memory, SETTINGS)
    assert scratch() == [others]
    others.rmdir()
