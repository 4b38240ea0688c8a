"""A dataset at a URL: its index is copied when it is opened, its tars are fetched whole, ahead of their use.

Whatever fsspec speaks will do: s3, gs, http. The files lie in a folder, and are read from there as local ones are.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.files import temporary
from layermix_gen.index import index_path
from layermix_gen.reading.cache import FETCHES, TarCache, Use, bytes_at_once
from layermix_gen.reading.description import Description, tar_name

TRIES, PAUSE = 4, 0.5  # of a fetch that fails, and seconds before the second; twice as many before each later one


def is_remote(root: str | Path) -> bool:
    """Whether `root` is a URL."""
    return "://" in str(root)


class RemoteStorage:
    """A finished dataset at `url`, kept below `cache_dir` in at most `cache_bytes` (of tars).

    Without a folder there is a temporary one, for twice what the order uses at once. Raises `LayerMixError` where there
    is no dataset.
    """

    def __init__(
        self, url: str, options: Mapping[str, Any] | None, cache_dir: Path | None, cache_bytes: int | None
    ) -> None:
        self.location = url.rstrip("/")
        self._arguments = (url, options, cache_dir, cache_bytes)
        self._limit, self._process = cache_bytes, os.getpid()
        self._system, self._path = _file_system(self.location, options or {})
        self._temporary = None if cache_dir else tempfile.TemporaryDirectory(prefix="layermix-gen-")
        text = self._text("dataset.json")
        self.description = Description.from_json(text, f"{self.location}/dataset.json")
        self.folder = Path(self._temporary.name if self._temporary else cache_dir or "") / self.description.digest[:16]
        self._fetch_index()
        sizes = {name: tar.bytes for name, tar in self.description.tars.items()}
        self._cache = TarCache(self.folder, sizes, self._fetch)

    def __reduce__(self) -> tuple[type["RemoteStorage"], tuple[Any, ...]]:
        return RemoteStorage, self._arguments

    def tar(self, plane: str, number: int) -> memoryview:
        """The bytes of a tar, once it is here."""
        return self._cache.open(tar_name(plane, number))

    def expect(self, uses: Callable[[], Sequence[Use]], ahead: int) -> None:
        """Begin to fetch. Raises `LayerMixError` where what is used at once does not fit into the cache."""
        if os.getpid() != self._process:  # neither our threads nor fsspec's are in a fork
            raise LayerMixError(
                f"{self.location} cannot be read by forked workers; leave num_workers out, or give the DataLoader "
                "multiprocessing_context='spawn'"
            )
        expected = uses()
        needed = bytes_at_once(expected, ahead)
        limit = self._limit if self._limit is not None else 2 * needed if self._temporary else sys.maxsize
        if needed > limit:
            raise LayerMixError(
                f"cache_bytes must be at least {needed} for the tars that are read at once, got {limit}; raise it, or "
                "read by order='shards' with a smaller window"
            )
        self._cache.expect(expected, limit)

    def handed_out(self, batch: int) -> None:
        """Let go of what only this batch and those before it read."""
        self._cache.handed_out(batch)

    def _text(self, name: str) -> str:
        try:
            return self._system.cat_file(f"{self._path}/{name}").decode("utf-8")
        except Exception as error:
            raise LayerMixError(
                f"expected a dataset with a {name} at {self.location}, but it cannot be read ({_one_line(error)}); "
                "check the URL, the rights to it, and that its build is finished"
            ) from error

    def _fetch_index(self) -> None:
        """Copy the index files that are not in the cache."""
        paths = [index_path(self.folder, number) for number in range(len(self.description.counts))]
        missing = [path for path in paths if not path.is_file()]
        with ThreadPoolExecutor(4 * FETCHES) as pool:
            try:
                list(pool.map(lambda path: self._fetch(f"index/{path.name}", path), missing))
            except BadImage as error:
                raise LayerMixError(f"the index of {self.location} cannot be read: {error}; restore it") from error

    def _fetch(self, name: str, path: Path) -> None:
        """Copy a file from its beginning to its end. Raises `BadImage` where that fails again and again."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = temporary(path)
        for attempt in range(TRIES):
            try:
                self._system.get_file(f"{self._path}/{name}", str(draft))
                draft.replace(path)
                return
            except FileNotFoundError as error:
                raise BadImage(f"expected {self.location}/{name}, found nothing there") from error
            except Exception as error:  # each of fsspec's file systems raises what its libraries do
                draft.unlink(missing_ok=True)
                if attempt == TRIES - 1:
                    raise BadImage(f"{self.location}/{name} cannot be fetched: {_one_line(error)}") from error
                time.sleep(PAUSE * 2**attempt)


def _file_system(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it."""
    try:
        return fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        remedy = "pip install 'layermix-gen[s3]'" if url.startswith("s3") else "install what it names"
        raise LayerMixError(f"{url} cannot be opened: {_one_line(error)}; {remedy}") from error
    except (ValueError, TypeError) as error:
        raise LayerMixError(f"{url} cannot be opened: {_one_line(error)}; mend the URL or storage_options=") from error


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
