"""A whole build: list, plan, run an engine over the shards that are missing, then declare the dataset complete."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tqdm import tqdm

from layermix_gen.engines import Watch, in_processes, in_this_process
from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.estimator import Estimate, estimate_build, planned_shards
from layermix_gen.files import disk_errors, replacing, sweep
from layermix_gen.fractals import render_fractal
from layermix_gen.index import ShardSummary, Skipped, read_summaries
from layermix_gen.manifest import Manifest, Run, collect, declared_planes, reasons, skipped_text, write_manifest
from layermix_gen.pictures import MixingSet, pool_size_for, resolve_mixing_set
from layermix_gen.plan import Plan, Pool, freeze, make_plan, planned_order, read_plan, refuse_changes
from layermix_gen.processes import checked_workers
from layermix_gen.samples import SampleMaker
from layermix_gen.settings import BuildSettings
from layermix_gen.shards import is_finished, missing_planes
from layermix_gen.sidecars import write_sidecars
from layermix_gen.sources import Item, Source, open_source

MIN_ERRORS, ERROR_SHARE = 10, 0.01  # inputs that may be skipped unless the user says how many: 1%, but at least 10
STAND_INS = 8  # fractals of an estimate
DEFAULTS = BuildSettings()


def build(
    source: str | Path,
    out: str | Path,
    settings: BuildSettings = DEFAULTS,
    *,
    kind: str = "auto",
    mixing_set: str | Path | None = None,
    workers: int | None = None,
    partition: tuple[int, int] = (0, 1),
    max_errors: int | None = None,
    progress: bool = True,
) -> Manifest:
    """Build the dataset `out` from the images of `source`; the same call resumes what is unfinished.

    `kind` names the kind of source (see `layermix_gen.sources.KINDS`); "auto" tells it by the content. `mixing_set` is
    a pool (`.npy`) or a folder of pictures; without one, fractals are rendered from the seed. `workers` is the number
    of processes, by default the CPUs that this process may use. `partition=(i, n)` builds every n-th shard from shard i
    on, for job arrays: the last to finish completes the dataset. More than `max_errors` inputs that cannot be read (by
    default 1%, but at least 10) end the build.

    Returns the manifest. Raises `LayerMixError` for what the user can mend, `Interrupted` after Ctrl-C.
    """
    workers, (first, step) = checked_workers(workers), _checked_partition(partition)
    if max_errors is not None and max_errors < 0:
        raise LayerMixError(f"max-errors must be at least 0, got {max_errors}; change --max-errors")
    job = _Job(source, Path(out), settings, kind)
    pool = None
    if settings.method != "none" and settings.variants:
        color = settings.preset == "released"  # that code mixes with fractals in colour
        pool = resolve_mixing_set(mixing_set, job.size, settings.seed, color=color, progress=progress)
    with disk_errors(job.root):
        plan = freeze(job.planned(Pool.of(pool) if pool else None, job.shards(pool)), job.items)
        limit = max(MIN_ERRORS, int(ERROR_SHARE * len(job.items))) if max_errors is None else max_errors
        return _run(plan, range(first, plan.shards, step), workers, limit, progress)


def estimate(
    source: str | Path,
    out: str | Path,
    settings: BuildSettings = DEFAULTS,
    *,
    kind: str = "auto",
    mixing_set: str | Path | None = None,
    workers: int | None = None,
) -> Estimate:
    """Say what `build` would make and take, from a timed sample of the images.

    Writes nothing: unless the mixing set is a pool already, a few fractals in memory stand in for it.
    """
    job = _Job(source, Path(out), settings, kind)
    pool = None
    if mixing_set and not Path(mixing_set).is_dir():
        pool = resolve_mixing_set(mixing_set, job.size)
    elif settings.method != "none":
        fractals = [render_fractal(settings.seed, i, pool_size_for(job.size)) for i in range(STAND_INS)]
        pool = MixingSet(np.stack(fractals))
    return estimate_build(job.source, job.items, SampleMaker(job.settings, pool), checked_workers(workers))


class _Job:
    """What is asked for, with the source listed and every choice made."""

    def __init__(self, location: str | Path, root: Path, settings: BuildSettings, kind: str) -> None:
        _check_out(root, Path(location))
        self.root = root
        self.source: Source = open_source(location, kind, settings.max_pixels)
        self.settings = settings.resolve(self.source.native_size)
        self.size = self.settings.size or 0
        self.items: list[Item] = planned_order(self.source, settings.seed)
        self.before = read_plan(root)
        if self.before:  # refuse now what needs no mixing set: that may take a while to make
            refuse_changes(self.before, self.planned(self.before.pool, self.before.shards), self.items)

    def planned(self, pool: Pool | None, shards: int) -> Plan:
        """The plan of the build with so many shards."""
        return make_plan(self.root, self.source, self.items, self.settings, pool, shards)

    def shards(self, pool: MixingSet | None) -> int:
        """How many shards there are: as the folder's plan has it, or by a sample of the images."""
        if self.before and self.before.settings.shard_size == self.settings.shard_size:
            return self.before.shards
        return planned_shards(self.source, self.items, SampleMaker(self.settings, pool))


def _run(plan: Plan, numbers: Sequence[int], workers: int, limit: int, progress: bool) -> Manifest:
    """Build those of the shards `numbers` that are not finished; complete the dataset if no other is missing."""
    begin = time.perf_counter()
    sweep(plan.root)
    before = read_summaries(plan.root)
    lacking = {number: len(missing_planes(plan, before.get(number))) for number in numbers}  # planes of each shard
    todo = [number for number in numbers if lacking[number]]
    declared = declared_planes(plan.root)
    if any(declared & missing_planes(plan, before.get(number)).keys() for number in todo):
        (plan.root / "dataset.json").unlink(missing_ok=True)  # it is not true any more
        declared = set()
    settled = declared == plan.settings.planes.keys()
    workers = max(1, min(workers, len(todo)))
    written = 0
    abandoned: list[Skipped] = []
    with _watching(plan, {number: lacking[number] for number in todo}, before, limit, progress) as watch:
        try:
            for result in (in_processes(workers) if workers > 1 else in_this_process)(plan, todo, watch):
                if result.summary is None:
                    abandoned += result.skipped
                else:
                    written += result.summary.written * lacking[result.number]
        except KeyboardInterrupt:
            finished = len(_finished(plan, read_summaries(plan.root)))
            remedy = "run the same command to resume"
            raise Interrupted(f"stopped with {finished} of {plan.shards} shards finished; {remedy}") from None
        finally:
            summaries = read_summaries(plan.root)  # anew: other partitions may have gone on meanwhile
            skipped = [one for summary in summaries.values() for one in summary.skipped] + abandoned
            if not settled:
                write_errors(plan.root, skipped)
    _check_errors(plan, skipped, limit)
    seconds = time.perf_counter() - begin
    run = Run(written, round(seconds, 3), round(written / seconds, 1), workers)
    manifest = collect(plan, _finished(plan, summaries), run)
    if manifest.complete and not settled:
        _check_counts(plan, manifest)
        sweep(plan.root)
        write_sidecars(plan.root, manifest)
        write_manifest(manifest)
    return manifest


def _finished(plan: Plan, summaries: Mapping[int, ShardSummary]) -> dict[int, ShardSummary]:
    return {number: summary for number, summary in summaries.items() if is_finished(plan, summary)}


@contextmanager
def _watching(
    plan: Plan, planes: Mapping[int, int], summaries: Mapping[int, ShardSummary], limit: int, progress: bool
) -> Iterator[Watch]:
    """A progress bar in images, and the bound on skipped inputs; `planes` is how many each shard to build lacks."""
    sizes = {number: stop - start for number, (start, stop) in zip(planes, map(plan.bounds, planes), strict=True)}
    inputs, images = sum(sizes.values()), sum(size * planes[number] for number, size in sizes.items())
    known = sum(len(summary.skipped) for number, summary in summaries.items() if number not in planes)
    with tqdm(total=images, unit="image", unit_scale=True, disable=None if progress else True) as bar:

        def watch(done: int, skipped: int) -> bool:
            bar.update(done * images // max(inputs, 1) - bar.n)
            return known + skipped <= limit

        yield watch


def write_errors(root: Path, skipped: Sequence[Skipped]) -> None:
    """List every input that was left out; no file where there is none."""
    path = root / "errors.jsonl"
    if not skipped:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as draft:
        draft.write_text(skipped_text(skipped), "utf-8")


def _check_errors(plan: Plan, skipped: Sequence[Skipped], limit: int) -> None:
    what = ", ".join(f"{count} {reason}" for reason, count in reasons(skipped).items())
    found = f"{len(skipped)} of {plan.inputs.count} inputs cannot be read ({what})"
    remedy = f"see {plan.root / 'errors.jsonl'}, then mend them and build into another folder"
    if len(skipped) == plan.inputs.count:
        raise LayerMixError(f"{found}, which leaves nothing; {remedy}")
    if len(skipped) > limit:
        raise LayerMixError(f"{found}, {limit} are allowed; {remedy}, or raise --max-errors")


def _check_counts(plan: Plan, manifest: Manifest) -> None:
    """inputs = written + skipped, or nothing is declared complete."""
    if not plan.inputs.count == manifest.inputs == manifest.written + manifest.skipped:
        raise LayerMixError(
            f"expected {plan.inputs.count} inputs in the shards, found {manifest.written} written and "
            f"{manifest.skipped} skipped; delete {plan.root / 'index'} and run the same command to build them again"
        )


def _check_out(root: Path, source: Path) -> None:
    """Refuse to mix a dataset with other files, and to make it a part of its own source."""
    if source.is_dir() and root.resolve().is_relative_to(source.resolve()):
        raise LayerMixError(f"expected an output folder outside of the source, got {root}; choose another")
    if root.is_file() or (root.is_symlink() and not root.exists()):
        raise LayerMixError(f"expected a folder to build into, found a file at {root}; choose another")
    there = next(folder for folder in (root, *root.absolute().parents) if folder.exists())
    if not (there.is_dir() and os.access(there, os.R_OK | os.W_OK | os.X_OK)):
        raise LayerMixError(f"cannot build into {root}: {there} is no folder, or closed to you; choose another")
    if root.is_dir() and not (root / "plan.json").exists():
        others = sorted(
            entry.name for entry in root.iterdir() if not entry.name.startswith(".") and entry.name != "sources.jsonl"
        )
        if others:
            raise LayerMixError(
                f"expected an empty folder to build into, found {others[0]!r} in {root}; choose another"
            )


def _checked_partition(partition: tuple[int, int]) -> tuple[int, int]:
    index, count = partition
    if not 0 <= index < count:
        raise LayerMixError(f"partition i/n must have 0 <= i < n, got {index}/{count}; change --partition")
    return partition
