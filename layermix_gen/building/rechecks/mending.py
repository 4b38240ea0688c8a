"""Find the finished shards that were spoiled by an outage: they left out an input that can be read now."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from layermix_gen.building.engines.parallel import DEADLY, cpu_seconds, is_deadly
from layermix_gen.building.shard_builder import open_inputs
from layermix_gen.dataset.index import read_summaries
from layermix_gen.dataset.manifest import is_dataset
from layermix_gen.dataset.plan import Plan
from layermix_gen.dataset.skipped import Skipped
from layermix_gen.errors import BadImage
from layermix_gen.sources import Item
from layermix_gen.sources.base import is_unread
from layermix_gen.support.processes import limit_cpu, worker_processes
from layermix_gen.support.worker_pool import DeadWorkerError


def spoiled_shards(
    plan: Plan, items_of: Callable[[int], Iterable[Item]], workers: int
) -> dict[int, tuple[Skipped, ...]]:
    """The finished shards that left out one of their items for a reason that no longer holds.

    `items_of` gives the items of the shard with a number. Each comes with all that it left out. Inputs whose file could
    not be read are tried again; those of bad content only until the dataset is complete; those that killed their
    process never. With more than one worker, inputs are tried in processes of their own, which they may kill. Raises
    `LayerMixError` where the machine is at fault.
    """
    contents = not is_dataset(plan.root)
    summaries = read_summaries(plan.root)
    tried: dict[Item, tuple[int, str]] = {}
    for number, summary in summaries.items():
        known = {one.source: one.reason for one in summary.skipped if _may_have_passed(one.reason, contents)}
        of_shard = items_of(number) if known else ()
        tried |= {item: (number, known[item.id]) for item in of_shard if item.id in known}
    spoiled = {tried[item][0] for item, why in _faults(plan, list(tried), workers) if why != tried[item][1]}
    return {number: summaries[number].skipped for number in sorted(spoiled)}


def _may_have_passed(why: str, contents: bool) -> bool:
    return is_unread(why) or (contents and not is_deadly(why))


def _faults(plan: Plan, items: list[Item], workers: int) -> Iterator[tuple[Item, str]]:
    """Each input with the reason why it can be in no plane now; "" if it can."""
    if workers == 1 or not items:
        yield from ((item, _fault(plan, item)) for item in items)
        return
    with worker_processes(plan, min(workers, len(items))) as pool:
        for ended in pool.ended(_fault_within_limit, deque(items)):
            if ended:
                yield ended.task, DEADLY if isinstance(ended.error, DeadWorkerError) else ended.result()


def _fault(plan: Plan, item: Item) -> str:
    source, maker = open_inputs(plan)
    try:
        list(maker.make(source.read(item), item, plan.settings.planes.values()))
    except BadImage as error:
        return str(error)
    return ""


# --- in a worker ---------------------------------------------------------------------------------------------------


def _fault_within_limit(plan: Plan, item: Item) -> str:
    limit_cpu(cpu_seconds(plan))
    try:
        return _fault(plan, item)
    finally:
        limit_cpu(0)
