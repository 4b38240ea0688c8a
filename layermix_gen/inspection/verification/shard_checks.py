"""Check one shard against what is recorded of it: its index, and every byte of its tars.

A row of the index determines all bytes of its sample but the image's: headers, label, metadata and padding can be
written again and compared, and the image has a checksum. So a report can name the first damaged part of a sample.
"""

import mmap
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from isal import isal_zlib

from layermix_gen.dataset.dataset_files import DatasetFiles
from layermix_gen.dataset.index import ShardSummary, metadata_text, summary_in
from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import address, index_name, tar_name
from layermix_gen.dataset.plan import MixingSetFacts, Plan
from layermix_gen.dataset.querying.query_sandbox import sandbox, unreadable
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.dataset.tar import BLOCK, TarSummary, header
from layermix_gen.errors import LayerMixError
from layermix_gen.inspection.verification.findings import Problem, noting
from layermix_gen.inspection.verification.replay_checks import ReplayCheck
from layermix_gen.support.database import Database, refusals, rows
from layermix_gen.support.files import file_digest

END = bytes(2 * BLOCK)
OTHER_BYTES = "is not as it was built (sha256)"
PLANES = """
    SELECT plane, count(*) AS count, count("size") AS stored, bool_and(shard = ?) AND
        bool_and(key = concat_ws('-', split_part(key, '-', 1), CASE WHEN ? = 'unique' THEN plane END)) AS here,
        md5(string_agg(concat_ws(chr(10), split_part(key, '-', 1), source, label), chr(10) ORDER BY key)) AS inputs
    FROM samples GROUP BY plane ORDER BY plane
"""


@dataclass(frozen=True, slots=True)
class Expected:
    """What manifest and plan say that a dataset must hold; None for one that is missing or damaged."""

    manifest: Manifest | None
    plan: Plan | None
    settings: BuildSettings
    planes: tuple[str, ...]
    shards: int

    @property
    def stored_planes(self) -> tuple[str, ...]:
        """The planes that have tars."""
        return tuple(self.settings.stored_planes)

    @property
    def mixing_set(self) -> MixingSetFacts | None:
        """The mixing set, None where nothing is mixed."""
        return self.manifest.mixing_set if self.manifest else self.plan.mixing_set if self.plan else None

    def tar(self, number: int, plane: str, summary: ShardSummary | None) -> TarSummary | None:
        """Size and sha256 that a tar must have: by the manifest, else by the shard's own summary."""
        if self.manifest:
            return self.manifest.tar(plane, number)
        return summary.planes.get(plane) if summary else None

    def samples(self, name: str, summary: ShardSummary | None) -> int:
        """How many samples a tar holds; 0 where that is not known."""
        if self.manifest:
            samples: int = self.manifest.tars[name]["samples"]
            return samples
        return summary.written if summary else 0

    def owner(self, digest: str, summary: ShardSummary | None) -> str | None:
        """The name of the tar that has this sha256."""
        if self.manifest:
            return next((name for name, tar in self.manifest.tars.items() if tar["sha256"] == digest), None)
        if summary is None:
            return None
        name = {tar.sha256: tar_name(plane, summary.number) for plane, tar in summary.planes.items()}
        return name.get(digest)


@dataclass(slots=True)
class ShardFindings:
    """What was found in a shard; its summary is None where its index is missing or damaged."""

    number: int
    summary: ShardSummary | None = None
    problems: list[Problem] = field(default_factory=list)
    tars: int = 0
    samples: int = 0
    bytes: int = 0
    replayed: int = 0


def check_shard(
    files: DatasetFiles, expected: Expected, number: int, replay_check: ReplayCheck | None = None
) -> ShardFindings:
    """Check the index of a shard and all of its tars, and make some of its samples again."""
    findings, name = ShardFindings(number), index_name(number)
    index: Database | None = None
    with ExitStack() as stack:
        with noting(findings.problems, name):
            path = stack.enter_context(files.local(name))
            if expected.manifest and file_digest(path) != expected.manifest.indexes[name]:
                raise LayerMixError(OTHER_BYTES)
            index = stack.enter_context(sandbox([path]))
            with refusals(unreadable):
                findings.summary = _read_summary(index, path, number)
                findings.problems += _misalignment(index, name, expected, findings.summary)
                findings.samples += findings.summary.written * len(expected.settings.virtual_planes)
        for plane in expected.stored_planes:
            tar = tar_name(plane, number)
            recorded = expected.tar(number, plane, findings.summary)
            local = files.local(tar, recorded.bytes) if recorded else files.local(tar)
            with noting(findings.problems, tar), refusals(unreadable), local as path, _mapped(path) as data:
                findings.tars, findings.bytes = findings.tars + 1, findings.bytes + len(data)
                findings.samples += expected.samples(tar, findings.summary)
                findings.problems += _check_tar(data, index, expected, plane, findings)
        if replay_check and index and findings.summary:
            with noting(findings.problems, name), refusals(unreadable):
                for problems in replay_check.shard(files, index, findings.summary):
                    findings.replayed += 1
                    findings.problems += problems
    return findings


def _read_summary(index: Database, path: Path, number: int) -> ShardSummary:
    """The summary of a shard. Raises `LayerMixError` where it cannot be read, or is another shard's."""
    try:
        summary = summary_in(index, path)
    except ValueError as error:
        raise LayerMixError(f"cannot be read: {error}") from error
    if summary.number != number:
        raise LayerMixError(f"is the index of shard {summary.number}")
    return summary


def _misalignment(index: Database, name: str, expected: Expected, summary: ShardSummary) -> Iterator[Problem]:
    """Yield where an index disagrees with its own summary, or one of its planes with the others."""
    planes = {row["plane"]: row for row in rows(index, PLANES, [summary.number, expected.settings.keys])}
    first = planes.get(expected.planes[0])
    for plane in expected.planes:
        row = planes.get(plane, {"count": 0, "stored": 0, "here": True, "inputs": first and first["inputs"]})
        stored = summary.written if plane in expected.stored_planes else 0
        if row["count"] != summary.written:
            yield Problem(name, "", f"expected {summary.written} rows of {plane}, found {row['count']}")
        elif row["stored"] != stored:
            yield Problem(name, "", f"expected {stored} rows of {plane} with an image in a tar, found {row['stored']}")
        elif not row["here"]:
            yield Problem(name, "", f"its rows of {plane} have the keys of another plane, or of another shard")
        elif first and row["inputs"] != first["inputs"]:
            yield Problem(name, "", f"its rows of {plane} are of other inputs than those of {expected.planes[0]}")


def _check_tar(
    data: memoryview, index: Database | None, expected: Expected, plane: str, findings: ShardFindings
) -> Iterator[Problem]:
    """Yield all problems of a tar; where an intact tar is not as its rows say, the index is at fault."""
    name, digest, summary = tar_name(plane, findings.number), sha256(data).hexdigest(), findings.summary
    recorded = expected.tar(findings.number, plane, summary)
    intact = recorded is not None and digest == recorded.sha256
    if not intact and (owner := expected.owner(digest, summary)):
        yield Problem(name, "", f"is {owner}, in the wrong place")
        return
    found = False
    if index and summary:
        of_plane = rows(index, "SELECT * FROM samples WHERE plane = ? ORDER BY key", [plane])
        for sample, what in _check_samples(data, of_plane, expected.settings.encoding.extension):
            found = True
            at_fault = index_name(findings.number) if intact else name
            yield Problem(at_fault, sample, f"says otherwise than the tar: {what}" if intact else what)
    if recorded and not intact and not found:
        yield Problem(name, "", OTHER_BYTES)


def _check_samples(
    data: memoryview, of_plane: Iterator[Mapping[str, Any]], extension: str
) -> Iterator[tuple[str, str]]:
    """Compare a tar with what its rows say, byte by byte; yield the sample and a description of each problem."""
    position = 0
    for row in of_plane:
        sample = address(row)
        if row["size"] is None:  # which the check of the index tells
            return
        before, behind = _around_image(row, extension)
        start = position + len(before)
        stop = start + row["size"]
        end = stop + sum(len(content) for _, content in behind)
        if end > len(data):
            yield sample, f"the tar ends in it, after {len(data)} bytes; all samples behind it are missing"
            return
        if row["offset"] != start:
            yield sample, f"the index has its image at {row['offset']}, expected at {start}"
        if data[position:start] != before:
            yield sample, "the tar header of its image is damaged"
        if isal_zlib.crc32(data[start:stop]) != row["image_crc32"]:
            yield sample, "its image is damaged (crc32)"
        if data[stop:end] != b"".join(content for _, content in behind):
            yield sample, f"{_first_damaged(data[stop:end], behind)} is damaged"
        position = end
    if data[position:] != END:
        yield (
            "",
            f"expected two empty blocks from byte {position} to its end, found {len(data) - position} other bytes",
        )


Parts: TypeAlias = list[tuple[str, bytes]]  # the name and the bytes of each


def _around_image(row: Mapping[str, Any], extension: str) -> tuple[bytes, Parts]:
    """The tar header before a sample's image, and all parts behind the image, up to the next sample."""
    key, size = row["key"], row["size"]
    label, facts = b"%d" % row["label"], metadata_text(row).encode()
    behind = [
        ("the padding behind its image", bytes(-size % BLOCK)),
        ("the tar header of its label", header(f"{key}.cls".encode(), len(label))),
        ("its label", label),
        ("the padding behind its label", bytes(-len(label) % BLOCK)),
        ("the tar header of its JSON", header(f"{key}.json".encode(), len(facts))),
        ("its JSON", facts),
        ("the padding behind its JSON", bytes(-len(facts) % BLOCK)),
    ]
    return header(f"{key}.{extension}".encode(), size), behind


def _first_damaged(data: memoryview, parts: Parts) -> str:
    position = 0
    for name, content in parts:
        if data[position : position + len(content)] != content:
            return name
        position += len(content)
    return "nothing"


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    """The bytes of a file, mapped into memory."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            yield memoryview(b"")
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data, memoryview(data) as view:
            yield view
