"""The manifest, `dataset.json`: what the dataset is. It is written last, so it is the sign of completeness."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from layermix_gen.files import read_json, write_json
from layermix_gen.index import ShardSummary, Skipped, index_path
from layermix_gen.plan import Inputs, Plan, Pool
from layermix_gen.settings import BuildSettings

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
        settings, mixing = self.settings, self.mixing_set
        skipped = "; ".join(f"{count} {reason}" for reason, count in self.skipped_reasons.items())
        view = f"{settings.size} px, view {settings.view} ({settings.view_mode}), {settings.format}"
        method = f"{settings.method} ({settings.preset}), magnitude {settings.magnitude:g}, ratio {settings.blending_ratio:g}"
        pool = f"{mixing.count} pictures of {mixing.size} px, {mixing.location}" if mixing else "none"
        rows = {
            "source": f"{self.source.location} ({self.source.kind}), {len(self.source.classes)} classes",
            "inputs": f"{self.inputs} = {self.written} written + {self.skipped} skipped"
            + (f" ({skipped})" if skipped else ""),
            "ignored": f"{self.source.ignored} files that are no images" if self.source.ignored else "",
            "planes": " ".join(self.planes),
            "samples": view,
            "method": method if settings.method != "none" else "none",
            "mixing set": pool,
            "shards": f"{self.shards_finished} of {self.shards}, {self.bytes / 1e6:.1f} MB, {self.images} images",
            "this run": f"{self.run.images} images in {self.run.seconds:.1f} s, {self.run.images_per_second:.0f} images/s, "
            f"{self.run.workers} workers",
            "digest": self.digest,
            "dataset": f"{self.root}" if self.complete else f"{self.root}, not complete yet",
        }
        return "\n".join(f"{name:<11} {text}" for name, text in rows.items() if text)


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


def reasons(skipped: list[Skipped]) -> dict[str, int]:
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


def read_manifest(root: Path) -> dict[str, Any]:
    """The manifest of a finished dataset, as it is stored. FileNotFoundError where the dataset is not finished."""
    value: dict[str, Any] = read_json(root / "dataset.json")
    return value
