"""How far the build of a dataset is, or of planes that are added to it: which shards are there, who builds the others.

This only reads, so it disturbs no build. When shards were finished is known from the times of their indexes.
"""

import re
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from layermix_gen.building.planned import ranges
from layermix_gen.dataset.dataset_files import DatasetFiles
from layermix_gen.dataset.declaring import collect
from layermix_gen.dataset.index import ShardSummary, read_summaries
from layermix_gen.dataset.manifest import Manifest, Run
from layermix_gen.dataset.names import INDEX, PLAN, index_name, tar_name
from layermix_gen.dataset.outlets.leases import FOLDER as LEASES
from layermix_gen.dataset.plan import Plan, read_plan
from layermix_gen.errors import LayerMixError
from layermix_gen.support.checks import check_whole, is_remote
from layermix_gen.support.locks import NAME as LOCK
from layermix_gen.support.parsing import jsonable
from layermix_gen.support.text import count, duration, facts

RECENT = 64  # shards that the rate is measured over, at most
LONGEST_PAUSE, PAUSES = 60.0, 10  # a longer one, of so many seconds and usual pauses, is an interruption
AGAIN = "the same command as before, or build-planned after plan, builds what is missing"
CLAIM = rf"({re.escape(LOCK)}|.*~[0-9a-f]+)-([0-9]+)-([0-9]+)"  # of the locks and leases of partitions


@dataclass(frozen=True, slots=True)
class PartitionState:
    """What a partition, every `of`-th shard from shard `first` on, has to build, and which of these shards it lacks."""

    first: int
    of: int
    shards: int
    missing: tuple[int, ...]

    def __str__(self) -> str:
        lacks = f"{len(self.missing)} of {count(self.shards, 'shard')}"
        return f"{self.first}/{self.of} lacks {lacks}: {ranges(self.missing)}"


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast shards were finished lately, and how many seconds ago the last one was.

    `images_per_second` is None where it cannot be known, as of a single shard.
    """

    images_per_second: float | None
    shards: int  # that it was measured over
    seconds_since_last: float
    goes_on: bool  # whether the last one is no longer ago than is usual


@dataclass(frozen=True, slots=True)
class BuildState:
    """How far a build is: what is finished, as a manifest that is not complete; what is missing, and how fast it goes.

    `partitions` are those of the job array that lack shards, if it is known how many jobs it has.
    """

    location: str
    made: Manifest
    missing: tuple[int, ...]
    jobs: int
    partitions: tuple[PartitionState, ...]
    pace: Pace | None

    @property
    def seconds_left(self) -> float | None:
        """The seconds until all is finished if it goes on as lately; None where that cannot be known."""
        return _seconds_left(self.pace, (self.made.source.count - self.made.inputs) * len(self.made.planes))

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON has it: the report of the build so far, and what it lacks."""
        report = {name: one for name, one in self.made.as_dict().items() if name not in ("run", "labels", "partition")}
        added: dict[str, Any] = jsonable(
            {
                "missing": self.missing,
                "jobs": self.jobs,
                "partitions": self.partitions,
                "pace": self.pace,
                "seconds_left": self.seconds_left,
            }
        )
        return report | {"dataset": self.location} | added

    def __str__(self) -> str:
        made = self.made
        rows = {
            "dataset": f"{self.location} is not finished",
            "source": f"{made.source.location} ({made.source.kind})",
            "inputs": made.inputs_in_words,
            "planes": made.settings.planes_in_words,
            "samples": made.settings.samples,
            "method": made.settings.mixing,
            "shards": made.shards_in_words,
            "missing": ranges(self.missing),
            "partitions": "; ".join(map(str, self.partitions)),
            "pace": _pace_in_words(self.pace) if self.pace else "",
            "time left": _left_in_words(self.seconds_left),
            "next": self._next(),
        }
        return facts(rows)

    def _next(self) -> str:
        if not self.missing:
            return _all_there(self.location)
        if self.jobs == 1:
            return AGAIN
        tasks = [one.first for one in self.partitions]
        return f"the same jobs as before build what is missing: {ranges(tasks)} of {self.jobs}"


@dataclass(frozen=True, slots=True)
class AddedPlanes:
    """The planes that are being added to a finished dataset, the shards that `missing` them, and how fast it goes.

    `missing` is None where that cannot be known; then `problem` says why.
    """

    planes: tuple[str, ...]
    shards: int
    missing: tuple[int, ...] | None = None
    pace: Pace | None = None
    seconds_left: float | None = None
    problem: str = ""

    def rows(self, location: str) -> dict[str, str]:
        """What a summary says of them, by the names of its rows."""
        names = " ".join(self.planes) or "planes"
        if self.missing is None:
            return {"adding": f"{names}; {self.problem}"}
        return {
            "adding": f"{names}: {self.shards - len(self.missing)} of {self.shards} shards have them",
            "missing": ranges(self.missing),
            "pace": _pace_in_words(self.pace) if self.pace else "",
            "time left": _left_in_words(self.seconds_left),
            "next": AGAIN if self.missing else _all_there(location),
        }


def added_planes(files: DatasetFiles, manifest: Manifest) -> AddedPlanes | None:
    """The planes that are being added to a finished dataset, None where there are none.

    Their files may be damaged, which is told: what is finished can be read for all that.
    """
    if not manifest.is_extended:
        return None
    planes: tuple[str, ...] = ()
    try:
        plan = read_plan(files.fetch([PLAN])[0].parent)
        planes = _added(plan, manifest) if plan else ()
        if plan is None or not planes:
            return None
        times = files.written(INDEX)
        if times is None:
            problem = "a web server cannot tell how many shards have them"
            return AddedPlanes(planes, plan.shards, problem=problem)
        finished, there = _shards_now(files, plan, times)
    except LayerMixError as error:
        return AddedPlanes(planes, manifest.shards, problem=str(error))
    missing = tuple(number for number in range(plan.shards) if number not in finished)
    images = {number: one.inputs * len(planes) for number, one in finished.items()}
    pace = pace_of(images, {number: there[number] for number in finished}, time.time())
    left = (plan.inputs.count - sum(one.inputs for one in finished.values())) * len(planes)
    return AddedPlanes(planes, plan.shards, missing, pace, _seconds_left(pace, left))


def _added(plan: Plan, manifest: Manifest) -> tuple[str, ...]:
    """The planes of a plan that the manifest has not, or not in the same form: virtual ones are stored, say."""
    there = {*manifest.stored_planes} - {*plan.settings.virtual_planes}
    there |= {*manifest.virtual_planes} & {*plan.settings.virtual_planes}
    return tuple(name for name in plan.settings.planes if name not in there)


def build_state(files: DatasetFiles, jobs: int | None = None) -> BuildState:
    """How far the build of a dataset is, with the shards that each of so many `jobs` of an array lacks.

    Without `jobs`, they are as many as the locks or leases of partitions say, else one. Raises `LayerMixError` where
    nothing was planned, and at a web server, which does not say which files are there.
    """
    if jobs is not None:
        check_whole("jobs", jobs, 1)
    if not files.has(PLAN):
        raise LayerMixError(f"expected a dataset at {files.location}, found no {PLAN}; check the path")
    root = files.fetch([PLAN])[0].parent
    plan = read_plan(root)
    times = files.written(INDEX)
    if plan is None or times is None:
        raise LayerMixError(
            f"expected a finished dataset at {files.location}, which a web server cannot tell the state of; "
            "ask where it is built"
        )
    finished, there = _shards_now(files, plan, times)
    made = replace(collect(plan, finished, Run(0, 0.0, 0.0, 0)), complete=False, digest="", location=files.location)
    missing = tuple(number for number in range(plan.shards) if number not in finished)
    jobs = jobs or _jobs(files)
    images = {number: one.inputs * len(plan.settings.planes) for number, one in finished.items()}
    return BuildState(
        files.location,
        made,
        missing,
        jobs,
        _partitions(plan.shards, missing, jobs) if jobs > 1 else (),
        pace_of(images, {number: there[number] for number in finished}, time.time()),
    )


def _shards_now(
    files: DatasetFiles, plan: Plan, times: Mapping[str, float]
) -> tuple[dict[int, ShardSummary], dict[int, float]]:
    """The shards that are finished by the plan now, and when the index of each shard was written."""
    there = {number: times[name] for number in range(plan.shards) if (name := Path(index_name(number)).name) in times}
    files.fetch([index_name(number) for number in there])
    return _finished(plan, read_summaries(plan.root), {*there}, {*files.shard_files()}), there


def _finished(
    plan: Plan, summaries: Mapping[int, ShardSummary], there: Set[int], files: Set[str]
) -> dict[int, ShardSummary]:
    """The shards that have all planes of the plan, and all of their tars, by what their indexes say of them."""
    stored, virtual = plan.settings.stored_planes, {*plan.settings.virtual_planes}
    return {
        number: one
        for number, one in summaries.items()
        if number in there
        and virtual <= {*one.virtual}
        and all(plane in one.planes and tar_name(plane, number) in files for plane in stored)
    }


def _jobs(files: DatasetFiles) -> int:
    """How many jobs build the dataset, as the locks or leases of their partitions say; else 1."""
    names = files.written(LEASES if is_remote(files.location) else "") or {}
    found = [re.fullmatch(CLAIM, name) for name in names]
    return max((int(one[3]) for one in found if one), default=1) or 1


def _partitions(shards: int, missing: Sequence[int], jobs: int) -> tuple[PartitionState, ...]:
    """The partitions that lack shards."""
    firsts = range(min(jobs, shards))
    lacking = {first: tuple(number for number in missing if number % jobs == first) for first in firsts}
    return tuple(
        PartitionState(first, jobs, len(range(first, shards, jobs)), lacks) for first, lacks in lacking.items() if lacks
    )


def pace_of(images: Mapping[int, int], times: Mapping[int, float], now: float) -> Pace | None:
    """The pace of the shards that were finished since the last interruption, by their images and times."""
    if not times:
        return None
    order = sorted(times, key=times.__getitem__)[-RECENT:]
    pauses = [times[later] - times[earlier] for earlier, later in pairwise(order)]
    longest = max(LONGEST_PAUSE, PAUSES * median(pauses)) if pauses else LONGEST_PAUSE
    begin = max((place + 1 for place, pause in enumerate(pauses) if pause > longest), default=0)
    order = order[begin:]
    seconds, since = times[order[-1]] - times[order[0]], max(now - times[order[-1]], 0.0)
    rate = sum(images[number] for number in order[1:]) / seconds if seconds > 0 else None
    return Pace(rate, len(order), since, since <= longest)


def _seconds_left(pace: Pace | None, images: int) -> float | None:
    """The seconds for so many images at a pace; None where nothing goes on, or the pace cannot be known."""
    return images / pace.images_per_second if pace and pace.goes_on and pace.images_per_second else None


def _left_in_words(seconds: float | None) -> str:
    return "" if seconds is None else f"{duration(seconds)}, if it goes on like that"


def _all_there(location: str) -> str:
    return f"all shards are there: layermix-gen finish {location}, or the same build again, completes them"


def _pace_in_words(pace: Pace) -> str:
    last = f"the last one was finished {duration(pace.seconds_since_last)} ago"
    if pace.images_per_second is None:
        return last
    return f"{pace.images_per_second:.0f} images/s over the last {count(pace.shards, 'shard')}; {last}"
