"""The manifest, `dataset.json`: what the dataset is. It is written last, so it is the sign of completeness."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.files import read_json, write_json
from layermix_gen.index import ShardSummary, Skipped, index_path
from layermix_gen.plan import Inputs, Plan, Pool
from layermix_gen.settings import BuildSettings
from layermix_gen.text import count, facts

FORMAT = "layermix-gen dataset 1"


@dataclass(frozen=True, slots=True)
class Run:
    """How the last run went: how many images it wrote, in how long, on how many workers."""

    images: int
    seconds: float
    images_per_second: float
    workers: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The report of a build: counts over the shards that are finished, and what they were made by.

    inputs = written + skipped once `complete`. `images` counts every plane.
    """

    root: Path
    complete: bool
    fingerprint: str
    digest: str  # over every tar and every index
    inputs: int
    written: int
    skipped: int
    skipped_reasons: dict[str, int]
    planes: tuple[str, ...]
    images: int
    bytes: int
    shards: int
    shards_finished: int
    source: Inputs
    settings: BuildSettings
    mixing_set: Pool | None
    versions: dict[str, str]
    run: Run
    tars: dict[str, dict[str, Any]]  # relative path: samples, bytes, sha256

    def summary(self) -> str:
        """The report for people, one fact a line."""
        source, settings, run = self.source, self.settings, self.run
        left_out = "; ".join(f"{number} {reason}" for reason, number in self.skipped_reasons.items())
        method = f"{settings.method}, preset {settings.preset}, magnitude {settings.magnitude:g}, "
        mixing = self.mixing_set
        rows = {
            "source": f"{source.location} ({source.kind}, {len(source.classes)} classes)",
            "inputs": f"{self.inputs} = {self.written} written + {self.skipped} skipped",
            "skipped": left_out,
            "ignored": f"{count(source.ignored, 'file')} without an image's extension" if source.ignored else "",
            "planes": " ".join(self.planes),
            "samples": f"{settings.size} px, {settings.view} views, {settings.view_mode}, as {settings.format}",
            "method": method + f"blending ratio {settings.blending_ratio:g}" if mixing else settings.method,
            "mixing set": f"{count(mixing.count, 'picture')} of {mixing.size} px in {mixing.location}"
            if mixing
            else "",
            "shards": f"{self.shards_finished} of {self.shards}, {self.images} images, {self.bytes / 1e6:.1f} MB",
            "this run": f"{run.images} images in {run.seconds:.1f} s on {count(run.workers, 'worker')}, "
            f"{run.images_per_second:.0f} images/s",
            "digest": self.digest,
            "dataset": str(self.root) if self.complete else f"{self.root} is not complete yet",
        }
        return facts(rows)


def collect(plan: Plan, summaries: Mapping[int, ShardSummary], run: Run) -> Manifest:
    """Add up the finished shards."""
    skipped = [one for summary in summaries.values() for one in summary.skipped]
    planes = tuple(plan.settings.planes)
    written = sum(summary.written for summary in summaries.values())
    tars = {
        f"{plane}/{number:06d}.tar": {"samples": summary.written, **asdict(tar)}
        for number, summary in summaries.items()
        for plane, tar in summary.planes.items()
    }
    return Manifest(
        root=plan.root,
        complete=len(summaries) == plan.shards,
        fingerprint=plan.fingerprint,
        digest=_digest(plan.root, summaries, tars),
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
        mixing_set=plan.pool,
        versions=plan.versions,
        run=run,
        tars=tars,
    )


def reasons(skipped: Sequence[Skipped]) -> dict[str, int]:
    """How often each reason was given, without its details; the most frequent first."""
    return dict(Counter(one.reason.partition(":")[0] for one in skipped).most_common())


def _digest(root: Path, summaries: Mapping[int, ShardSummary], tars: Mapping[str, Mapping[str, Any]]) -> str:
    """One digest over all files that readers use: names and sha256 of each tar and each index, in order."""
    lines = [f"{name} {tar['sha256']}" for name, tar in sorted(tars.items())]
    for number in sorted(summaries):
        path = index_path(root, number)
        lines.append(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_manifest(manifest: Manifest) -> None:
    """Declare the dataset complete."""
    facts = {name: value for name, value in asdict(manifest).items() if name != "root"}
    write_json(manifest.root / "dataset.json", {"format": FORMAT} | facts)


def declared_planes(root: Path) -> set[str]:
    """The planes that `dataset.json` says are complete; none where it is missing or damaged: a build writes it anew."""
    try:
        return set(read_json(root / "dataset.json")["planes"])
    except (FileNotFoundError, LayerMixError, KeyError, TypeError):
        return set()
