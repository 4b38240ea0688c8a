"""Try inputs again, each in a process that it may kill."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from layermix_gen.building.engines.parallel import cpu_seconds
from layermix_gen.dataset.plan import Plan
from layermix_gen.sources import Item
from layermix_gen.support.processes import limit_cpu, worker_processes
from layermix_gen.support.worker_pool import DeadWorkerError

T = TypeVar("T")


def tried(
    plan: Plan, items: Sequence[Item], work: Callable[[Plan, Item], T], workers: int, *, killed: T
) -> Iterator[tuple[Item, T]]:
    """Yield each input with the result of `work(plan, input)`, or with `killed` if that killed its process.

    With one worker, all is done in this process. Raises `LayerMixError` where the machine is at fault.
    """
    if workers == 1 or not items:
        yield from ((item, work(plan, item)) for item in items)
        return
    with worker_processes(plan, min(workers, len(items))) as pool:
        for ended in pool.ended(partial(_within_limit, work), deque(items)):
            if ended:
                yield ended.task, killed if isinstance(ended.error, DeadWorkerError) else ended.result()


# --- in a worker ---------------------------------------------------------------------------------------------------


def _within_limit(work: Callable[[Plan, Item], T], plan: Plan, item: Item) -> T:
    limit_cpu(cpu_seconds(plan))
    try:
        return work(plan, item)
    finally:
        limit_cpu(0)
