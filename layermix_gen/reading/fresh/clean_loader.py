"""Fill batches with what is mixed of clean images: these are decoded once, a few at a time, then made into views."""

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from layermix_gen.images import Image
from layermix_gen.mixing.bulk import ImageRows
from layermix_gen.reading.batches.decoding import Decoder
from layermix_gen.reading.batches.drawn_views import DrawnViews
from layermix_gen.reading.batches.loader import Batch, Loader, Place
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.fresh.draws import Draws
from layermix_gen.reading.order import Ints
from layermix_gen.reading.selection import Selection
from layermix_gen.reading.storage.base import Storage

DECODED = 2**21  # bytes of clean images that are decoded, then mixed: few enough to stay in the processor's cache


class CleanPart(NamedTuple):
    """Images of a batch that one thread decodes and mixes: its memory, and what is drawn for each of them.

    `leaves` (images, 1 + second images, H, W, 3) are the clean images, each with the second ones of its views.
    """

    first: int
    leaves: Image
    decoder: Decoder
    draws: Draws[Any]
    seconds: list[Sequence[Place]]


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

    def draws(self, batch: Batch, which: slice | list[int]) -> Draws[Any]:
        """What is mixed of some images of a batch."""
        raise NotImplementedError

    def others(self, numbers: Ints) -> Ints:
        """The numbers in the catalog of the second images of draws."""
        raise NotImplementedError

    def render(self, draws: Any, clean: ImageRows, others: Sequence[ImageRows], out: Image) -> None:
        """Render the views of clean images (H, W, 3) to `out` (n, V, H, W, 3), with their second images."""
        raise NotImplementedError

    def metadata(
        self, draws: Any, i: int, clean: dict[str, Any], others: Sequence[dict[str, Any] | None]
    ) -> list[dict[str, Any]]:
        """The metadata of the views of image i, by those of the clean image and of the second images."""
        raise NotImplementedError

    def note_labels(self, batch: Batch, begin: int, draws: Any) -> None:
        """Note labels that only draws tell, from image `begin` of the batch on; by default there are none."""

    def leaves(self, batch: Batch, begin: int, end: int) -> Image:
        """Memory for the images that are mixed: (end - begin, 1 + second images, H, W, 3)."""
        return self._room.take("leaves", (end - begin, 1 + self._second_images, *self._shape))

    def mix(self, batch: Batch, part: CleanPart) -> None:
        """Make the views of images that are decoded."""
        clean, *others = map(ImageRows.all_of, part.leaves.swapaxes(0, 1))
        self.render(part.draws, clean, others, batch.pixels[part.first : part.first + len(part.draws)])

    def fill(self, batch: Batch, begin: int, end: int) -> None:
        """Fill a batch from image `begin` to `end`. Raises `LayerMixError` with shard and key of an unreadable one."""
        step = max(1, DECODED // int(np.prod(self._shape)))
        for first in range(begin, end, step):
            self._fill(batch, first, min(first + step, end))

    def _fill(self, batch: Batch, begin: int, end: int) -> None:
        draws, leaves = self.draws(batch, slice(begin, end)), self.leaves(batch, begin, end)
        decoder = self._decoder(leaves.reshape(-1, *self._shape))
        part = CleanPart(begin, leaves, decoder, draws, self._seconds(draws))
        self.fill_by(partial(self._read_one, batch, part), batch, begin, end)
        decoder.finish()
        self.mix(batch, part)
        self.note_labels(batch, begin, draws)

    def _read_one(self, batch: Batch, part: CleanPart, i: int, which: int) -> list[dict[str, Any]]:
        """Decode image `which` of a batch and its second images in the place of image `i`; return its metadata."""
        slot = i - part.first
        if which != i or i in batch.replaced:  # another may have been tried before
            one = self.draws(batch, [which])
            part.draws.put(slot, one)
            [part.seconds[slot]] = self._seconds(one)
        places, slots, used = batch.places[which], [slot * part.leaves.shape[1]], []
        if self._second_images:
            used = [view for view, number in enumerate(part.draws.others[slot].tolist()) if number >= 0]
            places, slots = [*places, *part.seconds[slot]], slots + [slots[0] + 1 + view for view in used]
        facts = self.read(places, part.decoder, slots)
        if not facts:
            return []
        by_view = dict(zip(used, facts[1:], strict=True))
        others = [by_view.get(view) for view in range(part.draws.others.shape[1])]
        return self.metadata(part.draws, slot, facts[0], others)

    def _seconds(self, draws: Draws[Any]) -> list[Sequence[Place]]:
        """The places of the second images of each draw."""
        used = draws.others >= 0
        if not used.any():
            return [()] * len(draws)
        images = self.others(draws.others[used])
        places = (place for [place] in self.places(np.zeros((len(images), 1), np.int64), images[:, None]))
        return [[*islice(places, count)] for count in used.sum(axis=1).tolist()]
