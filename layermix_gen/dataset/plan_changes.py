"""Continue a build by its plan on disk: planes may be added; changes that would make other samples are refused."""

import json
from collections.abc import Sequence
from typing import Any

from layermix_gen.dataset.index import read_summaries
from layermix_gen.dataset.names import LISTING
from layermix_gen.dataset.plan import Plan, plan_facts, read_plan, write_listing, write_plan
from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import Item


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
    differences = [
        f"{name.replace('_', '-')} {_short(old.get(name))} -> {_short(new.get(name))}"
        for name in names
        if name != "source"
    ]
    return differences + ([_first_change(before, items)] if "source" in names else [])


def _first_change(before: Plan, items: Sequence[Item]) -> str:
    """Name the first input, by its id, that was added, removed or changed."""
    now = {item.id: (item.label, item.size) for item in items}
    try:
        then = {item.id: (item.label, item.size) for number in range(before.shards) for _, item in before.items(number)}
    except FileNotFoundError:
        return f"source images changed, and {LISTING} is not there to tell which"
    name = min((name for name in now | then if now.get(name) != then.get(name)), default="")
    return (
        f"source image {name!r} {'changed' if name in now and name in then else 'added' if name in now else 'removed'}"
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else text[:12] + "..."
