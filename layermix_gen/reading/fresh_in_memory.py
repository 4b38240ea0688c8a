"""Fresh variants in memory: clean images are decoded once and held, then mixed anew in each epoch."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from layermix_gen.images import SMALL
from layermix_gen.reading.batches.delivery import Buffers, deliver, thread_count
from layermix_gen.reading.batches.loader import Batch
from layermix_gen.reading.batches.tensors import as_tensors
from layermix_gen.reading.device import on_device, refuse_worker
from layermix_gen.reading.fresh.device_renderer import DeviceRenderer
from layermix_gen.reading.fresh.fresh_loader import HeldDraws, HeldLoader
from layermix_gen.reading.fresh.fresh_variants import FreshVariants
from layermix_gen.reading.in_memory import InMemoryDataset, Samples
from layermix_gen.reading.order import Ints
from layermix_gen.reading.reader_state import Epochs
from layermix_gen.reading.single_samples import SampleLookup


class FreshInMemoryDataset(InMemoryDataset):
    """The batches of a `LayerMixDataset` with fresh views, mixed from clean images in memory.

    They are mixed on the CPU and copied to `device`, to a GPU while the next one is mixed; or on the device by a
    `renderer`, where the clean images lie then.
    """

    def __init__(
        self,
        reader: Epochs,
        samples: Samples,
        fields: tuple[str, ...],
        lookup: SampleLookup,
        fresh: FreshVariants,
        device: torch.device,
        renderer: DeviceRenderer | None,
        *,
        several: bool,
    ) -> None:
        super().__init__(reader, samples, fields, lookup, several=several)
        self.fresh, self.device, self.renderer = fresh, device, renderer
        self._pinned = self.options.pin_memory or device.type == "cuda"

    def _deliver(self, epoch: int, count: int, rows: Callable[[int], Ints]) -> Iterator[Any]:
        refuse_worker(self.device)
        options, images, facts = self.options, self.samples.images, self.samples.metadata  # of one plane, so by row
        threads = thread_count(options.threads, small=images.shape[1] <= SMALL)
        buffers = Buffers(options.prefetch + 2, pinned=self._pinned)

        def filled(loader: HeldDraws, ahead: int) -> Iterator[Batch]:
            todo = (loader.batch(rows(number), buffers.take) for number in range(count))
            return deliver(todo, loader, threads, ahead)

        shown = self.selection, self.fields
        if self.renderer:
            together = self.renderer.together(options.batch_size)
            drawn = filled(HeldDraws(facts, self.fresh, epoch), max(options.prefetch, together))
            return self.renderer.deliver(drawn, *shown, several=self.several, held=images, together=together)
        mixed = filled(HeldLoader(images.numpy(), facts, self.fresh, epoch), options.prefetch)
        return on_device((as_tensors(batch, *shown, several=self.several) for batch in mixed), self.device)
