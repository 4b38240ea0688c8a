"""Read access to a finished dataset: its manifest and plan, the rows of its index, and the image of each sample.

A dataset at a URL is opened like one in a folder: only its manifest, its index and what is asked for are read.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, overload

from layermix_gen.dataset.dataset_files import open_files
from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import LISTING, PLAN
from layermix_gen.dataset.opening import open_dataset
from layermix_gen.dataset.plan import Plan, read_plan
from layermix_gen.dataset.querying.frames import Frame
from layermix_gen.dataset.querying.queries import count, select, select_frame
from layermix_gen.dataset.querying.row_access import PLACE, check_row, row_of, stored_image
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.dataset.virtual.virtual_samples import VirtualSamples
from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import decode, encode
from layermix_gen.inspection.replay import Replay, Replayer, fetch_needed
from layermix_gen.kernels.native import say_if_not_compiled
from layermix_gen.support.database import quoted

REPLAYED = (*PLACE, "source", "source_crc32", "variant", "other")  # the columns that `replay` needs


class OpenedDataset:
    """The samples of a finished dataset, found by their metadata. `location` is its path or URL as text."""

    def __init__(self, location: str | Path, storage_options: Mapping[str, Any] | None = None) -> None:
        self._files = open_files(location, storage_options)
        self._stamps: list[tuple[int, int]] | None = None
        self.location = self._files.location

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.location}>"

    @cached_property
    def _opened(self) -> tuple[Manifest, list[Path]]:
        manifest, index = open_dataset(self._files)
        self._stamps = _stamps(index)
        return manifest, index

    @property
    def manifest(self) -> Manifest:
        """The manifest. Raises `LayerMixError` where there is none (the dataset is not finished) or it is damaged."""
        return self._opened[0]

    @property
    def settings(self) -> BuildSettings:
        """The settings that the dataset was built with."""
        return self.manifest.settings

    @cached_property
    def plan(self) -> Plan:
        """The plan that the dataset was built by. Raises `LayerMixError` where it is missing or damaged."""
        folder = self._files.fetch([PLAN, LISTING])[0].parent
        plan = read_plan(folder)
        if plan is None:
            raise LayerMixError(f"expected a {PLAN} in {self.location}, found none; restore it")
        return plan

    @property
    def index(self) -> list[Path]:
        """The index files, one for each shard, on this machine; the dataset is opened anew where they have changed.

        Raises `LayerMixError` where one is missing, or is not as it was built.
        """
        (_, index) = self._opened
        if self._stamps != _stamps(index):  # planes were added
            self._forget()
        return self._opened[1]

    @overload
    def query(
        self,
        where: str | None = None,
        columns: Sequence[str] | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        *,
        as_: Literal["dicts"] = "dicts",
    ) -> list[dict[str, Any]]: ...

    @overload
    def query(
        self,
        where: str | None = None,
        columns: Sequence[str] | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        *,
        as_: Literal["pandas", "polars", "arrow"],
    ) -> Frame: ...

    def query(
        self,
        where: str | None = None,
        columns: Sequence[str] | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        *,
        as_: str = "dicts",
    ) -> Any:
        """Rows of the index that meet a condition, by default all; no tar is opened.

        `where` ("layer = 3 and op = 'rotate'") and `order_by` ("size DESC, key") are SQL over the columns of the index;
        `columns` are names. `as_` is "dicts" for a list of them, "pandas" or "polars" for a data frame, or "arrow" for
        a table. Raises `LayerMixError` for an unknown column, for SQL that is wrong or reads more, and where the
        library of the frame is not installed.
        """
        if as_ == "dicts":
            return list(self.iterate(where, columns, order_by, limit))
        index = self.index
        return select_frame(as_, index, where, columns, order_by, limit, planes=self.manifest.planes)

    def iterate(
        self,
        where: str | None = None,
        columns: Sequence[str] | None = None,
        order_by: str | None = None,
        limit: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Iterate over the rows of `query` one by one, for results that do not fit in memory."""
        index = self.index
        return select(index, where, columns, order_by, limit, planes=self.manifest.planes)

    def count(self, where: str | None = None) -> int:
        """How many rows meet a condition. Raises as `query` does."""
        index = self.index
        return count(index, where, planes=self.manifest.planes)

    def row(self, key: str) -> dict[str, Any]:
        """The row of the sample with this key; where planes share keys, with this key and plane: `000000123-v03`.

        Raises `LayerMixError` where there is none.
        """
        return row_of(self.index, self.manifest, key)

    def image(self, row: Mapping[str, Any]) -> bytes:
        """Read a row's image, still encoded, from its place in the tar, and check it; render that of a virtual plane.

        The row needs the columns of `PLACE`; of a virtual plane, those of `IMAGE_COLUMNS`. Raises `LayerMixError` where
        the image, or what it is rendered from, is not as it was built.
        """
        if self._is_virtual(row):
            return encode(self._virtual.pixels(row), self.settings.encoding)
        return stored_image(self._files, self.manifest, row)

    def pixels(self, row: Mapping[str, Any]) -> Image:
        """The image of a row: uint8 (H, W, 3), decoded, or rendered from the clean one. Raises as `image` does."""
        return self._virtual.pixels(row) if self._is_virtual(row) else decode(self.image(row))

    def _is_virtual(self, row: Mapping[str, Any]) -> bool:
        return isinstance(row, Mapping) and row.get("plane") in self.manifest.virtual_planes

    @cached_property
    def _virtual(self) -> VirtualSamples:
        say_if_not_compiled()
        return VirtualSamples(self._files, self.manifest, self.index)

    @cached_property
    def _replayer(self) -> Replayer:
        say_if_not_compiled()
        fetch_needed(self._files, self.plan)
        return Replayer(self.plan)

    def replay(self, row: Mapping[str, Any]) -> Replay:
        """Make the sample of a row (all columns) again, from its source image, mixing set and seed.

        Raises `LayerMixError` where the source image or the mixing set is gone or is a different one.
        """
        check_row(self.manifest, row, REPLAYED)
        checksums = self._checksums_of(row["shard"], row["plane"]) if row["other"] else {}
        return self._replayer.replay(row, checksums)

    @cached_property
    def _checksums_of(self) -> Callable[[int, str], dict[str, int]]:
        return lru_cache(maxsize=4)(self._checksums)  # a few shards: each takes some 50 ms

    def _checksums(self, shard: int, plane: str) -> dict[str, int]:
        """The checksum of each source image in a plane of a shard, by the image's id."""
        found = self.query(f"shard = {shard} AND plane = {quoted(plane)}", columns=["source", "source_crc32"])
        return {row["source"]: row["source_crc32"] for row in found}

    def _forget(self) -> None:
        """Drop all that was read, so that it is read again when next needed: the files have changed."""
        for name in ("_opened", "plan", "_replayer", "_checksums_of", "_virtual"):
            self.__dict__.pop(name, None)


def _stamps(paths: Sequence[Path]) -> list[tuple[int, int]] | None:
    """Sizes, and times of the last change in nanoseconds, of files; None where one is gone."""
    try:
        return [(status.st_size, status.st_mtime_ns) for status in map(os.stat, paths)]
    except OSError:
        return None
