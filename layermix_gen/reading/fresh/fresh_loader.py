"""Fill batches with the fresh variants of clean images, or with these images and what is drawn, to be mixed later."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layermix_gen.images import Image
from layermix_gen.mixing.bulk import ImageRows
from layermix_gen.reading.batches.drawn_views import DrawnViews
from layermix_gen.reading.batches.loader import Batch, Place
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.fresh.clean_loader import CleanLoader, CleanPart
from layermix_gen.reading.fresh.fresh_variants import FreshDraws, FreshVariants
from layermix_gen.reading.order import Ints
from layermix_gen.reading.selection import Selection
from layermix_gen.reading.storage.base import Storage


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

    @property
    def _images(self) -> int:
        """How many images a batch has of each: its views."""
        return len(self._fresh.names)

    @property
    def _needs_recipes(self) -> bool:
        """Whether recipes are told of."""
        return self._metadata

    def batch(self, rows: Ints, planes: Ints, take: Callable[[tuple[int, ...]], npt.NDArray[np.uint8]]) -> Batch:
        """Return a batch to be filled with the images in rows `rows` (B,) of the selection and plane 0."""
        places = self.places(planes, self.selection.images[rows, None])
        return fresh_batch(rows, planes, places, take((len(rows), self._images, *self._shape)))

    def draws(self, batch: Batch, which: slice | list[int]) -> FreshDraws:
        """What the epoch draws for some images of a batch."""
        return self._fresh.draws(batch.rows[which], self._epoch, with_recipes=self._needs_recipes)

    def others(self, numbers: Ints) -> Ints:
        """The numbers in the catalog of second images, which draws name by their rows of the selection."""
        return self.selection.images[numbers]

    def render(self, draws: FreshDraws, clean: ImageRows, others: Sequence[ImageRows], out: Image) -> None:
        """Render the views of clean images."""
        self._fresh.render(draws, self._epoch, clean, others, out)

    def metadata(
        self, draws: FreshDraws, i: int, clean: dict[str, Any], others: Sequence[dict[str, Any] | None]
    ) -> list[dict[str, Any]]:
        """The metadata of the views of image i."""
        return self._fresh.metadata(draws, i, clean, others, self._epoch)

    def note_labels(self, batch: Batch, begin: int, draws: FreshDraws) -> None:
        """Note the second labels of images that were drawn."""
        note_labels(batch, begin, draws, self._fresh)


class LeafLoader(FreshLoader):
    """A loader of clean images and second ones, which are mixed later: a batch has them, and what is drawn for each."""

    @property
    def _images(self) -> int:
        return 1 + self._fresh.second_images

    @property
    def _needs_recipes(self) -> bool:
        return True

    def leaves(self, batch: Batch, begin: int, end: int) -> Image:
        """The memory of the batch."""
        return batch.pixels[begin:end]

    def mix(self, batch: Batch, part: CleanPart) -> None:
        """Note what is drawn."""
        batch.draws[part.first] = part.draws


def fresh_batch(rows: Ints, planes: Ints, places: list[list[Place]], room: npt.NDArray[np.uint8]) -> Batch:
    """A batch of the clean images in rows `rows` (B,), with room for pixels."""
    batch = Batch(rows, planes, places, room)
    batch.mixed = (np.full(len(rows), -1, np.int32), np.ones(len(rows), np.float32))
    return batch


def note_labels(batch: Batch, begin: int, draws: FreshDraws, fresh: FreshVariants) -> None:
    """Note the second labels of images that were drawn, from image `begin` of the batch on."""
    if fresh.second_images:
        part = slice(begin, begin + len(draws))
        for column, values in zip(batch.mixed, fresh.label_columns(draws), strict=True):
            column[part] = values
