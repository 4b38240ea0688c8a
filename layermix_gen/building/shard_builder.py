"""Build one shard, from its inputs to its files: `build_shard` is the unit of work, and all that an engine calls.

A shard is committed in a fixed order: every tar is written under a temporary name, synced and renamed, then the index,
which marks the shard as finished. If the process is killed at any point, the shard is finished or is built again, and
its bytes are the same either way.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from layermix_gen.building.shard_draft import ShardDraft
from layermix_gen.building.shard_inputs import BATCH_BYTES, ShardInputs, batches
from layermix_gen.dataset.declaring import how_to_give_up
from layermix_gen.dataset.index import ShardSummary, read_summary, source_checksum, source_checksums
from layermix_gen.dataset.names import tar_name
from layermix_gen.dataset.plan import Plan
from layermix_gen.dataset.samples import Drawn, SampleMaker
from layermix_gen.dataset.skipped import Skipped
from layermix_gen.dataset.tar import TarSummary
from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import encode
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing_sets.mixing_set import open_mixing_set
from layermix_gen.sources import Item, Source
from layermix_gen.sources.base import ForeseeingSource
from layermix_gen.support.files import disk_errors

Tick: TypeAlias = Callable[[int, int], bool]
"""Called before each input of a shard and after the last with how many inputs are done and, among these, skipped.

Returns False to stop.
"""


@dataclass(frozen=True, slots=True)
class ShardResult:
    """The result of building a shard. `summary` is None if the build was stopped: then its files were removed."""

    number: int
    skipped: tuple[Skipped, ...]
    summary: ShardSummary | None


def intact_planes(plan: Plan, summary: ShardSummary | None) -> dict[str, TarSummary | None]:
    """The planes of a shard that are as the plan asks for them: tars in full size; None for a virtual plane."""
    if summary is None:
        return {}
    virtual, asked = summary.virtual, plan.settings.virtual_planes

    def is_intact(plane: str, tar: TarSummary) -> bool:
        return plan.outlet.tar_bytes(plan.root, tar_name(plane, summary.number)) == tar.bytes

    stored = {plane: tar for plane, tar in summary.planes.items() if plane not in asked and is_intact(plane, tar)}
    return {**stored, **{plane: None for plane in virtual if plane in asked}}


def missing_planes(plan: Plan, summary: ShardSummary | None) -> dict[str, int]:
    """The planes that the plan asks for and a shard lacks: their names and variant numbers."""
    intact = intact_planes(plan, summary)
    return {plane: variant for plane, variant in plan.settings.planes.items() if plane not in intact}


def is_finished(plan: Plan, summary: ShardSummary | None) -> bool:
    """Whether a shard has all planes that the plan asks for."""
    return not missing_planes(plan, summary)


def build_shard(
    plan: Plan,
    number: int,
    tick: Tick = lambda done, skipped: True,
    reading: Callable[[int], None] = lambda position: None,
    bad: Mapping[str, str] = MappingProxyType({}),
) -> ShardResult:
    """Build the missing planes of a shard, all of them or none.

    `reading` is called with the position of each input before it is decoded: its own turn may be a later one. `bad` has
    the reasons why inputs are to be left out unread, by their ids. Planes are aligned: an input that was left out of
    one plane is left out of all. Raises `LayerMixError` if the disk cannot be written, or if an input that is in other
    planes can no longer be read or is another image now.
    """
    work = _Work(plan, number, reading, bad)
    with disk_errors(plan.root), ShardDraft(plan, number, work.variants) as draft:
        for batch in batches(len(work.inputs.items)):
            ready = work.prepared(batch, tick)
            for position in batch:
                if not tick(position, len(work.skipped)):
                    return work.result()
                work.encode(position, ready.pop(position, None), draft)
            draft.write()
        if not tick(len(work.inputs.items), len(work.skipped)):
            return work.result()
        return work.result(draft.commit(work.kept, tuple(work.skipped)))


class _Prepared(NamedTuple):
    """An input that is read, with the checksum of its pixels, and the variants of it that are drawn."""

    pixels: Image
    checksum: int
    drawn: list[Drawn]


class _Work:
    """What is done with the inputs of a shard: they are read, drawn, rendered and encoded, or left out.

    It is done in phases, each for a batch of inputs: decoding and encoding an image sweep all of Python's own code from
    the processor's caches, which then takes 2 to 4 times as long.
    """

    def __init__(self, plan: Plan, number: int, reading: Callable[[int], None], bad: Mapping[str, str]) -> None:
        source, self._maker = open_inputs(plan)
        before = read_summary(plan.root, number)
        self._plan, self._number = plan, number
        self.kept = intact_planes(plan, before)
        self._made_of = source_checksums(plan.root, number, min(self.kept)) if self.kept else {}
        self._known = {one.source: one.reason for one in before.skipped} if before and self.kept else {}
        self.variants = missing_planes(plan, before)
        items = [item for _, item in plan.items(number, as_listed=True)]
        paired = METHODS[plan.settings.method].mixes_labels
        left_out = {**bad, **self._known}
        self.inputs = ShardInputs(source, items, left_out, reading, self._maker.check, paired=paired)
        self.skipped: list[Skipped] = []
        if isinstance(source, ForeseeingSource):
            source.expect([item for item in items if item.id not in left_out])

    def result(self, summary: ShardSummary | None = None) -> ShardResult:
        """The result of the work, which was stopped where there is no summary."""
        return ShardResult(self._number, tuple(self.skipped), summary)

    def prepared(self, batch: range, tick: Tick) -> dict[int, _Prepared | str]:
        """Read and draw the inputs of a batch, or those of them that are not too many bytes at once.

        What is left of the batch when `tick` says to stop is not read. An input that cannot be read is a reason.
        """
        found: dict[int, _Prepared | str] = {}
        left = BATCH_BYTES
        for position in batch:
            if left > 0 and tick(batch.start, len(self.skipped)):
                found[position] = one = self._prepare(position)
                left -= 0 if isinstance(one, str) else one.pixels.nbytes
        return found

    def encode(self, position: int, prepared: _Prepared | str | None, draft: ShardDraft) -> None:
        """Render and encode all variants of an input; prepare it first where that was too much at once.

        A bad input is left out. Raises `LayerMixError` if it is in other planes.
        """
        item = self.inputs.items[position]
        one = self._prepare(position) if prepared is None else prepared
        if isinstance(one, str):
            self._leave_out(item, one)
            return
        try:
            samples = self._maker.render(one.drawn, one.pixels, item, self.inputs.partner(position))
            draft.encode(self._plan.bounds(self._number)[0] + position, item, one.checksum, samples)
        except BadImage as error:
            self._leave_out(item, str(error))

    def _prepare(self, position: int) -> _Prepared | str:
        """Read and draw an input, or say why not: an error would keep what was read of the image in memory."""
        item = self.inputs.items[position]
        try:
            pixels = self.inputs.read(position)
            checksum = source_checksum(pixels)
            if self.kept and checksum != self._made_of.get(item.id):
                raise LayerMixError(
                    f"{item.id} is another image now than when other planes were built; restore it, then run the same "
                    f"command to resume{how_to_give_up(self._plan)}, or build into another folder"
                )
            return _Prepared(pixels, checksum, self._maker.draw(pixels, item, self.variants.values()))
        except BadImage as error:
            return str(error)

    def _leave_out(self, item: Item, why: str) -> None:
        if self.kept and item.id not in self._known:
            remedy = f"restore it, then run the same command to resume{how_to_give_up(self._plan)}"
            raise LayerMixError(f"{item.id} is in other planes but cannot be read now ({why}); {remedy}")
        self.skipped.append(Skipped(item.id, why))


def try_input(plan: Plan, number: int, position: int) -> None:
    """Make the samples of one input of a shard as `build_shard` does, and write nothing."""
    source, maker = open_inputs(plan)
    _, item = next(islice(plan.items(number), position, None))
    with suppress(BadImage):
        pixels = source.read(item)
        for sample in maker.make(pixels, item, plan.settings.planes.values()):
            encode(sample.pixels, plan.settings.encoding)


@lru_cache(maxsize=1)
def open_inputs(plan: Plan) -> tuple[Source, SampleMaker]:
    """Open source and mixing set once per process and plan."""
    source = plan.inputs.open(plan.settings.max_pixels)
    mixing_set = open_mixing_set(place) if (place := plan.mixing_set_place) else None
    return source, SampleMaker(plan.settings, mixing_set)
