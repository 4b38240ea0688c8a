"""Fresh variants in memory: clean images are decoded once and held on the CPU, then mixed anew in each epoch."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from layermix_gen.images import SMALL
from layermix_gen.reading.batches.delivery import Buffers, deliver, thread_count
from layermix_gen.reading.batches.tensors import as_tensors
from layermix_gen.reading.device import on_device, refuse_worker
from layermix_gen.reading.fresh.fresh_loader import HeldLoader
from layermix_gen.reading.fresh.fresh_variants import FreshVariants
from layermix_gen.reading.fresh.held_views import HeldViews
from layermix_gen.reading.in_memory import InMemoryDataset, Samples
from layermix_gen.reading.order import Ints
from layermix_gen.reading.reader_state import Epochs
from layermix_gen.reading.single_samples import SampleLookup


class FreshInMemoryDataset(InMemoryDataset):
    """The batches of a `LayerMixDataset` with fresh views, mixed on the CPU from clean images in memory.

    These are samples, or the views that each epoch cuts out of `whole` images. Batches are copied to `device`, to a GPU
    while the next one is mixed.
    """

    def __init__(
        self,
        reader: Epochs,
        samples: Samples,
        fields: tuple[str, ...],
        lookup: SampleLookup,
        fresh: FreshVariants,
        device: torch.device,
        *,
        several: bool,
        whole: HeldViews | None = None,
    ) -> None:
        super().__init__(reader, samples, fields, lookup, several=several)
        self.fresh, self.device, self.whole = fresh, device, whole
        self._pinned = self.options.pin_memory or device.type == "cuda"

    def _deliver(self, epoch: int, count: int, rows: Callable[[int], Ints]) -> Iterator[Any]:
        refuse_worker(self.device)
        options = self.options
        images, facts = self.whole.shown(epoch) if self.whole else (self.samples.images.numpy(), self.samples.metadata)
        loader = HeldLoader(images, facts, self.fresh, epoch)  # of one plane, so by row
        buffers = Buffers(options.prefetch + 2, pinned=self._pinned)
        todo = (loader.batch(rows(number), buffers.take) for number in range(count))
        threads = thread_count(options.threads, small=images.shape[1] <= SMALL)
        batches = deliver(todo, loader, threads, options.prefetch)
        return on_device(
            (as_tensors(batch, self.selection, self.fields, several=self.several) for batch in batches), self.device
        )
