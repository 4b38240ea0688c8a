"""Fill batches with fresh variants of clean images in memory, or with what is drawn for them, to be mixed later."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from layermix_gen.images import Image
from layermix_gen.mixing.bulk import ImageRows
from layermix_gen.reading.batches.loader import Batch
from layermix_gen.reading.batches.room import Room
from layermix_gen.reading.fresh.fresh_loader import fresh_batch, note_labels
from layermix_gen.reading.fresh.fresh_variants import FreshDraws, FreshVariants
from layermix_gen.reading.fresh.held_views import EpochFacts, EpochImages
from layermix_gen.reading.order import Ints

Facts: TypeAlias = Sequence[dict[str, Any]] | EpochFacts
Take: TypeAlias = Callable[[tuple[int, ...]], npt.NDArray[np.uint8]]


class HeldDraws:
    """Draws for batches of clean images that are held on a device, by row of the selection, and are mixed there.

    `facts`, if metadata is read, has that of each of them.
    """

    needs_recipes = True

    def __init__(self, facts: Facts, fresh: FreshVariants, epoch: int) -> None:
        self._facts, self._fresh, self._epoch = facts, fresh, epoch

    def batch(self, rows: Ints, take: Take) -> Batch:
        """Return a batch to be filled with what is drawn for the images in rows `rows` (B,) of the selection."""
        return fresh_batch(rows, np.zeros((len(rows), 1), np.int64), [], take(self._room_for(len(rows))))

    def _room_for(self, count: int) -> tuple[int, ...]:
        """The shape of the pixels of a batch."""
        return (0,)

    def fill(self, batch: Batch, begin: int, end: int) -> None:
        """Fill a batch from image `begin` to `end`."""
        fresh, facts = self._fresh, self._facts
        draws = fresh.draws(batch.rows[begin:end], self._epoch, with_recipes=self.needs_recipes or bool(facts))
        batch.draws[begin] = draws
        self.show(draws, batch.pixels[begin:end])
        if facts:
            for i, (row, *others) in enumerate(draws.leaves.T.tolist()):
                of_others = [None if other < 0 else facts[other] for other in others]
                batch.metadata[begin + i] = fresh.metadata(draws, i, facts[row], of_others, self._epoch)
        note_labels(batch, begin, draws, fresh)

    def show(self, draws: FreshDraws, out: Image) -> None:
        """Make the pixels of some images: none, as these lie on the device."""


class HeldLeaves(HeldDraws):
    """Cuts the views of whole images (see `EpochImages`) for batches that are mixed later."""

    def __init__(self, images: Image | EpochImages, facts: Facts, fresh: FreshVariants, epoch: int) -> None:
        super().__init__(facts, fresh, epoch)
        self._images, self._room = images, Room()

    def _room_for(self, count: int) -> tuple[int, ...]:
        return (count, 1 + self._fresh.second_images, *self._images.shape[1:])

    def show(self, draws: FreshDraws, out: Image) -> None:
        """Cut the clean images and second ones to `out` (n, 1 + second images, H, W, 3)."""
        for number, rows in enumerate(draws.leaves):
            self.cut(rows, out[:, number])

    def cut(self, rows: Ints, out: Image) -> ImageRows:
        """The images in some rows, -1 for none; they are cut to `out` where they are not held as they are shown."""
        images = self._images
        if isinstance(images, np.ndarray):
            return ImageRows(images, rows)
        for row, pixels in zip(rows.tolist(), out, strict=True):
            if row >= 0:
                images.cut(row, pixels)
        return ImageRows(out, np.where(rows < 0, -1, np.arange(len(rows))))


class HeldLoader(HeldLeaves):
    """Fills batches with fresh variants of clean images: uint8 (rows, H, W, 3), or what an epoch cuts, by row."""

    needs_recipes = False

    def _room_for(self, count: int) -> tuple[int, ...]:
        return (count, len(self._fresh.names), *self._images.shape[1:])

    def show(self, draws: FreshDraws, out: Image) -> None:
        """Render the views to `out` (n, V, H, W, 3)."""
        rows = draws.leaves
        room = self._room.take("leaves", (len(rows), len(draws), *self._images.shape[1:]))
        clean, *others = map(self.cut, rows, room)
        self._fresh.render(draws, self._epoch, clean, others, out)
