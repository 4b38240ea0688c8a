"""A dataset at a URL: its index is copied when it is opened, its tars are fetched whole, ahead of their use.

Every protocol of fsspec works, such as s3, gs and http. The fetched files lie in a folder and are read like local ones.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from layermix_gen.dataset.dataset_files import DatasetFiles, RemoteDatasetFiles
from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import tar_name
from layermix_gen.dataset.opening import open_dataset
from layermix_gen.errors import LayerMixError
from layermix_gen.reading.storage.base import TarUse
from layermix_gen.reading.storage.tar_cache import TarCache, bytes_at_once
from layermix_gen.support.files import file_digest, inside, sweep


class RemoteStorage:
    """A finished dataset at `url`, whose files are kept below `cache_dir`, with at most `cache_bytes` of tars.

    Without `cache_dir` a temporary folder is used, by default for twice the bytes that the order uses at once. Raises
    `LayerMixError` if there is no dataset.
    """

    def __init__(
        self, url: str, options: Mapping[str, Any] | None, cache_dir: Path | None, cache_bytes: int | None
    ) -> None:
        self._arguments = (url, options, cache_dir, cache_bytes)
        self._limit, self._process = cache_bytes, os.getpid()
        self._is_temporary = cache_dir is None
        files = RemoteDatasetFiles(url, options)
        self.files: DatasetFiles = files
        self.location = files.location

        def folder(manifest: Manifest) -> Path:
            return inside(cache_dir or files.folder, manifest.digest[:16])

        self.manifest, self.indexes = open_dataset(files, lambda manifest: _copied(files, manifest, folder(manifest)))
        sizes = {name: tar["bytes"] for name, tar in self.manifest.tars.items()}
        sweep(folder(self.manifest))
        self._cache = TarCache(
            folder(self.manifest), sizes, lambda name, path: files.copy_file(name, path, sizes[name], sizes[name])
        )

    def __reduce__(self) -> tuple[type["RemoteStorage"], tuple[Any, ...]]:
        return RemoteStorage, self._arguments

    def tar(self, plane: str, number: int) -> memoryview:
        """The bytes of a tar; waits until it is fetched."""
        return self._cache.open(tar_name(plane, number))

    def expect(self, uses: Callable[[], Sequence[TarUse]], ahead: int) -> None:
        """Begin to fetch. Raises `LayerMixError` if the tars used at once do not fit, or in a forked process."""
        if os.getpid() != self._process:  # a fork has neither our threads nor fsspec's
            raise LayerMixError(
                f"{self.location} cannot be read by forked workers; leave num_workers out, or give the DataLoader "
                "multiprocessing_context='spawn'"
            )
        expected = uses()
        needed = bytes_at_once(expected, ahead)
        limit = self._limit if self._limit is not None else 2 * needed if self._is_temporary else sys.maxsize
        if needed > limit:
            raise LayerMixError(
                f"cache_bytes must be at least {needed} for the tars that are read at once, got {limit}; raise it, or "
                "read by order='shards' with a smaller window"
            )
        self._cache.expect(expected, limit)

    def handed_out(self, batch: int) -> None:
        """Let the cache remove tars that only this batch and earlier batches read."""
        self._cache.handed_out(batch)


def _copied(files: RemoteDatasetFiles, manifest: Manifest, folder: Path) -> list[Path]:
    """Copy the indexes to a folder, but for those that it has."""
    for name in manifest.index_names:
        path = inside(folder, name)
        if path.is_file() and file_digest(path) != manifest.indexes[name]:  # damaged in the cache
            path.unlink()
    return files.copy(manifest.index_names, folder)
