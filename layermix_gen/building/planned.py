"""Builds by a plan that was written ahead: the source is not listed again, and no mixing set is made."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path

from layermix_gen.building.build_run import (
    check_errors,
    complete,
    finished_shards,
    reopen_spoiled,
    run,
    working_on,
    write_errors,
)
from layermix_gen.building.engines import engine_named
from layermix_gen.building.partitions import checked_partition
from layermix_gen.building.rechecks.mending import spoiled_shards
from layermix_gen.building.request import checked_errors, errors_allowed
from layermix_gen.dataset.declaring import declared_planes
from layermix_gen.dataset.index import ShardSummary, read_summaries
from layermix_gen.dataset.listings.listing import labels_in, labels_of
from layermix_gen.dataset.manifest import Manifest, Run
from layermix_gen.dataset.names import LISTING, PLAN, refuse_links
from layermix_gen.dataset.outlets.base import Outlet
from layermix_gen.dataset.outlets.places import placed
from layermix_gen.dataset.plan import MixingSetFacts, Plan, is_listed, read_plan, versions
from layermix_gen.dataset.plan_changes import digest_of_plan, refuse_changes
from layermix_gen.dataset.skipped import Skipped
from layermix_gen.errors import LayerMixError
from layermix_gen.kernels.native import say_if_not_compiled
from layermix_gen.mixing_sets.mixing_set import open_mixing_set
from layermix_gen.sources import Item
from layermix_gen.sources.labels import LabelCounts
from layermix_gen.support.checks import as_utf8_path, check_whole
from layermix_gen.support.files import disk_errors
from layermix_gen.support.processes import checked_workers, memory_errors
from layermix_gen.support.progress import say
from layermix_gen.support.text import count

FEW = 20  # runs of shards that are named


class PlannedBuild:
    """A checked request to build by the plan in a folder, and to its outlet.

    Raises `LayerMixError` where there is none to build by.
    """

    def __init__(
        self,
        root: str | Path,
        outlet: Outlet,
        workers: int | None = None,
        partition: tuple[int, int] | str = (0, 1),
        max_errors: int | None = None,
    ) -> None:
        self.workers, self.partition = checked_workers(workers), checked_partition(partition)
        self._max_errors = checked_errors(max_errors)
        self.root = as_utf8_path(root, "output folder")
        self.plan = replace(_read_plan(self.root), outlet=outlet)

    @property
    def max_errors(self) -> int:
        """How many inputs may be skipped."""
        return errors_allowed(self._max_errors, self.plan.inputs.count)

    def own(self, shards: int) -> range:
        """The numbers of the shards, out of `shards`, that this partition builds."""
        first, step = self.partition
        return range(first, shards, step)

    def items(self, number: int) -> Iterator[Item]:
        """The items of a shard as they were listed."""
        return (item for _, item in self.plan.items(number, as_listed=True))

    def written_labels(self, plan: Plan, finished: Mapping[int, ShardSummary]) -> LabelCounts | None:
        """The labels of the images written, once all shards are finished: before that, no job counts them."""
        if len(finished) < plan.shards:
            return None
        listed = labels_in(plan.root / LISTING)
        skipped = [one.source for summary in finished.values() for one in summary.skipped]
        return LabelCounts.of(listed - labels_of(plan.root / LISTING, skipped), plan.inputs.classes, listed)

    def check(self) -> None:
        """Raise `LayerMixError` unless this machine would make the samples of the plan."""
        mixed = self.plan.mixing_set
        if mixed and (place := self.plan.mixing_set_place):
            mixed = replace(MixingSetFacts.of(open_mixing_set(place)), location=mixed.location)
        refuse_changes(self.plan, replace(self.plan, mixing_set=mixed, versions=versions()), self.root / LISTING)

    def is_current(self) -> bool:
        """Whether the plan in the folder is still this one. Raises `LayerMixError` where it is another."""
        now = read_plan(self.root)
        if now and (now.fingerprint, now.settings) == (self.plan.fingerprint, self.plan.settings):
            return True
        raise LayerMixError(f"the plan of {self.root} was changed meanwhile; run the same command again")


def build_planned(
    out: str | Path,
    *,
    workers: int | None = None,
    partition: tuple[int, int] | str = (0, 1),
    max_errors: int | None = None,
    engine: str = "local",
    ray_address: str | None = None,
    progress: bool = True,
) -> Manifest:
    """Build the dataset that `plan` has planned in `out`, or a partition of it, with the options of `build`.

    Source and settings are those of the plan: the source is not listed again, so what was added to it since is not
    seen. Raises `LayerMixError` where there is no plan, and where this machine would make other samples.
    """
    with memory_errors(), engine_named(engine, ray_address, workers, out) as cluster, placed(out) as (root, outlet):
        planned = PlannedBuild(root, outlet, workers, partition, max_errors)
        planned.check()
        say_if_not_compiled()
        plan = planned.plan
        if progress:
            what = f"{count(len(planned.own(plan.shards)), 'shard')} of {plan.shards}"
            say(f"building {what}: {plan.settings.samples}")
        with disk_errors(plan.root):
            refuse_links(plan.root)
            spoiled = spoiled_shards(plan, planned.items, planned.workers)
            prepare = partial(_prepare, planned, spoiled)
            with working_on(plan, planned, prepare, planned.is_current, progress):
                return run(plan, planned, progress, cluster)


def finish(out: str | Path, *, jobs: int | None = None, max_errors: int | None = None) -> Manifest:
    """Complete the dataset that was planned in `out` if all its shards are there; as often as you like.

    Raises `LayerMixError` that names the shards that are missing, with the partitions that build them: those of an
    array of so many `jobs`, or else a partition for each shard.
    """
    begin = time.perf_counter()
    if jobs is not None:
        check_whole("jobs", jobs, 1)
    with memory_errors(), placed(out, mixes=False) as (root, outlet):
        planned = PlannedBuild(root, outlet, 1, max_errors=max_errors)
        refuse_links(planned.root)
        with (
            disk_errors(planned.root),
            outlet.together(
                planned.root,
                digest_of_plan(planned.plan),
                None,
                prepare=partial(_prepare, planned, {}),
                is_prepared=planned.is_current,
                waiting=lambda: None,
            ),
        ):
            return _finished(planned, jobs, begin)


def _finished(planned: PlannedBuild, jobs: int | None, begin: float) -> Manifest:
    """Complete the dataset, in a time since `begin`. Raises `LayerMixError` that names the shards that are missing."""
    plan, root = planned.plan, planned.root
    finished = finished_shards(plan, read_summaries(root))
    if missing := [number for number in range(plan.shards) if number not in finished]:
        raise LayerMixError(_missing(plan, missing, jobs))
    skipped = [one for summary in finished.values() for one in summary.skipped]
    if declared_planes(plan) != plan.settings.planes.keys():
        write_errors(root, skipped)
        plan.outlet.publish(root)
    check_errors(plan, skipped, planned.max_errors)
    seconds = round(time.perf_counter() - begin, 3)
    return complete(plan, finished, Run(0, seconds, 0.0, 1), planned)


def _prepare(planned: PlannedBuild, spoiled: Mapping[int, Sequence[Skipped]]) -> None:
    """Reopen the `spoiled` shards. Raises `LayerMixError` where the plan is another one now."""
    if planned.is_current():
        reopen_spoiled(planned.plan, spoiled)


def _read_plan(root: Path) -> Plan:
    plan = read_plan(root)
    if plan is None or not is_listed(plan):
        other = f"{LISTING} of another plan, as `plan` leaves it that is stopped in the midst"
        found = "none" if plan is None else other if (root / LISTING).is_file() else f"no {LISTING}"
        raise LayerMixError(
            f"expected a plan with its list of inputs, {PLAN} and {LISTING}, in {root}, found {found}; write it by "
            f"`layermix-gen plan SOURCE {root}`"
        )
    return plan


def _missing(plan: Plan, missing: Sequence[int], jobs: int | None) -> str:
    """Name the missing shards, and what builds them."""
    of = jobs or plan.shards
    tasks = sorted({number % of for number in missing})
    found = f"{len(missing)} of {count(plan.shards, 'shard')} of {plan.root} are not finished: {ranges(missing)}"
    how = f"--partition {tasks[0]}/{of}" if len(tasks) == 1 else f"--partition i/{of} with i = {ranges(tasks)}"
    return f"expected all shards, but {found}; build them by `layermix-gen build-planned {plan.root}`, or {how}"


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as schedulers take them: `3,7-9,12`; long ones are cut short."""
    runs = (list(run) for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]))
    texts = [f"{run[0][1]}-{run[-1][1]}" if len(run) > 1 else str(run[0][1]) for run in runs]
    more = f" and {len(texts) - FEW} more" if len(texts) > FEW else ""
    return ",".join(texts[:FEW]) + more
