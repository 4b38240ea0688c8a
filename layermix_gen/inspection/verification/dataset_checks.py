"""Check what describes a dataset as a whole: manifest, plan, listing, and the small files next to the shards."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from layermix_gen.dataset.dataset_files import DatasetFiles
from layermix_gen.dataset.index import ShardSummary
from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import (
    ABOUT_MIXING_SET,
    ERRORS,
    LISTING,
    MANIFEST,
    MIXING_SET,
    PLAN,
    index_name,
    tar_name,
)
from layermix_gen.dataset.plan import Plan, check_listing, read_plan
from layermix_gen.dataset.settings import has_same_planes, plane_options
from layermix_gen.dataset.sidecars import sidecars
from layermix_gen.dataset.skipped import reasons, skipped_text
from layermix_gen.errors import LayerMixError
from layermix_gen.inspection.verification.findings import Problem, noting
from layermix_gen.inspection.verification.shard_checks import OTHER_BYTES, Expected
from layermix_gen.mixing_sets.kept import check_about, check_pictures
from layermix_gen.mixing_sets.set_cache import LARGEST_SET
from layermix_gen.support.files import json_text


def read_expected(files: DatasetFiles, problems: list[Problem]) -> Expected:
    """Read what a dataset must hold from its manifest and its plan; append what is wrong with them to `problems`.

    Raises `LayerMixError` where neither is intact.
    """
    manifest = plan = None
    with noting(problems, MANIFEST):
        manifest = _read_manifest(files)
    with noting(problems, PLAN):
        plan = _read_plan(files)
    with noting(problems, LISTING), files.local(LISTING):
        if plan:
            check_listing(plan)
    if manifest:
        if plan and plan.fingerprint != manifest.fingerprint and not manifest.is_extended:
            problems.append(Problem(PLAN, "", "is the plan of another dataset"))
            plan = None
        _refuse_unfinished(files, manifest, plan)
        return Expected(manifest, plan, manifest.settings, manifest.planes, manifest.shards)
    if plan:
        return Expected(None, plan, plan.settings, tuple(plan.settings.planes), plan.shards)
    found = "; ".join(f"{one.file} {one.what}" for one in problems if one.file != LISTING)
    raise LayerMixError(f"expected a dataset at {files.location}, found none ({found}); check the path")


def _refuse_unfinished(files: DatasetFiles, manifest: Manifest, plan: Plan | None) -> None:
    """Raise `LayerMixError` while planes are being added: some shards have them already, the manifest has not."""
    if manifest.is_extended or (plan and not has_same_planes(plan.settings, manifest.settings)):
        before, after = manifest.settings.planes_in_words, plan.settings.planes_in_words if plan else "more"
        restore = "" if plan else f"restore its {PLAN}, and "
        raise LayerMixError(
            f"expected a finished dataset at {files.location}, found one that is being extended from the planes "
            f"{before} to {after}; {restore}run its build to the end first, or give the new planes up by its build "
            f"with {plane_options(manifest.settings)}; the planes {before} are read as before"
        )


def _read_manifest(files: DatasetFiles) -> Manifest:
    """Read the manifest. Raises `LayerMixError` where it is missing or damaged."""
    with files.local(MANIFEST) as path:
        text = path.read_text(encoding="utf-8", errors="replace")
    return Manifest.from_json(text, Path(files.location), "it")


def _read_plan(files: DatasetFiles) -> Plan:
    """Read the plan. Raises `LayerMixError` where it is missing, damaged, or contradicts itself."""
    with files.local(PLAN) as path:
        try:
            plan = read_plan(path.parent)
        except LayerMixError as error:
            raise LayerMixError(f"is damaged, or of another version ({error})") from error
    if plan is None:
        raise LayerMixError("is missing")
    return plan


def dataset_problems(
    files: DatasetFiles, expected: Expected, summaries: Mapping[int, ShardSummary]
) -> Iterator[Problem]:
    """Yield what is wrong with the dataset as a whole, judged by the shard summaries that could be read."""
    skipped = [one for number in sorted(summaries) for one in summaries[number].skipped]
    manifest = expected.manifest
    if len(summaries) == expected.shards:
        yield from _other_text(files, ERRORS, skipped_text(skipped))
    if manifest and len(summaries) == expected.shards:
        written = sum(summary.written for summary in summaries.values())
        facts = {
            "complete": True,
            "inputs": manifest.source.count,
            "written": written,
            "skipped": len(skipped),
            "skipped_reasons": reasons(skipped),
            "images": written * len(expected.planes),
            "bytes": sum(tar["bytes"] for tar in manifest.tars.values()),
            "shards_finished": expected.shards,
        }
        if other := [name for name, fact in facts.items() if getattr(manifest, name) != fact]:
            yield Problem(MANIFEST, "", f"its {', '.join(other)} are not those of the shards")
    if manifest:
        for name, value in sidecars(manifest).items():
            yield from _other_text(files, name, json_text(value))
    mixing_set = expected.mixing_set
    if mixing_set and mixing_set.location == MIXING_SET:
        for name, check in ((MIXING_SET, check_pictures), (ABOUT_MIXING_SET, check_about)):
            yield from _of_mixing_set(files, name, partial(check, digest=mixing_set.digest))
    yield from _strays(files, expected)


def _other_text(files: DatasetFiles, name: str, text: str) -> Iterator[Problem]:
    """Yield a problem unless a small file holds `text`; where `text` is empty, the file must not exist."""
    found = ""
    try:
        with files.local(name) as path:
            found = path.read_text(encoding="utf-8")
    except LayerMixError as error:
        if text:
            yield Problem(name, "", str(error))
        return
    except UnicodeDecodeError:
        pass
    if found != text or not text:
        yield Problem(name, "", OTHER_BYTES.partition(" (")[0])


def _of_mixing_set(files: DatasetFiles, name: str, check: Callable[[Path], None]) -> Iterator[Problem]:
    """Yield a problem unless a file of the mixing set that travels with the dataset passes its check."""
    try:
        with files.local(name, LARGEST_SET) as path:
            check(path)
    except LayerMixError as error:
        yield Problem(name, "", str(error))


def _strays(files: DatasetFiles, expected: Expected) -> Iterator[Problem]:
    """Yield tars and indexes that belong to no shard, but would be read by a reader that takes a glob pattern."""
    planes = {*expected.stored_planes, *(expected.plan.settings.stored_planes if expected.plan else ())}
    named = {tar_name(plane, number) for plane in planes for number in range(expected.shards)}
    named |= {index_name(number) for number in range(expected.shards)}
    for name in files.shard_files():
        if name not in named:
            yield Problem(name, "", "belongs to no shard; remove it")
