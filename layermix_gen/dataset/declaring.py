"""Declare a dataset complete: add up its shards, write the manifest, and keep it true while planes are added."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from layermix_gen.dataset.index import ShardSummary
from layermix_gen.dataset.manifest import FORMAT, Manifest, Run, TarFacts, digest_of
from layermix_gen.dataset.names import (
    DECLARED,
    INDEX,
    MANIFEST,
    OF_A_PLANE,
    declared_index_name,
    index_name,
    index_path,
    tar_name,
    tar_path,
)
from layermix_gen.dataset.plan import Plan
from layermix_gen.dataset.settings import BuildSettings, has_same_planes, plane_options
from layermix_gen.dataset.skipped import reasons
from layermix_gen.errors import LayerMixError
from layermix_gen.support.files import (
    MISSING,
    cannot_read,
    file_digest,
    link_or_copy,
    reason,
    regular,
    remove_folder,
    replacing,
    sealed,
    sync,
    with_retries,
    write_json,
)


def collect(plan: Plan, summaries: Mapping[int, ShardSummary], run: Run) -> Manifest:
    """Add up the finished shards into a manifest, which has the digests of indexes where no shard is missing.

    Before that, each job of an array would read the indexes of all others.
    """
    is_complete = len(summaries) == plan.shards
    skipped = [one for summary in summaries.values() for one in summary.skipped]
    planes = tuple(plan.settings.planes)
    written = sum(summary.written for summary in summaries.values())
    tars = {
        tar_name(plane, number): TarFacts(samples=summary.written, bytes=tar.bytes, sha256=tar.sha256)
        for number, summary in summaries.items()
        for plane, tar in summary.planes.items()
    }
    numbers = sorted(summaries) if is_complete else ()
    indexes = {index_name(number): file_digest(index_path(plan.root, number)) for number in numbers}
    return Manifest(
        root=plan.root,
        complete=is_complete,
        fingerprint=plan.fingerprint,
        digest=digest_of(tars, indexes) if is_complete else "",
        inputs=sum(summary.inputs for summary in summaries.values()),
        written=written,
        skipped=len(skipped),
        skipped_reasons=reasons(skipped),
        planes=planes,
        images=written * len(planes),
        bytes=sum(tar["bytes"] for tar in tars.values()),
        shards=plan.shards,
        shards_finished=len(summaries),
        source=plan.inputs,
        settings=plan.settings,
        mixing_set=plan.mixing_set,
        versions=plan.versions,
        run=run,
        tars=tars,
        indexes=indexes,
    )


def write_manifest(manifest: Manifest) -> None:
    """Write the manifest, which declares the dataset complete; the indexes declared before are no longer needed."""
    write_json(manifest.root / MANIFEST, sealed(_facts(manifest)))
    if not manifest.is_extended:
        remove_folder(manifest.root / DECLARED)


def keep_declared(root: Path) -> None:
    """Keep a finished dataset readable while planes are added: put its indexes aside, and let the manifest name those.

    The digest stays the same, since it covers the names of indexes without their folder.
    """
    manifest = _declared(root)
    if manifest is None or manifest.is_extended:
        return
    remove_folder(root / DECLARED)
    (root / DECLARED).mkdir()
    for number in range(manifest.shards):
        with suppress(FileNotFoundError):  # a damaged dataset, which stays so
            link_or_copy(index_path(root, number), root / declared_index_name(number))
    sync(root / DECLARED)
    sync(root / INDEX)
    aside = {declared_index_name(number): manifest.indexes[index_name(number)] for number in range(manifest.shards)}
    write_manifest(replace(manifest, indexes=aside))


def forget_aside(root: Path) -> None:
    """Remove indexes that were put aside and that the manifest does not name: a process was killed before it did so."""
    manifest = _declared(root)
    if manifest and not manifest.is_extended:
        remove_folder(root / DECLARED)


def put_back_declared(root: Path, planes: Iterable[str]) -> None:
    """Undo an addition of `planes` to a finished dataset: its indexes are the declared ones again, the new tars go.

    Until the plan is written without them, and the manifest after that, it is an addition that has made no shard yet.
    """
    manifest = _declared(root)
    if manifest is None or not manifest.is_extended:
        return
    for number in range(manifest.shards):
        try:
            with replacing(index_path(root, number)) as draft:
                link_or_copy(root / declared_index_name(number), draft)
        except FileNotFoundError:  # a damaged dataset: the shard is built again
            index_path(root, number).unlink(missing_ok=True)
    for folder in (root / plane for plane in planes if plane not in manifest.stored_planes):
        tars = (tar_path(root, folder.name, number) for number in range(manifest.shards))
        for path in (*tars, *(folder / name for name in OF_A_PLANE)):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # where it holds files of others
            folder.rmdir()


def how_to_give_up(plan: Plan) -> str:
    """How to give up planes that are being added to a finished dataset, after ", or"; empty where there are none."""
    manifest = _declared(plan.root)
    if manifest is None or has_same_planes(manifest.settings, plan.settings):
        return ""
    return f", or give the new planes up by its build with {plane_options(manifest.settings)}"


def is_declared(manifest: Manifest) -> bool:
    """Whether the manifest in the folder says the same already, except for the run."""
    before = _declared(manifest.root)
    return before is not None and replace(before, run=manifest.run) == manifest


def declared_planes(plan: Plan) -> set[str]:
    """The planes that the folder's manifest declares complete as the plan has them, stored or virtual.

    There are none where it is missing or damaged.
    """
    settings, asked = declared_settings(plan.root), plan.settings
    if settings is None:
        return set()
    virtual = {*settings.virtual_planes} & {*asked.virtual_planes}
    return virtual | (settings.stored_planes.keys() - {*asked.virtual_planes})


def declared_settings(root: Path) -> BuildSettings | None:
    """The settings of what the folder's manifest declares complete; None where it is missing or damaged."""
    manifest = _declared(root)
    return manifest.settings if manifest else None


def _declared(root: Path) -> Manifest | None:
    """The folder's manifest, None where it is missing or damaged. Raises `LayerMixError` where it cannot be read."""
    path = root / MANIFEST
    try:
        data = with_retries(lambda: regular(path).read_bytes(), path)
    except OSError as error:
        if error.errno in MISSING:
            return None
        raise cannot_read(path, reason(error), "restore it, or give access to it") from error
    try:
        return Manifest.from_json(data.decode(errors="replace"), root, str(path))
    except LayerMixError:
        return None


def _facts(manifest: Manifest) -> dict[str, Any]:
    facts = asdict(manifest)
    for name in ("root", "labels", "location", "partition"):  # of the build, not of the dataset
        del facts[name]
    return {"format": FORMAT} | facts
