"""Whole images that are held in memory, decoded once, and the views that each epoch cuts out of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import decode
from layermix_gen.reading.batches.decoding import AnyDecoder, Decoder
from layermix_gen.reading.batches.drawn_views import DrawnViews, as_metadata
from layermix_gen.reading.batches.loader import Batch, Loader
from layermix_gen.reading.order import Ints
from layermix_gen.support.processes import usable_memory


class WholeLoader(Loader):
    """A loader that keeps whole images in `images`, by row of the selection; its batches have no pixels."""

    images: dict[int, Image]
    views: DrawnViews  # that are to be cut out of them

    def batch(self, rows: Ints, planes: Ints, take: Callable[[tuple[int, ...]], npt.NDArray[np.uint8]]) -> Batch:
        """Return a batch of which only the metadata are to be filled."""
        places = self.places(planes, self.selection.images[rows, None])
        return Batch(rows, planes, places, np.empty((len(rows), 1, 0, 0, 3), np.uint8))

    def fill(self, batch: Batch, begin: int, end: int) -> None:
        """Keep image `begin` to `end` of a batch. Raises `LayerMixError` with shard and key of an unreadable one."""
        self.fill_by(partial(self._keep, batch), batch, begin, end)

    def _keep(self, batch: Batch, i: int, which: int) -> list[dict[str, Any]]:
        return self.read(batch.places[which], AnyDecoder(batch.pixels), [int(batch.rows[which])])

    def _decode(self, decoder: Decoder, slot: int, data: memoryview, image: int) -> dict[str, Any]:
        pixels = decode(data)
        self.views.draw(image, 0, *pixels.shape[:2])  # an error now, where it is too elongated
        self.images[slot] = pixels
        return {}


@dataclass(frozen=True, slots=True, eq=False)
class HeldViews:
    """Whole images (H, W, 3) by row of the selection, their numbers in the catalog, and their metadata, if read."""

    views: DrawnViews
    images: Sequence[Image]
    numbers: Ints
    facts: Sequence[dict[str, Any]]

    @classmethod
    def of(cls, views: DrawnViews, loader: WholeLoader, batches: Iterable[Batch]) -> "HeldViews":
        """Hold the images of batches of a loader, which come in the order of rows, once.

        Raises `LayerMixError` where they need more memory than there is.
        """
        loader.images, loader.views = {}, views
        facts, there, held = list[dict[str, Any]](), usable_memory(), 0
        for batch in batches:
            held += sum(loader.images[row].nbytes for row in batch.rows.tolist())
            if held > there:
                raise LayerMixError(
                    f"expected memory for {len(loader.selection)} whole images, but {there / 1e9:.3g} GB were full "
                    f"after {len(loader.images)}; read them from the shards, or choose fewer by where= or classes="
                )
            facts += [shown[0] for shown in batch.metadata if shown]
        images = [loader.images[row] for row in range(len(loader.images))]
        return cls(views, images, loader.selection.images, facts)

    def shown(self, epoch: int) -> tuple["EpochImages", "EpochFacts"]:
        """The views of an epoch, and their metadata, both by row."""
        return EpochImages(self, epoch), EpochFacts(self, epoch)


@dataclass(frozen=True, slots=True, eq=False)
class EpochImages:
    """The images of an epoch by row: each is cut where it is wanted."""

    held: HeldViews
    epoch: int

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array of all of them."""
        size = self.held.views.size
        return len(self.held.images), size, size, 3

    def cut(self, row: int, out: Image) -> None:
        """Cut the view of the image in a row to `out`."""
        self.held.views.cut(int(self.held.numbers[row]), self.epoch, self.held.images[row], out)


@dataclass(frozen=True, slots=True, eq=False)
class EpochFacts:
    """The metadata of an epoch's images by row, with the views that are drawn; none where none are read."""

    held: HeldViews
    epoch: int

    def __len__(self) -> int:
        return len(self.held.facts)

    def __getitem__(self, row: int) -> dict[str, Any]:
        size = self.held.images[row].shape[:2]
        view = self.held.views.draw(int(self.held.numbers[row]), self.epoch, *size)
        return self.held.facts[row] | as_metadata(view)
