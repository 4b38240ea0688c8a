"""The manifest, `dataset.json`: what the dataset is. It is written last: where it exists, the dataset is complete."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from layermix_gen.dataset.dataset_files import DatasetFiles, LocalFiles
from layermix_gen.dataset.index import ShardSummary
from layermix_gen.dataset.names import (
    CLEAN_PLANE,
    DECLARED,
    MANIFEST,
    PLANE,
    declared_index_name,
    index_name,
    index_path,
    tar_name,
)
from layermix_gen.dataset.plan import Inputs, MixingSetFacts, Plan
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.dataset.skipped import reasons
from layermix_gen.dataset.tar import TarSummary
from layermix_gen.errors import LayerMixError
from layermix_gen.support.files import (
    CHECKSUM,
    check_format,
    file_digest,
    json_text,
    read_json,
    replacing,
    sealed,
    sync_folder,
    unsealed,
    write_json,
)
from layermix_gen.support.text import count, facts

FORMAT = "layermix-gen dataset 2"
SHA256 = r"[0-9a-f]{64}"


@dataclass(frozen=True, slots=True)
class Run:
    """The last run of the build: how many images it wrote, in how many seconds, on how many workers."""

    images: int
    seconds: float
    images_per_second: float
    workers: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The report of a build: counts over the finished shards, and what they were made from.

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
    mixing_set: MixingSetFacts | None
    versions: dict[str, str]
    run: Run
    tars: dict[str, dict[str, Any]]  # relative path: samples, bytes, sha256
    indexes: dict[str, str]  # relative path: sha256

    @classmethod
    def from_json(cls, text: str, root: Path, location: str) -> "Manifest":
        """Parse the text of the manifest at `location`. Raises `LayerMixError` if it is another file, or is damaged."""
        try:
            value = json.loads(text)
            check_format(value["format"], FORMAT, location)
            value = unsealed(value)
            del value["format"]
            made = value | {
                "planes": tuple(value["planes"]),
                "source": Inputs.from_json(value["source"]),
                "settings": BuildSettings.from_json(value["settings"]),
                "mixing_set": MixingSetFacts(**value["mixing_set"]) if value["mixing_set"] else None,
                "run": Run(**value["run"]),
            }
            manifest = cls(root, **made)
            _check_content(manifest)
            return manifest
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LayerMixError(
                f"{location} is damaged ({type(error).__name__}: {error}); run the build again to write a new one"
            ) from error

    @property
    def size(self) -> int:
        """The side of the samples, in pixels."""
        return self.settings.size or 0

    @property
    def counts(self) -> tuple[int, ...]:
        """How many images each shard has in every plane."""
        return tuple(self.tars[tar_name(self.planes[0], number)]["samples"] for number in range(self.shards))

    @property
    def is_extended(self) -> bool:
        """Whether planes are being added: then the declared indexes are not those that grow."""
        return declared_index_name(0) in self.indexes

    @property
    def index_names(self) -> list[str]:
        """The paths of the declared indexes within the dataset, shard by shard."""
        name = declared_index_name if self.is_extended else index_name
        return [name(number) for number in range(self.shards)]

    @property
    def variant_planes(self) -> tuple[str, ...]:
        """The planes that are variants: all but the clean one."""
        return tuple(plane for plane in self.planes if plane != CLEAN_PLANE)

    @property
    def one_view(self) -> bool:
        """Whether all planes of an image show the same part of it."""
        return self.settings.view_mode == "shared" or self.settings.view == "center"

    def tar(self, plane: str, number: int) -> TarSummary:
        """Size and sha256 of the tar of one plane of a shard."""
        tar = self.tars[tar_name(plane, number)]
        return TarSummary(tar["bytes"], tar["sha256"])

    def summary(self) -> str:
        """The report as text for people, one fact a line."""
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
    """Add up the finished shards into a manifest."""
    skipped = [one for summary in summaries.values() for one in summary.skipped]
    planes = tuple(plan.settings.planes)
    written = sum(summary.written for summary in summaries.values())
    tars = {
        tar_name(plane, number): {"samples": summary.written, **asdict(tar)}
        for number, summary in summaries.items()
        for plane, tar in summary.planes.items()
    }
    indexes = {index_name(number): file_digest(index_path(plan.root, number)) for number in sorted(summaries)}
    return Manifest(
        root=plan.root,
        complete=len(summaries) == plan.shards,
        fingerprint=plan.fingerprint,
        digest=digest_of(tars, indexes),
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


def read_manifest(files: DatasetFiles) -> Manifest:
    """Read the manifest of a finished dataset. Raises `LayerMixError` where there is none, or it is damaged."""
    return Manifest.from_json(files.text(MANIFEST), Path(files.location), f"{files.location}/{MANIFEST}")


def _check_content(manifest: Manifest) -> None:
    """Raise ValueError or KeyError unless all is described, and digest and fingerprint are those of the content."""
    settings = manifest.settings
    if settings.size is None or settings.view is None or settings.format is None:
        raise ValueError("settings without size, view or format")
    if not manifest.planes or not all(re.fullmatch(PLANE, plane) for plane in manifest.planes):
        raise ValueError(f"planes {manifest.planes}")
    for number, name in enumerate(manifest.index_names):
        known = [manifest.indexes[name]]
        for plane in manifest.planes:
            tar = manifest.tars[tar_name(plane, number)]
            known.append(tar["sha256"])
            if type(tar["bytes"]) is not int or type(tar["samples"]) is not int:
                raise ValueError(f"sizes of {tar_name(plane, number)}")
        if not all(re.fullmatch(SHA256, digest) for digest in known):
            raise ValueError(f"digests of shard {number}")
    if digest_of(manifest.tars, manifest.indexes) != manifest.digest:
        raise ValueError("its digest is not that of its files")
    offsets = (0,) * manifest.shards
    plan = Plan(manifest.root, manifest.source, settings, manifest.mixing_set, offsets, manifest.versions)
    if plan.fingerprint != manifest.fingerprint:
        raise ValueError("its fingerprint does not fit its content")


def digest_of(tars: Mapping[str, Mapping[str, Any]], indexes: Mapping[str, str]) -> str:
    """One digest over all files that readers use: names and sha256 of each tar and each index, in order."""
    lines = [f"{name} {tar['sha256']}" for name, tar in sorted(tars.items())]
    lines += [f"{PurePosixPath(name).name} {sha256}" for name, sha256 in sorted(indexes.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_manifest(manifest: Manifest) -> None:
    """Write the manifest, which declares the dataset complete; the indexes declared before are no longer needed."""
    write_json(manifest.root / MANIFEST, sealed(_facts(manifest)))
    if not manifest.is_extended:
        shutil.rmtree(manifest.root / DECLARED, ignore_errors=True)


def keep_declared(root: Path) -> None:
    """Keep a finished dataset readable while planes are added: put its indexes aside, and let the manifest name those.

    The digest stays the same, since it covers the names of indexes without their folder.
    """
    try:
        manifest = read_manifest(LocalFiles(root))
    except LayerMixError:  # none is declared
        return
    if manifest.is_extended:
        return
    shutil.rmtree(root / DECLARED, ignore_errors=True)
    (root / DECLARED).mkdir()
    for number in range(manifest.shards):
        _link(index_path(root, number), root / declared_index_name(number))
    sync_folder(root / DECLARED)
    aside = {declared_index_name(number): manifest.indexes[index_name(number)] for number in range(manifest.shards)}
    write_manifest(replace(manifest, indexes=aside))


def _link(path: Path, other: Path) -> None:
    """Give a file a second name, or copy it where the file system has no hard links."""
    try:
        os.link(path, other)
    except FileNotFoundError:  # a damaged dataset, which stays so
        return
    except OSError:
        with replacing(other) as draft:
            shutil.copyfile(path, draft)


def is_declared(manifest: Manifest) -> bool:
    """Whether the manifest in the folder says the same already, except for the run."""
    now = json.loads(json_text(_facts(manifest)))
    own = {"run": None, CHECKSUM: None}  # these differ
    return _declared(manifest.root) | own == now | own


def declared_planes(root: Path) -> set[str]:
    """The planes that the folder's manifest declares complete; none where it is missing or damaged."""
    planes = _declared(root).get("planes")
    return set(planes) if isinstance(planes, list) else set()


def is_dataset(folder: Path) -> bool:
    """Whether a folder holds a finished dataset."""
    return (folder / MANIFEST).is_file()


def _declared(root: Path) -> dict[str, Any]:
    """What the folder's manifest says, as JSON; {} where it is missing or damaged."""
    try:
        value = read_json(root / MANIFEST)
    except (FileNotFoundError, LayerMixError):
        return {}
    return value if isinstance(value, dict) else {}


def _facts(manifest: Manifest) -> dict[str, Any]:
    return {"format": FORMAT} | {name: value for name, value in asdict(manifest).items() if name != "root"}
