"""The reader: it makes shards into ready batches for any PyTorch training loop, at the speed of the image codec.

`LayerMixDataset` opens a dataset by its index and draws the order of an epoch (`reading.order`). A few threads decode
directly into one array for each batch (`reading.batches`). There is no worker process, no tensor for each sample and no
copy.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import torch

from layermix_gen.dataset.names import CLEAN_PLANE
from layermix_gen.dataset.virtual.virtual_samples import VirtualSamples
from layermix_gen.errors import LayerMixError
from layermix_gen.mixing.methods import METHODS, MethodOptions
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.reading.batches.delivery import Buffers, deliver, thread_count
from layermix_gen.reading.batches.drawn_views import DrawnViews, asked_view
from layermix_gen.reading.batches.loader import Batch, Loader
from layermix_gen.reading.batches.metadata import check_fields
from layermix_gen.reading.batches.tensors import as_tensors
from layermix_gen.reading.catalog import load_catalog
from layermix_gen.reading.device import as_device, on_device, refuse_worker
from layermix_gen.reading.fresh.device_renderer import CPU, settle_renderer
from layermix_gen.reading.fresh.fresh_mix import method_of, settle_mix, unmixed
from layermix_gen.reading.fresh.fresh_variants import FreshVariants
from layermix_gen.reading.fresh.held_views import HeldViews
from layermix_gen.reading.fresh.loaders import Loaders
from layermix_gen.reading.fresh.virtual_planes import VirtualPlanes
from layermix_gen.reading.fresh_in_memory import FreshInMemoryDataset
from layermix_gen.reading.in_memory import NO_SAMPLES, InMemoryDataset, all_samples, decoded
from layermix_gen.reading.options import WINDOW, ReadOptions
from layermix_gen.reading.order import VERSION, Ints
from layermix_gen.reading.reader_state import Epochs
from layermix_gen.reading.selection import Views, class_numbers, select
from layermix_gen.reading.single_samples import SampleLookup, SingleSample
from layermix_gen.reading.soft_labels import check_labels
from layermix_gen.reading.storage.stores import open_storage
from layermix_gen.support.checks import is_remote

MIN_SKIPPED, SKIPPED_SHARE = 10, 0.01  # images that an epoch may skip by default: 1%, but at least 10
SMALL_IMAGE = 4096  # bytes; decoded so fast that threads would wait for each other at the interpreter's lock
IN_MEMORY_BATCH = 256  # images that are decoded at a time


class LayerMixDataset(Epochs):
    """Batches of a dataset that `build` made, as tensors: `images`, uint8 (B, 3, H, W), and `labels`, int64 (B,).

    With `fields`, a dict of metadata comes third. Images are channels last in memory. Iterate over it directly, or over
    `DataLoader(dataset, batch_size=None)`. `len` is the number of batches of this rank.

    What is read:

    - `views` names what each image shows: "variant" (another variant in each epoch, all of them once before one is
      repeated), "random" (any variant), or a plane such as "clean" or "v03". Several views, like ("clean", "variant",
      "variant"), give images (B, V, 3, H, W); the drawn views of an image differ.
    - "fresh" views, alone or beside "clean", are mixed from the clean plane while it is read, new ones in each epoch,
      by `mix`: a method's name or its options. `mixing_set` is an open one or its path. Both are by default those of
      the build. `render="device"` mixes on `device`, to the same bytes; the CPU draws and decodes.
    - `view`, of a dataset of whole images (`--view source`), is the crop to cut out of each, another one in each epoch:
      "rrc" or "pad-crop"; "center" is always the same. `size` is its side in px, by default the dataset's, at most 224.
      All views of an image show the same crop.
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
      cached in `cache_dir`, up to `cache_bytes`: by default in a temporary folder, twice what the order needs at once.

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
        view: str | None = None,
        size: int | None = None,
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
        self.storage = open_storage(root, storage_options, cache_dir, cache_bytes)
        self._view = asked_view(view, size, self.storage.manifest)
        try:
            self._load(views, planes, where, mix)
        except LayerMixError:
            before = self.storage.manifest.indexes
            self.storage = open_storage(root, storage_options, cache_dir, cache_bytes)
            if self.storage.manifest.indexes == before:
                raise
            self._load(views, planes, where, mix)  # planes were added since the dataset was opened
        manifest = self.storage.manifest
        names = manifest.source.classes
        numbers = None if classes is None else class_numbers(classes, names)
        selection = select(self.catalog, self.views, numbers, options.seed, variant_by_shard=order == "shards")
        self.fresh: FreshVariants | None = None
        self.drawn = DrawnViews(*self._view, options.seed, self.catalog.source_ids) if self._view else None
        if self._mix:
            mixed = settle_mix(*self._mix, mixing_set, self.storage.files, manifest, self.size)
            self.fresh = FreshVariants.of(self.views.names, mixed, self.catalog, selection)
        elif mix is not None or mixing_set is not None:
            raise LayerMixError("mix= and mixing_set= are for views='fresh', which was not asked for; leave them out")
        self.renderer = settle_renderer(render, self.fresh, self.device)
        self._lookup = SampleLookup(self._samples, self.catalog, selection, self.several, self.fresh, self.drawn)
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
        }
        identity |= {"mix": self.fresh.mix.identity()} if self.fresh else {}
        identity |= {"view": [*self._view]} if self._view else {}
        super().__init__(options, selection, identity, names, len(names) or int(self.catalog.labels.max()) + 1)

    @property
    def size(self) -> int:
        """The side of the images of a batch, in px."""
        return self.drawn.size if self.drawn else self.storage.manifest.size

    def _load(self, views: str | Sequence[str], planes: Sequence[str] | None, where: str | None, mix: Any) -> None:
        """Load the catalog of the views from the opened dataset."""
        manifest = self.storage.manifest
        self.views = Views.of(views, planes, manifest)
        self._mix = method_of(mix, manifest.settings) if self.views.are_fresh else None
        method = self._mix[0] if self._mix else METHODS[manifest.settings.method]
        check_labels(self.views.names, method, self.fields, soft=self.soft_labels)
        clean = {CLEAN_PLANE} if {*self.views.planes} & {*manifest.virtual_planes} else set()
        self.catalog = load_catalog(
            self.storage.indexes,
            manifest,
            tuple(sorted({*self.views.planes} | clean)),
            where,
            metadata=bool(self.fields),
            soft_labels=self.soft_labels,
            ids=self.views.are_fresh or self._view is not None or bool(clean),
        )
        self._samples = VirtualSamples(self.storage.files, manifest, self.storage.indexes)
        count = len(self.views.names)
        self.virtual = VirtualPlanes.of(self.catalog, self._samples, self.fields, count, paired=method.mixes_labels)

    def in_memory(self, device: str | torch.device | None = None) -> InMemoryDataset:
        """Decode all samples that may be shown into one tensor on `device`, and return a dataset that reads from it.

        It yields the same batches in the same order, on that device, by default the reader's, many times as fast, and
        holds one byte for each pixel and channel of all planes. Fresh views, and those of whole images, are made on the
        CPU, which then holds the clean images, and copied; with `render="device"`, all is on the device. A sample that
        cannot be read raises `LayerMixError`, with any `on_error`; so does too little memory for all of them.
        """
        target, loaders, fresh, whole = as_device(device or self.device or "cpu"), self._loaders, self.fresh, None
        renderer = self.renderer and self.renderer.on(target)
        if self.drawn and self.drawn.differ:
            loader, samples = loaders.of_whole_images(), NO_SAMPLES
            whole = HeldViews.of(self.drawn, loader, self._all(loader))
            fresh = fresh or FreshVariants.of(self.views.names, unmixed(self.size), self.catalog, self.selection)
        else:
            holder, planes = torch.device("cpu") if fresh and not renderer else target, len(self.catalog.planes)
            batches = self._all(loaders.of_samples(self.epoch))
            samples = decoded(self.selection, planes, self.size, holder, batches, metadata=loaders.metadata)
        held = samples, self.fields, self._lookup
        if fresh:
            return FreshInMemoryDataset(self, *held, fresh, target, renderer, several=self.several, whole=whole)
        return InMemoryDataset(self, *held, several=self.several)

    def _all(self, loader: Loader) -> Iterator[Batch]:
        """Read all samples that may be shown, each once, in the order of `all_samples`."""
        rows, planes = all_samples(self.selection, len(self.catalog.planes))
        parts = [slice(i, i + IN_MEMORY_BATCH) for i in range(0, len(rows), IN_MEMORY_BATCH)]
        return self._read(len(parts), lambda i: (rows[parts[i]], planes[parts[i], None]), loader)

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

        read, shown = self._read(count, part, self._loaders.of_epoch(epoch)), (self.selection, self.fields)
        if self.renderer:
            return self.renderer.deliver(read, *shown, several=self.several)
        batches = (as_tensors(batch, *shown, several=self.several) for batch in read)
        return on_device(batches, self.device) if self.device else batches

    @property
    def _loaders(self) -> Loaders:
        """What fills batches."""
        read = self.storage, self.catalog, self.selection, self.virtual, self.drawn, self.fresh
        metadata, replaces = bool(self.fields), self.options.on_error == "skip"
        return Loaders(*read, mixes=self.renderer is None, metadata=metadata, replaces=replaces)

    def _read(self, count: int, part: Callable[[int], tuple[Ints, Ints]], loader: Loader) -> Iterator[Batch]:
        """Read `count` batches; `part(i)` gives the rows of the selection (B,) and the planes (B, V) of batch i."""
        options = self.options
        self._buffers = self._buffers or Buffers(options.prefetch + 2, pinned=options.pin_memory)
        buffers = self._buffers
        self.storage.expect(lambda: loader.uses(count, part), options.prefetch)
        todo = (loader.batch(*part(number), buffers.take) for number in range(count))
        threads = thread_count(options.threads, small=loader.catalog.sizes.mean() < SMALL_IMAGE)
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
