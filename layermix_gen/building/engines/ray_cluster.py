"""The engine that builds shards on a Ray cluster: a task for each, so many at a time that no node waits for work.

A task builds its shard in a process of its own, as a local build does, so that an image that kills its process is left
out and no more is lost. A task that is lost with its node, or with Ray's process, is given to the cluster again.
"""

import os
import re
import socket
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from layermix_gen.building.engines.base import Watch
from layermix_gen.building.engines.parallel import in_processes
from layermix_gen.building.shard_builder import ShardResult
from layermix_gen.dataset.listings.listing import excerpt
from layermix_gen.dataset.names import LISTING, MIXING_SET, PLAN
from layermix_gen.dataset.outlets.holders import scratch_folder
from layermix_gen.dataset.plan import Plan, versions
from layermix_gen.errors import LayerMixError, printable
from layermix_gen.support.checks import check_choice, check_whole
from layermix_gen.support.files import disk_errors
from layermix_gen.support.progress import warn
from layermix_gen.support.text import count, message_of

ENGINES = ("local", "ray")
AHEAD = 2  # tasks for each CPU that are given to the cluster at a time
TRIES = 10  # that a task may be lost
PATIENCE, POLL = 30.0, 1.0  # seconds that tasks may take to stop, and between two looks at what they do


class Cluster:
    """A connection to a Ray cluster, with at most `workers` tasks at a time, by default as many as it has CPUs."""

    def __init__(self, ray: ModuleType, workers: int | None) -> None:
        self._ray, self._workers = ray, workers

    @property
    def workers(self) -> int:
        """How many tasks run at a time: nodes may come and go."""
        return self._workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def build(self, plan: Plan, numbers: Sequence[int], watch: Watch) -> Generator[ShardResult, None, None]:
        """Build the shards, each in a task, and yield their results; at the end, stop the tasks that are left."""
        task = self._ray.remote(num_cpus=1, max_retries=0)(_build_on_node)
        board = self._ray.remote(num_cpus=0, max_restarts=-1)(_Counts).remote()
        shared, todo, lost = self._ray.put(plan), deque(numbers), Counter[int]()
        running: dict[Any, int] = {}
        done = skipped = 0
        try:
            while todo or running:
                while todo and len(running) < (self._workers or AHEAD * self.workers):
                    number = todo.popleft()
                    running[task.remote(shared, number, _inputs(plan, number), board)] = number
                for ready in self._ray.wait(list(running), timeout=POLL)[0]:
                    number = running.pop(ready)
                    if (result := self._result(ready)) is None:
                        todo.append(_once_more(number, lost))
                        continue
                    start, stop = plan.bounds(number)
                    done, skipped = done + stop - start, skipped + len(result.skipped)
                    yield result
                at_work = [one for number, one in self._counts(board).items() if number in running.values()]
                if not watch(done + sum(one[0] for one in at_work), skipped + sum(one[1] for one in at_work)):
                    return
        finally:
            self._stop(board, list(running))

    def _counts(self, board: Any) -> dict[int, tuple[int, int]]:
        """How many inputs of each shard are done and skipped; none while the board's own node is lost."""
        try:
            found: dict[int, tuple[int, int]] = self._ray.get(board.counts.remote(), timeout=POLL)
        except self._ray.exceptions.RayError:
            return {}
        return found

    def _stop(self, board: Any, tasks: list[Any]) -> None:
        """Let tasks stop after the images that they are at, and wait until they have removed what is unfinished.

        They are not cancelled: Ray 2.60 aborts the driver where a task ends at the moment at which it is cancelled.
        """
        board.stop.remote()
        if tasks:
            self._ray.wait(tasks, num_returns=len(tasks), timeout=PATIENCE)
        self._ray.kill(board)

    def _result(self, ready: Any) -> ShardResult | None:
        """The result of a task, None where it was lost. Raises `LayerMixError` for what the task has refused."""
        errors = self._ray.exceptions
        try:
            found: ShardResult | str = self._ray.get(ready)
        except (
            errors.NodeDiedError,
            errors.WorkerCrashedError,
            errors.ObjectLostError,
            errors.LocalRayletDiedError,
            errors.OutOfMemoryError,
        ):
            return None
        except errors.RayError as error:  # whose text has the traceback of the node, and the reason in its last line
            why = printable((str(error).strip().splitlines() or [""])[-1].strip())
            raise LayerMixError(
                f"a task failed on a node ({why}); install there what this machine has, layermix-gen in the same "
                "version too, then run the same command to resume"
            ) from error
        if isinstance(found, str):
            raise LayerMixError(found)
        return found


def _inputs(plan: Plan, number: int) -> bytes:
    """The listing of a shard's inputs, for nodes that do not reach the folder of the plan; empty where all do."""
    return excerpt(plan.root / LISTING, *plan.bounds(number)) if plan.outlet.scratch(plan.root) else b""


def _once_more(number: int, lost: Counter[int]) -> int:
    lost[number] += 1
    if lost[number] == TRIES:
        raise LayerMixError(
            f"shard {number} was lost with its node or process {count(TRIES, 'time')}; see `ray status`, give each "
            "node the memory that a worker takes, then run the same command to resume"
        )
    warn(f"shard {number} was lost with its node or process; it is built again")
    return number


@contextmanager
def engine_named(engine: str, address: str | None, workers: int | None, out: str | Path) -> Iterator[Cluster | None]:
    """Connect to the Ray cluster at `address`, by default the one that this machine is in; None for a local engine.

    Raises `LayerMixError` where there is none, and where its nodes cannot write to `out`.
    """
    check_choice("engine", engine, ENGINES)
    if engine != "ray":
        if address is not None:
            raise LayerMixError(
                f"ray-address is for the engine ray, got {address!r}; add --engine ray, or leave it out"
            )
        yield None
        return
    if str(out).startswith("memory:"):
        raise LayerMixError(
            f"expected an output that all nodes reach, got {out}; give a folder that they share, or a URL"
        )
    if workers is not None:
        check_whole("workers", workers, 1)
    ray = _library()
    is_ours = not ray.is_initialized()
    if is_ours:
        _connect(ray, address)
    try:
        yield Cluster(ray, workers)
    finally:
        if is_ours:
            ray.shutdown()


def _library() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise LayerMixError("the engine ray needs Ray; install it: pip install 'layermix-gen[ray]'") from error
    return ray


def _connect(ray: ModuleType, address: str | None) -> None:
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        if address and re.fullmatch(r"[^/]+:[0-9]{1,5}", address):  # where nothing answers, Ray tries for minutes
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), PATIENCE).close()
        ray.init(address or "auto", log_to_driver=False, logging_level="ERROR")
    except (OSError, OverflowError, ValueError, RuntimeError) as error:
        place = f"at {address}" if address else "that this machine is in"
        raise LayerMixError(
            f"expected a Ray cluster {place}, found none ({message_of(error)}); start one by `ray start`, or give "
            "--ray-address"
        ) from error


# --- on a node -----------------------------------------------------------------------------------------------------


class _Counts:
    """A board on which tasks note how many inputs of their shards are done and skipped, and see whether to go on."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[int, int]] = {}
        self._goes_on = True

    def note(self, number: int, done: int, skipped: int) -> bool:
        self._found[number] = done, skipped
        return self._goes_on

    def counts(self) -> dict[int, tuple[int, int]]:
        return self._found

    def stop(self) -> None:
        self._goes_on = False


def _build_on_node(plan: Plan, number: int, inputs: bytes, board: Any) -> ShardResult | str:
    """Build a shard; what the user can mend is returned as text, since Ray would send its traceback instead."""
    try:
        _check_versions(plan)
        with (
            _placed_here(plan, number, inputs) as here,
            closing(in_processes(1)(here, [number], _Link(board, number))) as results,
        ):
            return next(results, ShardResult(number, (), None))
    except LayerMixError as error:
        return str(error)


@contextmanager
def _placed_here(plan: Plan, number: int, inputs: bytes) -> Iterator[Plan]:
    """Yield the plan as it is on this node: the folder that all share, or a temporary one with the files of a shard.

    The mixing set of a dataset at a URL is fetched once per node, into its cache.
    """
    if not inputs:
        _check_folder(plan.root)
        yield plan
        return
    with scratch_folder() as folder, disk_errors(root := Path(folder)):
        (root / LISTING).write_bytes(inputs)
        plan.outlet.bring_index(root, number)
        mixed = plan.mixing_set
        if mixed and mixed.location == MIXING_SET:
            mixed = replace(mixed, location=f"{plan.outlet.place(plan.root)}/{MIXING_SET}")
        yield replace(plan, root=root, mixing_set=mixed)


class _Link:
    """The watch of a task: it notes its counts on the board about once a second, without waiting for the answer."""

    def __init__(self, board: Any, number: int) -> None:
        self._ray, self._board, self._number = _library(), board, number
        self._asked: Any = None
        self._next, self._goes_on = 0.0, True

    def __call__(self, done: int, skipped: int) -> bool:
        if self._asked is None and time.monotonic() >= self._next:
            self._asked = self._board.note.remote(self._number, done, skipped)
        if self._asked is not None and self._ray.wait([self._asked], timeout=0)[0]:
            with suppress(self._ray.exceptions.RayError):  # the board was on a node that is lost; it comes back
                self._goes_on = self._ray.get(self._asked)
            self._asked, self._next = None, time.monotonic() + POLL
        return self._goes_on


def _check_folder(root: Path) -> None:
    """Raise `LayerMixError` where this node would write to another folder."""
    if not (root / PLAN).is_file():
        raise LayerMixError(
            f"expected the output folder {root} on all nodes, found none on {socket.gethostname()}; put it on a file "
            "system that all of them share, or build into an object store"
        )


def _check_versions(plan: Plan) -> None:
    """Raise `LayerMixError` where this node would make other bytes."""
    now = versions()
    if other := [f"{name} {now.get(name)} ({was})" for name, was in plan.versions.items() if now.get(name) != was]:
        raise LayerMixError(
            f"expected the versions of the plan on all nodes, found others on {socket.gethostname()}: "
            f"{', '.join(other)}; install those of the plan there"
        )
