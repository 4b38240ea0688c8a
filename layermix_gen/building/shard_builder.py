"""Build one shard, from its inputs to its files: `build_shard` is the unit of work, and all that an engine calls.

A shard is committed in a fixed order: every tar is written under a temporary name, synced and renamed, then the index,
which marks the shard as finished. If the process is killed at any point, the shard is finished or is built again, and
its bytes are the same either way.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Self, TypeAlias

from isal import isal_zlib

from layermix_gen.building.shard_inputs import ShardInputs
from layermix_gen.dataset.declaring import how_to_give_up
from layermix_gen.dataset.index import (
    ShardSummary,
    json_checksum,
    read_summary,
    source_checksum,
    source_checksums,
    write_index,
)
from layermix_gen.dataset.names import INDEX, index_path, sample_key, tar_path
from layermix_gen.dataset.plan import Plan
from layermix_gen.dataset.samples import Sample, SampleMaker, lengths_of, metadata
from layermix_gen.dataset.skipped import Skipped
from layermix_gen.dataset.tar import TarSummary, TarWriter
from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images.codec import encode
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing_sets.mixing_set import open_mixing_set
from layermix_gen.sources import Item, Source
from layermix_gen.sources.base import class_name
from layermix_gen.support.files import disk_errors, sync, temporary

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


def intact_planes(root: Path, summary: ShardSummary | None) -> dict[str, TarSummary]:
    """The planes of a shard whose tars are there in full size."""
    if summary is None:
        return {}

    def is_intact(plane: str, tar: TarSummary) -> bool:
        path = tar_path(root, plane, summary.number)
        return path.is_file() and path.stat().st_size == tar.bytes

    return {plane: tar for plane, tar in summary.planes.items() if is_intact(plane, tar)}


def missing_planes(plan: Plan, summary: ShardSummary | None) -> dict[str, int]:
    """The planes that the plan asks for and a shard lacks: their names and variant numbers."""
    intact = intact_planes(plan.root, summary)
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
    source, maker = open_inputs(plan)
    start, stop = plan.bounds(number)
    before = read_summary(plan.root, number)
    kept = intact_planes(plan.root, before)
    made_of = source_checksums(plan.root, number, min(kept)) if kept else {}
    known = {one.source: one.reason for one in before.skipped} if before and kept else {}
    variants = missing_planes(plan, before)
    paired = METHODS[plan.settings.method].mixes_labels
    inputs = ShardInputs(source, [item for _, item in plan.items(number)], {**bad, **known}, reading, paired=paired)
    with disk_errors(plan.root), _Draft(plan, number, variants) as draft:
        for position, item in enumerate(inputs.items):
            if not tick(position, len(draft.skipped)):
                return ShardResult(number, tuple(draft.skipped), None)
            try:
                pixels = inputs.read(position)
                checksum = source_checksum(pixels)
                if kept and checksum != made_of.get(item.id):
                    raise LayerMixError(
                        f"{item.id} is another image now than when other planes were built; restore it, then run the "
                        f"same command to resume{how_to_give_up(plan)}, or build into another folder"
                    )
                samples = maker.make(pixels, item, variants.values(), inputs.partner(position))
                draft.add(start + position, item, checksum, list(samples))
            except BadImage as error:
                if kept and item.id not in known:
                    remedy = f"restore it, then run the same command to resume{how_to_give_up(plan)}"
                    raise LayerMixError(
                        f"{item.id} is in other planes but cannot be read now ({error}); {remedy}"
                    ) from error
                draft.skipped.append(Skipped(item.id, str(error)))
        if not tick(stop - start, len(draft.skipped)):
            return ShardResult(number, tuple(draft.skipped), None)
        return ShardResult(number, tuple(draft.skipped), draft.commit(kept))


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
    mixing_set = open_mixing_set(plan.mixing_set.location) if plan.mixing_set else None
    return source, SampleMaker(plan.settings, mixing_set)


class _Draft:
    """The files of a shard while they are written. Leaving the context removes what was not committed."""

    def __init__(self, plan: Plan, number: int, variants: Mapping[str, int]) -> None:
        self.skipped: list[Skipped] = []
        self._plan, self._number = plan, number
        self._lengths = lengths_of(plan.settings)
        self._written = 0
        self._rows: list[str] = []
        self._paths = {plane: tar_path(plan.root, plane, number) for plane in variants}
        self._drafts = {plane: temporary(path) for plane, path in self._paths.items()}
        self._planes = {variant: plane for plane, variant in variants.items()}
        self._tars: dict[str, TarWriter] = {}

    def __enter__(self) -> Self:
        for folder in (*(path.parent for path in self._paths.values()), self._plan.root / INDEX):
            folder.mkdir(exist_ok=True)  # without parents: a dataset that was removed is not begun anew
        try:
            for plane, path in self._drafts.items():
                self._tars[plane] = TarWriter(path)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for plane, tar in self._tars.items():
            tar.abandon()
            self._drafts[plane].unlink(missing_ok=True)

    def add(self, ordinal: int, item: Item, checksum: int, samples: list[Sample]) -> None:
        """Append the samples of one source image, with the checksum of its pixels, each to the tar of its plane."""
        settings, name = self._plan.settings, class_name(self._plan.inputs.classes, item.label)
        encoding = settings.encoding
        for sample in samples:
            plane = self._planes[sample.variant]
            key = sample_key(ordinal, plane, settings.keys)
            image = encode(sample.pixels, encoding)
            facts = json.dumps(metadata(sample, item, name, self._lengths), ensure_ascii=False)
            text = facts.encode()
            tar = self._tars[plane]
            place = {
                "plane": plane,
                "shard": self._number,
                "key": key,
                "offset": tar.add(f"{key}.{encoding.extension}", image),
                "size": len(image),
                "image_crc32": isal_zlib.crc32(image),
                "pixels_crc32": isal_zlib.crc32(sample.pixels),
                "source_crc32": checksum,
                "json_crc32": json_checksum(key.encode(), text),
            }
            tar.add(f"{key}.cls", b"%d" % item.label)
            tar.add(f"{key}.json", text)
            self._rows.append(f"{json.dumps(place)[:-1]}, {facts[1:]}")
        self._written += 1

    def commit(self, kept: Mapping[str, TarSummary]) -> ShardSummary:
        """Complete all tars and give them their final names, then write the index."""
        finished = {plane: tar.close() for plane, tar in self._tars.items()}
        for plane, path in self._paths.items():
            self._drafts[plane].replace(path)
            sync(path.parent)
        in_order = sorted({**kept, **finished}.items())
        inputs = self._written + len(self.skipped)
        summary = ShardSummary(self._number, inputs, self._written, tuple(self.skipped), dict(in_order))
        write_index(index_path(self._plan.root, self._number), self._rows, summary, kept)
        return summary
