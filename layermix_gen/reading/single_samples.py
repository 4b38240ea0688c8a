"""Single samples to look at, by index or key. They are read one at a time from the files; no loop should train so."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.querying.row_access import row_of, stored_image
from layermix_gen.dataset.virtual.virtual_samples import VirtualSamples
from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import decode
from layermix_gen.images.thumbnails import thumbnail
from layermix_gen.reading.batches.metadata import FIELDS
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.fresh.fresh_variants import FreshVariants
from layermix_gen.reading.selection import Selection
from layermix_gen.support.notebooks import panels


class NoSampleError(LayerMixError, IndexError):
    """The error for an index behind the last image."""


@dataclass(frozen=True, slots=True, eq=False)
class SingleSample:
    """One sample: `image`, uint8 (H, W, 3), `label`, and `metadata`, its JSON with `plane` and `key`.

    Of several views, `image` is (V, H, W, 3) and `metadata` a list. It is no tensor, so that no loader makes batches
    of it by mistake.
    """

    image: npt.NDArray[np.uint8]
    label: int
    class_name: str
    metadata: Any

    def __repr__(self) -> str:
        views = self.metadata if isinstance(self.metadata, list) else [self.metadata]
        keys = ", ".join(view["key"] for view in views)
        return f"<SingleSample {keys}: label {self.label} {self.class_name!r}, image {self.image.shape}>"

    def _repr_html_(self) -> str:
        several = isinstance(self.metadata, list)
        images, views = (self.image, self.metadata) if several else (self.image[None], [self.metadata])
        title = f"{views[0]['source']}, label {self.label} {self.class_name}"
        recipes = "\n".join(f"{view['plane']}: {view['recipe']}" for view in views)
        return panels.panel(title, *map(thumbnail, images), panels.lines(recipes))


@dataclass(frozen=True, slots=True, eq=False)
class SampleLookup:
    """What finds the single samples of a reader, in the files of its dataset; `several`: an image has several views.

    `virtual` holds these files, and renders the samples of virtual planes.
    """

    virtual: VirtualSamples
    catalog: Catalog
    selection: Selection
    several: bool
    fresh: FreshVariants | None = None

    @property
    def indexes(self) -> Sequence[Path]:
        """The files of the index."""
        return self.virtual.index

    @property
    def manifest(self) -> Manifest:
        """The manifest of the dataset."""
        return self.virtual.manifest

    def sample(self, which: SupportsIndex | str, epoch: int) -> SingleSample:
        """The sample of the selected image at an index, in the planes that an epoch shows, or any with a key.

        Images are in the order of shards and keys; a negative index counts from the end. Raises `LayerMixError`, for an
        index `NoSampleError`, where there is none.
        """
        if isinstance(which, str):
            return self._sample([row_of(self.indexes, self.manifest, which)], several=False)
        count = len(self.selection)
        try:
            place = operator.index(which)
        except TypeError:
            raise LayerMixError(
                f"expected an index or a key of a sample, got {which!r:.80}; give one of them"
            ) from None
        if not -count <= place < count:
            raise NoSampleError(
                f"expected an index in [-{count}, {count - 1}] of {count} images, got {place}; change it"
            )
        if self.fresh:
            return self._mixed(self.fresh, place % count, epoch)
        planes = self.selection.planes(np.array([place % count]), epoch)[0].tolist()
        return self._sample([self._row(plane, place) for plane in planes], several=self.several)

    def _row(self, plane: int, row: int) -> dict[str, Any]:
        """The row of the index of the image in a row of the selection, in a plane of the catalog."""
        image = int(self.selection.images[row])
        shard = self.indexes[int(self.catalog.shards[image])]
        return row_of([shard], self.manifest, self.catalog.address(plane, image))

    def _pixels(self, row: Mapping[str, Any]) -> Image:
        if row["plane"] in self.manifest.virtual_planes:
            return self.virtual.pixels(row)
        return decode(stored_image(self.virtual.files, self.manifest, row))

    def _mixed(self, fresh: FreshVariants, row: int, epoch: int) -> SingleSample:
        """The fresh views of the image in a row of the selection."""
        [draw] = fresh.draws(np.array([row]), epoch)
        facts, others = self._row(0, row), [None if one < 0 else self._row(0, one) for one in draw.others]
        image, seconds = self._pixels(facts), [self._pixels(one) if one else None for one in others]
        out = np.empty((len(fresh.names), *image.shape), np.uint8)
        fresh.render(draw, image, seconds, out, np.empty_like(image))
        views = fresh.metadata(draw, facts, others, epoch)
        shown = (out, views) if self.several else (out[0], views[0])
        return SingleSample(shown[0], facts["label"], facts["class_name"], shown[1])

    def _sample(self, rows: Sequence[Mapping[str, Any]], *, several: bool) -> SingleSample:
        images = [self._pixels(row) for row in rows]
        views = [{name: row[name] for name in FIELDS} for row in rows]
        label, name = rows[0]["label"], rows[0]["class_name"]
        shown = (np.stack(images), label, name, views) if several else (images[0], label, name, views[0])
        return SingleSample(*shown)
