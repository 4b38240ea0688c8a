"""Objects below a URL: listed, uploaded and removed. Any file system of fsspec that can write works.

An object is there completely or not at all. Large files are uploaded in parts, which S3 keeps if the process is killed:
`abort_uploads` removes them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from layermix_gen.errors import LayerMixError, StoreError
from layermix_gen.support.remote import RemoteFiles, is_missing, patiently, refusal, refuse_secrets, unreached
from layermix_gen.support.threads import mapped_ahead

AT_ONCE = 16  # small objects that are sent, fetched or removed at a time
PART = 1 << 24  # bytes of a part of a large upload; a file of less than two parts is sent by one PUT
PARTS = {"chunksize": PART, "max_concurrency": 4}  # of 256 MB, takes 130 MiB of memory; by default 510
TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")  # what file systems call it
OTHERS = ("http", "https", "file", "local")  # protocols of web servers and of folders, which have better names

T = TypeVar("T")


def is_object_store(url: str) -> bool:
    """Whether a URL is of objects that can be listed and written."""
    return url.partition("://")[0] not in OTHERS


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it was listed: its bytes, what changes whenever it is written, and when that was by the store."""

    size: int
    version: str
    seconds: float

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> "StoredObject":
        """Take an entry of a listing by fsspec."""
        return cls(int(info["size"] or 0), str(sorted(info.items(), key=str)), _seconds(info))


class ObjectStore(RemoteFiles):
    """The objects below `url`. Raises `LayerMixError` for a URL that cannot be written to."""

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        refuse_secrets(url)
        if not is_object_store(url):
            remedy = "give the path alone" if url.startswith(("file:", "local:")) else "give another"
            raise LayerMixError(
                f"expected a folder or a URL that can be written to, such as s3://bucket/name, got {url}; {remedy}"
            )
        super().__init__(url, options)
        self._arguments = (url, options)

    def __reduce__(self) -> tuple[type["ObjectStore"], tuple[Any, ...]]:
        """Pickle URL and options: another process opens the store again. Raises `LayerMixError` for one in memory."""
        if self.location.startswith("memory:"):
            raise LayerMixError(f"{self.location} is in the memory of one process; use 1 worker")
        return ObjectStore, self._arguments

    def listing(self, folder: str = "", tries: int | None = None) -> dict[str, StoredObject]:
        """The objects below the URL, or in a folder there, by name, as they are now: one listing, page by page."""

        def listed() -> dict[str, StoredObject]:
            self._system.invalidate_cache()
            try:
                found = self._system.find(f"{self._path}/{folder}".rstrip("/"), detail=True)
            except FileNotFoundError as error:
                if not is_missing(error):
                    raise
                return {}
            start = len(self._path.strip("/")) + 1
            objects = ((name.lstrip("/")[start:], info) for name, info in found.items())
            return {name: StoredObject.of(info) for name, info in objects if name and not name.endswith("/")}

        return self._asked(lambda: patiently(listed, tries))

    def exists(self, name: str) -> bool:
        """Whether there is an object of this name now."""

        def look() -> bool:
            self._system.invalidate_cache()
            try:
                self._system.info(f"{self._path}/{name}")
            except FileNotFoundError as error:
                if not is_missing(error):
                    raise
                return False
            return True

        return self._asked(lambda: patiently(look))

    def upload(self, path: Path, name: str) -> None:
        """Make a file the object of this name, in place of any that is there."""
        options = PARTS if hasattr(self._system, "call_s3") else {}
        self._asked(lambda: patiently(lambda: self._system.put_file(str(path), f"{self._path}/{name}", **options)))

    def write(self, name: str, data: bytes) -> None:
        """Make bytes the object of this name."""
        self._asked(lambda: patiently(lambda: self._system.pipe_file(f"{self._path}/{name}", data)))

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects, if they are there."""

        def remove(name: str) -> None:
            with suppress(FileNotFoundError):
                self._system.rm_file(f"{self._path}/{name}")

        self.at_once(lambda name: self._asked(lambda: patiently(lambda: remove(name))), names)

    def at_once(self, work: Callable[[str], object], names: Iterable[str]) -> None:
        """Call `work` for each name, many at a time; wait for all."""
        for _ in mapped_ahead(work, names, AT_ONCE):
            pass

    def abort_uploads(self, names: re.Pattern[str]) -> None:
        """Remove the parts of uploads that never ended, where the store is S3; others forget them by themselves.

        Only uploads of such names are removed, as others may write to the same bucket. Nothing depends on it, so who
        may not list or remove them goes on.
        """
        if not hasattr(self._system, "call_s3"):
            return
        bucket, _, path = self._path.partition("/")
        prefix = f"{path}/".lstrip("/")

        def abort() -> None:
            place: dict[str, str] = {}
            while True:
                found = self._system.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix, **place)
                for one in found.get("Uploads", ()):
                    if names.fullmatch(one["Key"][len(prefix) :]):
                        with suppress(FileNotFoundError):  # it has ended meanwhile
                            upload = {"Bucket": bucket, "Key": one["Key"], "UploadId": one["UploadId"]}
                            self._system.call_s3("abort_multipart_upload", **upload)
                if not found.get("IsTruncated"):
                    return
                place = {"KeyMarker": found["NextKeyMarker"], "UploadIdMarker": found["NextUploadIdMarker"]}

        with suppress(StoreError):
            self._asked(lambda: patiently(abort))

    def _asked(self, request: Callable[[], T]) -> T:
        try:
            return request()
        except LayerMixError:
            raise
        except Exception as error:  # each of fsspec's file systems raises what its libraries do
            raise refusal(self.location, error) or unreached(self.location, error) from error


def _seconds(info: Mapping[str, Any]) -> float:
    """When an object was written, in seconds since 1970 by the clock of the store; 0 where it does not say."""
    found = next((info[name] for name in TIMES if info.get(name)), 0.0)
    if isinstance(found, str):
        found = datetime.fromisoformat(found)
    return found.timestamp() if isinstance(found, datetime) else float(found)
