"""A whole build: list the source, make the plan, build the missing shards on an engine, then write the manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from layermix_gen.building.build_run import reopen_spoiled, run, working_on
from layermix_gen.building.engines import engine_named
from layermix_gen.building.planning import mixing_set_for, write_shared_plan
from layermix_gen.building.rechecks.mending import spoiled_shards
from layermix_gen.building.rechecks.replaced import refuse_replaced
from layermix_gen.building.request import BuildRequest
from layermix_gen.dataset.listings.listing import Listing
from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import refuse_links
from layermix_gen.dataset.outlets.places import placed
from layermix_gen.dataset.plan import Plan
from layermix_gen.dataset.plan_changes import as_frozen, freeze, is_frozen
from layermix_gen.dataset.settings import DEFAULTS, BuildSettings
from layermix_gen.dataset.skipped import Skipped
from layermix_gen.kernels.native import say_if_not_compiled
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.sources import SourceOptions
from layermix_gen.sources.base import DEFAULT_OPTIONS
from layermix_gen.support.files import disk_errors
from layermix_gen.support.processes import memory_errors


def build(
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
) -> Manifest:
    """Build the dataset `out`, a folder or a URL, from the images of `source`; the same call resumes it.

    `kind` names the kind of source (see `layermix_gen.sources.KINDS`); "auto" detects it from the content.
    `source_options` says how sources of some kinds are read. `mixing_set` is a `.npy` file, open or not, or a folder of
    pictures; without one, fractals are rendered from the seed. `workers` is the number of processes, by default the
    CPUs that this process may use. `partition=(i, n)` builds every n-th shard from shard i on, for job arrays: the last
    job to finish completes the dataset; "slurm" and "k8s" read i and n from the environment. While another process
    builds a partition of `out` that overlaps, this one waits for it. The build fails if more than `max_errors` inputs
    cannot be read (by default 1%, but at least 10). With `engine="ray"`, shards are built on the Ray cluster at
    `ray_address`, by default the one that this machine is in, and `workers` is how many at a time.

    Returns the manifest. Raises `LayerMixError` for what the user can mend, `Interrupted` after Ctrl-C.
    """
    with (
        memory_errors(),
        engine_named(engine, ray_address, workers, out) as cluster,
        placed(out, source=source) as (root, outlet),
        BuildRequest(
            source, root, settings, kind, source_options, mixing_set, workers, partition, max_errors, progress
        ) as request,
    ):
        request.announce(progress)
        say_if_not_compiled()
        shards = request.shards(progress)
        if cluster or request.own(shards).step > 1 or request.carries_mixing_set:
            plan = write_shared_plan(request, shards, outlet, progress)
        else:
            mixed = mixing_set_for(request, progress)
            plan = replace(request.planned(request.facts_of(mixed), shards), outlet=outlet)
        with disk_errors(request.root):
            request.root.mkdir(parents=True, exist_ok=True)
            refuse_links(request.root)
            # before others have to wait for this
            spoiled = spoiled_shards(plan, lambda number: request.items[slice(*plan.bounds(number))], request.workers)
            refuse_replaced(plan, request.items, request.workers)
            prepare = partial(_prepare, plan, request.items, spoiled)
            with working_on(plan, request, prepare, partial(is_frozen, plan, request.items), progress):
                return run(as_frozen(plan), request, progress, cluster)


def _prepare(plan: Plan, items: Listing, spoiled: Mapping[int, Sequence[Skipped]]) -> None:
    """Write or continue the plan, and reopen the `spoiled` shards that nobody has mended since they were found."""
    freeze(plan, items)
    reopen_spoiled(plan, spoiled)
