"""What a build does besides its shards: count what it skips while it runs, sync in order, and clean up at the end."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest

from layermix_gen.building import build_run
from layermix_gen.building.engines import Engine, Watch, in_processes, in_this_process
from layermix_gen.building.shard_builder import ShardResult
from layermix_gen.dataset.index import read_summaries
from layermix_gen.dataset.plan import Plan, read_plan
from layermix_gen.support.files import temporary
from tests.durability import assert_durable, recorded
from tests.helpers import build, files, invoke, without_start

QUICK = ("--size", 8, "--method", "none", "--variants", 1, "--shard-size", 8)
BAD, INPUTS = 5, 29


@pytest.fixture(scope="module")
def source(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photographs and five files that are no images, in 29 inputs. Not to be written to."""
    folder = tmp_path_factory.mktemp("watched") / "source"
    for path in photographs.rglob("*.*"):
        copy = folder / path.relative_to(photographs)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.hardlink_to(path)
    for number in range(BAD):
        (folder / "coffee" / f"bad{number}.png").write_bytes(b"no image")
    return folder


@pytest.fixture
def plan(source: Path, tmp_path: Path) -> Plan:
    """The plan of a build of which no shard is there."""
    build(source, tmp_path / "out", *QUICK)
    for path in [*tmp_path.glob("out/*/*.tar"), *tmp_path.glob("out/index/*")]:
        path.unlink()
    plan = read_plan(tmp_path / "out")
    assert plan is not None
    return plan


@pytest.mark.parametrize("engine", [in_this_process, in_processes(2)], ids=["this process", "two processes"])
def test_engines_count_what_is_done_and_skipped(engine: Engine, plan: Plan) -> None:
    counts = []

    def watch(done: int, skipped: int) -> bool:
        counts.append((done, skipped))
        return True

    results = list(engine(plan, range(plan.shards), watch))
    assert sorted(result.number for result in results) == list(range(plan.shards))
    assert all(one[0] <= other[0] and one[1] <= other[1] for one, other in pairwise(counts))
    assert counts[-1] == (INPUTS, BAD)
    assert sum(len(result.skipped) for result in results) == BAD


def test_this_process_reports_every_input(plan: Plan) -> None:
    """Before each, and after the last of a shard; while a batch is read, again and again what was done before it."""
    done = []
    list(in_this_process(plan, range(plan.shards), lambda count, skipped: done.append(count) or True))
    assert [count for count, _ in groupby(done)] == [*range(INPUTS + 1)]


@pytest.mark.parametrize("engine", [in_this_process, in_processes(2)], ids=["this process", "two processes"])
def test_engines_stop_when_they_are_told_to(engine: Engine, plan: Plan) -> None:
    """Which they learn long before a worker process has begun: no shard is finished, and nothing is left behind."""
    before = files(plan.root)
    results = list(engine(plan, range(plan.shards), lambda done, skipped: False))
    assert {result.summary for result in results} <= {None}
    assert len(results) < plan.shards
    assert files(plan.root) == before


@pytest.mark.parametrize("limit", range(BAD))
def test_the_build_stops_at_the_first_input_too_many(limit: int, source: Path, tmp_path: Path) -> None:
    result = invoke("build", source, tmp_path, *QUICK, "--workers", 1, "--max-errors", limit)
    assert result.exit_code == 1
    assert without_start(result.stderr).startswith(
        f"Error: {limit + 1} of {INPUTS} inputs cannot be read ({limit + 1} not an image"
    )


def test_what_earlier_runs_skipped_counts(source: Path, tmp_path: Path) -> None:
    """A run that resumes stops at its first input if the shards that are there have skipped too many."""
    command = ("build", source, tmp_path, *QUICK, "--workers", 1, "--max-errors")
    assert invoke(*command, BAD).exit_code == 0
    skipped = {number: len(summary.skipped) for number, summary in read_summaries(tmp_path).items()}
    lost = max(skipped, key=lambda number: skipped[number])
    for path in tmp_path.glob(f"*/{lost:06d}.*"):
        path.unlink()
    known = BAD - skipped[lost]
    assert skipped[lost] >= 2
    assert known >= 1
    found = int(without_start(invoke(*command, known - 1).stderr).removeprefix("Error: ").split(" of ")[0])
    assert known <= found <= known + 1


def test_what_another_process_left_meanwhile_is_swept(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished dataset holds no draft, even of a process that was killed while this one was building."""

    def leaving(plan: Plan, numbers: Sequence[int], watch: Watch) -> Iterator[ShardResult]:
        yield from in_this_process(plan, numbers, watch)
        temporary(plan.root / "v00" / "000000.tar").touch()

    monkeypatch.setattr(build_run, "in_this_process", leaving)
    build(photographs, tmp_path, *QUICK)
    assert (tmp_path / "dataset.json").exists()
    assert not [name for name in files(tmp_path) if name.endswith(".tmp")]


@pytest.mark.parametrize("more", [(), ("--variants", 2)], ids=["new", "planes added"])
def test_every_file_is_on_disk_before_one_that_vouches_for_it(
    more: tuple[Any, ...], photographs: Path, tmp_path: Path
) -> None:
    if more:
        build(photographs, tmp_path, *QUICK)
    with recorded() as events:
        build(photographs, tmp_path, *QUICK, *more)
    assert_durable(events)
    renamed = {event[1].relative_to(tmp_path).as_posix() for event in events if len(event) == 2}
    assert {"plan.json", "v01/000002.tar" if more else "v00/000002.tar", "index/000002.parquet"} < renamed
    assert "dataset.json" in renamed
