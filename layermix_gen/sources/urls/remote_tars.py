"""WebDataset tars at URLs: one, a folder of them in a store, or a pattern; their samples are read in part.

Listing reads each tar's headers and labels, and with them all that lies close to these. It needs a server that sends
parts of files, as all object stores do.
"""

import time
from collections import Counter
from collections.abc import Sequence
from typing import BinaryIO, Literal, cast

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import Item
from layermix_gen.sources.tars.tar_paths import MAGIC, expand_braces, is_tar_name
from layermix_gen.sources.tars.tar_samples import TarSample, group_samples
from layermix_gen.sources.tars.webdataset import WebDatasetSource
from layermix_gen.sources.urls.read_ahead import ReadAhead
from layermix_gen.sources.urls.source_store import SourceStore

FRESH = 60.0  # seconds for which a tar is taken to be the one that it was


class RemoteTars:
    """The tars at a URL, in a folder there, or of a pattern with braces, `*`, `?` or brackets."""

    def __init__(self, location: str) -> None:
        scheme, _, path = location.partition("://")
        pattern = MAGIC.search(path)
        start = path[: pattern.start()] if pattern else path
        root = start.rpartition("/")[0] if pattern or is_tar_name(path) else path
        self._pattern = path[len(root) + 1 :]
        self._store = SourceStore(f"{scheme}://{root}")
        self._versions: dict[str, tuple[float, str]] = {}

    def names(self) -> list[str]:
        """The names of all tars below the root."""
        if not self._pattern:
            found = {one.path for one in self._store.listed() if is_tar_name(one.path) and one.path[0] != "."}
        else:
            names = expand_braces(self._pattern)
            found = {one for name in names for one in (self._store.matching(name) if MAGIC.search(name) else [name])}
        if not found:
            raise LayerMixError(f"expected tars, found none at {self.place(self._pattern)}; check the URL")
        return sorted(found)

    def place(self, name: str) -> str:
        """The URL of a tar."""
        return f"{self._store.location}/{name}".rstrip("/")

    def grouped(self, name: str) -> tuple[str, dict[str, TarSample], Counter[str]]:
        """The version of a tar, its samples, and the members of no use."""
        version = self._version(name)
        if not self._store.sends_parts(name):
            raise LayerMixError(
                f"{self.place(name)} is on a server that sends no parts of files; copy the tars to this machine"
            )
        return version, *self._store.asked(lambda: group_samples(_RemoteTar(self._store, name)))

    def part(self, name: str, start: int, size: int) -> tuple[bytes, str]:
        """A part of a tar, and the version of the tar, which is asked for once a minute."""
        known, version = self._versions.get(name, (0.0, ""))
        if not known or time.monotonic() > known + FRESH:
            version = self._version(name)
            self._versions[name] = time.monotonic(), version
        return self._store.section(name, start, size) or b"", version

    def _version(self, name: str) -> str:
        found = self._store.stored(name)
        if found is None:
            raise LayerMixError(f"expected tars, found none at {self.place(name)}; check the URL")
        return f"{found.size}-{found.version}"


class RemoteTarsSource(WebDatasetSource):
    """The images in tars at URLs."""

    def __init__(self, location: str, max_pixels: int) -> None:
        super().__init__(location, "", max_pixels, RemoteTars(location))
        self._ahead = ReadAhead(super()._data)

    def expect(self, items: Sequence[Item]) -> None:
        """Begin to fetch the items that are read next."""
        self._ahead.expect(items)

    def _data(self, item: Item) -> bytes:
        return self._ahead.read(item)


class _RemoteTar:
    """A tar at a URL, as it is searched for samples."""

    def __init__(self, store: SourceStore, name: str) -> None:
        self._store, self._name = store, name

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """The tar, to be read."""
        return cast(BinaryIO, self._store.opened(self._name))

    def __fspath__(self) -> str:
        return f"{self._store.location}/{self._name}"
