"""Outages: a build ends, or leaves inputs out; the same command gives the dataset of an undisturbed build later."""

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from layermix_gen.building import build_run
from layermix_gen.building.engines import in_this_process
from layermix_gen.dataset import plan_changes
from layermix_gen.support.files import WHEN_IT_IS_OVER
from tests.helpers import (
    build,
    digest,
    errors,
    files,
    invoke,
    listed,
    manifest,
    patched,
    snapshot,
    start,
    without_start,
)

QUICK = ("--variants", 4, "--size", 8, "--method", "none", "--shard-size", 6)
AWAY = ("coffee/000.png", "rocket/001.jpg")


@pytest.fixture
def source(photographs: Path, tmp_path: Path) -> Path:
    return shutil.copytree(photographs, tmp_path / "source")


@pytest.fixture(scope="module")
def whole(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The manifest of an undisturbed build."""
    root = tmp_path_factory.mktemp("whole")
    build(photographs, root, *QUICK, "--variants", 1)
    return manifest(root)


def check_whole(root: Path, whole: dict[str, Any]) -> None:
    assert digest(root) == whole["digest"]
    assert manifest(root)["fingerprint"] == whole["fingerprint"]
    assert not (root / "errors.jsonl").exists()


@contextmanager
def away(source: Path, *names: str) -> Iterator[None]:
    """A context in which inputs that have been listed are missing."""
    opening = os.open

    def missing(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).startswith(str(source)) and str(path).endswith(names):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return opening(path, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", missing)
        yield


# --- faults of the machine -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_a_fault_of_the_machine_ends_the_build(
    workers: int, source: Path, whole: dict[str, Any], tmp_path: Path
) -> None:
    root = tmp_path / "out"
    arguments = ("build", source, root, *QUICK, "--variants", 1, "--workers", workers)
    process = start(*arguments, env=patched("faulty", tmp_path / "patch"))
    printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed) == (1, "")
    assert without_start(said) == (
        f"Error: cannot read {source}/coffee/000.png: input/output error, 3 times; this is no fault of the file: when "
        "it is over, run the same command to resume; if it stays, restore the file or, where it is lost, build into "
        "another folder\n"
    )
    assert not {"errors.jsonl", "dataset.json", ".lock"} & set(files(root))
    assert not [name for name in files(root) if name.endswith(".tmp")]
    if workers == 1:
        assert list(root.glob("index/*.parquet"))  # finished shards are kept
    build(source, root, *QUICK, "--variants", 1)
    check_whole(root, whole)


@pytest.mark.parametrize("name", ["plan.json", "sources.parquet", "dataset.json"])
def test_a_fault_of_the_machine_blames_no_file_of_the_dataset(
    name: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out"
    build(source, root, *QUICK, "--variants", 1)
    before, opening = snapshot(root), io.open

    def failing(path: Any, *arguments: Any, **options: Any) -> Any:
        if str(path) == f"{root}/{name}":
            raise OSError(errno.EIO, "Input/output error")
        return opening(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(io, "open", failing)
        patch.setattr("layermix_gen.support.files.PAUSES", (0, 0))
        result = invoke("build", source, root, *QUICK, "--variants", 1, "--workers", 1)
    assert (
        without_start(result.stderr)
        == f"Error: cannot read {root}/{name}: input/output error, 3 times; {WHEN_IT_IS_OVER}\n"
    )
    assert snapshot(root) == before


# --- inputs that were missing ----------------------------------------------------------------------------------------


@pytest.fixture
def spoiled(source: Path, tmp_path: Path) -> Path:
    """A finished dataset that left out two inputs which were missing for a while."""
    root = tmp_path / "out"
    with away(source, *AWAY):
        build(source, root, *QUICK, "--variants", 1)
    assert errors(root) == dict.fromkeys(AWAY, "no such file")
    return root


def test_the_same_command_takes_in_what_was_missing(source: Path, spoiled: Path, whole: dict[str, Any]) -> None:
    shards = {name for name in files(spoiled) if name.endswith(".tar")}
    before = snapshot(spoiled)
    build(source, spoiled, *QUICK, "--variants", 1)
    check_whole(spoiled, whole)
    kept = {name for name in shards if snapshot(spoiled)[name] == before[name]}
    assert 0 < len(kept) < len(shards)


def test_what_is_still_missing_changes_nothing(source: Path, spoiled: Path) -> None:
    before = snapshot(spoiled)
    with away(source, *AWAY):
        build(source, spoiled, *QUICK, "--variants", 1)
    assert snapshot(spoiled) == before


def test_another_reason_is_recorded(source: Path, spoiled: Path) -> None:
    (source / AWAY[0]).write_bytes(b"x" * (source / AWAY[0]).stat().st_size)
    build(source, spoiled, *QUICK, "--variants", 1)
    assert errors(spoiled) == {AWAY[0]: "not an image"}


def test_added_planes_take_in_what_was_missing(source: Path, spoiled: Path, tmp_path: Path) -> None:
    build(source, spoiled, *QUICK, "--variants", 2)
    build(source, tmp_path / "fresh", *QUICK, "--variants", 2)
    assert digest(spoiled) == digest(tmp_path / "fresh")


def test_partitions_take_in_what_was_missing(source: Path, spoiled: Path, whole: dict[str, Any]) -> None:
    for number in (1, 0, 2):
        build(source, spoiled, *QUICK, "--variants", 1, "--partition", f"{number}/3")
    check_whole(spoiled, whole)


@pytest.mark.parametrize("killed_at", ["sync", "index_path"])
def test_killed_while_shards_are_reopened(
    killed_at: str, source: Path, spoiled: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody takes a dataset for whole whose manifest speaks of shards that are not finished."""

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(plan_changes, killed_at, kill)
        assert invoke("build", source, spoiled, *QUICK, "--variants", 1, "--workers", 1).exit_code == 130
    assert not (spoiled / "dataset.json").exists()
    build(source, spoiled, *QUICK, "--variants", 1)
    check_whole(spoiled, whole)


def test_a_fault_of_the_machine_while_they_are_tried_again(
    source: Path, spoiled: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(spoiled)
    opening = os.open

    def failing(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).endswith(AWAY):
            raise OSError(errno.ESTALE, "Stale file handle")
        return opening(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing)
        patch.setattr("layermix_gen.support.files.PAUSES", ())
        result = invoke("build", source, spoiled, *QUICK, "--variants", 1, "--workers", 1)
    assert result.exit_code == 1
    assert "stale file handle, 1 times; this is no fault of the file" in result.stderr
    assert snapshot(spoiled) == before
    build(source, spoiled, *QUICK, "--variants", 1)
    check_whole(spoiled, whole)


# --- inputs that have changed ----------------------------------------------------------------------------------------


def with_table(source: Path) -> Path:
    table = source / "table.csv"
    names = sorted(path.relative_to(source).as_posix() for path in source.glob("*/*"))
    table.write_text("path,label\n" + "".join(f"{name},{number % 3}\n" for number, name in enumerate(names)))
    return table


def missing(path: Path, good: bytes) -> None:
    path.unlink()


def cut(path: Path, good: bytes) -> None:
    path.write_bytes(good[:300])


def empty(path: Path, good: bytes) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [missing, cut, empty])
def test_what_was_planned_with_another_size_is_taken_in(
    damage: Callable[[Path, bytes], None], source: Path, tmp_path: Path
) -> None:
    table, root, fresh = with_table(source), tmp_path / "out", tmp_path / "fresh"
    build(table, fresh, *QUICK, "--variants", 1)
    good = (source / AWAY[0]).read_bytes()
    damage(source / AWAY[0], good)
    build(table, root, *QUICK, "--variants", 1)
    assert list(errors(root)) == [AWAY[0]]
    (source / AWAY[0]).write_bytes(good)
    build(table, root, *QUICK, "--variants", 1)
    check_whole(root, manifest(fresh))
    assert listed(root) == listed(fresh)


def test_what_a_finished_shard_holds_may_not_change(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    good = (source / AWAY[0]).read_bytes()
    (source / AWAY[0]).write_bytes(good[:300])
    build(source, root, *QUICK, "--variants", 1)
    (source / AWAY[0]).write_bytes(good)
    (source / AWAY[1]).write_bytes(good)
    before = snapshot(root)
    result = invoke("build", source, root, *QUICK, "--variants", 1, "--workers", 1)
    assert result.exit_code == 1
    assert f"holds another dataset: source image '{AWAY[1]}' changed; " in result.stderr
    assert snapshot(root) == before


@pytest.mark.parametrize("killed_at", ["write_plan", "write_listing"])
def test_killed_while_the_plan_changes(
    killed_at: str, source: Path, whole: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out"
    good = (source / AWAY[0]).read_bytes()
    (source / AWAY[0]).write_bytes(good[:300])
    build(source, root, *QUICK, "--variants", 1)
    (source / AWAY[0]).write_bytes(good)

    def kill(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(plan_changes, killed_at, kill)
        assert invoke("build", source, root, *QUICK, "--variants", 1, "--workers", 1).exit_code == 130
    build(source, root, *QUICK, "--variants", 1)
    check_whole(root, whole)


@pytest.mark.parametrize("same_size", [True, False])
def test_mending_is_enough_after_too_many_errors(
    same_size: bool, source: Path, whole: dict[str, Any], tmp_path: Path
) -> None:
    """In finished shards too, and where only the bytes tell that an input was mended."""
    root = tmp_path / "out"
    command = (source, root, *QUICK, "--variants", 1, "--workers", 1)
    build(source, tmp_path / "listed", *QUICK, "--variants", 0)
    names = listed(tmp_path / "listed")
    good = {name: (source / name).read_bytes() for name in (names[0], names[-1])}
    for name, data in good.items():
        (source / name).write_bytes(b"x" * (len(data) if same_size else 5))
    result = invoke("build", *command, "--max-errors", 1)
    assert result.exit_code == 1
    assert "then mend them and run the same command to resume, or raise --max-errors\n" in result.stderr
    for name, data in good.items():
        (source / name).write_bytes(data)
    assert invoke("build", *command, "--max-errors", 1).exit_code == 0
    check_whole(root, whole)


# --- an output that is removed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 2, 4])
def test_an_output_that_is_removed_is_not_begun_anew(
    after: int, source: Path, whole: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out"

    def removing(plan: Any, numbers: Any, watch: Any) -> Iterator[Any]:
        results = in_this_process(plan, numbers, watch)
        for _ in range(after):
            yield next(results)
        shutil.rmtree(root)
        yield from results

    with monkeypatch.context() as patch:
        patch.setattr(build_run, "in_this_process", removing)
        result = invoke("build", source, root, *QUICK, "--variants", 1, "--workers", 1)
    assert result.exit_code == 1
    (line,) = without_start(result.stderr).splitlines()
    assert line in (
        f"Error: {root} was removed while it was written to; run the same command again",
        f"Error: 4 shards of {root} went missing while it was built; run the same command to build what is missing",
    )
    assert not root.exists()
    build(source, root, *QUICK, "--variants", 1)
    check_whole(root, whole)
