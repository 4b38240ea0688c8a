"""Single samples to look at, by index or key. They are read one at a time from the files; no loop should train so."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
from layermix_gen.mixing.bulk import ImageRows
from layermix_gen.reading.batches.drawn_views import BadView, DrawnViews, as_metadata
from layermix_gen.reading.batches.metadata import FIELDS
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.fresh.fresh_variants import FreshVariants
from layermix_gen.reading.selection import FRESH, Selection
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
    drawn: DrawnViews | None = None

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
        if isinstance(which, str) and f"-{FRESH}-" in which:
            raise LayerMixError(
                f"expected the key of a stored sample, got {which!r:.80} of a fresh variant; after set_epoch, "
                "ds[i] shows that of image i"
            )
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
        rows = [self._row(plane, place) for plane in planes]
        return self._sample(rows, several=self.several, cut=partial(self._cut, place, epoch))

    def _row(self, plane: int, row: int) -> dict[str, Any]:
        """The row of the index of the image in a row of the selection, in a plane of the catalog."""
        image = int(self.selection.images[row])
        shard = self.indexes[int(self.catalog.shards[image])]
        return row_of([shard], self.manifest, self.catalog.address(plane, image))

    def _pixels(self, row: Mapping[str, Any]) -> Image:
        if row["plane"] in self.manifest.virtual_planes:
            return self.virtual.pixels(row)
        return decode(stored_image(self.virtual.files, self.manifest, row))

    def _cut(self, row: int, epoch: int, pixels: Image) -> tuple[Image, dict[str, Any]]:
        """What an epoch shows of a stored image of the selection, and what its metadata then say otherwise."""
        if self.drawn is None:
            return pixels, {}
        out, image = np.empty((self.drawn.size, self.drawn.size, 3), np.uint8), int(self.selection.images[row])
        try:
            return out, as_metadata(self.drawn.cut(image, epoch, pixels, out))
        except BadView as error:
            raise LayerMixError(f"sample {self.catalog.address(0, image)}: {error}; {error.remedy}") from error

    def _mixed(self, fresh: FreshVariants, row: int, epoch: int) -> SingleSample:
        """The fresh views of the image in a row of the selection."""
        draws = fresh.draws(np.array([row]), epoch)
        leaves = draws.leaves[:, 0].tolist()
        shown = {one: self._row(0, one) for one in leaves if one >= 0}
        cut = {one: self._cut(one, epoch, self._pixels(facts)) for one, facts in shown.items()}
        clean, *seconds = (_one(cut[one][0] if one >= 0 else None) for one in leaves)
        facts, others = shown[row] | cut[row][1], [shown.get(one) for one in leaves[1:]]
        out = np.empty((1, len(fresh.names), *clean.images.shape[1:]), np.uint8)
        fresh.render(draws, epoch, clean, seconds, out)
        views = fresh.metadata(draws, 0, facts, others, epoch)
        pixels, metadata = (out[0], views) if self.several else (out[0, 0], views[0])
        return SingleSample(pixels, facts["label"], facts["class_name"], metadata)

    def _sample(
        self,
        rows: Sequence[Mapping[str, Any]],
        *,
        several: bool,
        cut: Callable[[Image], tuple[Image, dict[str, Any]]] = lambda pixels: (pixels, {}),
    ) -> SingleSample:
        images, drawn = zip(*(cut(self._pixels(row)) for row in rows), strict=True)
        views = [{name: row[name] for name in FIELDS} | view for row, view in zip(rows, drawn, strict=True)]
        label, name = rows[0]["label"], rows[0]["class_name"]
        shown = (np.stack(images), label, name, views) if several else (images[0], label, name, views[0])
        return SingleSample(*shown)


def _one(image: Image | None) -> ImageRows:
    """A single image, or none."""
    if image is None:
        return ImageRows(np.empty((1, 0, 0, 3), np.uint8), np.array([-1]))
    return ImageRows(np.ascontiguousarray(image)[None], np.array([0]))
