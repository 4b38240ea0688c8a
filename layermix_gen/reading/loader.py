"""Fills batches: finds each sample in its tar, checks it, decodes it into its place, and replaces what cannot be read.

A part of a batch is filled by one call, in any thread; parts share nothing, so what comes out depends on no thread.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.decoding import DECODERS, Decoder
from layermix_gen.reading.description import tar_name
from layermix_gen.reading.metadata import read_metadata
from layermix_gen.reading.order import Ints, draw_image
from layermix_gen.reading.storage import OPEN_TARS, Storage
from layermix_gen.reading.views import Selection

ATTEMPTS = 10  # images that are tried in place of one that cannot be read


@dataclass(slots=True)
class Batch:
    """Images number `rows` (B,) of a selection, by their `planes` (B, V), in `pixels` (B, V, H, W, 3).

    Where metadata is read, it is a list for each image, with a dict for each view. `replaced` tells what could not be
    read, by position in the batch; there `rows` and `planes` are those of the stand-in.
    """

    epoch: int
    rows: Ints
    planes: Ints
    pixels: npt.NDArray[np.uint8]
    metadata: list[list[dict[str, Any]]]
    replaced: dict[int, str] = field(default_factory=dict)


class Loader:
    """Fills batches with samples of `storage`. Safe to use from many threads."""

    def __init__(
        self, storage: Storage, catalog: Catalog, selection: Selection, *, metadata: bool, replace: bool
    ) -> None:
        self.storage, self.catalog, self.selection = storage, catalog, selection
        self.with_metadata, self.replace = metadata, replace
        self._decoder = DECODERS[storage.description.format]
        self._tar = lru_cache(OPEN_TARS)(storage.tar)

    def batch(self, rows: Ints, planes: Ints, pixels: npt.NDArray[np.uint8], epoch: int) -> Batch:
        """A batch to be filled."""
        return Batch(epoch, rows.copy(), planes, pixels, [[]] * len(rows) if self.with_metadata else [])

    def fill(self, batch: Batch, begin: int, end: int) -> None:
        """Read the images from `begin` to `end` of a batch. Raises `LayerMixError` with shard and key of a bad one."""
        views, height, width, channels = batch.pixels.shape[1:]
        decoder = self._decoder(batch.pixels[begin:end].reshape(-1, height, width, channels))
        for i in range(begin, end):
            try:
                self._read(batch, i, decoder, (i - begin) * views)
            except SampleError as error:
                if not self.replace:
                    raise LayerMixError(f"{error}; restore that file, or read with on_error='skip'") from error
                batch.replaced[i] = str(error)
                self._stand_in(batch, i, decoder, (i - begin) * views)
        decoder.finish()

    def _stand_in(self, batch: Batch, i: int, decoder: Decoder, slot: int) -> None:
        """Read another image in place of one, drawn by its number alone."""
        bad = int(self.selection.images[batch.rows[i]])
        for attempt in range(ATTEMPTS):
            batch.rows[i] = draw_image(bad, attempt, len(self.selection), self.selection.seed)
            batch.planes[i] = self.selection.planes(batch.rows[i : i + 1], batch.epoch)[0]
            try:
                return self._read(batch, i, decoder, slot)
            except SampleError as error:
                last = error
        raise LayerMixError(f"{batch.replaced[i]}; nor can {ATTEMPTS} others in its place: {last}") from last

    def _read(self, batch: Batch, i: int, decoder: Decoder, slot: int) -> None:
        """Read all views of one image."""
        image, catalog = int(self.selection.images[batch.rows[i]]), self.catalog
        shard, facts = int(catalog.shards[image]), []
        for view, plane in enumerate(batch.planes[i].tolist()):
            try:
                tar = self._tar(catalog.planes[plane], shard)
                offset, size = int(catalog.offsets[plane, image]), int(catalog.sizes[plane, image])
                data = tar[offset : offset + size]
                if isal_zlib.crc32(data) != catalog.checksums[plane, image]:
                    raise BadImage(f"expected an image with the index's checksum, found other bytes at offset {offset}")
                decoder.put(slot + view, data)
                if self.with_metadata:
                    facts.append(read_metadata(tar, offset, size, catalog.planes[plane]))
            except BadImage as error:
                name, key = tar_name(catalog.planes[plane], shard), catalog.key(plane, image)
                raise SampleError(f"{self.storage.location}/{name}, sample {key}: {error}") from error
        if self.with_metadata:
            batch.metadata[i] = facts


class SampleError(LayerMixError):
    """A sample that cannot be read: where it is, and why."""
