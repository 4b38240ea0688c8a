"""Continue a build by its plan on disk: planes are added, inputs mended; what would make other samples is refused."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from layermix_gen.dataset.declaring import declared_settings, keep_declared, put_back_declared
from layermix_gen.dataset.index import read_summaries
from layermix_gen.dataset.listings.comparing import changed_inputs, first_change
from layermix_gen.dataset.listings.listing import Listing
from layermix_gen.dataset.names import LISTING, MANIFEST, index_path
from layermix_gen.dataset.plan import Plan, is_listed, plan_facts, read_plan, write_listing, write_plan
from layermix_gen.dataset.settings import BuildSettings, has_same_planes
from layermix_gen.errors import LayerMixError
from layermix_gen.support.files import sync

LONGEST = 40  # characters of a value that are shown


def freeze(plan: Plan, listing: Listing) -> Plan:
    """Write the plan, or continue the one that is there; return the plan to build by.

    Shards that left out an input which has changed since are reopened. The listing is written after the plan: one that
    is missing, or is of an earlier plan, is written by the next process. Raises `LayerMixError`, naming what differs,
    if the folder holds the plan of another dataset.
    """
    before = read_plan(plan.root)
    if before:
        refuse_changes(before, plan, listing.path)
        mended = _mended(before, plan, listing.path)
        if given_up_planes(before.settings, plan.settings):
            put_back_declared(plan.root, before.settings.planes)
        reopen(plan.root, set(mended.values()))
        if not has_same_planes(before.settings, plan.settings):
            keep_declared(plan.root)
        if plan_facts(before) != plan_facts(plan):  # planes were added, inputs mended, or the source was moved
            write_plan(plan)
    else:
        plan.root.mkdir(parents=True, exist_ok=True)
        try:
            write_plan(plan, new=True)
        except FileExistsError:  # on a file system without locks, of a process that began at the same moment
            return freeze(plan, listing)
    if not is_listed(plan):
        write_listing(plan.root, listing)
    return plan


def digest_of_plan(plan: Plan) -> str:
    """A digest of what all builds that may work on one dataset at a time have in common: samples and planes."""
    virtual = plan.settings.virtual_planes
    text = json.dumps([plan.fingerprint, *plan.settings.stored_planes, *map("{} virtual".format, virtual)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_frozen(plan: Plan, listing: Listing) -> bool:
    """Whether the plan on disk makes the same dataset, wherever source and mixing set lie. Raises as `freeze` does."""
    before = read_plan(plan.root)
    if before:
        refuse_changes(before, plan, listing.path)
    same = before and (before.fingerprint, before.settings) == (plan.fingerprint, plan.settings)
    return bool(same and before and is_listed(before))


def as_frozen(plan: Plan) -> Plan:
    """The plan as workers have it: it answers for what inputs were where the listing on disk is this process's own.

    Times of files differ where each of several machines has a copy of the source.
    """
    before = read_plan(plan.root)
    return plan if before and before.listing == plan.listing else replace(plan, listing="")


def refuse_changes(before: Plan, now: Plan, listed: Path) -> None:
    """Raise `LayerMixError`, naming what differs, unless `now` is `before`, adds planes to it, or mends inputs of it.

    `listed` is the file of the listing of `now`. An input is mended if it has changed and no finished shard holds it.
    Planes can be given up again that the manifest does not declare or, where there is none, that no shard has yet.
    """
    differences = changes(before, now, listed, _mended(before, now, listed))
    if given_up := given_up_planes(before.settings, now.settings):
        declared, there = declared_settings(now.root), read_summaries(now.root).values()
        planes = declared.planes.keys() if declared else {name for one in there for name in (*one.planes, *one.virtual)}
        stored = declared.stored_planes.keys() if declared else {name for one in there for name in one.planes}
        if left_out := sorted(given_up & planes - now.settings.planes.keys()):
            differences.append(f"planes {', '.join(left_out)} left out")
        if made_virtual := sorted(given_up & stored & now.settings.planes.keys()):
            differences.append(f"images of {', '.join(made_virtual)} stored, and --store recipes leaves them out")
    if differences:
        raise LayerMixError(
            f"{now.root} holds another dataset: {'; '.join(differences)}; repeat the command that began it, or build "
            "into another folder"
        )


def given_up_planes(before: BuildSettings, now: BuildSettings) -> set[str]:
    """The planes that are no longer asked for, and those that were to be stored and are to be virtual."""
    return (before.planes.keys() - now.planes.keys()) | ({*before.stored_planes} & {*now.virtual_planes})


def reopen(root: Path, numbers: Collection[int]) -> None:
    """Make finished shards unfinished: the manifest that declares them goes first, then the index of each."""
    if numbers:
        (root / MANIFEST).unlink(missing_ok=True)
        sync(root)
    for number in numbers:
        index_path(root, number).unlink(missing_ok=True)


def changes(before: Plan, now: Plan, listed: Path, mended: Collection[str] = ()) -> list[str]:
    """Name all differences by which `now` makes other samples than `before`, a phrase each.

    `listed` is the file of the listing of `now`. A dataset of clean views alone has no mixing set, so adding or giving
    up one is no difference. Nor are the inputs `mended`.
    """
    old, new = before.identity(), now.identity()
    if 0 in (before.settings.variants, now.settings.variants):
        old["mixing set"] = new["mixing set"]
    names = [name for name in old | new if json.dumps(old.get(name)) != json.dumps(new.get(name))]
    if "method" in names:  # which have options of their own
        names = [name for name in names if name in old and name in new]
    differences = [_difference(name, old.get(name), new.get(name)) for name in names if name != "source"]
    if "source" in names and (first := _first_change(before, listed, mended)):
        differences.append(first)
    return differences


def _first_change(before: Plan, listed: Path, mended: Collection[str]) -> str:
    """Name the first input, by its id, that was added, removed or changed, but for those that were mended."""
    try:
        return first_change(before.root / LISTING, listed, mended)
    except FileNotFoundError:
        return f"source images changed, and {LISTING} is not there to tell which"


def _mended(before: Plan, now: Plan, listed: Path) -> dict[str, int]:
    """The shards of the inputs that have changed and that no finished shard holds, by the ids of these inputs."""
    if before.inputs.digest == now.inputs.digest:
        return {}
    summaries = read_summaries(before.root)
    free = {one.source for summary in summaries.values() for one in summary.skipped}
    try:
        changed = changed_inputs(before.root / LISTING, listed)
    except FileNotFoundError:
        return {}
    shards = {source_id: before.shard_of(number) for source_id, number in changed.items()}
    return {one: number for one, number in shards.items() if number not in summaries or one in free}


def _difference(name: str, old: Any, new: Any) -> str:
    """Name what differs between two values: of lists, the first element by which they do."""
    if not (isinstance(old, list | tuple) and isinstance(new, list | tuple)):
        return f"{name.replace('_', '-')} {_shortened(_text(old), _text(new))}"
    place, element = _first_difference(old, new), "class" if name == "classes" else name.replace("_", "-")
    before, after = old[place : place + 1], new[place : place + 1]
    is_gone, is_new = before and before[0] not in new, after and after[0] not in old
    if is_gone == is_new and before and after:
        return f"{element} {place} {_shortened(repr(before[0]), repr(after[0]))}"
    return f"{element} {place} {after[0]!r} added" if is_new else f"{element} {place} {before[0]!r} removed"


def _shortened(old: str, new: str) -> str:
    """Two texts that differ; long ones are shortened to where they do."""
    start = max(_first_difference(old, new) - LONGEST // 2, 0) if max(len(old), len(new)) > LONGEST else 0
    parts = [("..." if start else "") + text[start:][:LONGEST] for text in (old, new)]
    before, after = (
        part + ("..." if len(text) > start + LONGEST else "") for part, text in zip(parts, (old, new), strict=True)
    )
    return f"{before} -> {after}"


def _first_difference(old: Sequence[Any], new: Sequence[Any]) -> int:
    """The first place where two sequences differ: the end of the shorter one where all before it is the same."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((place for place, (before, after) in pairs if before != after), min(len(old), len(new)))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
