"""The files of a source at a URL: listed in pages, read whole or in part, and refused where they were replaced since.

What is transient is tried again; what the store refuses, or what stays, ends the work in one line. No image is left out
for it.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.sources.base import Item, check_bytes, replaced, unread
from layermix_gen.support.remote import RemoteFiles, is_missing, patiently, refusal, unreached

VERSIONS = ("ETag", "etag", "generation", "LastModified", "Last-Modified", "last_modified", "mtime", "created")
"""What file systems say of a file that changes with it, the best first."""
_MD5 = re.compile("[0-9a-f]{32}")

T = TypeVar("T")


class StoredFile(NamedTuple):
    """A file, or a folder, as a store lists it: its path below the URL, its bytes, and what tells its version."""

    path: str
    is_folder: bool
    size: int
    version: str


class SourceStore(RemoteFiles):
    """The files below a URL. Raises `LayerMixError` for one with a password, and where fsspec cannot open it."""

    def __init__(self, url: str) -> None:
        super().__init__(url, {"use_listings_cache": False})  # which would keep all of a listing in memory

    def listed(self, folder: str = "") -> list[StoredFile]:
        """The files and folders directly in a folder, sorted by their paths. Nothing where there is no such folder."""
        place = f"{self._path}/{folder}".rstrip("/")
        found: list[dict[str, Any]] = self._asked(lambda: self._system.ls(place, detail=True), [])
        return sorted(filter(None, map(self._stored, found)))

    def below(self, folder: str) -> Iterator[StoredFile]:
        """The files in a folder and in those in it, by one listing in pages."""
        place = f"{self._path}/{folder}".rstrip("/")
        return filter(None, map(self._stored, self._found(lambda: self._system.find(place, detail=True))))

    def matching(self, pattern: str) -> list[str]:
        """The paths of the files that fit a pattern with wildcards, sorted."""
        found = self._found(lambda: self._system.glob(f"{self._path}/{pattern}", detail=True))
        return sorted(one.path for one in map(self._stored, found) if one and not one.is_folder)

    def stored(self, name: str = "") -> StoredFile | None:
        """A file, None if it is missing. Asks for it alone."""
        facts = self._asked(lambda: self._system.info(f"{self._path}/{name}".rstrip("/")), None)
        return facts and StoredFile(name, facts.get("type") == "directory", facts.get("size") or 0, _version(facts))

    def content(self, name: str, item: Item) -> bytes:
        """The bytes of an item that is a whole file.

        Raises `BadImage` where it is missing, and `LayerMixError` where it is not what was listed, or not to be had.
        """
        check_bytes(item.size)
        # With bounds, because without them s3fs asks for the size first. One more byte tells of a longer file.
        bounds = {"start": 0, "end": item.size + 1} if item.size else {}
        data = self._asked(lambda: self._system.cat_file(f"{self._path}/{name}", **bounds), None)
        if data is None:
            raise unread(FileNotFoundError(2, "no such file"), "")
        if item.version and (len(data) != item.size or self._is_other(name, data, item.version)):
            raise replaced(item)
        return bytes(data)

    def section(self, name: str, start: int, size: int) -> bytes | None:
        """`size` bytes of a file from `start` on, fewer if it ends; None where it is missing."""
        data = self._asked(lambda: self._system.cat_file(f"{self._path}/{name}", start=start, end=start + size), None)
        return data if data is None or len(data) <= size else data[start : start + size]  # of a server without ranges

    def sends_parts(self, name: str) -> bool:
        """Whether the server sends parts of a file of two bytes or more."""
        return len(self._asked(lambda: self._system.cat_file(f"{self._path}/{name}", start=1, end=2), b"")) < 2

    def opened(self, name: str) -> Any:
        """A file to read from beginning to end, of which parts may be skipped."""
        return self._system.open(f"{self._path}/{name}", "rb", block_size=1 << 20, cache_type="readahead")

    def fetched(self, name: str, folder: Path) -> Path:
        """A copy of a file in a folder of this machine. Raises `LayerMixError` where it cannot be copied."""
        path = folder / name.rpartition("/")[2]
        try:
            self.copy_file(name, path)
        except BadImage as error:
            raise LayerMixError(f"{error}; check the URL") from error
        return path

    def asked(self, call: Callable[[], T]) -> T:
        """The result of `call()`, which reads of this store; see `_asked`. Its `LayerMixError`s are not tried again."""

        def once() -> T | LayerMixError:
            try:
                return call()
            except LayerMixError as error:
                return error

        found = self._asked(once, None)
        if isinstance(found, LayerMixError):
            raise found
        if found is None:
            raise LayerMixError(f"expected a file at {self.location}, found nothing there; check the URL")
        return found

    def _asked(self, call: Callable[[], T], missing: T) -> T:
        """The result of `call()`, `missing` where there is no such file. Raises `LayerMixError` for all else."""
        try:
            return patiently(call)
        except Exception as error:  # each of fsspec's file systems raises what its libraries do
            if refused := refusal(self.location, error):
                raise refused from error
            if is_missing(error):
                return missing
            raise unreached(self.location, error) from error

    def _found(self, search: Callable[[], dict[str, dict[str, Any]]]) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self._asked(search, {})
        return list(found.values())

    def _stored(self, facts: Mapping[str, Any]) -> StoredFile | None:
        """A file as the store lists it; None for the folder itself, and for what marks a folder."""
        name = str(facts["name"])
        path = name.removeprefix(self._path.rstrip("/")).lstrip("/")
        is_folder = facts.get("type") == "directory"
        if not path.rstrip("/") or (name.endswith("/") and not is_folder):
            return None
        return StoredFile(path.rstrip("/"), is_folder, facts.get("size") or 0, _version(facts))

    def _is_other(self, name: str, data: bytes, version: str) -> bool:
        """Whether data that came are of another version of a file. Asks the store only where no digest tells."""
        if _MD5.fullmatch(version) and hashlib.md5(data, usedforsecurity=False).hexdigest() == version:
            return False
        found = self.stored(name)
        return found is None or found.version != version


def _version(facts: Mapping[str, Any]) -> str:
    """What tells the version of a file: the MD5 of its bytes where the store says it, else its tag, or a time."""
    if md5 := facts.get("md5Hash"):  # of Google's
        return base64.b64decode(md5).hex()
    found = next((facts[name] for name in VERSIONS if facts.get(name)), "")
    if isinstance(found, int | float) and not isinstance(found, bool):  # of the memory, which says it in two ways
        found = datetime.fromtimestamp(found, UTC)
    return found.isoformat() if isinstance(found, datetime) else str(found).strip('"')
