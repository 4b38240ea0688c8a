"""The manifest, `dataset.json`: what the dataset is. It is written last: where it exists, the dataset is complete."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

from layermix_gen.dataset.dataset_files import DatasetFiles
from layermix_gen.dataset.names import (
    CLEAN_PLANE,
    MANIFEST,
    SHA256,
    declared_index_name,
    index_name,
    tar_name,
)
from layermix_gen.dataset.plan import Inputs, MixingSetFacts, Plan
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.dataset.tar import TarSummary
from layermix_gen.errors import LayerMixError
from layermix_gen.sources.labels import LabelCounts
from layermix_gen.support.files import (
    check_format,
    unsealed,
)
from layermix_gen.support.notebooks import panels
from layermix_gen.support.parsing import jsonable, made_of, parse_object
from layermix_gen.support.text import as_text, count, facts

FORMAT = "layermix-gen dataset 5"


@dataclass(frozen=True, slots=True)
class Run:
    """The last run of the build: how many images it wrote, in how many seconds, on how many workers."""

    images: int
    seconds: float
    images_per_second: float
    workers: int


class TarFacts(TypedDict):
    """What the manifest says of a tar."""

    samples: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The report of a build: counts over the finished shards, and what they were made from.

    inputs = written + skipped once `complete`. `images` counts every plane, also virtual ones, which have no tars.
    """

    root: Path  # its folder; for a dataset at a URL, see where it was opened
    complete: bool
    fingerprint: str
    digest: str  # over every tar and every index; "" until it is complete
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
    tars: dict[str, TarFacts]  # by relative path
    indexes: dict[str, str]  # relative path: sha256
    labels: LabelCounts | None = field(default=None, compare=False)  # of the images written; known to the build alone
    location: str = field(default="", compare=False)  # its path or URL, for people; known to the build alone
    partition: tuple[int, int] = field(default=(0, 1), compare=False)  # of the build that reports; known to it alone

    @classmethod
    def from_json(cls, text: str, root: Path, location: str) -> "Manifest":
        """Parse the text of the manifest at `location`. Raises `LayerMixError` if it is another file, or is damaged."""
        try:
            value = parse_object(text)
            check_format(value.get("format", "no format"), FORMAT, location)
            value = unsealed(value)
            del value["format"]
            manifest = made_of(cls, value, root=root, labels=None, location="", partition=(0, 1))
            _check_content(manifest)
            return manifest
        except ValueError as error:
            raise LayerMixError(f"{location} is damaged ({error}); run the build again to write a new one") from error

    @property
    def size(self) -> int:
        """The side of the samples, in pixels; of whole images, what their short side is reduced to, 0 if it is not."""
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
    def stored_planes(self) -> tuple[str, ...]:
        """The planes whose images are in tars."""
        return tuple(plane for plane in self.planes if plane not in self.virtual_planes)

    @property
    def virtual_planes(self) -> tuple[str, ...]:
        """The planes that are rendered from the clean one, by their recipes in the index, when they are read."""
        return self.settings.virtual_planes

    @property
    def one_view(self) -> bool:
        """Whether all planes of an image show the same part of it."""
        return self.settings.one_view

    def tar(self, plane: str, number: int) -> TarSummary:
        """Size and sha256 of the tar of one plane of a shard."""
        tar = self.tars[tar_name(plane, number)]
        return TarSummary(tar["bytes"], tar["sha256"])

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it: all that the manifest holds, but for its lists of tars and indexes."""
        facts = jsonable(replace(self, tars={}, indexes={}))
        left_out = ("root", "location", "tars", "indexes")
        return {"dataset": self.location or as_text(self.root)} | {
            name: one for name, one in facts.items() if name not in left_out
        }

    def __repr__(self) -> str:
        state = f"digest {self.digest[:12]}" if self.complete else "not complete yet"
        images = f"{count(self.images, 'image')} in {count(len(self.planes), 'plane')}"
        return f"<Manifest of {self.location or self.root}: {images}, {state}>"

    def _repr_html_(self) -> str:
        return panels.panel("Dataset", panels.lines(self.summary()))

    def summary(self) -> str:
        """The report as text for people, one fact a line."""
        source, settings, run = self.source, self.settings, self.run
        left_out = "; ".join(f"{number} {reason}" for reason, number in self.skipped_reasons.items())
        mixing = self.mixing_set
        ignored = f"{count(source.ignored, 'file')} without an image's extension"
        if source.kind == "webdataset":
            ignored = f"{count(source.ignored, 'member')} not taken"
        rows = {
            "source": f"{source.location} ({source.kind})",
            "labels": str(self.labels or ""),
            "inputs": self.inputs_in_words,
            "skipped": left_out,
            "ignored": ignored if source.ignored else "",
            "planes": settings.planes_in_words,
            "keys": "shared by all planes" if settings.keys == "shared" else "",
            "samples": settings.samples,
            "views": settings.views,
            "method": settings.mixing,
            "mixing set": f"{count(mixing.count, 'picture')} of {mixing.size} px in {mixing.location}"
            if mixing
            else "",
            "shards": self.shards_in_words,
            "partition": self._partition_in_words(),
            "this run": f"{run.images} images in {run.seconds:.1f} s on {count(run.workers, 'worker')}, "
            f"{run.images_per_second:.0f} images/s"
            if run.images
            else "0 images: none was missing",
            "digest": self.digest,
            "dataset": f"{self.location or self.root}{'' if self.complete else ' is not complete yet'}",
        }
        return facts(rows)

    @property
    def inputs_in_words(self) -> str:
        """How many inputs were written and skipped: `24 = 23 written + 1 skipped`."""
        share = 100 * self.inputs // max(self.source.count, 1)
        so_far = "" if self.complete else f" of {self.source.count} ({share}%) so far"
        return f"{self.inputs}{so_far} = {self.written} written + {self.skipped} skipped"

    @property
    def shards_in_words(self) -> str:
        """How many shards are finished, and what is in them: `3 of 7, 42 images, 0.2 MB`."""
        return f"{self.shards_finished} of {self.shards}, {self.images} images, {self.bytes / 1e6:.1f} MB"

    def _partition_in_words(self) -> str:
        """What the partition had to build, all of which it has; "" for a build of all shards."""
        first, step = self.partition
        own = len(range(first, self.shards, step))
        return f"{first}/{step}: {own} of {count(own, 'shard')} finished" if step > 1 else ""


def read_manifest(files: DatasetFiles) -> Manifest:
    """Read the manifest of a finished dataset. Raises `LayerMixError` where there is none, or it is damaged."""
    return Manifest.from_json(files.text(MANIFEST), Path(files.location), f"{files.location}/{MANIFEST}")


def _check_content(manifest: Manifest) -> None:
    """Raise ValueError unless tars and indexes are exactly those of the planes and shards, and all counts agree."""
    settings, tars, indexes = manifest.settings, manifest.tars, manifest.indexes
    if not settings.is_resolved:
        raise ValueError("settings without size, view or format")
    if manifest.planes != tuple(settings.planes):
        raise ValueError(f"expected the planes {' '.join(settings.planes)}, found {manifest.planes}")
    for what, found, files in (
        ("indexes", indexes, manifest.shards),
        ("tars", tars, manifest.shards * len(settings.stored_planes)),
    ):
        if manifest.shards < 1 or len(found) != files:  # before anything that takes time for each shard
            raise ValueError(f"expected {files} {what} of {manifest.shards} shards, found {len(found)}")
    names = {tar_name(plane, number) for plane in settings.stored_planes for number in range(manifest.shards)}
    if indexes.keys() | tars.keys() != names | set(manifest.index_names):
        raise ValueError("expected the tars and indexes of its planes and shards, found other names")
    digests = (manifest.digest, manifest.fingerprint, *indexes.values(), *(tar["sha256"] for tar in tars.values()))
    if not all(re.fullmatch(SHA256, digest) for digest in digests):
        raise ValueError("expected 64 hexadecimal digits as each digest, found others")
    if min(min(tar["samples"], tar["bytes"] - tar["samples"]) for tar in tars.values()) < 0:
        raise ValueError("expected at least a byte for each sample of a tar, found less")
    written, skipped, images = manifest.written, manifest.skipped, manifest.images
    if manifest.inputs != written + skipped or images != written * len(manifest.planes) or skipped < 0:
        inputs = f"{written} written and {skipped} skipped of {manifest.inputs} inputs"
        raise ValueError(f"{inputs}, in {images} images of {len(manifest.planes)} planes")
    numbers = range(manifest.shards)
    counts = {tuple(tars[tar_name(plane, i)]["samples"] for i in numbers) for plane in settings.stored_planes}
    if set(map(sum, counts)) != {written} or len(counts) > 1:
        raise ValueError(f"expected {written} samples in each plane, as many of a shard in all, found others")
    if digest_of(tars, indexes) != manifest.digest:
        raise ValueError("its digest is not that of its files")
    facts = manifest.source, settings, manifest.mixing_set, manifest.shards
    plan = Plan(manifest.root, *facts, versions=manifest.versions)
    if plan.fingerprint != manifest.fingerprint:
        raise ValueError("its fingerprint does not fit its content")


def digest_of(tars: Mapping[str, Mapping[str, Any]], indexes: Mapping[str, str]) -> str:
    """One digest over all files that readers use: names and sha256 of each tar and each index, in order."""
    lines = [f"{name} {tar['sha256']}" for name, tar in sorted(tars.items())]
    lines += [f"{PurePosixPath(name).name} {sha256}" for name, sha256 in sorted(indexes.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def is_dataset(folder: Path) -> bool:
    """Whether a folder holds a finished dataset."""
    return (folder / MANIFEST).is_file()
