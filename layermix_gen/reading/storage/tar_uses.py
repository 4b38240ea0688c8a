"""Which tars the batches of an epoch read, and when: what a storage may fetch ahead, and when it may remove it."""

from collections.abc import Callable

import numpy as np

from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import tar_name
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.order import Ints
from layermix_gen.reading.storage.base import TarUse
from layermix_gen.reading.storage.tar_cache import spans


def tar_uses(
    catalog: Catalog, manifest: Manifest, images: Ints, count: int, part: Callable[[int], tuple[Ints, Ints]]
) -> list[TarUse]:
    """The tars that `count` batches read, each with the first and the last batch that reads it.

    `part(i)` gives the rows of the selection (B,), whose images are `images`, and the planes (B, V) of batch i.
    """
    shards = len(manifest.counts)

    def tars(number: int) -> Ints:
        rows, planes = part(number)
        return (planes * shards + catalog.shards[images[rows], None]).ravel()

    first, last = spans(((number, tars(number)) for number in range(count)), len(catalog.planes) * shards)
    uses = []
    for tar in np.flatnonzero(last >= 0).tolist():
        plane, shard = catalog.planes[tar // shards], tar % shards
        size = manifest.tar(plane, shard).bytes
        uses.append(TarUse(tar_name(plane, shard), size, int(first[tar]), int(last[tar])))
    return uses
