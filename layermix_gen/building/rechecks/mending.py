"""Find the finished shards that were spoiled by an outage: they left out an input that can be read now."""

from collections.abc import Callable, Iterable

from layermix_gen.building.engines.parallel import DEADLY, is_deadly
from layermix_gen.building.rechecks.trying import tried
from layermix_gen.building.shard_builder import open_inputs
from layermix_gen.dataset.index import read_summaries
from layermix_gen.dataset.manifest import is_dataset
from layermix_gen.dataset.plan import Plan
from layermix_gen.dataset.skipped import Skipped
from layermix_gen.errors import BadImage
from layermix_gen.sources import Item
from layermix_gen.sources.base import is_unread


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
    left_out: dict[Item, tuple[int, str]] = {}
    for number, summary in summaries.items():
        known = {one.source: one.reason for one in summary.skipped if _may_have_passed(one.reason, contents)}
        of_shard = items_of(number) if known else ()
        left_out |= {item: (number, known[item.id]) for item in of_shard if item.id in known}
    faults = tried(plan, list(left_out), _fault, workers, killed=DEADLY)
    spoiled = {left_out[item][0] for item, why in faults if why != left_out[item][1]}
    return {number: summaries[number].skipped for number in sorted(spoiled)}


def _may_have_passed(why: str, contents: bool) -> bool:
    return is_unread(why) or (contents and not is_deadly(why))


def _fault(plan: Plan, item: Item) -> str:
    """The reason why an input can be in no plane now; "" if it can."""
    source, maker = open_inputs(plan)
    try:
        list(maker.make(source.read(item), item, plan.settings.planes.values()))
    except BadImage as error:
        return str(error)
    return ""
