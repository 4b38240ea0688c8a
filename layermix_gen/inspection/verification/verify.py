"""Is every byte as it was built? Shards are checked in parallel, then what is said of all of them together.

What a file must be is told by the manifest, which has digests of itself; where that is missing or damaged, by the
summary in each shard's index.
"""

from dataclasses import dataclass

from layermix_gen.dataset.dataset_files import DatasetFiles
from layermix_gen.dataset.index import ShardSummary
from layermix_gen.dataset.names import LISTING, PLAN
from layermix_gen.dataset.plan import versions
from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.inspection.verification.dataset_checks import read_known, whole_problems
from layermix_gen.inspection.verification.findings import Problem, Report
from layermix_gen.inspection.verification.replay_checks import Again
from layermix_gen.inspection.verification.shard_checks import Checked, Known, check_shard
from layermix_gen.support.checks import check_share
from layermix_gen.support.processes import checked_workers, working
from layermix_gen.support.progress import progress_bar


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found, what was known before, and the summaries of the shards that have one."""

    report: Report
    known: Known
    summaries: dict[int, ShardSummary]


def verify(
    files: DatasetFiles, *, replay: float = 0.0, workers: int | None = None, progress: bool = True
) -> Verification:
    """Check a dataset, and make the share `replay` of its samples again.

    Raises `LayerMixError` where there is no finished dataset, and where samples cannot be rendered again: without the
    source, for instance.
    """
    workers = checked_workers(workers)
    problems: list[Problem] = []
    known = read_known(files, problems)
    again, note = _prepared(files, known, replay, problems)
    checked: list[Checked] = []
    with (
        working((files, known, again), min(workers, known.shards)) as pool,
        progress_bar(known.shards, "shard", progress) as bar,
    ):
        try:
            for shard in pool.as_completed(_check, range(known.shards)):
                checked.append(shard)
                bar.update()
        except KeyboardInterrupt:
            done = f"{len(checked)} of {known.shards} shards"
            raise Interrupted(f"stopped with {done} checked; run the same command again") from None
    summaries = {shard.number: shard.summary for shard in checked if shard.summary}
    problems += [problem for shard in checked for problem in shard.problems]
    problems += whole_problems(files, known, summaries)
    report = Report(
        files.location,
        shards=known.shards,
        tars=sum(shard.tars for shard in checked),
        samples=sum(shard.samples for shard in checked),
        bytes=sum(shard.bytes for shard in checked),
        replayed=sum(shard.replayed for shard in checked),
        problems=tuple(sorted(set(problems))),
        note=note,
    )
    return Verification(report, known, summaries)


def _prepared(files: DatasetFiles, known: Known, replay: float, problems: list[Problem]) -> tuple[Again | None, str]:
    """What makes samples again, its source and mixing set found, and with which other versions it will do so."""
    check_share("replay", replay)
    if not replay:
        return None, ""
    if known.plan is None or any(problem.file in (PLAN, LISTING) for problem in problems):
        raise LayerMixError(
            f"samples cannot be rendered again without {files.location}/{PLAN} and {LISTING}, one of which is "
            "missing or damaged; mend them with --repair, or drop --replay"
        )
    files.fetch([LISTING])
    again = Again(known.plan, replay)
    again.open()
    now = versions()
    other = [f"{name} {now[name]} ({was})" for name, was in known.plan.versions.items() if now.get(name) != was]
    return again, f"rendered again by other versions than it was built with: {', '.join(other)}" if other else ""


def _check(work: tuple[DatasetFiles, Known, Again | None], number: int) -> Checked:
    files, known, again = work
    return check_shard(files, known, number, again)
