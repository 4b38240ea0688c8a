"""Find the finished shards that were spoiled by an outage: they left out an input that can be read now."""

from layermix_gen.building.shard_builder import open_inputs
from layermix_gen.dataset.index import ShardSummary, read_summaries
from layermix_gen.dataset.manifest import is_dataset
from layermix_gen.dataset.plan import Plan
from layermix_gen.errors import BadImage
from layermix_gen.sources import Item
from layermix_gen.sources.base import is_unread


def spoiled_shards(plan: Plan) -> list[int]:
    """The finished shards that left out an input for a reason that no longer holds.

    Inputs whose file could not be read are tried again; those of bad content only until the dataset is complete.
    Raises `LayerMixError` where the machine is at fault.
    """
    contents = not is_dataset(plan.root)
    return [number for number, one in read_summaries(plan.root).items() if _is_spoiled(plan, one, contents)]


def _is_spoiled(plan: Plan, summary: ShardSummary, contents: bool) -> bool:
    tried = {one.source: one.reason for one in summary.skipped if contents or is_unread(one.reason)}
    if not tried:
        return False
    items = [item for _, item in plan.items(summary.number) if item.id in tried]
    return any(_fault(plan, item) != tried[item.id] for item in items)


def _fault(plan: Plan, item: Item) -> str:
    """Why an input can be in no plane now; "" if it can."""
    source, maker = open_inputs(plan)
    try:
        list(maker.make(source.read(item), item.id, plan.settings.planes.values()))
    except BadImage as error:
        return str(error)
    return ""
