"""The settings of another dataset, for `build --like`: those of its plan, with the options that are given in place."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from layermix_gen.dataset.dataset_files import open_files
from layermix_gen.dataset.names import MIXING_SET, PLAN
from layermix_gen.dataset.plan import Plan, read_plan
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.errors import LayerMixError
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing_sets.fractals.sets import describe
from layermix_gen.mixing_sets.provision import DEFAULT_COUNT, DETAIL, picture_size_for
from layermix_gen.mixing_sets.store import read_about
from layermix_gen.support.checks import is_remote


def plan_of(like: str) -> Plan:
    """The plan of a dataset, a folder or a URL, finished or not. Raises `LayerMixError` where there is none."""
    files = open_files(like)
    plan = read_plan(files.fetch([PLAN])[0].parent) if files.has(PLAN) else None
    if plan is None:
        raise LayerMixError(f"expected a dataset with a {PLAN} at {like}, found none; give another --like")
    return plan


def settings_like(plan: Plan, given: Mapping[str, Any]) -> BuildSettings:
    """The settings of a plan, with those that are `given`; of another method than the plan's, its options as well."""
    settings = {name: getattr(plan.settings, name) for name in BuildSettings.__dataclass_fields__}
    if given.get("method", plan.settings.method) == plan.settings.method:
        given = {**given, "options": asdict(plan.settings.options) | given.get("options", {})}
    else:
        given = {"options": {}, **given}
    return BuildSettings(**settings | given)


def mixing_set_like(like: str, plan: Plan, settings: BuildSettings) -> str | None:
    """The mixing set of a dataset at `like`, which has this plan, for a build with some settings.

    None where they mix with none, or with the default.
    The default set of a plan suits its size and its seed alone. Raises `LayerMixError` where the set is gone.
    """
    place, before, mixed = plan.mixing_set_place, plan.settings, plan.mixing_set
    if place is None or mixed is None or not METHODS[settings.method].mixes_pictures:
        return None
    if is_remote(place):
        return str(place)
    size, path = picture_size_for(before.mixed_side), Path(place)
    default = describe(DEFAULT_COUNT, size, before.seed, detail=DETAIL)
    if not path.exists() and (mixed.count, mixed.size, mixed.color) == (DEFAULT_COUNT, size, False):
        return None
    if is_remote(like) and mixed.location == MIXING_SET:
        return f"{like.rstrip('/')}/{MIXING_SET}"
    if not path.exists():
        raise LayerMixError(
            f"expected the mixing set {path}, which the dataset was built with, found none; restore it "
            "or give --mixing-set"
        )
    is_default = read_about(path).get("made_by") == default
    return None if is_default and (settings.size, settings.seed) != (before.size, before.seed) else str(path)
