"""Fill batches with fresh variants: clean images are decoded once, a few at a time, and mixed into their views."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from layermix_gen.images import Image
from layermix_gen.mixing.bulk import ImageRows
from layermix_gen.reading.batches.decoding import Decoder
from layermix_gen.reading.batches.drawn_views import DrawnViews
from layermix_gen.reading.batches.loader import Batch, Loader, Place
from layermix_gen.reading.batches.room import Room
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.fresh.fresh_variants import FreshDraw, FreshVariants
from layermix_gen.reading.fresh.held_views import EpochFacts, EpochImages
from layermix_gen.reading.order import Ints
from layermix_gen.reading.selection import Selection
from layermix_gen.reading.storage.base import Storage

DECODED = 2**21  # bytes of clean images that are decoded, then mixed: few enough to stay in the processor's cache


class _Part(NamedTuple):
    """Images of a batch that one thread decodes and mixes: its memory, and what is drawn for each of them.

    `leaves` (1 + second images, images, H, W, 3) are the clean images, then the second ones of each fresh view.
    """

    first: int
    leaves: Image
    decoder: Decoder
    draws: list[Any]
    seconds: list[list[Place]]


class CleanLoader(Loader):
    """A loader of clean images, which fills batches with what is mixed of them: that is for subclasses to say.

    It works in phases, as builds do: recipes are drawn or found, images decoded, then rendered.
    """

    def __init__(
        self,
        storage: Storage,
        catalog: Catalog,
        selection: Selection,
        views: DrawnViews | None,
        epoch: int,
        second_images: int,
        *,
        metadata: bool,
        replace: bool,
    ) -> None:
        super().__init__(storage, catalog, selection, views, epoch, metadata=metadata, replace=replace)
        self._second_images = second_images  # that an image may need
        self._shape = (self._size, self._size, 3)

    def draws(self, batch: Batch, which: slice | list[int]) -> list[Any]:
        """What is mixed of some images of a batch; its `others` are the second images, -1 where there is none."""
        raise NotImplementedError

    def others(self, numbers: Sequence[int]) -> Ints:
        """The numbers in the catalog of the second images of draws."""
        raise NotImplementedError

    def render(self, draws: Sequence[Any], clean: ImageRows, others: Sequence[ImageRows], out: Image) -> None:
        """Render the views of clean images (H, W, 3) to `out` (n, V, H, W, 3), with their second images."""
        raise NotImplementedError

    def metadata(
        self, draw: Any, clean: dict[str, Any], others: Sequence[dict[str, Any] | None]
    ) -> list[dict[str, Any]]:
        """The metadata of the views of an image, by those of the clean image and of the second images."""
        raise NotImplementedError

    def fill(self, batch: Batch, begin: int, end: int) -> None:
        """Fill a batch from image `begin` to `end`. Raises `LayerMixError` with shard and key of an unreadable one."""
        step = max(1, DECODED // int(np.prod(self._shape)))
        for first in range(begin, end, step):
            self._fill(batch, first, min(first + step, end))

    def _fill(self, batch: Batch, begin: int, end: int) -> None:
        count = end - begin
        leaves = self._room.take("leaves", ((1 + self._second_images) * count, *self._shape))
        draws = self.draws(batch, slice(begin, end))
        shaped = leaves.reshape(-1, count, *self._shape)
        part = _Part(begin, shaped, self._decoder(leaves), draws, self._seconds(draws))
        for slot in range(count):
            self.fill_one(batch, begin + slot, partial(self._read_one, batch, part, slot))
        part.decoder.finish()
        slots = np.arange(count)
        clean, *others = (ImageRows(images, slots) for images in shaped)
        self.render(draws, clean, others, batch.pixels[begin:end])
        self.note_labels(batch, begin, draws)

    def note_labels(self, batch: Batch, begin: int, draws: Sequence[Any]) -> None:
        """Note labels that only draws tell, from image `begin` of the batch on; by default there are none."""

    def _read_one(self, batch: Batch, part: _Part, slot: int, which: int) -> list[dict[str, Any]]:
        """Decode image `which` of the batch and its second images into a slot; return the metadata of its views."""
        if which == part.first + slot:
            draw, seconds = part.draws[slot], part.seconds[slot]
        else:
            [draw] = self.draws(batch, [which])
            [seconds] = self._seconds([draw])
        count, used = part.leaves.shape[1], [view for view, row in enumerate(draw.others, 1) if row >= 0]
        facts = self.read([*batch.places[which], *seconds], part.decoder, [view * count + slot for view in (0, *used)])
        part.draws[slot] = draw
        if not facts:
            return []
        by_view = dict(zip(used, facts[1:], strict=True))
        others = [by_view.get(view) for view in range(1, 1 + len(draw.others))]
        return self.metadata(draw, facts[0], others)

    def _seconds(self, draws: Sequence[Any]) -> list[list[Place]]:
        """The places of the second images of each draw."""
        rows = [row for draw in draws for row in draw.others if row >= 0]
        if not rows:
            return [[] for _ in draws]
        images = self.others(rows)
        places = (place for [place] in self.places(np.zeros((len(rows), 1), np.int64), images[:, None]))
        return [[next(places) for row in draw.others if row >= 0] for draw in draws]


class FreshLoader(CleanLoader):
    """A loader that fills batches with the fresh variants of clean images in one epoch."""

    def __init__(
        self,
        storage: Storage,
        catalog: Catalog,
        selection: Selection,
        fresh: FreshVariants,
        views: DrawnViews | None,
        epoch: int,
        **options: bool,
    ) -> None:
        super().__init__(storage, catalog, selection, views, epoch, fresh.second_images, **options)
        self._fresh = fresh

    def batch(self, rows: Ints, planes: Ints, take: Callable[[tuple[int, ...]], npt.NDArray[np.uint8]]) -> Batch:
        """Return a batch to be filled with the images in rows `rows` (B,) of the selection and plane 0."""
        return fresh_batch(rows, planes, self.places(planes, self.selection.images[rows, None]), self._fresh, take)

    def draws(self, batch: Batch, which: slice | list[int]) -> list[FreshDraw]:
        """What the epoch draws for some images of a batch."""
        return self._fresh.draws(batch.rows[which], self._epoch, with_recipes=self._metadata)

    def others(self, numbers: Sequence[int]) -> Ints:
        """The numbers in the catalog of second images, which draws name by their rows of the selection."""
        return self.selection.images[numbers]

    def render(self, draws: Sequence[FreshDraw], clean: ImageRows, others: Sequence[ImageRows], out: Image) -> None:
        """Render the views of clean images."""
        self._fresh.render(draws, self._epoch, clean, others, out)

    def metadata(
        self, draw: FreshDraw, clean: dict[str, Any], others: Sequence[dict[str, Any] | None]
    ) -> list[dict[str, Any]]:
        """The metadata of the views of an image."""
        return self._fresh.metadata(draw, clean, others, self._epoch)

    def note_labels(self, batch: Batch, begin: int, draws: Sequence[FreshDraw]) -> None:
        """Note the second labels of images that were drawn."""
        note_labels(batch, begin, draws, self._fresh)


class HeldLoader:
    """Fills batches with fresh variants of clean images that are held in memory: uint8 (rows, H, W, 3), by row.

    `facts`, if metadata is read, has that of each of them.
    """

    def __init__(
        self,
        images: Image | EpochImages,
        facts: Sequence[dict[str, Any]] | EpochFacts,
        fresh: FreshVariants,
        epoch: int,
    ) -> None:
        self._images, self._facts, self._fresh, self._epoch = images, facts, fresh, epoch
        self._room = Room()

    def batch(self, rows: Ints, take: Callable[[tuple[int, ...]], npt.NDArray[np.uint8]]) -> Batch:
        """Return a batch to be filled with the images in rows `rows` (B,) of the selection."""
        return fresh_batch(rows, np.zeros((len(rows), 1), np.int64), [], self._fresh, take)

    def fill(self, batch: Batch, begin: int, end: int) -> None:
        """Fill a batch from image `begin` to `end`."""
        fresh, facts, rows = self._fresh, self._facts, batch.rows[begin:end]
        draws = fresh.draws(rows, self._epoch, with_recipes=bool(facts))
        seconds = (np.array([draw.others[view] for draw in draws]) for view in range(fresh.second_images))
        clean, *others = (self._shown(number, one) for number, one in enumerate((rows, *seconds)))
        fresh.render(draws, self._epoch, clean, others, batch.pixels[begin:end])
        if facts:
            for i, draw in enumerate(draws, begin):
                of_others = [None if row < 0 else facts[row] for row in draw.others]
                batch.metadata[i] = fresh.metadata(draw, facts[draw.row], of_others, self._epoch)
        note_labels(batch, begin, draws, fresh)

    def _shown(self, number: int, rows: Ints) -> ImageRows:
        """The images in some rows, -1 for none: held, or cut to the memory of this number."""
        images = self._images
        if isinstance(images, np.ndarray):
            return ImageRows(images, rows)
        room = self._room.take(str(number), (len(rows), *images.shape[1:]))
        for row, out in zip(rows.tolist(), room, strict=True):
            if row >= 0:
                images.cut(row, out)
        return ImageRows(room, np.where(rows < 0, -1, np.arange(len(rows))))


def fresh_batch(
    rows: Ints,
    planes: Ints,
    places: list[list[Place]],
    fresh: FreshVariants,
    take: Callable[[tuple[int, ...]], npt.NDArray[np.uint8]],
) -> Batch:
    """A batch of the clean images in rows `rows` (B,) that has room for all of their views."""
    size = fresh.mix.drawing.size
    batch = Batch(rows, planes, places, take((len(rows), len(fresh.names), size, size, 3)))
    batch.mixed = (np.full(len(rows), -1, np.int32), np.ones(len(rows), np.float32))
    return batch


def note_labels(batch: Batch, begin: int, draws: Sequence[FreshDraw], fresh: FreshVariants) -> None:
    """Note the second labels of images that were drawn, from image `begin` of the batch on."""
    if fresh.second_images:
        part = slice(begin, begin + len(draws))
        for column, values in zip(batch.mixed, fresh.label_columns(draws), strict=True):
            column[part] = values
