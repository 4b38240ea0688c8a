"""Estimate the size and time of a build by making, measuring and timing the samples of a few source images."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from layermix_gen.building.engines import engine_named
from layermix_gen.building.request import BuildRequest
from layermix_gen.building.sizing import UNREADABLE, sample_bytes
from layermix_gen.dataset.outlets.places import placed
from layermix_gen.dataset.samples import SampleMaker
from layermix_gen.dataset.settings import DEFAULTS, BuildSettings
from layermix_gen.mixing_sets.fractals.render import make_fractal
from layermix_gen.mixing_sets.mixing_set import MixingSet, open_mixing_set
from layermix_gen.mixing_sets.packing import list_pictures
from layermix_gen.mixing_sets.provision import (
    DEFAULT_COUNT,
    DETAIL,
    kept_fractals,
    picture_size_for,
    resolve_mixing_set,
)
from layermix_gen.sources import Item, SourceOptions
from layermix_gen.sources.base import DEFAULT_OPTIONS
from layermix_gen.sources.labels import LabelCounts
from layermix_gen.support.notebooks import panels
from layermix_gen.support.parsing import jsonable
from layermix_gen.support.processes import memory_errors
from layermix_gen.support.text import count, duration, facts

TIMED = 32  # source images
STAND_INS = 8  # fractals that stand in for a mixing set


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated size and time of a build."""

    inputs: int
    planes: int
    images: int
    shards: int
    own_shards: int  # of the requested partition
    bytes: int
    core_seconds: float  # of all shards
    workers: int
    fractal_seconds: float = 0.0  # of one core, to render the default mixing set; 0 if it is not used
    labels: LabelCounts | None = None
    form: str = ""  # what the samples are: size, views and format

    @property
    def seconds(self) -> float:
        """The seconds until the last worker is done, where each worker builds whole shards."""
        at_work = max(1, min(self.workers, self.own_shards))
        return self.core_seconds / self.shards * -(-self.own_shards // at_work)

    def as_dict(self) -> dict[str, Any]:
        """The estimate as JSON has it: its fields, and the seconds of the build."""
        return {**jsonable(self), "seconds": self.seconds}

    def _repr_html_(self) -> str:
        return panels.panel("Estimate of a build", panels.lines(self.summary()))

    def summary(self) -> str:
        """The estimate as text for people, one fact per line."""
        hours, workers = self.core_seconds / 3600, max(1, min(self.workers, self.own_shards))
        share = self.own_shards / self.shards
        part = f" for {self.own_shards} of {self.shards} shards" if share < 1 else ""
        rate = self.images * share / self.seconds if self.seconds else 0
        rows = {
            "labels": str(self.labels or ""),
            "samples": f"{self.inputs} inputs x {self.planes} planes = {self.images} images",
            "form": self.form,
            "shards": f"{self.shards}, each of about {self.inputs / self.shards:.0f} samples a plane",
            "size": f"{self.bytes / 1e6:.1f} MB, {self.bytes / self.images:.0f} bytes an image",
            "mixing set": f"{DEFAULT_COUNT} fractals, rendered before that in about "
            f"{duration(self.fractal_seconds / self.workers)}"
            if self.fractal_seconds
            else "",
            "time": f"{duration(self.seconds)} on {count(workers, 'worker')}{part}, {rate:.0f} images/s",
            "core hours": f"{hours:.2f}" if hours >= 0.1 else f"{hours:.2g} ({duration(self.core_seconds)})",
        }
        return facts(rows)


def estimate(
    source: str | Path,
    out: str | Path,
    settings: BuildSettings = DEFAULTS,
    *,
    kind: str = "auto",
    source_options: SourceOptions = DEFAULT_OPTIONS,
    mixing_set: MixingSet | str | Path | None = None,
    workers: int | None = None,
    partition: tuple[int, int] | str = (0, 1),
    max_errors: int | None = None,
    engine: str = "local",
    ray_address: str | None = None,
    progress: bool = True,
) -> Estimate:
    """Estimate the size and time of `build` with the same arguments, by timing a few of the images.

    Writes nothing: unless the mixing set is already made, a few fractals in memory stand in for it. Raises
    `LayerMixError` for what `build` would refuse.
    """
    with (
        memory_errors(),
        engine_named(engine, ray_address, workers, out) as cluster,
        placed(out, source=source, mixes=False) as (root, _),
        BuildRequest(
            source, root, settings, kind, source_options, mixing_set, workers, partition, max_errors, progress
        ) as request,
    ):
        mixed, fractal_seconds = _mixing_set(request) if request.mixes else (None, 0.0)
        shards = request.shards(progress)
        size, seconds = _measure(request, SampleMaker(request.settings, mixed))
        planes = len(request.settings.planes)
        images = len(request.items) * planes
        return Estimate(
            inputs=len(request.items),
            planes=planes,
            images=images,
            shards=shards,
            own_shards=len(request.own(shards)),
            bytes=int(size * len(request.items) * len(request.settings.stored_planes)),
            core_seconds=seconds * len(request.items),
            workers=cluster.workers if cluster else request.workers,
            fractal_seconds=fractal_seconds,
            labels=request.labels,
            form=request.settings.samples,
        )


def _mixing_set(request: BuildRequest) -> tuple[MixingSet, float]:
    """The set that is there, or a few fractals in place of another, and the seconds to render the default set, or 0."""
    if request.mixing_set and request.mixing_set.is_dir():
        list_pictures(request.mixing_set)  # refuses a folder without pictures
    elif request.mixing_set:
        return resolve_mixing_set(request.mixing_set, request.size), 0.0
    elif kept := kept_fractals(request.size, request.settings.seed):
        return open_mixing_set(kept), 0.0
    begin, size = time.perf_counter(), picture_size_for(request.size)
    fractals = [make_fractal(request.settings.seed, number, size, detail=DETAIL).pixels for number in range(STAND_INS)]
    seconds = (time.perf_counter() - begin) / STAND_INS * DEFAULT_COUNT
    return MixingSet(np.stack(fractals)), 0.0 if request.mixing_set else seconds


def _measure(request: BuildRequest, maker: SampleMaker) -> tuple[float, float]:
    """The mean bytes of a sample in a tar, and the seconds to make the samples of one source image in all planes."""

    def sizes(items: Sequence[Item]) -> list[int]:
        planes, stored = maker.settings.planes, maker.settings.stored_planes
        virtual = [planes[name] for name in maker.settings.virtual_planes]
        made, partners = (request.source, items, request.source.classes, maker), len(items) > 1
        found = sample_bytes(*made, [*stored.values()], virtual=virtual, partners=partners)
        return list(chain.from_iterable(found))

    sizes(request.items[:1])  # this first call, which is not timed, pays for imports and caches
    items = request.items[:TIMED]
    begin = time.perf_counter()
    found = sizes(items)
    return fmean(found or [UNREADABLE]), (time.perf_counter() - begin) / len(items)
