"""Replay a share of the samples, and compare them with what is stored."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib

from layermix_gen.dataset.dataset_files import DatasetFiles
from layermix_gen.dataset.index import ShardSummary
from layermix_gen.dataset.names import LISTING, address, index_name, ordinal_of, tar_name
from layermix_gen.dataset.plan import Plan
from layermix_gen.dataset.samples import Partner, Sample, lengths_of, metadata
from layermix_gen.errors import BadImage
from layermix_gen.images.codec import decode
from layermix_gen.inspection.replay import Replayer
from layermix_gen.inspection.verification.findings import Problem
from layermix_gen.sources import Item
from layermix_gen.sources.base import class_name
from layermix_gen.support.database import Database, rows
from layermix_gen.support.seeds import generator

CHECKSUMS = "SELECT DISTINCT source, source_crc32 FROM samples"


class ReplayCheck:
    """Replays a `share` of each shard's source images, each in all planes, and compares with what is stored."""

    def __init__(self, plan: Plan, share: float, *, checked: Path | None = None) -> None:
        self._plan, self._share = plan, share
        self._replayer = Replayer(plan, checked=checked)
        encoding = plan.settings.encoding
        self._lossless = encoding.format == "png" or (encoding.format == "webp" and encoding.quality == 100)

    def __reduce__(self) -> tuple[Callable[..., "ReplayCheck"], tuple[Plan, float]]:
        """Pickle the arguments alone: another process opens source and mixing set itself, which are checked by then."""
        mixing_set = self._replayer.maker.mixing_set
        checked = mixing_set.path if mixing_set else None
        return partial(ReplayCheck, checked=checked), (self._plan, self._share)

    def open(self) -> None:
        """Open source and mixing set now. Raises `LayerMixError` where one is gone or is a different one."""
        _ = self._replayer.source, self._replayer.maker

    def shard(self, files: DatasetFiles, index: Database, summary: ShardSummary) -> Iterator[list[Problem]]:
        """Replay the chosen samples of a shard, always the same ones, and yield the problems of each."""
        plan, number = self._replayer.plan, summary.number
        rng = generator(plan.settings.seed, "verify", number)
        chosen = set(rng.choice(summary.written, math.ceil(summary.written * self._share), replace=False).tolist())
        start, items = plan.bounds(number)[0], dict(plan.items(number))
        in_order = [*items.values()]
        checksums = {row["source"]: row["source_crc32"] for row in rows(index, CHECKSUMS)}
        by_key = rows(index, "SELECT * FROM samples ORDER BY key, plane")
        for place, (ordinal, of_image) in enumerate(groupby(by_key, lambda row: ordinal_of(row["key"]))):
            if place in chosen:
                partner = self._replayer.partner(in_order, ordinal - start, checksums)
                yield from self._image(files, items.get(ordinal), list(of_image), partner)

    def _image(
        self, files: DatasetFiles, item: Item | None, of_image: list[dict[str, Any]], partner: Partner
    ) -> Iterator[list[Problem]]:
        """Replay all samples of one source image, and yield the problems of each."""
        try:
            if item is None or item.id != of_image[0]["source"]:
                raise BadImage(f"is not of {of_image[0]['source']} by {LISTING}")
            variants = [row["variant"] for row in of_image]
            pixels = self._replayer.read(item, of_image[0]["source_crc32"])
            samples = list(self._replayer.maker.make(pixels, item, variants, partner))
        except BadImage as error:
            yield from ([Problem(_file_of(row), address(row), str(error))] for row in of_image)
            return
        name = class_name(self._replayer.plan.inputs.classes, item.label)
        for row, sample in zip(of_image, samples, strict=True):
            facts = metadata(sample.drawn, item, name, lengths_of(self._replayer.plan.settings.options))
            differences = self._differences(files, row, sample, facts)
            yield [Problem(_file_of(row), address(row), what) for what in differences]

    def _differences(
        self, files: DatasetFiles, row: Mapping[str, Any], sample: Sample, facts: Mapping[str, Any]
    ) -> Iterator[str]:
        if other := [name for name in facts if facts[name] != row[name]]:
            yield f"rendered again, its {', '.join(other)} would be another"
        if isal_zlib.crc32(sample.pixels) != row["pixels_crc32"]:
            yield "rendered again, its pixels are others"
        if self._lossless and row["size"] is not None:
            with suppress(BadImage):  # an unreadable image is reported as a problem of its own
                stored = files.part(_file_of(row), row["offset"], row["size"])
                intact = isal_zlib.crc32(stored) == row["image_crc32"]
                if intact and not np.array_equal(decode(stored), sample.pixels):
                    yield "rendered again, its pixels are not those of the stored image"


def _file_of(row: Mapping[str, Any]) -> str:
    """The file that holds a row's sample: its tar, or the index, of which those of virtual planes are rendered."""
    return index_name(row["shard"]) if row["size"] is None else tar_name(row["plane"], row["shard"])
