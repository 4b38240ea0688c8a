"""Samples once more: from their source images, mixing set and seed to the very pixels that were stored."""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
from duckdb import DuckDBPyConnection
from isal import isal_zlib

from layermix_gen.dataset.dataset_files import Files
from layermix_gen.dataset.index import ShardSummary
from layermix_gen.dataset.names import tar_name
from layermix_gen.dataset.plan import Plan
from layermix_gen.dataset.queries import rows
from layermix_gen.dataset.samples import Sample, SampleMaker, metadata
from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import decode
from layermix_gen.images.views import View, render_view
from layermix_gen.inspection.report import Problem
from layermix_gen.mixing.methods import Recipe
from layermix_gen.mixing_sets.mixing_set import MixingSet, open_mixing_set
from layermix_gen.sources import Item, Source, open_source
from layermix_gen.sources.base import class_name
from layermix_gen.support.seeds import generator


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """How a sample is made: uint8 arrays (H, W, 3), all but `source` of the sample's size."""

    source: Image  # the whole source image
    box: View  # which part of it
    view: Image  # that part: the recipe's leaf `image`
    picture: Image | None  # the recipe's leaf `picture`, where it uses one
    recipe: Recipe
    pixels: Image  # before encoding


class Replayer:
    """Makes samples of a plan again. Raises `LayerMixError` where its source or mixing set is gone or another."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @cached_property
    def source(self) -> Source:
        """The source of the images."""
        inputs = self.plan.inputs
        try:
            return open_source(inputs.location, inputs.kind, self.plan.settings.max_pixels)
        except LayerMixError as error:
            raise LayerMixError(
                f"samples cannot be rendered again without their source: {error}; where it was moved, run the build "
                "again with its new path, which is then known"
            ) from error

    @cached_property
    def maker(self) -> SampleMaker:
        """Draws and renders."""
        return SampleMaker(self.plan.settings, self._mixing_set())

    def _mixing_set(self) -> MixingSet | None:
        pool = self.plan.pool
        if pool is None:
            return None
        try:
            mixing_set = open_mixing_set(pool.location)
        except LayerMixError as error:
            raise LayerMixError(
                f"samples cannot be rendered again without their mixing set: {error}; where it was moved, run the "
                "build again with its new path, which is then known"
            ) from error
        if mixing_set.digest != pool.digest:
            raise LayerMixError(
                f"expected the mixing set {pool.digest[:12]}... in {pool.location}, found {mixing_set.digest[:12]}...; "
                "restore the one that the dataset was built with"
            )
        return mixing_set

    def read(self, item: Item) -> Image:
        """Read a source image. Raises `LayerMixError` where that fails now."""
        try:
            return self.source.read(item)
        except BadImage as error:
            raise LayerMixError(
                f"{item.id} in {self.source.location} cannot be read now: {error}; restore it"
            ) from error

    def replay(self, row: Mapping[str, Any]) -> Replay:
        """Make the sample of a row of the index again."""
        item = self.item(row)
        source = self.read(item)
        (sample,) = self.maker.make(source, item.id, [row["variant"]])
        size, recipe = self.maker.drawing.size, sample.recipe
        picture = self.maker.mixing_set.view(recipe.picture, size) if self.maker.mixing_set and recipe.picture else None
        view = render_view(source, sample.view, size)
        return Replay(source, sample.view, view, picture, recipe, sample.pixels)

    def item(self, row: Mapping[str, Any]) -> Item:
        """The input that a row of the index was made of. Raises `LayerMixError` where the listing has another."""
        ordinal = int(row["key"][:9])
        try:
            found = next((item for number, item in self.plan.items(row["shard"]) if number == ordinal), None)
        except OSError as error:
            raise LayerMixError(
                f"expected the list of inputs at {self.plan.root}/sources.jsonl, found none; run the build again to "
                "write it anew"
            ) from error
        if found is None or found.id != row["source"]:
            raise LayerMixError(
                f"expected {row['source']!r} as input {ordinal} in {self.plan.root}/sources.jsonl, found "
                f"{found.id if found else 'nothing'!r}; delete the file and run the build again to write it anew"
            )
        return found


class Again:
    """Makes a `share` of the samples of each shard again, all planes of a source image or none, and compares."""

    def __init__(self, plan: Plan, share: float) -> None:
        self._arguments = (plan, share)
        self._replayer, self._share = Replayer(plan), share
        encoding = plan.settings.encoding
        self._lossless = encoding.format == "png" or (encoding.format == "webp" and encoding.quality == 100)

    def __reduce__(self) -> tuple[type["Again"], tuple[Plan, float]]:
        """Another process opens source and mixing set by itself."""
        return Again, self._arguments

    def open(self) -> None:
        """Open source and mixing set now. Raises `LayerMixError` where they are gone, or are others."""
        _ = self._replayer.source, self._replayer.maker

    def shard(self, files: Files, index: DuckDBPyConnection, summary: ShardSummary) -> Iterator[list[Problem]]:
        """What is wrong with each of the samples that are rendered again: always the same ones of a shard."""
        plan, number = self._replayer.plan, summary.number
        rng = generator(plan.settings.seed, "verify", number)
        chosen = set(rng.choice(summary.written, math.ceil(summary.written * self._share), replace=False).tolist())
        items = dict(plan.items(number))
        by_key = rows(index, "SELECT * FROM samples ORDER BY key")
        for place, (ordinal, of_image) in enumerate(groupby(by_key, lambda row: int(row["key"].partition("-")[0]))):
            if place in chosen:
                yield from self._image(files, items.get(ordinal), list(of_image))

    def _image(self, files: Files, item: Item | None, of_image: list[dict[str, Any]]) -> Iterator[list[Problem]]:
        """All samples of one source image."""
        try:
            if item is None or item.id != of_image[0]["source"]:
                raise LayerMixError(f"is not of {of_image[0]['source']} by sources.jsonl")
            variants = [row["variant"] for row in of_image]
            samples = list(self._replayer.maker.make(self._replayer.read(item), item.id, variants))
        except (BadImage, LayerMixError) as error:
            yield from ([Problem(tar_name(row["plane"], row["shard"]), row["key"], str(error))] for row in of_image)
            return
        name = class_name(self._replayer.plan.inputs.classes, item.label)
        for row, sample in zip(of_image, samples, strict=True):
            facts = metadata(sample, item.id, item.label, name)
            tar = tar_name(row["plane"], row["shard"])
            yield [Problem(tar, row["key"], what) for what in self._differences(files, tar, row, sample, facts)]

    def _differences(
        self, files: Files, tar: str, row: Mapping[str, Any], sample: Sample, facts: Mapping[str, Any]
    ) -> Iterator[str]:
        if other := [name for name in facts if facts[name] != row[name]]:
            yield f"rendered again, its {', '.join(other)} would be another"
        if isal_zlib.crc32(sample.pixels) != row["pixels_crc32"]:
            yield "rendered again, its pixels are others"
        if self._lossless:
            with suppress(BadImage):  # what cannot be read is a problem that is told of by itself
                stored = files.part(tar, row["offset"], row["size"])
                intact = isal_zlib.crc32(stored) == row["image_crc32"]
                if intact and not np.array_equal(decode(stored), sample.pixels):
                    yield "rendered again, its pixels are not those of the stored image"
