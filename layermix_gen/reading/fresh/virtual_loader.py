"""Fill batches with samples of virtual planes: the clean image is decoded once, then rendered into its views."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layermix_gen.images import Image
from layermix_gen.mixing.bulk import ImageRows
from layermix_gen.reading.batches.loader import Batch
from layermix_gen.reading.fresh.clean_loader import CleanLoader
from layermix_gen.reading.fresh.virtual_planes import VirtualDraws, VirtualPlanes
from layermix_gen.reading.order import Ints
from layermix_gen.reading.selection import Selection
from layermix_gen.reading.storage.base import Storage, TarUse


class VirtualLoader(CleanLoader):
    """A loader that fills batches with the variants of clean images that the index records in virtual planes."""

    def __init__(
        self, storage: Storage, selection: Selection, virtual: VirtualPlanes, *, metadata: bool, replace: bool
    ) -> None:
        clean, count = virtual.clean, virtual.second_images
        super().__init__(storage, clean, selection, None, 0, count, metadata=metadata, replace=replace)
        self._virtual = virtual

    def batch(self, rows: Ints, planes: Ints, take: Callable[[tuple[int, ...]], npt.NDArray[np.uint8]]) -> Batch:
        """Return a batch to be filled with the images in rows `rows` (B,) of the selection, each in `planes` (B, V)."""
        places = self.places(_clean(rows), self.selection.images[rows, None])
        size = self.storage.manifest.size
        return Batch(rows, planes, places, take((*planes.shape, size, size, 3)))

    def uses(self, count: int, part: Callable[[int], tuple[Ints, Ints]]) -> list[TarUse]:
        """The tars of the clean plane that `count` batches read."""

        def clean_part(number: int) -> tuple[Ints, Ints]:
            rows, _ = part(number)
            return rows, _clean(rows)

        return super().uses(count, clean_part)

    def draws(self, batch: Batch, which: slice | list[int]) -> VirtualDraws:
        """What is rendered of some images of a batch."""
        rows = batch.rows[which]
        return self._virtual.draws(rows, self.selection.images[rows], batch.planes[which])

    def others(self, numbers: Ints) -> Ints:
        """The numbers in the catalog of second images: draws name these themselves."""
        return numbers

    def render(self, draws: VirtualDraws, clean: ImageRows, others: Sequence[ImageRows], out: Image) -> None:
        """Render the views of clean images."""
        self._virtual.render(draws, clean, others, out)

    def metadata(
        self, draws: VirtualDraws, i: int, clean: dict[str, Any], others: Sequence[dict[str, Any] | None]
    ) -> list[dict[str, Any]]:
        """The metadata of the views of image i, those of clean ones from `clean`."""
        return [clean if facts is None else facts for facts in draws.facts[i]]


def _clean(rows: Ints) -> Ints:
    """The number of the clean plane in its catalog, for each of the rows: (B, 1)."""
    return np.zeros((len(rows), 1), np.int64)
