"""Shards built on a Ray cluster: first by a stand-in for Ray that loses tasks, then on two simulated nodes."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from layermix_gen import BuildSettings, LayerMixError, build, build_planned, estimate, plan
from layermix_gen.building.engines import Cluster, ray_cluster
from layermix_gen.building.shard_builder import ShardResult
from layermix_gen.dataset.plan import Plan, versions
from layermix_gen.dataset.skipped import Skipped
from tests.dataset.outlets.stored import differs
from tests.helpers import digest, files, invoke, start, wait_until
from tests.servers import stored_at

QUIET: dict[str, Any] = {"workers": 1, "progress": False}
SETTINGS = BuildSettings(variants=1, size=8, shard_size="4")  # 24 photographs in 6 shards


class RayError(Exception):
    """What Ray raises, whatever happens."""


class LostError(RayError):
    """What Ray raises where a task is lost."""


@dataclass(eq=False)
class Task:
    """A task that is not run yet."""

    work: Any
    plan: Plan
    number: int
    inputs: bytes
    board: Any


class FakeRay:
    """As much of Ray as the engine uses: one CPU, and a task is run when its result is asked for, if it is not lost."""

    exceptions = SimpleNamespace(
        NodeDiedError=LostError,
        WorkerCrashedError=LostError,
        ObjectLostError=LostError,
        LocalRayletDiedError=LostError,
        OutOfMemoryError=LostError,
        RayError=RayError,
    )

    def __init__(self, lost: Sequence[int] = (), cpus: int = 1) -> None:
        self.lost, self.cpus = list(lost), cpus
        self.given: list[int] = []  # shards, in the order of their tasks
        self.running: list[Any] = []
        self.most, self.stopped = 0, list[int]()

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self.cpus)}

    def put(self, value: Any) -> Any:
        return value

    def remote(self, **options: int) -> Callable[[Any], Any]:
        if options == {"num_cpus": 0, "max_restarts": -1}:
            return lambda kind: SimpleNamespace(remote=lambda: self._board(kind()))
        assert options == {"num_cpus": 1, "max_retries": 0}
        return lambda work: SimpleNamespace(remote=lambda *arguments: self._begin(work, *arguments))

    def _board(self, board: Any) -> Any:
        def method(name: str) -> Any:
            return SimpleNamespace(remote=lambda *arguments: getattr(board, name)(*arguments))

        return SimpleNamespace(**{name: method(name) for name in ("note", "counts", "stop")})

    def _begin(self, work: Any, plan: Plan, number: int, inputs: bytes, board: Any) -> Any:
        task = Task(work, plan, number, inputs, board)
        self.given.append(number)
        self.running.append(task)
        self.most = max(self.most, len(self.running))
        return task

    def wait(self, tasks: list[Any], *, timeout: float, num_returns: int = 1) -> tuple[list[Any], list[Any]]:
        return tasks[-num_returns:], tasks[:-num_returns]

    def get(self, task: Any, timeout: float = 0) -> Any:
        if task not in self.running:  # the answer of a board
            return task
        self.running.remove(task)
        if task.number in self.lost:
            self.lost.remove(task.number)
            raise LostError
        return task.work(task.plan, task.number, task.inputs, task.board)

    def kill(self, board: Any) -> None:
        self.stopped = [task.number for task in self.running if not board.note.remote(task.number, 0, 0)]


@pytest.fixture
def planned(photographs: Path, pool: Path, tmp_path: Path) -> Plan:
    return plan(photographs, tmp_path / "out", SETTINGS, mixing_set=pool, **QUIET).plan


@pytest.fixture
def skipping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that build nothing, and skip one input each."""

    def work(plan: Plan, number: int, inputs: bytes, board: Any) -> ShardResult:
        assert board.note.remote(number, 4, 1)
        return ShardResult(number, (Skipped(str(number), "not an image"),), None)

    monkeypatch.setattr(ray_cluster, "_build_on_node", work)


def engine(ray: FakeRay, workers: int | None = None) -> Cluster:
    return Cluster(ray, workers)  # type: ignore[arg-type]


def numbers(results: Iterator[ShardResult]) -> list[int]:
    return sorted(result.number for result in results)


class BareNodes(FakeRay):
    """Nodes on which nothing is installed."""

    def get(self, task: Any, timeout: float = 0) -> Any:
        if task in self.running:
            raise RayError(
                "RaySystemError: System error\n  File ...\nModuleNotFoundError: No module named 'layermix_gen'\n"
            )
        return task


def test_what_a_node_lacks_is_one_line(planned: Plan) -> None:
    with pytest.raises(LayerMixError) as caught:
        numbers(engine(BareNodes()).build(planned, range(6), lambda *_: True))
    line = "a task failed on a node (ModuleNotFoundError: No module named 'layermix_gen'); install there what this "
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("skipping")
@pytest.mark.parametrize(("cpus", "workers", "most"), [(1, None, 2), (3, None, 6), (3, 4, 4), (1, 1, 1)])
def test_so_many_tasks_at_a_time(cpus: int, workers: int | None, most: int, planned: Plan) -> None:
    ray, seen = FakeRay(cpus=cpus), []
    results = engine(ray, workers).build(planned, range(6), lambda *counts: not seen.append(counts))
    assert numbers(results) == list(range(6))
    assert (ray.most, ray.given, ray.stopped) == (most, list(range(6)), [])
    assert seen == [(4 * n, n) for n in range(1, 7)]


@pytest.mark.usefixtures("skipping")
def test_what_is_lost_is_built_again(planned: Plan, caplog: pytest.LogCaptureFixture) -> None:
    ray = FakeRay(lost=[1, 4, 4])
    assert numbers(engine(ray).build(planned, range(6), lambda *_: True)) == list(range(6))
    assert sorted(ray.given) == [0, 1, 1, 2, 3, 4, 4, 4, 5]
    lines = [f"shard {number} was lost with its node or process; it is built again" for number in (1, 4, 4)]
    assert sorted(caplog.messages) == lines


@pytest.mark.usefixtures("skipping")
def test_what_is_lost_each_time_ends_the_build(planned: Plan) -> None:
    ray = FakeRay(lost=[2] * 10)
    with pytest.raises(LayerMixError, match="shard 2 was lost with its node or process 10 times; see `ray status`, "):
        numbers(engine(ray, 1).build(planned, [2], lambda *_: True))
    assert ray.given == [2] * 10


@pytest.mark.usefixtures("skipping")
def test_too_many_errors_stop_what_is_left(planned: Plan) -> None:
    ray = FakeRay()
    results = engine(ray, 3).build(planned, range(6), lambda done, skipped: skipped < 2)
    assert numbers(results) == [2, 3]
    assert len(ray.stopped) == 2
    assert ray.most == 3


def of_another_version(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setattr(ray_cluster, "versions", lambda: versions() | {"numpy": "0.1"})


def without_output(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    (root / "plan.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (of_another_version, r"expected the versions of the plan on all nodes, found others on .*: numpy 0\.1 \("),
        (without_output, "expected the output folder .*/out on all nodes, found none on .*; put it on a file system"),
    ],
)
def test_a_node_that_would_make_something_else_ends_the_build(
    spoil: Callable[[pytest.MonkeyPatch, Path], None], message: str, planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, planned.root)
    ray = FakeRay()
    with pytest.raises(LayerMixError, match=message):
        numbers(engine(ray).build(planned, range(6), lambda *_: True))
    assert len(ray.stopped) == 1


def test_without_ray_it_is_said_how_to_get_it(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(
        LayerMixError, match=r"^the engine ray needs Ray; install it: pip install 'layermix-gen\[ray\]'$"
    ):
        build_planned(planned.root, engine="ray", progress=False)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--engine", "ray", "--ray-address", "127.0.0.1:1"), "expected a Ray cluster at 127.0.0.1:1, found none ("),
        (("--engine", "ray", "--workers", 0), "workers must be "),
        (("--ray-address", "auto"), "ray-address is for the engine ray, got 'auto'; add --engine ray, or leave it out"),
    ],
)
def test_what_is_asked_of_ray_is_checked(more: tuple[object, ...], line: str, planned: Plan) -> None:
    result = invoke("build-planned", planned.root, *more)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(f"Error: {line}")


# --- with Ray ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """A URL in an object store that all nodes reach."""
    with stored_at() as (url, _):
        yield url


@pytest.fixture(scope="module")
def nodes(store: str) -> Iterator[Any]:
    """A cluster of two simulated nodes of a CPU each, and the second of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster as Simulated

        node = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
        cluster = Simulated(initialize_head=True, head_node_args=node)
        try:
            yield cluster, cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
        finally:
            cluster.shutdown()


def shards_of(root: Path) -> int:
    return len(list(root.glob("index/*.parquet")))


@pytest.mark.long
def test_a_build_that_is_interrupted_and_loses_a_node(
    nodes: Any, photographs: Path, pool: Path, tmp_path: Path
) -> None:
    """First Ctrl-C stops it; then, resumed, one of two nodes is killed; the bytes are those of a local build."""
    cluster, second = nodes
    source = tmp_path / "source"
    source.symlink_to(photographs)
    settings = BuildSettings(variants=2, size=16, shard_size="3")  # 8 shards
    root, options = tmp_path / "out", ("--variants", 2, "--size", 16, "--shard-size", 3, "--mixing-set", pool)
    assert estimate(source, root, settings, engine="ray", ray_address=cluster.address, progress=False).workers == 2

    running = start("build", source, root, *options, "--engine", "ray", "--ray-address", cluster.address)
    wait_until(lambda: shards_of(root) > 1 or running.poll() is not None, "two shards")
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    done = shards_of(root)
    assert (running.returncode, 1 < done < 8) == (130, True), said
    last = said.splitlines()[-1]
    assert last == f"Interrupted: stopped with {done} of 8 shards finished; run the same command to resume"
    assert [name for name in files(root) if name.endswith(".tmp") or "lock" in name] == []

    def kill() -> None:
        wait_until(lambda: shards_of(root) > done, "another shard")
        cluster.remove_node(second, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    report = build(source, root, settings, mixing_set=pool, engine="ray", ray_address=cluster.address, progress=False)
    killer.join()
    assert report.complete
    build(source, tmp_path / "local", settings, mixing_set=pool, **QUIET)
    assert digest(root) == digest(tmp_path / "local")


@pytest.mark.long
def test_a_build_at_a_url_is_that_of_a_folder(
    nodes: Any, store: str, photographs: Path, pool: Path, tmp_path: Path
) -> None:
    """It is extended, too: nodes share no folder, and fetch what a shard needs from the store."""
    cluster, _ = nodes
    for variants in (1, 2):
        settings = BuildSettings(variants=variants, size=16, shard_size="6")  # 4 shards
        plan(photographs, store, settings, mixing_set=pool, **QUIET)
        assert build_planned(store, engine="ray", ray_address=cluster.address, progress=False).complete
        plan(photographs, tmp_path / "local", settings, mixing_set=pool, **QUIET)
        build_planned(tmp_path / "local", **QUIET)
        assert differs(store, tmp_path / "local") == []
