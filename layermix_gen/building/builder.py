"""A whole build: list the source, make the plan, build the missing shards on an engine, then write the manifest."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from layermix_gen.building.engines import Watch, in_processes, in_this_process
from layermix_gen.building.mending import spoiled_shards
from layermix_gen.building.replaced import refuse_replaced
from layermix_gen.building.request import BuildRequest
from layermix_gen.building.shard_builder import is_finished, missing_planes
from layermix_gen.dataset.declaring import collect, declared_planes, forget_aside, is_declared, write_manifest
from layermix_gen.dataset.index import ShardSummary, read_summaries
from layermix_gen.dataset.listings.listing import Listing
from layermix_gen.dataset.manifest import Manifest, Run
from layermix_gen.dataset.names import ERRORS, INDEX, MANIFEST, refuse_links
from layermix_gen.dataset.outlets.places import placed
from layermix_gen.dataset.plan import Plan
from layermix_gen.dataset.plan_changes import as_frozen, digest_of_plan, freeze, is_frozen, reopen
from layermix_gen.dataset.settings import DEFAULTS, BuildSettings
from layermix_gen.dataset.sidecars import write_sidecars
from layermix_gen.dataset.skipped import Skipped, reasons, skipped_text
from layermix_gen.errors import Interrupted, LayerMixError, StoreError
from layermix_gen.kernels.native import say_if_not_compiled
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from layermix_gen.sources import SourceOptions
from layermix_gen.sources.base import DEFAULT_OPTIONS, LINK_OUT
from layermix_gen.sources.labels import few
from layermix_gen.support.files import disk_errors, replacing
from layermix_gen.support.processes import memory_errors
from layermix_gen.support.progress import progress_bar, say
from layermix_gen.support.text import count


def build(
    source: str | Path,
    out: str | Path,
    settings: BuildSettings = DEFAULTS,
    *,
    kind: str = "auto",
    source_options: SourceOptions = DEFAULT_OPTIONS,
    mixing_set: MixingSet | str | Path | None = None,
    workers: int | None = None,
    partition: tuple[int, int] = (0, 1),
    max_errors: int | None = None,
    progress: bool = True,
) -> Manifest:
    """Build the dataset `out`, a folder or a URL, from the images of `source`; the same call resumes it.

    `kind` names the kind of source (see `layermix_gen.sources.KINDS`); "auto" detects it from the content.
    `source_options` says how sources of some kinds are read. `mixing_set` is a `.npy` file, open or not, or a folder of
    pictures; without one, fractals are rendered from the seed. `workers` is the number of processes, by default the
    CPUs that this process may use. `partition=(i, n)` builds every n-th shard from shard i on, for job arrays: the last
    job to finish completes the dataset. While another process builds a partition of `out` that overlaps, this one
    waits for it. The build fails if more than `max_errors` inputs cannot be read (by default 1%, but at least 10).

    Returns the manifest. Raises `LayerMixError` for what the user can mend, `Interrupted` after Ctrl-C.
    """
    with memory_errors(), placed(out) as (root, outlet):
        request = BuildRequest(
            source, root, settings, kind, source_options, mixing_set, workers, partition, max_errors, progress
        )
        request.announce(progress)
        say_if_not_compiled()
        mixed = None
        if request.mixes:
            color = request.settings.options.color
            mixed = resolve_mixing_set(request.mixing_set, request.size, settings.seed, color=color, progress=progress)
        plan = replace(request.planned(request.facts_of(mixed), request.shards(progress)), outlet=outlet)
        if progress and (folder := outlet.scratch(plan.root)):
            workers, planes = min(request.workers, len(request.own(plan.shards))), len(plan.settings.planes)
            tars = f"{workers} x {count(planes, 'tar')}, each of {plan.settings.largest_tar}"
            say(f"{outlet.place(plan.root)} gets whole shards; until then, {folder} holds at most {tars}")
        with disk_errors(request.root):
            request.root.mkdir(parents=True, exist_ok=True)
            refuse_links(request.root)
            spoiled = spoiled_shards(plan, request.items, request.workers)  # before others have to wait for this
            refuse_replaced(plan, request.items, request.workers)
            with outlet.together(
                plan.root,
                digest_of_plan(plan),
                partition,
                prepare=partial(_prepare, plan, request.items, spoiled),
                is_prepared=partial(is_frozen, plan, request.items),
                waiting=partial(_say_waiting, outlet.place(plan.root), progress),
            ):
                return _run(as_frozen(plan), request, progress)


def _prepare(plan: Plan, items: Listing, spoiled: Mapping[int, Sequence[Skipped]]) -> None:
    """Write or continue the plan, and reopen the `spoiled` shards that nobody has mended since they were found."""
    freeze(plan, items)
    reopen(
        plan.root, [number for number, one in read_summaries(plan.root).items() if spoiled.get(number) == one.skipped]
    )
    forget_aside(plan.root)
    plan.outlet.publish(plan.root, plan.settings.planes.keys())


def _say_waiting(place: str, progress: bool) -> None:
    if progress:
        say(f"another process builds shards of {place} that are of this partition; waiting until it has ended")


def _summaries_now(plan: Plan) -> dict[int, ShardSummary]:
    """The summaries of all shards that are finished now, by whichever process."""
    plan.outlet.refresh(plan.root)
    return read_summaries(plan.root)


def _run(plan: Plan, request: BuildRequest, progress: bool) -> Manifest:
    """Build the unfinished shards of a request; complete the dataset if no shard is missing after that."""
    begin = time.perf_counter()
    numbers, workers, limit = request.own(plan.shards), request.workers, request.max_errors
    before = read_summaries(plan.root)
    lacking = {number: len(missing_planes(plan, before.get(number))) for number in numbers}  # planes per shard
    todo = [number for number in numbers if lacking[number]]
    declared = declared_planes(plan.root)
    if any(declared & missing_planes(plan, before.get(number)).keys() for number in todo):
        (plan.root / MANIFEST).unlink(missing_ok=True)  # it declares planes that are no longer complete
        plan.outlet.publish(plan.root)
        declared = set()
    settled = declared == plan.settings.planes.keys()
    engine = in_processes(workers) if workers > 1 else in_this_process
    workers = max(1, min(workers, len(todo)))
    written = 0
    abandoned: list[Skipped] = []
    with _watching(plan, {number: lacking[number] for number in todo}, before, limit, progress) as watch:
        try:
            with closing(engine(plan, todo, watch)) as results:
                for result in results:
                    if result.summary is None:
                        abandoned += result.skipped
                    else:
                        written += result.summary.written * lacking[result.number]
        except KeyboardInterrupt:
            done = len(_finished(plan, _summaries_now(plan)))
            remedy = "run the same command to resume"
            raise Interrupted(f"stopped with {done} of {plan.shards} shards finished; {remedy}") from None
        finally:
            if not isinstance(sys.exception(), StoreError):  # which would only come again
                summaries = _summaries_now(plan)  # again: other partitions may have finished shards since
                skipped = [one for summary in summaries.values() for one in summary.skipped] + abandoned
                if not settled:
                    write_errors(plan.root, skipped)
                    plan.outlet.publish(plan.root)
    _check_errors(plan, skipped, limit)
    seconds = time.perf_counter() - begin
    run = Run(written, round(seconds, 3), round(written / seconds, 1), workers)
    finished = _finished(plan, summaries)
    if lost := set(numbers) - finished.keys():
        found = f"{count(len(lost), 'shard')} of {plan.root} went missing while it was built"
        raise LayerMixError(f"{found}; run the same command to build what is missing")
    manifest = collect(plan, finished, run)
    if manifest.complete and not is_declared(manifest):
        _check_counts(plan, manifest)
        write_sidecars(plan.root, manifest)
        write_manifest(manifest)
        plan.outlet.publish(plan.root)
    labels = request.written_labels(plan, finished)
    place = plan.outlet.place(plan.root)
    _warn_of_lost(labels.lost, place)
    return replace(manifest, root=Path(place), labels=labels, location=place)


def _warn_of_lost(classes: Sequence[str], place: str) -> None:
    """Say which classes the dataset lacks altogether: each is more than some inputs that were skipped."""
    if classes:
        one, their = ("class", "its") if len(classes) == 1 else ("classes", "their")
        found = f"no image was written of the {one} {few(classes)}: all of {their} images were skipped"
        say(f"warning: {found}; see {place}/{ERRORS}")


def _finished(plan: Plan, summaries: Mapping[int, ShardSummary]) -> dict[int, ShardSummary]:
    return {number: summary for number, summary in summaries.items() if is_finished(plan, summary)}


@contextmanager
def _watching(
    plan: Plan, planes: Mapping[int, int], summaries: Mapping[int, ShardSummary], limit: int, progress: bool
) -> Iterator[Watch]:
    """Yield a watch with a progress bar in images and a limit of skipped inputs.

    `planes` is how many planes each shard to build lacks.
    """
    sizes = {number: stop - start for number, (start, stop) in zip(planes, map(plan.bounds, planes), strict=True)}
    inputs, images = sum(sizes.values()), sum(size * planes[number] for number, size in sizes.items())
    known = sum(len(summary.skipped) for number, summary in summaries.items() if number not in planes)
    with progress_bar(images, "image", progress, unit_scale=True) as bar:

        def watch(done: int, skipped: int) -> bool:
            bar.update(done * images // max(inputs, 1) - bar.n)
            return known + skipped <= limit

        yield watch


def write_errors(root: Path, skipped: Sequence[Skipped]) -> None:
    """Write the list of all inputs that were left out; if there are none, remove the file."""
    path = root / ERRORS
    if not skipped:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as draft:
        draft.write_text(skipped_text(skipped), "utf-8")


def _check_errors(plan: Plan, skipped: Sequence[Skipped], limit: int) -> None:
    what = ", ".join(f"{number} {reason}" for reason, number in reasons(skipped).items())
    found = f"{len(skipped)} of {plan.inputs.count} inputs cannot be read ({what})"
    mend = "mend them and run the same command to resume"
    if plan.inputs.kind == "folder" and LINK_OUT in reasons(skipped):
        mend = f"give --follow-links to read what links lead to, or {mend}"
    remedy = f"see {plan.root / ERRORS}, then {mend}"
    if len(skipped) == plan.inputs.count:
        raise LayerMixError(f"{found}, which leaves nothing; {remedy}")
    if len(skipped) > limit:
        raise LayerMixError(f"{found}, {limit} are allowed; {remedy}, or raise --max-errors")


def _check_counts(plan: Plan, manifest: Manifest) -> None:
    """Raise `LayerMixError` unless inputs = written + skipped, before the dataset is declared complete."""
    if not plan.inputs.count == manifest.inputs == manifest.written + manifest.skipped:
        raise LayerMixError(
            f"expected {plan.inputs.count} inputs in the shards, found {manifest.written} written and "
            f"{manifest.skipped} skipped; delete {plan.root / INDEX} and run the same command to build them again"
        )
