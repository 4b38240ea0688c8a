"""Open a finished dataset: its manifest, and its indexes, each checked against the manifest's sha256 and counts."""

from collections.abc import Callable, Sequence
from pathlib import Path

from layermix_gen.dataset.dataset_files import DatasetFiles
from layermix_gen.dataset.index import row_counts
from layermix_gen.dataset.manifest import Manifest, read_manifest
from layermix_gen.dataset.querying.query_sandbox import unreadable
from layermix_gen.errors import LayerMixError
from layermix_gen.support.database import connected
from layermix_gen.support.files import file_digest, reading, with_retries
from layermix_gen.support.processes import available_cpus
from layermix_gen.support.threads import mapped_ahead

Fetch = Callable[[Manifest], list[Path]]


def open_dataset(files: DatasetFiles, fetch: Fetch | None = None) -> tuple[Manifest, list[Path]]:
    """The manifest of a finished dataset, and the checked index of each shard, which `fetch` brings to this machine.

    By default the indexes are fetched to the folder of `files`. Raises `LayerMixError` where there is no finished
    dataset, or where an index is missing or is not as it was built.
    """
    manifest = read_manifest(files)
    try:
        return manifest, _indexes(files, manifest, fetch)
    except LayerMixError:
        now = read_manifest(files)
        if now.indexes == manifest.indexes:
            raise
        return now, _indexes(files, now, fetch)  # planes were added since the manifest was read


def _indexes(files: DatasetFiles, manifest: Manifest, fetch: Fetch | None) -> list[Path]:
    paths = fetch(manifest) if fetch else files.fetch(manifest.index_names)
    with reading(files.location):
        digests = mapped_ahead(_digest, paths, available_cpus())
        for path, name, digest in zip(paths, manifest.index_names, digests, strict=True):
            if digest != manifest.indexes[name]:
                raise LayerMixError(
                    f"expected {path} as it was built, found other bytes; `layermix-gen verify {files.location} "
                    "--repair` makes a new one"
                )
    _check_rows(paths, manifest)
    return paths


def _digest(path: Path) -> str:
    return with_retries(lambda: file_digest(path), path)


def _check_rows(indexes: Sequence[Path], manifest: Manifest) -> None:
    """Raise `LayerMixError` if an index has other rows than the manifest says: a small file can have billions."""
    with connected(unreadable) as db:
        found = row_counts(db, indexes)
    for path, samples, rows in zip(indexes, manifest.counts, found, strict=True):
        if rows != samples * len(manifest.planes):
            raise LayerMixError(
                f"expected {samples} samples of each of {', '.join(manifest.planes)} in {path}, found {rows} rows; it "
                "is another dataset's index: restore this one's or build it again"
            )
