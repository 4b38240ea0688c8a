"""A table of images and labels whose paths are URLs, or relative to the URL of the table or to `root`.

The folders that the paths lie in are listed in pages, for sizes and versions, but not where they are on the web: what
lies there is read as it comes.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from posixpath import normpath
from typing import NamedTuple

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS, decode, header_size
from layermix_gen.sources.base import Item, SourceOptions
from layermix_gen.sources.columns import path_in
from layermix_gen.sources.table import labelling
from layermix_gen.sources.table_files import table_rows
from layermix_gen.sources.urls.read_ahead import ReadAhead
from layermix_gen.sources.urls.source_store import SourceStore, StoredFile
from layermix_gen.support.checks import is_remote
from layermix_gen.support.remote import refuse_secrets

ON_THE_WEB = ("http", "https")  # protocols without listings


class _Row(NamedTuple):
    id: str
    label: int


class RemoteTableSource:
    """The images at URLs that a table lists, which is at a URL itself or, with a URL as `root`, on this machine."""

    kind = "manifest"
    ignored = 0

    def __init__(self, location: str, max_pixels: int = MAX_PIXELS, *, root: str = "") -> None:
        self.location, self.options = location, SourceOptions(root=root)
        self._base = root.rstrip("/") if is_remote(root) else location.rpartition("/")[0]
        self._max_pixels = max_pixels
        self._ahead = ReadAhead(self._data)
        _store(self._base)  # refuses a URL that cannot be opened

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names: of the column `class_name`, else of labels that are names; () if the table has neither."""
        return self._listed[1]

    def items(self) -> list[Item]:
        """List the images of the table, sorted by path. Raises `LayerMixError` that names the faulty row."""
        return sorted(self.found(), key=lambda item: item.id)

    def found(self) -> Iterator[Item]:
        """Yield the images of the table, folder by folder; raises as `items` does."""
        rows, _ = self._listed
        if not rows:
            raise LayerMixError(f"expected at least one row in {self.location}, found none")
        folders: dict[str, list[_Row]] = defaultdict(list)
        for row in rows:
            folders[self._url(row.id).rpartition("/")[0]].append(row)
        is_found = False
        for folder, inside in folders.items():
            stored = _files_in(folder)
            for row in inside:
                one = stored.get(row.id.rpartition("/")[2]) if stored is not None else None
                is_found |= one is not None or stored is None
                yield Item(row.id, row.label, *((one.size, (), one.version) if one else (0,)))
        if not is_found:
            raise LayerMixError(
                f"expected the images of {self.location} in {self._base}, found none of them (the first: {rows[0].id})"
                "; give the URL that the paths are relative to by --root"
            )

    def expect(self, items: Sequence[Item]) -> None:
        """Begin to fetch the items that are read next."""
        self._ahead.expect(items)

    def read(self, item: Item) -> Image:
        """Read and decode one image, uint8 (H, W, 3). Raises `BadImage` with the reason."""
        return decode(self._ahead.read(item), self._max_pixels)

    def pixel_size(self, item: Item) -> tuple[int, int]:
        """The height and width of one image, by its header. Raises `BadImage` with the reason."""
        return header_size(self._data(item), self._max_pixels)

    def _data(self, item: Item) -> bytes:
        if not is_remote(item.id) and item.id.startswith(("/", "../")):
            raise BadImage("path out of the root")
        folder, _, name = self._url(item.id).rpartition("/")
        return _store(folder).content(name, item)

    def _url(self, path: str) -> str:
        """The URL of a path in the table.

        Raises `LayerMixError` for one by which a table could read this machine, and for one that is signed: samples
        name it.
        """
        if not is_remote(path):
            path = f"{self._base}/{path}"
        elif path.partition("://")[0] not in (self._base.partition("://")[0], *ON_THE_WEB) or "::" in path:
            raise LayerMixError(
                f"expected paths in {self.location} relative to {self._base}, or URLs like that or of the web, "
                f"got {path:.200}; copy the image there, or take its row out"
            )
        if path.partition("://")[0] in ON_THE_WEB:  # the names of objects may have a question mark
            refuse_secrets(path)
        return path

    @cached_property
    def _listed(self) -> tuple[list[_Row], tuple[str, ...]]:
        """The rows, and the class names."""
        with tempfile.TemporaryDirectory(prefix="layermix-gen-") as folder:
            path = Path(self.location)
            if is_remote(self.location):
                home, _, name = self.location.rpartition("/")
                path = _store(home).fetched(name, Path(folder))
            try:
                return _rows(path)
            except LayerMixError as error:
                raise LayerMixError(str(error).replace(str(path), self.location)) from error


def _rows(path: Path) -> tuple[list[_Row], tuple[str, ...]]:
    """The rows of a table on this machine, and the class names."""
    known = labelling(table_rows(path))
    rows: dict[str, _Row] = {}
    for row in table_rows(path):
        given = path_in(row)
        one = given if is_remote(given) else normpath(given.replace("\\", "/"))
        if one in rows:
            raise LayerMixError(f"expected each path once, got {one} in {row.where} again; take one row out")
        rows[one] = _Row(one, known.label_of(row))
    return list(rows.values()), known.classes


def _files_in(folder: str) -> dict[str, StoredFile] | None:
    """The files in a folder at a URL by name; None where it cannot be listed."""
    if folder.partition("://")[0] in ON_THE_WEB:
        return None
    return {one.path: one for one in _store(folder).listed() if not one.is_folder}


@lru_cache(maxsize=1024)
def _store(folder: str) -> SourceStore:
    return SourceStore(folder)
