"""Where every image lies, from the index: one array for each column that is needed, of the planes that are needed.

A condition in SQL is answered by the same query, so that a selection reads no image and makes no second pass.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.index import COLUMNS, index_path
from layermix_gen.reading.description import Description
from layermix_gen.reading.order import Ints, Mask


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """The images of some planes of a dataset, in the order of shards and keys.

    `offsets`, `sizes` and `checksums` are (planes, images): place, bytes and CRC-32 of an image in its tar. `chosen`
    (planes, images) says which of them meet the condition. `starts` is the first image of each shard.
    """

    planes: tuple[str, ...]
    offsets: Ints
    sizes: npt.NDArray[np.uint32]
    checksums: npt.NDArray[np.uint32]
    chosen: Mask
    labels: Ints  # (images,)
    shards: npt.NDArray[np.int32]  # (images,)
    starts: Ints  # (shards,)


def load_catalog(folder: Path, description: Description, planes: Sequence[str], where: str | None) -> Catalog:
    """Read the index of a dataset, the files in `folder`/index.

    `where` is a condition on the columns of the index, in SQL. Raises `LayerMixError` where it is none, and where the
    index is damaged or is not the one of this dataset.
    """
    planes, counts = sorted(planes), np.array(description.counts, np.int64)
    files = [index_path(folder, number) for number in range(len(counts))]
    columns = _columns(folder, files, planes, where)
    if len(columns["size"]) != len(planes) * counts.sum():
        raise LayerMixError(_disagreement(folder, files, planes, counts))
    ends = np.cumsum(counts)
    starts = ends - counts

    def by_plane(name: str) -> Any:
        column, table = columns.pop(name), np.empty((len(planes), counts.sum()), columns_types[name])
        for start, end in zip(starts, ends, strict=True):
            table[:, start:end] = column[len(planes) * start : len(planes) * end].reshape(len(planes), -1)
        return table

    columns_types = {name: column.dtype for name, column in columns.items()}
    return Catalog(
        planes=tuple(planes),
        offsets=by_plane("offset"),
        sizes=by_plane("size"),
        checksums=by_plane("image_crc32"),
        chosen=by_plane("chosen"),
        labels=by_plane("label")[0].copy(),
        shards=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        starts=starts,
    )
