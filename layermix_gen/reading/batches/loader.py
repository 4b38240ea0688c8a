"""Fill batches: find each sample in its tar, check it, decode it into its row, and replace images that cannot be read.

One call fills a part of a batch, in any thread; parts share nothing, so that the result does not depend on threads.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from layermix_gen.dataset.names import tar_name
from layermix_gen.dataset.samples import lengths_of
from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import decode
from layermix_gen.reading.batches.decoding import DECODERS, AnyDecoder, Decoder
from layermix_gen.reading.batches.drawn_views import BadView, DrawnViews, as_metadata
from layermix_gen.reading.batches.metadata import read_metadata
from layermix_gen.reading.batches.room import Room
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.order import Ints, draw_image
from layermix_gen.reading.selection import Selection
from layermix_gen.reading.storage.base import Storage, TarUse
from layermix_gen.reading.storage.tar_uses import tar_uses

Reads: TypeAlias = Callable[[int, int], list[dict[str, Any]]]
"""Decodes, in the place of image i of a batch, image j of it; returns the metadata of its views, if that is read."""

ATTEMPTS = 10  # to find an image that stands in for one that cannot be read


class Place(NamedTuple):
    """The place of a sample: plane, shard and image by number in the catalog; offset, size and CRC-32 in its tar.

    `json_checksum` is the CRC-32 of its JSON.
    """

    plane: int
    shard: int
    image: int
    offset: int
    size: int
    checksum: int
    json_checksum: int


@dataclass(slots=True)
class Batch:
    """A batch: rows `rows` (B,) of a selection in `planes` (B, V), `places` (B, V) and `pixels` (B, V, H, W, 3).

    `shown` (B,) says which image of the batch each row of `pixels` shows: its own, or another that stands in for it.
    `replaced` then has the reason. `metadata`, if it is read, has a list for each image, with a dict for each view.
    `mixed` are the second labels of fresh variants and the weights of the first ones, (B,) each; () for stored ones.
    `draws` has what is drawn for the images of each part, by the first of them, if `pixels` are mixed later.
    """

    rows: Ints
    planes: Ints
    places: list[list[Place]]
    pixels: npt.NDArray[np.uint8]
    shown: Ints = field(init=False)
    metadata: list[list[dict[str, Any]]] = field(init=False)
    replaced: dict[int, str] = field(default_factory=dict)
    mixed: tuple[npt.NDArray[Any], ...] = ()
    draws: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shown = np.arange(len(self.rows))
        self.metadata = [[]] * len(self.rows)


class Loader:
    """Fills batches with samples of `storage`, or with the views of an epoch. Safe to use from many threads."""

    def __init__(
        self,
        storage: Storage,
        catalog: Catalog,
        selection: Selection,
        views: DrawnViews | None = None,
        epoch: int = 0,
        *,
        metadata: bool,
        replace: bool,
    ) -> None:
        self.storage, self.catalog, self.selection = storage, catalog, selection
        self._views, self._epoch = views, epoch
        self._metadata, self._replace = metadata, replace
        self._lengths = lengths_of(storage.manifest.settings.options)
        self._room = Room()
        self._size = views.size if views else storage.manifest.size
        self._decoder = AnyDecoder if views else DECODERS[storage.manifest.settings.encoding.format]

    def batch(self, rows: Ints, planes: Ints, take: Callable[[tuple[int, ...]], npt.NDArray[np.uint8]]) -> Batch:
        """Return a batch to be filled with the images in rows `rows` (B,) of the selection, each in `planes` (B, V).

        `take` gives the memory for pixels of a shape.
        """
        places = self.places(planes, np.broadcast_to(self.selection.images[rows, None], planes.shape))
        return Batch(rows, planes, places, take((*planes.shape, self._size, self._size, 3)))

    def uses(self, count: int, part: Callable[[int], tuple[Ints, Ints]]) -> list[TarUse]:
        """The tars that `count` batches read; `part(i)` gives the rows (B,) and the planes (B, V) of batch i."""
        return tar_uses(self.catalog, self.storage.manifest, self.selection.images, count, part)

    def places(self, planes: Ints, images: Ints) -> list[list[Place]]:
        """The places of images in planes (n, V) of the catalog."""
        catalog = self.catalog
        columns = (
            planes,
            catalog.shards[images],
            images,
            catalog.offsets[planes, images],
            catalog.sizes[planes, images],
            catalog.checksums[planes, images],
            catalog.json_checksums[planes, images],
        )
        places = list(map(Place, *(column.ravel().tolist() for column in columns)))
        views = planes.shape[1]
        return [places[i : i + views] for i in range(0, len(places), views)]

    def fill(self, batch: Batch, begin: int, end: int) -> None:
        """Fill a batch from image `begin` to `end`. Raises `LayerMixError` with shard and key of an unreadable one."""
        views, height, width, channels = batch.pixels.shape[1:]
        decoder = self._decoder(batch.pixels[begin:end].reshape(-1, height, width, channels))

        def read(i: int, which: int) -> list[dict[str, Any]]:
            first = (i - begin) * views
            return self.read(batch.places[which], decoder, range(first, first + views))

        self.fill_by(read, batch, begin, end)
        decoder.finish()

    def fill_by(self, read: Reads, batch: Batch, begin: int, end: int) -> None:
        """Fill each image by `read`, with what can be read: its own, or another of the batch in its place."""
        for i in range(begin, end):
            try:
                batch.metadata[i] = read(i, i)
            except SampleError as error:
                if not self._replace:
                    raise LayerMixError(f"{error}; {error.remedy}") from error
                batch.replaced[i] = str(error)
                self._stand_in(read, batch, i)

    def _stand_in(self, read: Reads, batch: Batch, i: int) -> None:
        """Replace image `i` by another of its batch, whose tars are in use already; the choice depends on no thread."""
        for attempt in range(ATTEMPTS):
            other = draw_image(int(batch.rows[i]), attempt, len(batch.rows), self.selection.seed)
            with suppress(SampleError):
                batch.metadata[i] = read(i, other)
                batch.shown[i] = other
                return
        raise LayerMixError(f"{batch.replaced[i]}; nor can {ATTEMPTS} others of its batch be read; restore their files")

    def read(self, places: Sequence[Place], decoder: Decoder, slots: Sequence[int]) -> list[dict[str, Any]]:
        """Decode the samples at some places, each into a row of the decoder; return their metadata, if it is read."""
        metadata = []
        for slot, place in zip(slots, places, strict=True):
            plane = self.catalog.planes[place.plane]
            try:
                tar = self.storage.tar(plane, place.shard)
                data = tar[place.offset : place.offset + place.size]
                if isal_zlib.crc32(data) != place.checksum:
                    found = f"found other bytes at offset {place.offset}"
                    raise BadImage(f"expected an image with the index's checksum, {found}")
                drawn = self._decode(decoder, slot, data, place.image)
                if self._metadata:
                    at = (place.offset, place.size, plane, place.json_checksum)
                    metadata.append(read_metadata(tar, *at, self._lengths) | drawn)
            except BadImage as error:
                where = f"{self.storage.location}/{tar_name(plane, place.shard)}"
                address = self.catalog.address(place.plane, place.image)
                remedy = error.remedy if isinstance(error, BadView) else SampleError.remedy
                raise SampleError(f"{where}, sample {address}: {error}", remedy) from error
        return metadata

    def _decode(self, decoder: Decoder, slot: int, data: memoryview, image: int) -> dict[str, Any]:
        """Decode an image into a row of the decoder; of a whole one, return the metadata of the view that it shows."""
        if self._views is None:
            decoder.put(slot, data)
            return {}
        return as_metadata(self._views.cut(image, self._epoch, self._whole(data), decoder.rows[slot]))

    def _whole(self, data: memoryview) -> Image:
        return decode(data, memory=lambda size: self._room.take("whole", (size,)))


class SampleError(LayerMixError):
    """The error for a sample that cannot be read: it says where the sample is, and why; `remedy` what to do."""

    remedy = "restore that file, or read it with on_error='skip'"

    def __init__(self, text: str, remedy: str = remedy) -> None:
        super().__init__(text)
        self.remedy = remedy
