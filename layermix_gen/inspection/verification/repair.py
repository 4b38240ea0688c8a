"""Repair a dataset: build its damaged shards again, and replace files only if they come out as they were.

Shards are built in a separate folder, by the same plan and the same code as before. A file replaces a damaged one if it
has the sha256 that the dataset's manifest, or else the shard's own summary, records for it.
"""

import filecmp
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from layermix_gen.building.build_run import write_errors
from layermix_gen.building.engines import in_processes, in_this_process
from layermix_gen.building.shard_builder import ShardResult
from layermix_gen.dataset.dataset_files import DatasetFiles, RemoteDatasetFiles
from layermix_gen.dataset.declaring import collect, write_manifest
from layermix_gen.dataset.index import read_summaries
from layermix_gen.dataset.listings.listing import list_items
from layermix_gen.dataset.manifest import Manifest, Run
from layermix_gen.dataset.names import (
    ABOUT_MIXING_SET,
    ERRORS,
    LISTING,
    MANIFEST,
    MIXING_SET,
    PLAN,
    index_name,
    refuse_links,
    tar_name,
)
from layermix_gen.dataset.outlets.base import Outlet
from layermix_gen.dataset.outlets.places import placed
from layermix_gen.dataset.plan import MixingSetFacts, Plan, make_plan, read_plan
from layermix_gen.dataset.plan_changes import changes, freeze
from layermix_gen.dataset.sidecars import sidecars, write_sidecars
from layermix_gen.errors import Interrupted, LayerMixError, printable
from layermix_gen.inspection.replay import Replayer
from layermix_gen.inspection.verification.findings import VerificationReport
from layermix_gen.inspection.verification.shard_checks import Expected
from layermix_gen.inspection.verification.verify import Verification, verify
from layermix_gen.mixing_sets.kept import COPIED, describe_copy, keep_copy
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from layermix_gen.mixing_sets.store import read_about
from layermix_gen.support.files import disk_errors, file_digest, link_or_copy, remove_folder, sync
from layermix_gen.support.notebooks import panels
from layermix_gen.support.processes import checked_workers
from layermix_gen.support.progress import progress_bar
from layermix_gen.support.text import count


@dataclass(frozen=True, slots=True)
class Repair:
    """The result of a repair: the verification before it, the repaired files, and the dataset's digest afterwards."""

    report: VerificationReport
    mended: tuple[str, ...]
    digest: str

    @property
    def ok(self) -> bool:
        """Whether everything is now as it was built."""
        return not self.left

    @property
    def left(self) -> tuple[str, ...]:
        """The files that were not repaired: they belong to no shard, and the user has to remove them."""
        return tuple(file for file in self.report.files if file not in self.mended)

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON has it: the verification before the repair, and what was done."""
        done = {"ok": self.ok, "mended": list(self.mended), "left": list(self.left), "digest": self.digest}
        return self.report.as_dict() | done

    def __repr__(self) -> str:
        return f"<Repair of {self.report.location}: {count(len(self.mended), 'file')} mended, {len(self.left)} left>"

    def _repr_html_(self) -> str:
        return panels.panel("Repair", panels.lines(str(self)))

    def __str__(self) -> str:
        mended = f"mended {count(len(self.mended), 'file')}: {' '.join(self.mended)}" if self.mended else ""
        left = f"left as they are: {' '.join(self.left)}" if self.left else ""
        return "\n".join(filter(None, (str(self.report), printable(mended), printable(left), f"digest {self.digest}")))


def repair(files: DatasetFiles, *, replay: float = 0.0, workers: int | None = None, progress: bool = True) -> Repair:
    """Verify the dataset, then build again exactly what is damaged or missing; see `Shards.repair`."""
    place = (files.location, files.options) if isinstance(files, RemoteDatasetFiles) else (files.folder, None)
    with placed(*place) as (out, outlet):
        root = Path(out)
        refuse_links(root)
        with outlet.alone(root):
            return _repair(files, root, outlet, replay, checked_workers(workers), progress)


def _repair(files: DatasetFiles, root: Path, outlet: Outlet, replay: float, workers: int, progress: bool) -> Repair:
    """Repair the dataset `files`, whose outlet takes what is put in place in the folder `root`."""
    begin = time.perf_counter()
    found = verify(files, replay=replay, workers=workers, progress=progress)
    expected, damaged = found.expected, set(found.report.files)
    numbers = [number for number in range(expected.shards) if damaged & set(_names(expected, number))]
    if expected.manifest and not damaged:
        return Repair(found.report, (), expected.manifest.digest)
    mended: list[str] = []
    with disk_errors(root), _staging(root) as staging:
        if damaged & {MIXING_SET, ABOUT_MIXING_SET}:
            mended += _mend_mixing_set(expected, root, sorted(damaged & {MIXING_SET, ABOUT_MIXING_SET}), progress)
        if numbers or damaged & {PLAN, LISTING}:
            plan = _plan_again(expected, root, staging)
            mended += _mend_shards(plan, found, numbers, root, outlet, workers, progress)
            mended += _put_in_place(staging, root, _wanted_of_plan(staging, root, damaged))
        whole, digest = _mend_whole(found, root, Run(0, round(time.perf_counter() - begin, 3), 0.0, workers))
        outlet.publish(root)
    return Repair(found.report, (*mended, *whole), digest)


def _names(expected: Expected, number: int) -> list[str]:
    """The files of a shard, the index last."""
    return [*(tar_name(plane, number) for plane in expected.stored_planes), index_name(number)]


@contextmanager
def _staging(root: Path) -> Iterator[Path]:
    """A temporary folder to build in, on the disk of the dataset, emptied of what a killed repair left in it."""
    staging = root / ".repair"
    remove_folder(staging)
    try:
        staging.mkdir()
        yield staging
    finally:
        remove_folder(staging)


def _mend_mixing_set(expected: Expected, root: Path, names: Sequence[str], progress: bool) -> list[str]:
    """Render the default fractals again, and put them in the folder if they come out as they were; return the names.

    A set that was packed or copied is left as it is: nothing tells where its pictures are. Its `SET.json` alone is
    written again, without how it was made.
    """
    facts, path = expected.mixing_set, root / MIXING_SET
    if facts is None:
        return []
    if not {"packed", COPIED} & read_about(path).get("made_by", {}).keys():
        mixed = resolve_mixing_set(None, expected.settings.mixed_side, expected.settings.seed, progress=progress)
        if mixed.digest == facts.digest:
            for name in names:
                (root / name).unlink(missing_ok=True)
            keep_copy(mixed, path)
            return list(names)
    if list(names) == [ABOUT_MIXING_SET]:
        describe_copy(path, facts.digest, path.name)
        return list(names)
    return []


def _plan_again(expected: Expected, root: Path, staging: Path) -> Plan:
    """Make the plan again from the source, and write it to `staging`.

    Raises `LayerMixError` where anything that the bytes depend on has changed since the build.
    """
    before = replace(expected.plan, root=root) if expected.plan else _plan_of(expected.manifest, root)
    replayer = Replayer(before)
    with closing(list_items(replayer.source.found(), before.settings.seed)) as listing:
        mixing_set = replayer.maker.mixing_set
        facts = None if before.settings.variants else before.mixing_set
        if mixing_set and before.mixing_set:
            facts = replace(MixingSetFacts.of(mixing_set), location=before.mixing_set.location)
            if facts.location == MIXING_SET:
                link_or_copy(root / MIXING_SET, staging / MIXING_SET)
        now = make_plan(staging, replayer.source, listing, before.settings, facts, before.shards)
        if differences := changes(before, now, listing.path):
            raise LayerMixError(
                f"the shards of {root} would not come out as they were: {'; '.join(differences)}; restore what has "
                "changed, then run the same command again"
            )
        return freeze(now, listing)


def _plan_of(manifest: Manifest | None, root: Path) -> Plan:
    """The plan as the manifest records it, which does not record the digest of the listing."""
    if manifest is None:  # not reached: verification needs one of the two
        raise LayerMixError(f"expected a manifest or a plan in {root}, found neither; restore one of them")
    facts = manifest.source, manifest.settings, manifest.mixing_set, manifest.shards
    return Plan(root, *facts, versions=manifest.versions)


def _mend_shards(
    plan: Plan, found: Verification, numbers: Sequence[int], root: Path, outlet: Outlet, workers: int, progress: bool
) -> list[str]:
    """Build shards in the folder of `plan`, replace the damaged files of the dataset, and return their names.

    Raises `LayerMixError` at the end if some shards did not come out as they were.
    """
    mended, others = list[str](), list[str]()
    inputs = sum(stop - start for start, stop in map(plan.bounds, numbers))
    engine = in_processes(workers) if workers > 1 else in_this_process
    with progress_bar(inputs, "input", progress, "building again") as bar:

        def watch(done: int, skipped: int) -> bool:
            bar.update(done - bar.n)
            return True

        try:
            with closing(engine(plan, numbers, watch)) as results:
                for result in results:
                    if other := _differences(plan, found, result):
                        others.append(other)
                    else:
                        names = _put_in_place(plan.root, root, _wanted(found, result.number))
                        index = index_name(result.number)
                        outlet.take_shard(root, [name for name in names if name != index], index)
                        mended += names
        except KeyboardInterrupt:
            remedy = "run the same command to go on"
            raise Interrupted(f"stopped with {count(len(mended), 'file')} mended; {remedy}") from None
    if others:
        raise LayerMixError(
            f"{count(len(others), 'shard')} came out otherwise and stayed as it was: {others[0]}; restore the source "
            "images, and repair with the versions of libraries that its plan names"
        )
    return mended


def _differences(plan: Plan, found: Verification, result: ShardResult) -> str:
    """Name the files of a rebuilt shard that differ from what is recorded; an empty text if none does."""
    expected, number, before = found.expected, result.number, found.summaries.get(result.number)
    recorded = {tar_name(plane, number): expected.tar(number, plane, before) for plane in expected.stored_planes}
    built = result.summary.planes if result.summary else {}
    others = [name for name, tar in recorded.items() if tar and tar != built.get(name.partition("/")[0])]
    name = index_name(number)
    if expected.manifest and file_digest(plan.root / name) != expected.manifest.indexes[name]:
        others.append(name)
    unread = "".join(f"; {one.source} cannot be read now ({one.reason})" for one in result.skipped[:1])
    return f"{', '.join(others)}{unread}" if others else ""


def _wanted(found: Verification, number: int) -> list[str]:
    """The files of a shard to replace: the damaged ones, or all where no record tells which are intact."""
    names = _names(found.expected, number)
    if found.expected.manifest is None and number not in found.summaries:
        return names
    return [name for name in names if name in found.report.files]


def _wanted_of_plan(staging: Path, root: Path, damaged: set[str]) -> list[str]:
    """Plan and listing to replace: the damaged one, and the other where it differs because the source was touched."""
    both = (LISTING, PLAN)
    if not damaged & set(both):
        return []
    return [name for name in both if name in damaged or not filecmp.cmp(staging / name, root / name, shallow=False)]


def _put_in_place(staging: Path, root: Path, names: Sequence[str]) -> list[str]:
    """Move files from `staging` to `root`, each atomically, and return their names."""
    for name in names:
        target = root / name
        if target.is_dir():
            raise LayerMixError(
                f"expected a file at {target}, found a folder; remove it, then run the same command again"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        (staging / name).replace(target)
        sync(target.parent)
    return list(names)


def _mend_whole(found: Verification, root: Path, run: Run) -> tuple[list[str], str]:
    """Write the damaged ones of the files next to the shards again; return their names and the dataset's digest."""
    plan, damaged, before = read_plan(root), set(found.report.files), found.expected.manifest
    if plan is None:
        raise LayerMixError(f"expected the plan at {root / PLAN}, found nothing there; restore it")
    summaries = read_summaries(root)
    manifest = collect(plan, summaries, before.run if before else run)
    mendable = {ERRORS, MANIFEST, *sidecars(manifest)} & damaged
    if ERRORS in mendable:
        write_errors(root, [one for summary in summaries.values() for one in summary.skipped])
    if mendable - {ERRORS}:
        write_sidecars(root, manifest)
    if MANIFEST in mendable:
        write_manifest(manifest)
    return sorted(mendable), manifest.digest
