"""Continue a build by its plan on disk: planes may be added; changes that would make other samples are refused."""

import json
from collections.abc import Sequence
from typing import Any

from layermix_gen.dataset.index import read_summaries
from layermix_gen.dataset.manifest import keep_declared
from layermix_gen.dataset.names import LISTING
from layermix_gen.dataset.plan import Plan, plan_facts, read_plan, write_listing, write_plan
from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import Item

LONGEST = 40  # characters of a value that are shown


def freeze(plan: Plan, items: Sequence[Item]) -> Plan:
    """Write the plan, or continue the one that is there; return the plan to build by.

    Raises `LayerMixError`, naming what differs, if the folder holds the plan of another dataset.
    """
    before = read_plan(plan.root)
    if before:
        refuse_changes(before, plan, items)
    if not before or not (plan.root / LISTING).exists():
        plan.root.mkdir(parents=True, exist_ok=True)
        write_listing(plan.root, items)
    if not before or plan_facts(before) != plan_facts(plan):  # planes were added, or the source was moved
        if before and before.settings.planes != plan.settings.planes:
            keep_declared(plan.root)
        write_plan(plan)
    return plan


def refuse_changes(before: Plan, now: Plan, items: Sequence[Item]) -> None:
    """Raise `LayerMixError`, naming what differs, unless `now` is `before` or only adds planes to it.

    Planes that no shard has yet can be given up again.
    """
    differences = changes(before, now, items)
    given_up = before.settings.planes.keys() - now.settings.planes.keys()
    if given_up:
        built = {plane for summary in read_summaries(now.root).values() for plane in summary.planes}
        if left_out := sorted(given_up & built):
            differences.append(f"planes {', '.join(left_out)} left out")
    if differences:
        raise LayerMixError(
            f"{now.root} holds another dataset: {'; '.join(differences)}; "
            "repeat the command that began it, or build into another folder"
        )


def changes(before: Plan, now: Plan, items: Sequence[Item]) -> list[str]:
    """Name all differences by which `now`, the plan of `items`, makes other samples than `before`, a phrase for each.

    A dataset of clean views alone has no mixing set, so adding one is no difference.
    """
    old, new = before.identity(), now.identity()
    if before.settings.variants == 0:
        old["mixing set"] = new["mixing set"]
    names = [name for name in old | new if json.dumps(old.get(name)) != json.dumps(new.get(name))]
    differences = [_difference(name, old.get(name), new.get(name)) for name in names if name != "source"]
    return differences + ([_first_change(before, items)] if "source" in names else [])


def _first_change(before: Plan, items: Sequence[Item]) -> str:
    """Name the first input, by its id, that was added, removed or changed."""
    now = {item.id: (item.label, item.size) for item in items}
    try:
        then = {item.id: (item.label, item.size) for number in range(before.shards) for _, item in before.items(number)}
    except FileNotFoundError:  # the listing is lost
        then = {}
    name = min((name for name in now | then if now.get(name) != then.get(name)), default="")
    return (
        f"source image {name!r} {'changed' if name in now and name in then else 'added' if name in now else 'removed'}"
    )


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
