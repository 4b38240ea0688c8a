"""The reader: it makes shards into ready batches for any PyTorch training loop, at the speed of the image codec.

`LayerMixDataset` opens a dataset by its index and draws the order of an epoch (`reading.order`). A few threads decode
directly into one array for each batch (`reading.batches`). There is no worker process, no tensor for each sample and no
copy.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import torch

from layermix_gen.errors import LayerMixError
from layermix_gen.mixing.methods import METHODS, MethodOptions
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.reading.batches.delivery import Buffers, deliver, thread_count
from layermix_gen.reading.batches.loader import Batch, Loader
from layermix_gen.reading.batches.metadata import check_fields
from layermix_gen.reading.batches.tensors import as_tensors
from layermix_gen.reading.catalog import load_catalog
from layermix_gen.reading.device import as_device, check_memory, on_device, refuse_worker
from layermix_gen.reading.fresh.device_renderer import CPU, settle_renderer
from layermix_gen.reading.fresh.fresh_loader import FreshLoader, LeafLoader
from layermix_gen.reading.fresh.fresh_mix import DEFAULT, method_of, settle_mix
from layermix_gen.reading.fresh.fresh_variants import FreshVariants
from layermix_gen.reading.fresh_in_memory import FreshInMemoryDataset
from layermix_gen.reading.in_memory import InMemoryDataset, Samples, all_samples
from layermix_gen.reading.options import WINDOW, ReadOptions
from layermix_gen.reading.order import VERSION, Ints
from layermix_gen.reading.reader_state import Epochs
from layermix_gen.reading.selection import Views, class_numbers, select
from layermix_gen.reading.single_samples import SampleLookup, SingleSample
from layermix_gen.reading.soft_labels import check_labels
from layermix_gen.reading.storage.stores import open_storage
from layermix_gen.reading.storage.tar_uses import tar_uses
from layermix_gen.support.checks import is_remote

MIN_SKIPPED, SKIPPED_SHARE = 10, 0.01  # images that an epoch may skip by default: 1%, but at least 10
SMALL_IMAGE = 4096  # bytes; decoded so fast that threads would wait for each other at the interpreter's lock
IN_MEMORY_BATCH = 256  # images that are decoded at a time


class LayerMixDataset(Epochs):
    """Batches of a dataset that `build` made, as tensors: `images`, uint8 (B, 3, H, W), and `labels`, int64 (B,).

    With `fields`, a dict of metadata comes third. Images are channels last in memory, as they are decoded. Iterate over
    it directly, or over `DataLoader(dataset, batch_size=None)`. `len` is the number of batches of this rank.

    What is read:

    - `views` names what each image shows: "variant" (another variant in each epoch, all of them once before one is
      repeated), "random" (any variant), or a plane such as "clean" or "v03". Several views, like ("clean", "variant",
      "variant"), give images (B, V, 3, H, W); the drawn views of an image differ.
    - "fresh" views, alone or beside "clean", are mixed from the clean plane while it is read, new ones in each epoch,
      by `mix`: a method's name ("layermix" by default) or its options, such as `LayerMixOptions()`. `mixing_set` is an
      open one or its path, by default the one that the dataset was built with. With `render="device"` they are mixed on
      `device`, to the same bytes, and the CPU only draws and decodes.
    - `planes` are the planes that variants are drawn from, by default all variants.
    - `where` is a condition in SQL on the columns of the index. It applies to the variants, and to the clean plane only
      if no variant is read from a plane. An image is read if it can fill all its views. `classes` selects classes, by
      name or label.
    - `fields` are fields of the samples' metadata, `plane` or `key`. Numbers become tensors (B, ...), or (B, V, ...)
      with several views; texts become lists.
    - `soft_labels=True` yields labels as targets, float32 (B, classes), in which each row sums to 1: `label_weight` for
      the image's own class, the rest for that of the image mixed in. The classes are those of the whole dataset.

    In which order:

    - `order` is "shuffle" (the default: over the whole dataset), "shards" (shard by shard in random order, each image
      moved by up to `window` shards, one variant drawn for each shard: for remote data and slow disks) or "sequential".
    - The order depends on the selected images, `order`, `window`, `seed`, the epoch, `rank` and `world_size`, and on
      nothing else. Unless they are given, rank and world size come from torch.distributed, if it is initialised.
    - Over all ranks every image comes exactly once, except the `remainder`, which does not fill a batch on every rank:
      "drop" it, "pad" it with images of the step before, or read it "exact", in a last batch that is short, or missing
      on some ranks.

    How it is read:

    - `threads` threads (default: one for each CPU; one for small images) read `prefetch` batches ahead, into pinned
      memory with `pin_memory`. With `device`, tensors are copied to it; to a GPU while the next batch is decoded.
    - `on_error="skip"` replaces an image that cannot be read by another image of its batch, and adds the error to
      `skipped`. More than `max_skipped` in an epoch (default 1%, but at least 10) raise `LayerMixError`.
    - `root` may be a URL, which fsspec opens with `storage_options`. Then the default order is "shards", and tars are
      cached in `cache_dir`, up to `cache_bytes`; by default in a temporary folder, up to twice what the order needs at
      once.

    `ds[7]` and `ds["000000003-v01"]` show single samples; `len` and `ds[...]` do not make it a dataset of samples.

    `num_classes` and `class_names`, by label, are those of the whole dataset; the names are () where its source had
    none. Raises `LayerMixError` for what the user can mend.
    """

    def __init__(
        self,
        root: str | Path,
        batch_size: int,
        *,
        seed: int = 0,
        views: str | Sequence[str] = "variant",
        planes: Sequence[str] | None = None,
        where: str | None = None,
        classes: Sequence[str | int] | None = None,
        mix: str | MethodOptions | None = None,
        mixing_set: MixingSet | str | Path | None = None,
        render: str = CPU,
        fields: Sequence[str] = (),
        soft_labels: bool = False,
        order: str | None = None,
        window: int = WINDOW,
        remainder: str = "drop",
        rank: int | None = None,
        world_size: int | None = None,
        threads: int | None = None,
        prefetch: int = 2,
        on_error: str = "raise",
        max_skipped: int | None = None,
        pin_memory: bool = False,
        device: str | torch.device | None = None,
        storage_options: Mapping[str, Any] | None = None,
        cache_dir: str | Path | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        order = order or ("shards" if is_remote(root) else "shuffle")
        self.device = as_device(device) if device else None
        if pin_memory and not torch.cuda.is_available():
            raise LayerMixError(
                "pin_memory is for copies to a GPU, and there is none; leave it out, or ask torch.cuda.is_available()"
            )
        options = ReadOptions(
            batch_size,
            seed=seed,
            order=order,
            window=window,
            remainder=remainder,
            rank=rank,
            world_size=world_size,
            threads=threads,
            prefetch=prefetch,
            on_error=on_error,
            max_skipped=max_skipped,
            pin_memory=pin_memory or (self.device is not None and self.device.type == "cuda"),
            soft_labels=soft_labels,
        )
        self.fields, self.soft_labels = check_fields(fields), options.soft_labels
        self.several = not isinstance(views, str)
        self._method = method_of(DEFAULT if mix is None else mix)
        self.storage = open_storage(root, storage_options, cache_dir, cache_bytes)
        try:
            self._load(views, planes, where)
        except LayerMixError:
            before = self.storage.manifest.indexes
            self.storage = open_storage(root, storage_options, cache_dir, cache_bytes)
            if self.storage.manifest.indexes == before:
                raise
            self._load(views, planes, where)  # planes were added since the dataset was opened
        manifest = self.storage.manifest
        numbers = None if classes is None else class_numbers(classes, manifest.source.classes)
        selection = select(self.catalog, self.views, numbers, options.seed, variant_by_shard=order == "shards")
        files, indexes = self.storage.files, self.storage.indexes
        self.fresh: FreshVariants | None = None
        if self.views.are_fresh:
            mixed = settle_mix(*self._method, mixing_set, files, manifest)
            self.fresh = FreshVariants.of(self.views.names, mixed, self.catalog, selection)
        elif mix is not None or mixing_set is not None:
            raise LayerMixError("mix= and mixing_set= are for views='fresh', which was not asked for; leave them out")
        self.renderer = settle_renderer(render, self.fresh, self.device)
        self._lookup = SampleLookup(files, indexes, manifest, self.catalog, selection, self.several, self.fresh)
        self.skipped: list[str] = []
        self._buffers: Buffers | None = None
        identity = {
            "dataset": manifest.digest,
            "version": VERSION,
            "seed": options.seed,
            "order": [order, options.window] if order == "shards" else [order],
            "views": [*self.views.names, "of", *self.views.pool],
            "where": where,
            "classes": numbers,
        } | ({"mix": self.fresh.mix.identity()} if self.fresh else {})
        names = manifest.source.classes
        super().__init__(options, selection, identity, names, len(names) or int(self.catalog.labels.max()) + 1)

    def _load(self, views: str | Sequence[str], planes: Sequence[str] | None, where: str | None) -> None:
        """Load the catalog of the views from the opened dataset."""
        manifest = self.storage.manifest
        self.views = Views.of(views, planes, manifest)
        method = self._method[0] if self.views.are_fresh else METHODS[manifest.settings.method]
        check_labels(self.views.names, method, self.fields, soft=self.soft_labels)
        self.catalog = load_catalog(
            self.storage.indexes,
            manifest,
            self.views.planes,
            where,
            metadata=bool(self.fields),
            soft_labels=self.soft_labels,
            ids=self.views.are_fresh,
        )

    def in_memory(self, device: str | torch.device = "cpu") -> InMemoryDataset:
        """Decode all samples that may be shown into one tensor on `device`, and return a dataset that reads from it.

        It yields the same batches in the same order, on that device, many times as fast, and holds one byte for each
        pixel and channel of all planes. Fresh views are mixed on the CPU, which then holds the clean images, and copied
        to the device; with `render="device"` they are mixed where the clean images lie. A sample that cannot be read
        raises `LayerMixError`, with any `on_error`; so do samples that need more memory than there is.
        """
        rows, planes = all_samples(self.selection, len(self.catalog.planes))
        target = as_device(device)
        renderer = self.renderer and self.renderer.on(target)
        holder = torch.device("cpu") if self.fresh and not renderer else target
        size, count = self.storage.manifest.size, len(rows)
        check_memory((count, size, size, 3), holder)
        images = torch.empty((count, size, size, 3), dtype=torch.uint8, device=holder)
        metadata: list[dict[str, Any]] = []
        parts = [slice(i, i + IN_MEMORY_BATCH) for i in range(0, count, IN_MEMORY_BATCH)]
        loader = Loader(self.storage, self.catalog, self.selection, metadata=bool(self.fields), replace=False)
        batches = self._read(len(parts), lambda i: (rows[parts[i]], planes[parts[i], None]), loader)
        for part, batch in zip(parts, batches, strict=True):
            images[part] = torch.from_numpy(batch.pixels[:, 0])
            metadata += [views[0] for views in batch.metadata] if self.fields else []
        places = np.full((len(self.catalog.planes), len(self.selection)), -1)
        places[planes, rows] = np.arange(count)
        labels = [torch.from_numpy(column).to(holder) for column in self.selection.label_columns(rows, planes)]
        samples = Samples(images, labels, places, metadata)
        if self.fresh:
            return FreshInMemoryDataset(
                self, samples, self.fields, self._lookup, self.fresh, target, renderer, several=self.several
            )
        return InMemoryDataset(self, samples, self.fields, self._lookup, several=self.several)

    def __getitem__(self, which: SupportsIndex | str) -> SingleSample:
        """One sample to look at: of the selected image at an index, as this epoch shows it, or the one with a key.

        Nothing of an iteration changes. Raises `LayerMixError`, for an index an `IndexError` too, where there is none.
        """
        return self._lookup.sample(which, self.epoch)

    def _deliver(self, epoch: int, count: int, rows: Callable[[int], Ints]) -> Iterator[Any]:
        refuse_worker(self.device)
        self.skipped = []

        def part(number: int) -> tuple[Ints, Ints]:
            return rows(number), self.selection.planes(rows(number), epoch)

        read, shown = self._read(count, part, self._loader(epoch)), (self.selection, self.fields)
        if self.renderer:
            return self.renderer.deliver(read, *shown, several=self.several)
        batches = (as_tensors(batch, *shown, several=self.several) for batch in read)
        return on_device(batches, self.device) if self.device else batches

    def _loader(self, epoch: int) -> Loader:
        """What fills the batches of an epoch."""
        read = self.storage, self.catalog, self.selection
        metadata, replace = bool(self.fields), self.options.on_error == "skip"
        if self.fresh:
            kind = LeafLoader if self.renderer else FreshLoader
            return kind(*read, self.fresh, epoch, metadata=metadata, replace=replace)
        return Loader(*read, metadata=metadata, replace=replace)

    def _read(self, count: int, part: Callable[[int], tuple[Ints, Ints]], loader: Loader) -> Iterator[Batch]:
        """Read `count` batches; `part(i)` gives the rows of the selection (B,) and the planes (B, V) of batch i."""
        options, catalog, images = self.options, self.catalog, self.selection.images
        self._buffers = self._buffers or Buffers(options.prefetch + 2, pinned=options.pin_memory)
        buffers = self._buffers
        self.storage.expect(lambda: tar_uses(catalog, self.storage.manifest, images, count, part), options.prefetch)
        todo = (loader.batch(*part(number), buffers.take) for number in range(count))
        threads = thread_count(options.threads, small=catalog.sizes.mean() < SMALL_IMAGE)
        for number, batch in enumerate(deliver(todo, loader, threads, options.prefetch)):
            self.storage.handed_out(number)
            self._count(batch)
            yield batch

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_buffers": None}

    def _count(self, batch: Batch) -> None:
        """Record the images that were replaced. Raises `LayerMixError` if they are more than `max_skipped`."""
        self.skipped += [batch.replaced[i] for i in sorted(batch.replaced)]
        limit = self.options.max_skipped
        limit = max(MIN_SKIPPED, int(SKIPPED_SHARE * len(self.selection))) if limit is None else limit
        if len(self.skipped) > limit:
            raise LayerMixError(
                f"{len(self.skipped)} images cannot be read, {limit} are allowed; restore their files, or raise "
                f"max_skipped; the last: {self.skipped[-1]}"
            )
