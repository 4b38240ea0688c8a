"""Verify a dataset: every shard in parallel, then what holds for the dataset as a whole.

The manifest, which holds digests of itself, says what each file must be; where the manifest is missing or damaged, the
summary in each shard's index does.
"""

from dataclasses import dataclass

from layermix_gen.dataset.dataset_files import DatasetFiles
from layermix_gen.dataset.index import ShardSummary
from layermix_gen.dataset.names import LISTING, PLAN
from layermix_gen.dataset.plan import versions
from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.inspection.replay import fetch_needed
from layermix_gen.inspection.verification.dataset_checks import dataset_problems, read_expected
from layermix_gen.inspection.verification.findings import Problem, VerificationReport
from layermix_gen.inspection.verification.replay_checks import ReplayCheck
from layermix_gen.inspection.verification.shard_checks import Expected, ShardFindings, check_shard
from layermix_gen.kernels.native import say_if_not_compiled
from layermix_gen.support.checks import check_share
from layermix_gen.support.processes import checked_workers, working
from layermix_gen.support.progress import progress_bar


@dataclass(frozen=True, slots=True)
class Verification:
    """A verification: its report, what was expected, and the shard summaries that could be read."""

    report: VerificationReport
    expected: Expected
    summaries: dict[int, ShardSummary]


def verify(
    files: DatasetFiles, *, replay: float = 0.0, workers: int | None = None, progress: bool = True
) -> Verification:
    """Check a dataset, and replay a share `replay` of its samples.

    Raises `LayerMixError` where there is no finished dataset, and where samples cannot be rendered again, for instance
    without the source.
    """
    workers = checked_workers(workers)
    if replay:
        say_if_not_compiled()
    problems: list[Problem] = []
    expected = read_expected(files, problems)
    replay_check, note = _prepared(files, expected, replay, problems)
    findings: list[ShardFindings] = []
    with (
        working((files, expected, replay_check), min(workers, expected.shards)) as pool,
        progress_bar(expected.shards, "shard", progress, "verifying") as bar,
    ):
        try:
            for shard in pool.as_completed(_check, range(expected.shards)):
                findings.append(shard)
                bar.update()
        except KeyboardInterrupt:
            done = f"{len(findings)} of {expected.shards} shards"
            raise Interrupted(f"stopped with {done} checked; run the same command again") from None
    summaries = {shard.number: shard.summary for shard in findings if shard.summary}
    problems += [problem for shard in findings for problem in shard.problems]
    problems += dataset_problems(files, expected, summaries)
    report = VerificationReport(
        files.location,
        shards=expected.shards,
        tars=sum(shard.tars for shard in findings),
        samples=sum(shard.samples for shard in findings),
        bytes=sum(shard.bytes for shard in findings),
        replayed=sum(shard.replayed for shard in findings),
        problems=tuple(sorted(set(problems))),
        note=note,
    )
    return Verification(report, expected, summaries)


def _prepared(
    files: DatasetFiles, expected: Expected, replay: float, problems: list[Problem]
) -> tuple[ReplayCheck | None, str]:
    """The replay check, with source and mixing set opened, and a note on versions that differ from the build's."""
    check_share("replay", replay)
    if not replay:
        return None, ""
    if expected.plan is None or any(problem.file in (PLAN, LISTING) for problem in problems):
        raise LayerMixError(
            f"samples cannot be rendered again without {files.location}/{PLAN} and {LISTING}, one of which is "
            "missing or damaged; mend them with --repair, or drop --replay"
        )
    fetch_needed(files, expected.plan)
    replay_check = ReplayCheck(expected.plan, replay)
    replay_check.open()
    now = versions()
    other = [f"{name} {now[name]} ({was})" for name, was in expected.plan.versions.items() if now.get(name) != was]
    return replay_check, f"rendered again by other versions than it was built with: {', '.join(other)}" if other else ""


def _check(work: tuple[DatasetFiles, Expected, ReplayCheck | None], number: int) -> ShardFindings:
    files, expected, replay_check = work
    return check_shard(files, expected, number, replay_check)
