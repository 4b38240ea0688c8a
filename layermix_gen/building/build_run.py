"""The run of a build by its plan: unfinished shards are built on an engine, then the manifest is written."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from layermix_gen.building.engines import Cluster, Watch, in_processes, in_this_process
from layermix_gen.building.shard_builder import is_finished, missing_planes
from layermix_gen.dataset.declaring import collect, declared_planes, forget_aside, is_declared, write_manifest
from layermix_gen.dataset.index import ShardSummary, read_summaries
from layermix_gen.dataset.manifest import Manifest, Run
from layermix_gen.dataset.names import ERRORS, INDEX, MANIFEST
from layermix_gen.dataset.plan import Plan
from layermix_gen.dataset.plan_changes import digest_of_plan, reopen
from layermix_gen.dataset.sidecars import write_sidecars
from layermix_gen.dataset.skipped import Skipped, reasons, skipped_text
from layermix_gen.errors import Interrupted, LayerMixError, StoreError
from layermix_gen.sources.base import LINK_OUT
from layermix_gen.sources.labels import LabelCounts, few
from layermix_gen.support.files import replacing
from layermix_gen.support.progress import progress_bar, say, warn
from layermix_gen.support.text import count


class Request(Protocol):
    """What a run asks of a request: which shards to build, by how many workers, and how many inputs may be skipped."""

    workers: int

    @property
    def partition(self) -> tuple[int, int]: ...

    @property
    def max_errors(self) -> int: ...

    def own(self, shards: int) -> range:
        """The numbers of the shards, out of `shards`, to build."""

    def written_labels(self, plan: Plan, finished: Mapping[int, ShardSummary]) -> LabelCounts | None:
        """The labels of the images in finished shards, if they are counted."""


@contextmanager
def working_on(
    plan: Plan, request: Request, prepare: Callable[[], None], is_prepared: Callable[[], bool], progress: bool
) -> Iterator[None]:
    """Work on a request's partition of the dataset alone, and on the dataset with all who go by the same plan."""
    outlet, place = plan.outlet, plan.outlet.place(plan.root)

    def say_waiting() -> None:
        if progress:
            say(f"another process builds shards of {place} that are of this partition; waiting until it has ended")

    if progress and (folder := outlet.scratch(plan.root)):
        workers = min(request.workers, len(request.own(plan.shards)))
        tars = f"{workers} x {count(len(plan.settings.stored_planes), 'tar')}, each of {plan.settings.largest_tar}"
        say(f"{place} gets whole shards; until then, {folder} holds at most {tars}")
    with outlet.together(
        plan.root,
        digest_of_plan(plan),
        request.partition,
        prepare=prepare,
        is_prepared=is_prepared,
        waiting=say_waiting,
    ):
        yield


def reopen_spoiled(plan: Plan, spoiled: Mapping[int, Sequence[Skipped]]) -> None:
    """Make the `spoiled` shards unfinished that nobody has mended since they were found, and publish what is there."""
    reopen(
        plan.root, [number for number, one in read_summaries(plan.root).items() if spoiled.get(number) == one.skipped]
    )
    forget_aside(plan.root)
    plan.outlet.publish(plan.root, plan.settings.planes.keys())


def run(plan: Plan, request: Request, progress: bool, cluster: Cluster | None = None) -> Manifest:
    """Build the unfinished shards of a request; complete the dataset if no shard is missing after that."""
    begin = time.perf_counter()
    numbers, workers, limit = request.own(plan.shards), request.workers, request.max_errors
    before = read_summaries(plan.root)
    lacking = {number: len(missing_planes(plan, before.get(number))) for number in numbers}  # planes per shard
    todo = [number for number in numbers if lacking[number]]
    declared = declared_planes(plan)
    if any(declared & missing_planes(plan, before.get(number)).keys() for number in todo):
        (plan.root / MANIFEST).unlink(missing_ok=True)  # it declares planes that are no longer complete
        plan.outlet.publish(plan.root)
        declared = set()
    settled = declared == plan.settings.planes.keys()
    engine = cluster.build if cluster else in_processes(workers) if workers > 1 else in_this_process
    workers = max(1, min(cluster.workers if cluster else workers, len(todo)))
    written, built = 0, set[int]()
    abandoned: list[Skipped] = []
    with _watching(plan, {number: lacking[number] for number in todo}, before, limit, progress) as watch:
        try:
            with closing(engine(plan, todo, watch)) as results:
                for result in results:
                    if result.summary is None:
                        abandoned += result.skipped
                    else:
                        written += result.summary.written * lacking[result.number]
                        built.add(result.number)
        except StoreError:  # which would only come again
            raise
        except KeyboardInterrupt:  # a store is not asked, since it may not answer
            done = len(finished_shards(plan, read_summaries(plan.root)).keys() | built)
            remedy = "run the same command to resume"
            raise Interrupted(f"stopped with {done} of {plan.shards} shards finished; {remedy}") from None
        except BaseException:
            _noted(plan, abandoned, settled=settled)
            raise
        summaries, skipped = _noted(plan, abandoned, settled=settled)
    check_errors(plan, skipped, limit)
    seconds = time.perf_counter() - begin
    facts = Run(written, round(seconds, 3), round(written / seconds, 1), workers)
    finished = finished_shards(plan, summaries)
    if lost := set(numbers) - finished.keys():
        found = f"{count(len(lost), 'shard')} of {plan.root} went missing while it was built"
        raise LayerMixError(f"{found}; run the same command to build what is missing")
    return complete(plan, finished, facts, request)


def complete(plan: Plan, finished: Mapping[int, ShardSummary], facts: Run, request: Request) -> Manifest:
    """Write the manifest if no shard is missing; return it, or what there is so far."""
    manifest = collect(plan, finished, facts)
    if manifest.complete and not is_declared(manifest):
        _check_counts(plan, manifest)
        write_sidecars(plan.root, manifest)
        write_manifest(manifest)
        plan.outlet.publish(plan.root)
    labels = request.written_labels(plan, finished)
    place = plan.outlet.place(plan.root)
    if labels:
        _warn_of_lost(labels.lost, place)
    return replace(manifest, root=Path(place), labels=labels, location=place, partition=request.partition)


def _warn_of_lost(classes: Sequence[str], place: str) -> None:
    """Say which classes the dataset lacks altogether: each is more than some inputs that were skipped."""
    if classes:
        one, their = ("class", "its") if len(classes) == 1 else ("classes", "their")
        found = f"no image was written of the {one} {few(classes)}: all of {their} images were skipped"
        warn(f"{found}; see {place}/{ERRORS}")


def _summaries_now(plan: Plan) -> dict[int, ShardSummary]:
    """The summaries of all shards that are finished now, by whichever process."""
    plan.outlet.refresh(plan.root)
    return read_summaries(plan.root)


def _noted(plan: Plan, abandoned: Sequence[Skipped], *, settled: bool) -> tuple[dict[int, ShardSummary], list[Skipped]]:
    """The summaries of all shards that are finished now, and the inputs left out, which are listed if not `settled`.

    Other partitions may finish shards between look and list, and theirs may be older or newer: so it is made again
    until nothing has changed meanwhile.
    """
    listed = None
    while True:
        summaries = _summaries_now(plan)
        skipped = [one for summary in summaries.values() for one in summary.skipped] + [*abandoned]
        if settled or skipped == listed:
            return summaries, skipped
        write_errors(plan.root, skipped)
        plan.outlet.publish(plan.root)
        if len(summaries) == plan.shards:
            return summaries, skipped
        listed = skipped


def finished_shards(plan: Plan, summaries: Mapping[int, ShardSummary]) -> dict[int, ShardSummary]:
    """The summaries of the shards that have all planes of the plan."""
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
    with progress_bar(images, "image", progress, "building", unit_scale=True) as bar:

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


def check_errors(plan: Plan, skipped: Sequence[Skipped], limit: int) -> None:
    """Raise `LayerMixError` if more inputs were skipped than the limit, or all."""
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
