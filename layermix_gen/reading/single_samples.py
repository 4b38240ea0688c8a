"""Single samples to look at, by index or key. They are read one at a time from the files; no loop should train so."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from layermix_gen.dataset.querying.row_access import row_of, stored_image
from layermix_gen.errors import LayerMixError
from layermix_gen.images.codec import decode
from layermix_gen.images.thumbnails import thumbnail
from layermix_gen.reading.batches.metadata import FIELDS
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.selection import Selection
from layermix_gen.reading.storage.base import Storage
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


def sample_at(
    storage: Storage, catalog: Catalog, selection: Selection, index: SupportsIndex, epoch: int, *, several: bool
) -> SingleSample:
    """The sample of the selected image at `index`, from the end if negative, in the planes that it shows in an epoch.

    Images are in the order of shards and keys. Raises `NoSampleError` where there is none.
    """
    count = len(selection)
    try:
        place = operator.index(index)
    except TypeError:
        raise LayerMixError(f"expected an index or a key of a sample, got {index!r:.80}; give one of them") from None
    if not -count <= place < count:
        raise NoSampleError(f"expected an index in [-{count}, {count - 1}] of {count} images, got {place}; change it")
    image = int(selection.images[place])
    planes = selection.planes(np.array([place % count]), epoch)[0].tolist()
    shard = storage.indexes[int(catalog.shards[image])]
    rows = [row_of([shard], storage.manifest, catalog.address(plane, image)) for plane in planes]
    return _sample(storage, rows, several=several)


def sample_of(storage: Storage, key: str) -> SingleSample:
    """The sample with a key, whether it is selected or not. Raises `LayerMixError` where there is none."""
    return _sample(storage, [row_of(storage.indexes, storage.manifest, key)], several=False)


def _sample(storage: Storage, rows: Sequence[Mapping[str, Any]], *, several: bool) -> SingleSample:
    images = [decode(stored_image(storage.files, storage.manifest, row)) for row in rows]
    views = [{name: row[name] for name in FIELDS} for row in rows]
    label, name = rows[0]["label"], rows[0]["class_name"]
    shown = (np.stack(images), label, name, views) if several else (images[0], label, name, views[0])
    return SingleSample(*shown)
