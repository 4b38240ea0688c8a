"""A small dataset as one tensor: decoded once, then batches by indexing, on the CPU or on a GPU."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
import torch
from torch import Tensor

from layermix_gen.reading.batches.loader import Batch
from layermix_gen.reading.batches.metadata import collate
from layermix_gen.reading.device import check_memory, take
from layermix_gen.reading.order import Ints
from layermix_gen.reading.reader_state import Epochs
from layermix_gen.reading.selection import Selection
from layermix_gen.reading.single_samples import SampleLookup, SingleSample
from layermix_gen.reading.soft_labels import batch_labels

AHEAD = 16  # batches whose variants are drawn together: drawing them batch by batch would take up a third of the time


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """The decoded samples of a selection.

    `images` is uint8 (samples, H, W, 3); `labels` are the columns of the selection, (samples,) each. `places`
    (planes, rows) is the number of the sample of a plane of the catalog and a row of the selection, -1 if there is
    none. `metadata`, if it is read, has a dict for each sample.
    """

    images: Tensor
    labels: Sequence[Tensor]
    places: Ints
    metadata: list[dict[str, Any]]


NO_SAMPLES = Samples(torch.empty(0, dtype=torch.uint8), (), np.empty((0, 0), np.int64), [])
"""What is held where whole images are held instead."""


def all_samples(selection: Selection, planes: int) -> tuple[Ints, Ints]:
    """The rows of the selection and the planes, below `planes`, of all samples that it may show: (samples,) each."""
    shown = np.zeros((planes, len(selection)), bool)
    shown[selection.pool] = selection.allowed.T
    shown[selection.fixed[selection.fixed >= 0]] = True
    number, rows = np.nonzero(shown)
    return rows, number


def decoded(
    selection: Selection, planes: int, size: int, device: torch.device, batches: Iterable[Batch], *, metadata: bool
) -> Samples:
    """Hold the samples that `all_samples` names, of `size` px, on a device; `batches` have them in that order.

    Raises `LayerMixError` where they need more memory than there is.
    """
    rows, of_planes = all_samples(selection, planes)
    check_memory((len(rows), size, size, 3), device)
    images = torch.empty((len(rows), size, size, 3), dtype=torch.uint8, device=device)
    facts: list[dict[str, Any]] = []
    done = 0
    for batch in batches:
        images[done : done + len(batch.rows)] = torch.from_numpy(batch.pixels[:, 0])
        facts += [views[0] for views in batch.metadata] if metadata else []
        done += len(batch.rows)
    places = np.full((planes, len(selection)), -1)
    places[of_planes, rows] = np.arange(len(rows))
    labels = [torch.from_numpy(column).to(device) for column in selection.label_columns(rows, of_planes)]
    return Samples(images, labels, places, facts)


class InMemoryDataset(Epochs):
    """The batches of a `LayerMixDataset` in the same order, from memory. See `LayerMixDataset.in_memory`."""

    def __init__(
        self, reader: Epochs, samples: Samples, fields: tuple[str, ...], lookup: SampleLookup, *, several: bool
    ) -> None:
        super().__init__(reader.options, reader.selection, reader.identity, reader.class_names, reader.num_classes)
        self.samples, self.fields, self.several = samples, fields, several
        self._lookup = lookup

    def __getitem__(self, which: SupportsIndex | str) -> SingleSample:
        """One sample to look at, by index or key, read from the files as `LayerMixDataset` does."""
        return self._lookup.sample(which, self.epoch)

    def _deliver(self, epoch: int, count: int, rows: Callable[[int], Ints]) -> Iterator[Any]:
        for begin in range(0, count, AHEAD):
            group = [rows(number) for number in range(begin, min(begin + AHEAD, count))]
            images, sizes = np.concatenate(group), [len(batch) for batch in group]
            places = self.samples.places[self.selection.planes(images, epoch), images[:, None]]
            for part in torch.from_numpy(places).to(self.samples.images.device).split(sizes):
                yield self._batch(part)

    def _batch(self, places: Tensor) -> tuple[Any, ...]:
        images = take(self.samples.images, places).movedim(-1, 2)
        images = images if self.several else images[:, 0]
        labels = batch_labels([column[places[:, 0]] for column in self.samples.labels], self.selection.classes)
        if not self.fields:
            return images, labels
        metadata = [[self.samples.metadata[place] for place in views] for views in places.tolist()]
        return images, labels, collate(metadata, self.fields, many=self.several)
