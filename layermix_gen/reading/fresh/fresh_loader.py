"""Fill batches with fresh variants: clean images are decoded once, a few at a time, and mixed into their views."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from layermix_gen.images import Image
from layermix_gen.reading.batches.decoding import Decoder
from layermix_gen.reading.batches.loader import Batch, Loader, Place
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.fresh.fresh_variants import FreshDraw, FreshVariants
from layermix_gen.reading.order import Ints
from layermix_gen.reading.selection import Selection
from layermix_gen.reading.storage.base import Storage

DECODED = 2**21  # bytes of clean images that are decoded, then mixed: few enough to stay in the processor's cache


class FreshPart(NamedTuple):
    """Images of a batch that one thread decodes and mixes: its memory, and what is drawn for each of them.

    `leaves` (images, 1 + second images, H, W, 3) are the clean images, each with the second ones of its fresh views.
    """

    first: int
    leaves: Image
    decoder: Decoder
    draws: list[FreshDraw]
    seconds: list[list[Place]]


class FreshLoader(Loader):
    """A loader of clean images, which fills batches with their fresh variants in one epoch.

    It works in phases, as builds do: recipes are drawn, images decoded, then rendered.
    """

    def __init__(
        self,
        storage: Storage,
        catalog: Catalog,
        selection: Selection,
        fresh: FreshVariants,
        epoch: int,
        *,
        metadata: bool,
        replace: bool,
    ) -> None:
        super().__init__(storage, catalog, selection, metadata=metadata, replace=replace)
        self._fresh, self._epoch = fresh, epoch
        self._shape = (storage.manifest.size, storage.manifest.size, 3)
        self._room = Room()

    @property
    def _images(self) -> int:
        """How many images a batch has of each: its views."""
        return len(self._fresh.names)

    def batch(self, rows: Ints, planes: Ints, take: Callable[[tuple[int, ...]], npt.NDArray[np.uint8]]) -> Batch:
        """Return a batch to be filled with the images in rows `rows` (B,) of the selection and plane 0."""
        places = self.places(planes, self.selection.images[rows, None])
        return fresh_batch(rows, planes, places, take((len(rows), self._images, *self._shape)))

    def fill(self, batch: Batch, begin: int, end: int) -> None:
        """Fill a batch from image `begin` to `end`. Raises `LayerMixError` with shard and key of an unreadable one."""
        step = max(1, DECODED // int(np.prod(self._shape)))
        for first in range(begin, end, step):
            self._fill(batch, first, min(first + step, end))

    def _fill(self, batch: Batch, begin: int, end: int) -> None:
        draws, leaves = self._fresh.draws(batch.rows[begin:end], self._epoch), self._leaves(batch, begin, end)
        decoder = self._decoder(leaves.reshape(-1, *self._shape))
        part = FreshPart(begin, leaves, decoder, draws, self._seconds(draws))
        for slot in range(end - begin):
            self.fill_one(batch, begin + slot, partial(self._read_one, batch, part, slot))
        part.decoder.finish()
        self._mix(batch, part)
        note_labels(batch, begin, draws, self._fresh)

    def _leaves(self, batch: Batch, begin: int, end: int) -> Image:
        """Memory for the images that are mixed."""
        return self._room.take("leaves", (end - begin, 1 + self._fresh.second_images, *self._shape))

    def _mix(self, batch: Batch, part: FreshPart) -> None:
        """Render what was drawn for images that are decoded."""
        picture = self._room.take("picture", self._shape)
        for slot, (draw, leaves) in enumerate(zip(part.draws, part.leaves, strict=True), part.first):
            self._fresh.render(draw, leaves[0], [*leaves[1:]], batch.pixels[slot], picture)

    def _read_one(self, batch: Batch, part: FreshPart, slot: int, which: int) -> list[dict[str, Any]]:
        """Decode image `which` of the batch and its second images into a slot; return the metadata of its views."""
        if which == part.first + slot:
            draw, seconds = part.draws[slot], part.seconds[slot]
        else:
            [draw] = self._fresh.draws(batch.rows[[which]], self._epoch)
            [seconds] = self._seconds([draw])
        used, first = [view for view, row in enumerate(draw.others, 1) if row >= 0], slot * part.leaves.shape[1]
        facts = self.read([*batch.places[which], *seconds], part.decoder, [first + view for view in (0, *used)])
        part.draws[slot] = draw
        if not facts:
            return []
        by_view = dict(zip(used, facts[1:], strict=True))
        others = [by_view.get(view) for view in range(1, 1 + len(draw.others))]
        return self._fresh.metadata(draw, facts[0], others, self._epoch)

    def _seconds(self, draws: Sequence[FreshDraw]) -> list[list[Place]]:
        """The places of the second images of each draw."""
        rows = [row for draw in draws for row in draw.others if row >= 0]
        if not rows:
            return [[] for _ in draws]
        images = self.selection.images[rows]
        places = (place for [place] in self.places(np.zeros((len(rows), 1), np.int64), images[:, None]))
        return [[next(places) for row in draw.others if row >= 0] for draw in draws]


class LeafLoader(FreshLoader):
    """A loader of clean images and second ones, which are mixed later: a batch has them, and what is drawn for each."""

    @property
    def _images(self) -> int:
        return 1 + self._fresh.second_images

    def _leaves(self, batch: Batch, begin: int, end: int) -> Image:
        return batch.pixels[begin:end]

    def _mix(self, batch: Batch, part: FreshPart) -> None:
        batch.draws[part.first : part.first + len(part.draws)] = part.draws


class HeldDraws:
    """Draws for batches of clean images that are held in memory, by row of the selection, and are mixed later.

    `facts`, if metadata is read, has that of each of them.
    """

    def __init__(self, facts: Sequence[dict[str, Any]], fresh: FreshVariants, epoch: int) -> None:
        self._facts, self._fresh, self._epoch = facts, fresh, epoch

    def batch(self, rows: Ints, take: Callable[[tuple[int, ...]], npt.NDArray[np.uint8]]) -> Batch:
        """Return a batch to be filled with what is drawn for the images in rows `rows` (B,) of the selection."""
        return fresh_batch(rows, np.zeros((len(rows), 1), np.int64), [], np.empty(0, np.uint8))

    def fill(self, batch: Batch, begin: int, end: int) -> None:
        """Fill a batch from image `begin` to `end`."""
        fresh, facts = self._fresh, self._facts
        draws = fresh.draws(batch.rows[begin:end], self._epoch)
        batch.draws[begin:end] = draws
        if facts:
            for i, draw in enumerate(draws, begin):
                of_others = [None if row < 0 else facts[row] for row in draw.others]
                batch.metadata[i] = fresh.metadata(draw, facts[draw.row], of_others, self._epoch)
        note_labels(batch, begin, draws, fresh)


class HeldLoader(HeldDraws):
    """Fills batches with fresh variants of clean images that are held in memory: uint8 (rows, H, W, 3), by row."""

    def __init__(self, images: Image, facts: Sequence[dict[str, Any]], fresh: FreshVariants, epoch: int) -> None:
        super().__init__(facts, fresh, epoch)
        self._images, self._room = images, Room()

    def batch(self, rows: Ints, take: Callable[[tuple[int, ...]], npt.NDArray[np.uint8]]) -> Batch:
        """Return a batch to be filled with the images in rows `rows` (B,) of the selection."""
        room = take((len(rows), len(self._fresh.names), *self._images.shape[1:]))
        return fresh_batch(rows, np.zeros((len(rows), 1), np.int64), [], room)

    def fill(self, batch: Batch, begin: int, end: int) -> None:
        """Fill a batch from image `begin` to `end`."""
        super().fill(batch, begin, end)
        images = self._images
        picture = self._room.take("picture", images.shape[1:])
        for i in range(begin, end):
            draw: FreshDraw = batch.draws[i]
            others = [None if row < 0 else images[row] for row in draw.others]
            self._fresh.render(draw, images[draw.row], others, batch.pixels[i], picture)


class Room(threading.local):
    """Memory of each thread, which is used again: fresh memory would have to be cleared by the system first."""

    def __init__(self) -> None:
        self._held: dict[str, npt.NDArray[np.uint8]] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """An array of undefined content, the same memory for each call with the same name."""
        size = int(np.prod(shape))
        if name not in self._held or self._held[name].size < size:
            self._held[name] = np.empty(size, np.uint8)
        return self._held[name][:size].reshape(shape)


def fresh_batch(rows: Ints, planes: Ints, places: list[list[Place]], room: npt.NDArray[np.uint8]) -> Batch:
    """A batch of the clean images in rows `rows` (B,), with room for pixels."""
    batch = Batch(rows, planes, places, room)
    batch.mixed = (np.full(len(rows), -1, np.int32), np.ones(len(rows), np.float32))
    batch.draws = [None] * len(rows)
    return batch


def note_labels(batch: Batch, begin: int, draws: Sequence[FreshDraw], fresh: FreshVariants) -> None:
    """Note the second labels of images that were drawn, from image `begin` of the batch on."""
    if fresh.second_images:
        part = slice(begin, begin + len(draws))
        for column, values in zip(batch.mixed, fresh.label_columns(draws), strict=True):
            column[part] = values
