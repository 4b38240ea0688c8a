"""The plan of a build written ahead: the source is listed and the mixing set made once, for all jobs."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from layermix_gen.building.rechecks.replaced import refuse_replaced
from layermix_gen.building.request import BuildRequest
from layermix_gen.dataset.declaring import forget_aside
from layermix_gen.dataset.listings.listing import Listing
from layermix_gen.dataset.names import MIXING_SET, refuse_links
from layermix_gen.dataset.outlets.base import Outlet
from layermix_gen.dataset.outlets.places import placed
from layermix_gen.dataset.plan import Plan, read_plan
from layermix_gen.dataset.plan_changes import digest_of_plan, freeze, is_frozen, refuse_changes
from layermix_gen.dataset.settings import DEFAULTS, BuildSettings
from layermix_gen.kernels.native import say_if_not_compiled
from layermix_gen.mixing_sets.kept import keep_copy
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from layermix_gen.sources import SourceOptions
from layermix_gen.sources.base import DEFAULT_OPTIONS
from layermix_gen.sources.labels import LabelCounts
from layermix_gen.support.files import disk_errors
from layermix_gen.support.notebooks import panels
from layermix_gen.support.parsing import jsonable
from layermix_gen.support.processes import memory_errors
from layermix_gen.support.progress import say
from layermix_gen.support.text import count, facts


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that was written ahead: what will be built, and of which labels."""

    plan: Plan
    labels: LabelCounts

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON has it, with the names that the report of the build has."""
        plan = self.plan
        facts = {
            "dataset": plan.outlet.place(plan.root),
            "fingerprint": plan.fingerprint,
            "inputs": plan.inputs.count,
            "planes": tuple(plan.settings.planes),
            "shards": plan.shards,
            "source": plan.inputs,
            "settings": plan.settings,
            "mixing_set": plan.mixing_set,
            "versions": plan.versions,
            "labels": self.labels,
            "form": plan.settings.samples,
        }
        return {name: jsonable(fact) for name, fact in facts.items()}

    def __repr__(self) -> str:
        return f"<Planned at {self.plan.outlet.place(self.plan.root)}: {count(self.plan.shards, 'shard')}>"

    def _repr_html_(self) -> str:
        return panels.panel("Plan of a build", panels.lines(self.summary()))

    def summary(self) -> str:
        """The plan as text for people, one fact a line, with what to do next."""
        plan, shards = self.plan, self.plan.shards
        place = plan.outlet.place(plan.root)
        planes, mixing = plan.settings.planes, plan.mixing_set
        rows = {
            "source": f"{plan.inputs.location} ({plan.inputs.kind})",
            "labels": str(self.labels),
            "inputs": f"{plan.inputs.count} in {count(len(planes), 'plane')}: {plan.settings.planes_in_words}",
            "samples": plan.settings.samples,
            "views": plan.settings.views,
            "method": plan.settings.mixing,
            "mixing set": f"{count(mixing.count, 'picture')} of {mixing.size} px in {mixing.location}"
            if mixing
            else "",
            "shards": f"{shards}, for up to {count(shards, 'job')}",
            "next": f"layermix-gen build-planned {place}, with --partition in each job of an array; "
            f"then layermix-gen finish {place}",
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

    Fractals that are rendered for it, and a folder of pictures that is packed, are put in `out`, a folder or a URL, as
    a file that all jobs mix with. Called again, it goes on with the plan that is there, or adds planes to it. Raises
    `LayerMixError` for what `build` would refuse.
    """
    with (
        memory_errors(),
        placed(out, source=source) as (root, outlet),
        BuildRequest(
            source, root, settings, kind, source_options, mixing_set, workers, (0, 1), None, progress
        ) as request,
    ):
        request.announce(progress)
        say_if_not_compiled()
        return Planned(write_shared_plan(request, request.shards(progress), outlet, progress), request.labels)


def mixing_set_for(request: BuildRequest, progress: bool) -> MixingSet | None:
    """The mixing set of a request, None where it needs none; fractals that lie in the output folder are taken."""
    if not request.mixes:
        return None
    seed, color, kept = request.settings.seed, request.settings.options.color, request.root / MIXING_SET
    return resolve_mixing_set(request.mixing_set, request.size, seed, color=color, kept=kept, progress=progress)


def write_shared_plan(request: BuildRequest, shards: int, outlet: Outlet, progress: bool) -> Plan:
    """Write the plan, or go on with the one that is there, with the mixing set in the dataset if it was made for it.

    One process at a time makes both: fractals may differ by the processor that renders them. Packs do not.
    """
    root, items = request.root, request.items
    given = mixing_set_for(request, progress) if request.mixing_set else None
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        refuse_links(root)
    place = outlet.place(root)

    def say_waiting() -> None:
        if progress:
            say(f"another process makes the plan of {place}, or its mixing set; waiting until it has ended")

    with outlet.planning(root, say_waiting):
        mixed = given or mixing_set_for(request, progress)
        plan = replace(request.planned(request.facts_of(mixed), shards), outlet=outlet)
        with disk_errors(root):
            refuse_replaced(plan, items, request.workers)
            made = None
            is_made = request.mixing_set is None or request.mixing_set.is_dir()
            if plan.mixing_set and (is_made or request.carries_mixing_set):
                made = mixed
                plan = replace(plan, mixing_set=replace(plan.mixing_set, location=MIXING_SET))
            with outlet.together(
                root,
                digest_of_plan(plan),
                None,
                prepare=partial(_prepare, plan, items, made),
                is_prepared=partial(is_frozen, plan, items),
                waiting=lambda: None,
            ):
                return plan


def _prepare(plan: Plan, items: Listing, made: MixingSet | None) -> None:
    """Put the mixing set that was made in its place, then write or continue the plan, which names it."""
    if before := read_plan(plan.root):
        refuse_changes(before, plan, items.path)  # before the set of another plan is replaced
    if made:
        keep_copy(made, plan.root / MIXING_SET)
    freeze(plan, items)
    forget_aside(plan.root)
    plan.outlet.publish(plan.root, plan.settings.planes.keys())
