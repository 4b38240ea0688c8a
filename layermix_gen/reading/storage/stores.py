"""The storage of a dataset to read: that of a folder, or that of a URL with its cache."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.reading.storage.base import Storage
from layermix_gen.reading.storage.local_storage import LocalStorage
from layermix_gen.reading.storage.remote_storage import RemoteStorage
from layermix_gen.support.checks import as_path, is_remote


def open_storage(
    root: str | Path, options: Mapping[str, Any] | None, cache_dir: str | Path | None, cache_bytes: int | None
) -> Storage:
    """Open the dataset at a path or URL. Raises `LayerMixError` where there is none, or options have no effect."""
    if is_remote(root):
        return RemoteStorage(
            str(root), options, as_path(cache_dir, "cache_dir").absolute() if cache_dir else None, cache_bytes
        )
    if options or cache_dir or cache_bytes:
        raise LayerMixError(
            f"storage_options, cache_dir and cache_bytes are for URLs, got the folder {root}; drop them"
        )
    return LocalStorage(as_path(root, "dataset"))
