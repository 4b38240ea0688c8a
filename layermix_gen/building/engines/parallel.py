"""The engine that builds shards in worker processes, and leaves out images that kill their process.

When a process dies, all other shards are built first. Then the image that it was at is tried alone, in a new process
while no other is at work: only if that one dies as well, the image is to blame, is recorded as a bad one, and its shard
is built without it. A process that was killed from outside therefore costs nothing but time.
"""

import multiprocessing
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from ctypes import c_bool, c_int64
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from layermix_gen.building.engines.base import Engine, Watch
from layermix_gen.building.shard_builder import ShardResult, build_shard, try_input
from layermix_gen.dataset.plan import Plan
from layermix_gen.support.processes import CPU_SECONDS, limit_cpu, worker_processes
from layermix_gen.support.worker_pool import DeadWorkerError

POLL_SECONDS = 0.1
ROUNDS = 3  # in a row in which processes died, and no image was to blame
_KILLS = "kills its process"
DEADLY = f"{_KILLS}: it crashes, needs too much memory, or takes more than {CPU_SECONDS} s of CPU time a plane"


def is_deadly(why: str) -> bool:
    """Whether a reason for which an input was left out says that it kills its process."""
    return why.partition(":")[0] == _KILLS


def cpu_seconds(plan: Plan) -> float:
    """The CPU time that an input may take in all planes of a plan."""
    return CPU_SECONDS * (1 + len(plan.settings.planes))


def in_processes(workers: int) -> Engine:
    """The engine that builds shards in `workers` spawned processes, or in fewer where there are fewer shards."""
    return partial(_in_processes, workers)


def _in_processes(workers: int, plan: Plan, numbers: Sequence[int], watch: Watch) -> Generator[ShardResult, None, None]:
    board = _Board.of(len(numbers))
    todo = [_Task(number, slot, {}) for slot, number in enumerate(numbers)]
    fruitless = 0
    while todo and fruitless < ROUNDS:
        died: list[_Task] = []
        yield from _round(min(workers, len(todo)), plan, board, todo, died, watch)
        todo = [_judged(plan, board, task) for task in died]
        fruitless = fruitless + 1 if todo == died else 0
    if todo:
        raise DeadWorkerError


@dataclass(frozen=True, slots=True)
class _Task:
    """A shard to build: its number, its slot on the board, and the reasons why inputs are left out, by their ids."""

    number: int
    slot: int
    bad: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Board:
    """Shared memory in which workers count the inputs of each shard: begun, done and, among these, skipped.

    `reading` is the position of the input that was read last, whose own turn may be a later one.

    There is no lock that a dying worker could hold. `stop` tells the workers to stop after the input that they are at.
    """

    reading: Any
    begun: Any
    done: Any
    skipped: Any
    stop: Any

    @classmethod
    def of(cls, slots: int) -> "_Board":
        """A board for so many shards."""
        context = multiprocessing.get_context("spawn")
        reading, begun, done, skipped = (context.RawArray(c_int64, slots) for _ in range(4))
        return cls(reading, begun, done, skipped, context.RawValue(c_bool, False))


def _round(
    workers: int, plan: Plan, board: _Board, tasks: Sequence[_Task], died: list[_Task], watch: Watch
) -> Iterator[ShardResult]:
    """Build shards and yield their results; append those whose process died to `died`."""
    todo = deque(tasks)
    for task in tasks:
        for counts in (board.reading, board.begun, board.done, board.skipped):
            counts[task.slot] = 0
    with worker_processes(plan, workers, board) as pool:
        try:
            for ended in pool.ended(_build, todo, POLL_SECONDS):
                if not watch(sum(board.done), sum(board.skipped)):
                    board.stop.value = True
                    todo.clear()
                if ended and isinstance(ended.error, DeadWorkerError):
                    died.append(ended.task)
                elif ended:
                    yield ended.result()
        except BaseException:
            board.stop.value = True
            raise
    if board.stop.value:
        died.clear()


def _judged(plan: Plan, board: _Board, task: _Task) -> _Task:
    """The task of a process that died; if an input that it was at kills another process, alone, without that input."""
    reading, done = board.reading[task.slot], board.done[task.slot]
    if board.begun[task.slot] == done:  # it was at none
        return task
    with worker_processes(plan, 1) as pool:
        for ended in pool.ended(_try, deque((task.number, position) for position in {reading: 0, done: 0})):
            if ended and isinstance(ended.error, DeadWorkerError):
                _, item = next(islice(plan.items(task.number), ended.task[1], None))
                return _Task(task.number, task.slot, {**task.bad, item.id: DEADLY})
    return task


# --- in a worker ---------------------------------------------------------------------------------------------------


def _build(state: tuple[Plan, _Board], task: _Task) -> ShardResult:
    (plan, board), slot = state, task.slot
    start, stop = plan.bounds(task.number)

    def reading(position: int) -> None:
        board.reading[slot] = position
        limit_cpu(cpu_seconds(plan))

    def tick(done: int, skipped: int) -> bool:
        board.done[slot], board.skipped[slot] = done, skipped
        board.begun[slot] = min(done + 1, stop - start)
        limit_cpu(cpu_seconds(plan))
        return not board.stop.value

    try:
        return build_shard(plan, task.number, tick, reading, task.bad)
    finally:
        limit_cpu(0)


def _try(plan: Plan, place: tuple[int, int]) -> None:
    limit_cpu(cpu_seconds(plan))
    try_input(plan, *place)
