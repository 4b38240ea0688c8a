"""The plan of a build written ahead: the source is listed and the mixing set made once, for all jobs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from layermix_gen.building.request import BuildRequest
from layermix_gen.dataset.names import MIXING_SET, refuse_links
from layermix_gen.dataset.plan import MixingSetFacts, Plan, read_plan
from layermix_gen.dataset.plan_changes import freeze, is_frozen, refuse_changes
from layermix_gen.dataset.settings import DEFAULTS, BuildSettings
from layermix_gen.kernels.native import say_if_not_compiled
from layermix_gen.mixing_sets.kept import keep_copy
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from layermix_gen.sources import Item, SourceOptions
from layermix_gen.sources.base import DEFAULT_OPTIONS
from layermix_gen.sources.labels import LabelCounts
from layermix_gen.support.files import disk_errors
from layermix_gen.support.locks import Lock, together
from layermix_gen.support.processes import memory_errors
from layermix_gen.support.text import count, facts

PLANNING = ".lock-plan"  # held by the one process that lists for all


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that was written ahead: what will be built, and of which labels."""

    plan: Plan
    labels: LabelCounts

    def summary(self) -> str:
        """The plan as text for people, one fact a line, with what to do next."""
        plan, shards = self.plan, self.plan.shards
        planes, mixing = plan.settings.planes, plan.mixing_set
        rows = {
            "source": f"{plan.inputs.location} ({plan.inputs.kind})",
            "labels": str(self.labels),
            "inputs": f"{plan.inputs.count} in {count(len(planes), 'plane')}: {' '.join(planes)}",
            "samples": plan.settings.samples,
            "method": plan.settings.mixing,
            "mixing set": f"{count(mixing.count, 'picture')} of {mixing.size} px in {mixing.location}"
            if mixing
            else "",
            "shards": f"{shards}, for up to {count(shards, 'job')}",
            "next": f"layermix-gen build-planned {plan.root}, with --partition in each job of an array; "
            f"then layermix-gen finish {plan.root}",
        }
        return facts(rows)


def plan(
    source: str | Path,
    out: str | Path,
    settings: BuildSettings = DEFAULTS,
    *,
    kind: str = "auto",
    source_options: SourceOptions = DEFAULT_OPTIONS,
    mixing_set: MixingSet | str | Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Planned:
    """List the source and write the plan of `build` with the same arguments to `out`, for `build_planned`.

    Fractals that are rendered for it, and a folder of pictures that is packed, are put in `out` as a file that all jobs
    mix with. Called again, it goes on with the plan that is there, or adds planes to it. Raises `LayerMixError` for
    what `build` would refuse.
    """
    with memory_errors():
        request = BuildRequest(source, out, settings, kind, source_options, mixing_set, workers, (0, 1), None)
        request.announce(progress)
        say_if_not_compiled()
        return Planned(write_shared_plan(request, request.shards(progress), progress), request.labels)


def mixing_set_for(request: BuildRequest, progress: bool) -> MixingSet | None:
    """The mixing set of a request, None where it needs none; fractals that lie in the output folder are taken."""
    if not request.mixes:
        return None
    seed, color, kept = request.settings.seed, request.settings.options.color, request.root / MIXING_SET
    return resolve_mixing_set(request.mixing_set, request.size, seed, color=color, kept=kept, progress=progress)


def facts_of(request: BuildRequest, mixed: MixingSet | None) -> MixingSetFacts | None:
    """What the plan says of the mixing set: nothing where no variant is mixed."""
    if mixed is None or not request.settings.variants:
        return None
    found = MixingSetFacts.of(mixed)
    return replace(found, location=MIXING_SET) if mixed.path == request.root / MIXING_SET else found


def write_shared_plan(request: BuildRequest, shards: int, progress: bool) -> Plan:
    """Write the plan, or go on with the one that is there, with the mixing set in the output folder if it was made.

    One process at a time makes both: fractals may differ by the processor that renders them. Packs do not.
    """
    root = request.root
    given = mixing_set_for(request, progress) if request.mixing_set else None
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        refuse_links(root)
        turn = Lock(root / PLANNING)
        turn.wait()
    try:
        mixed = given or mixing_set_for(request, progress)
        found = facts_of(request, mixed)
        made = mixed if found and (request.mixing_set is None or request.mixing_set.is_dir()) else None
        if made and found:
            found = replace(found, location=MIXING_SET)
        plan = request.planned(found, shards)
        prepare, is_prepared = partial(_prepare, plan, request.items, made), partial(is_frozen, plan, request.items)
        with disk_errors(root), together(root, prepare, is_prepared):
            return plan
    finally:
        turn.leave()


def _prepare(plan: Plan, items: Sequence[Item], made: MixingSet | None) -> None:
    """Put the mixing set that was made in its place, then write or continue the plan, which names it."""
    if before := read_plan(plan.root):
        refuse_changes(before, plan, items)  # before the set of another plan is replaced
    if made:
        keep_copy(made, plan.root / MIXING_SET)
    freeze(plan, items)
