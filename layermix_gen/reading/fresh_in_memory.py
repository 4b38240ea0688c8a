"""Fresh variants in memory: clean images are decoded once and held, then mixed anew in each epoch."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from layermix_gen.images import SMALL
from layermix_gen.reading.batches.delivery import Buffers, deliver, thread_count
from layermix_gen.reading.batches.tensors import as_tensors
from layermix_gen.reading.device import on_device, refuse_worker
from layermix_gen.reading.fresh.device_renderer import DeviceRenderer
from layermix_gen.reading.fresh.fresh_variants import FreshVariants
from layermix_gen.reading.fresh.held_loader import HeldDraws, HeldLeaves, HeldLoader
from layermix_gen.reading.fresh.held_views import HeldViews
from layermix_gen.reading.in_memory import InMemoryDataset, Samples
from layermix_gen.reading.order import Ints
from layermix_gen.reading.reader_state import Epochs
from layermix_gen.reading.single_samples import SampleLookup


class FreshInMemoryDataset(InMemoryDataset):
    """The batches of a `LayerMixDataset` with fresh views, mixed from clean images in memory.

    These are samples, or the views that each epoch cuts out of `whole` images. They are mixed on the CPU and copied to
    `device`, to a GPU while the next one is mixed; or on the device by a `renderer`, where samples lie then.
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
        whole: HeldViews | None = None,
    ) -> None:
        super().__init__(reader, samples, fields, lookup, several=several)
        self.fresh, self.device, self.renderer, self.whole = fresh, device, renderer, whole
        self._pinned = self.options.pin_memory or device.type == "cuda"

    def _deliver(self, epoch: int, count: int, rows: Callable[[int], Ints]) -> Iterator[Any]:
        refuse_worker(self.device)
        options = self.options
        loader, held = self._held(epoch)
        buffers = Buffers(options.prefetch + 2, pinned=self._pinned)
        todo = (loader.batch(rows(number), buffers.take) for number in range(count))
        threads = thread_count(options.threads, small=self.fresh.mix.drawing.size <= SMALL)
        together = self.renderer.together(options.batch_size) if self.renderer and held is not None else 1
        batches = deliver(todo, loader, threads, max(options.prefetch, together))
        if self.renderer:
            shown = self.selection, self.fields
            return self.renderer.deliver(batches, *shown, several=self.several, held=held, together=together)
        return on_device(
            (as_tensors(batch, self.selection, self.fields, several=self.several) for batch in batches), self.device
        )

    def _held(self, epoch: int) -> tuple[HeldDraws, Tensor | None]:
        """What fills the batches of an epoch, and the clean images that are held on the device, if they are."""
        if self.whole:
            images, facts = self.whole.shown(epoch)
            return (HeldLeaves if self.renderer else HeldLoader)(images, facts, self.fresh, epoch), None
        samples = self.samples  # of one plane, so by row
        if self.renderer:
            return HeldDraws(samples.metadata, self.fresh, epoch), samples.images
        return HeldLoader(samples.images.numpy(), samples.metadata, self.fresh, epoch), None
