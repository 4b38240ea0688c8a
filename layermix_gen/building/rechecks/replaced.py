"""Refuse to go on with a build of which source images were replaced after shards were made of them.

A replaced file of another size is a change of the plan. One of the same size has another version, and so has one that
was only touched or copied: the checksum of its pixels, which the index has, tells them apart.
"""

from layermix_gen.building.rechecks.trying import tried
from layermix_gen.building.shard_builder import is_finished, open_inputs
from layermix_gen.dataset.index import read_summaries, source_checksum, source_checksums
from layermix_gen.dataset.listings.comparing import touched_inputs
from layermix_gen.dataset.listings.listing import Listing
from layermix_gen.dataset.names import LISTING
from layermix_gen.dataset.plan import Plan, read_plan
from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.sources import Item

CHECKED = 1000  # images at most where more were touched, as all are where a source was copied


def refuse_replaced(plan: Plan, listing: Listing, workers: int) -> None:
    """Raise `LayerMixError`, naming it, where an image of a finished shard has other pixels than it was built of.

    Images are decoded whose version is not that in the dataset's listing, `CHECKED` of them at most; with more than one
    worker, in processes of their own.
    """
    before = read_plan(plan.root)
    if before is None or before.listing == plan.listing:
        return
    # Shards that get more planes are compared image by image, as they are built.
    summaries = read_summaries(plan.root)
    built = {number: one.planes for number, one in summaries.items() if one.planes and is_finished(plan, one)}
    try:
        numbers = touched_inputs(plan.root / LISTING, listing.path, plan.shards, [*built], CHECKED)
    except FileNotFoundError:  # of a process that was killed before it wrote one
        return
    known: dict[int, dict[str, int]] = {}
    for number in sorted({plan.shard_of(one) for one in numbers}):
        known[number] = source_checksums(plan.root, number, min(built[number]))
    touched = [(plan.shard_of(one), listing[one]) for one in numbers]
    written = {item: known[shard][item.id] for shard, item in touched if item.id in known[shard]}
    for item, checksum in tried(plan, list(written), _checksum, workers, killed=-1):
        if checksum != written[item]:
            raise LayerMixError(
                f"{item.id} is another image now than when shard {next(n for n, one in touched if one == item)} of "
                f"{plan.root} was built; restore it, or build into another folder"
            )


def _checksum(plan: Plan, item: Item) -> int:
    """The checksum of the pixels of an input; -1 for one that cannot be read."""
    source, _ = open_inputs(plan)
    try:
        return source_checksum(source.read(item))
    except BadImage:
        return -1
