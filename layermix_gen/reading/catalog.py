"""Read from the index where every sample lies: one array for each needed column, with only the planes that are needed.

The same query evaluates a condition in SQL, so that a selection reads no image and makes no second pass. The condition
is one expression over the columns of the index, and runs in a database that can open no other file.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import address
from layermix_gen.dataset.querying.query_sandbox import REMEDY, check, expression, sandbox, time_limit, with_remedy
from layermix_gen.errors import LayerMixError, OutOfResources
from layermix_gen.reading.order import Ints, Mask
from layermix_gen.reading.soft_labels import SoftLabels, class_count
from layermix_gen.support.database import quoted, refusals, rows

_COLUMNS = {name: f'"{name}"' for name in ("shard", "file_row_number", "label")}
_COLUMNS |= {name: f'coalesce("{name}", 0)' for name in ("offset", "size")}  # virtual planes have none
_COLUMNS |= {name: f'coalesce("{name}", 0::UINTEGER)' for name in ("image_crc32", "json_crc32")}
_PLAIN = {"json_crc32": "0::UINTEGER"}  # where the samples' JSON is not read
_IDS = {"ids": "('0x' || right(md5(source), 16))::UBIGINT"}  # md5_number_lower is none of the functions in queries
_SOFT = {"label2": "label2::INTEGER", "label_weight": "label_weight::FLOAT"}


def id_digest(source: str) -> int:
    """The digest of a source id, as `_IDS` computes it."""
    return int(md5(source.encode(), usedforsecurity=False).hexdigest()[16:], 16)


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """The images of a dataset in some of its planes, in the order of shards and keys, from the index `files`.

    `offsets`, `sizes` and `checksums` (planes, images) are offset, bytes and CRC-32 of an image in its tar, 0 where the
    plane is virtual; `json_checksums` (planes, images) are those of the samples' JSON, 0 where they were not asked for;
    `chosen` (planes, images) says which samples meet the condition. `labels` and `shards` are (images,). `soft` are the
    second labels, if they were asked for, and `ids` (images,) digests of the source ids.
    """

    files: Sequence[Path]
    planes: tuple[str, ...]
    offsets: Ints
    sizes: Ints
    checksums: npt.NDArray[np.uint32]
    json_checksums: npt.NDArray[np.uint32]
    chosen: Mask
    labels: Ints
    shards: npt.NDArray[np.int32]
    soft: SoftLabels | None
    ids: npt.NDArray[np.uint64] | None = None

    @property
    def source_ids(self) -> npt.NDArray[np.uint64]:
        """Digests of the source ids: (images,)."""
        if self.ids is None:
            raise ValueError("a catalog without ids")
        return self.ids

    def only(self, plane: str) -> "Catalog":
        """The catalog of one of the planes."""
        names = ("offsets", "sizes", "checksums", "json_checksums", "chosen")
        number = self.planes.index(plane)
        tables = {name: getattr(self, name)[[number]] for name in names}
        return replace(self, planes=(plane,), soft=None, **tables)

    def address(self, plane: int, image: int) -> str:
        """The address of a sample by the index, or its number in the tar if the index can no longer be read."""
        shard = int(self.shards[image])
        row = image - int(np.searchsorted(self.shards, shard))
        try:
            return _addresses(self.files[shard], self.planes[plane])[row]
        except (LayerMixError, IndexError):
            return f"number {row} of its tar"


@lru_cache(maxsize=16)  # every image of a lost shard asks for its address
def _addresses(path: Path, plane: str) -> list[str]:
    with sandbox([path]) as db:
        of_plane = rows(db, "SELECT key, plane FROM samples WHERE plane = ? ORDER BY key", [plane])
        return [address(row) for row in of_plane]


def load_catalog(
    files: Sequence[Path],
    manifest: Manifest,
    planes: Sequence[str],
    where: str | None = None,
    *,
    metadata: bool = False,
    soft_labels: bool = False,
    ids: bool = False,
) -> Catalog:
    """Read the index `files` of a dataset, one for each shard; with `metadata`, for reading the samples' JSON too.

    With `soft_labels`, second labels are read, too, and with `ids`, digests of the source ids.

    `where` is a condition in SQL on the columns of the index. Raises `LayerMixError` if it is not a condition, if it
    would not choose the same on every rank and every day, or if the index is damaged or belongs to another dataset.
    """
    planes, counts = sorted(planes), np.array(manifest.counts, np.int64)
    wanted = _COLUMNS | ({} if metadata else _PLAIN) | (_SOFT if soft_labels else {})
    wanted |= _IDS if ids else {}
    columns = _query(files, planes, where, wanted, manifest.planes)
    shards, numbers = columns.pop("shard"), columns.pop("file_row_number").astype(np.int32)
    places = _places(shards, columns.pop("plane_number"), numbers, counts, len(planes))
    if places is None:
        raise LayerMixError(_disagreement(files, sorted(manifest.planes), counts))
    tables = {name: _by_plane(column, places, len(planes)) for name, column in columns.items()}
    if (tables["label"] != tables["label"][0]).any():
        raise LayerMixError(f"expected the same labels in all planes in {files[0].parent}; restore it")
    catalog = Catalog(
        files,
        tuple(planes),
        offsets=tables["offset"],
        sizes=tables["size"],
        checksums=tables["image_crc32"],
        json_checksums=tables["json_crc32"],
        chosen=tables["chosen"],
        labels=tables["label"][0].copy(),
        shards=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        soft=_soft_labels(files, manifest, tables) if soft_labels else None,
        ids=tables["ids"][0].copy() if ids else None,
    )
    _check_inside(catalog, manifest)
    return catalog


def _soft_labels(files: Sequence[Path], manifest: Manifest, tables: Mapping[str, npt.NDArray[Any]]) -> SoftLabels:
    second, names = tables["label2"], manifest.source.classes
    if names:
        largest = int(max(tables["label"].max(initial=-1), second.max(initial=-1)))
    else:  # that of all planes: each reader is to have as many classes
        with sandbox(files, manifest.planes) as db:
            ((largest,),) = db.execute("SELECT coalesce(max(greatest(label, label2)), -1) FROM samples").fetchall()
    return SoftLabels(second, tables["label_weight"], class_count(names, largest, str(files[0].parent)))


def _check_inside(catalog: Catalog, manifest: Manifest) -> None:
    """Raise `LayerMixError` if an image ends behind its tar, or has no place in one, or has one in a virtual plane."""
    for plane, offsets, sizes in zip(catalog.planes, catalog.offsets, catalog.sizes, strict=True):
        if plane in manifest.virtual_planes and not sizes.any():
            continue
        ends = np.array([manifest.tar(plane, number).bytes for number in range(manifest.shards)])
        outside = (offsets > ends[catalog.shards] - sizes) | (sizes == 0)
        if outside.any():
            path = catalog.files[catalog.shards[outside.argmax()]]
            raise LayerMixError(
                f"expected images of {plane} that end inside of their tar in {path}, found another; restore it"
            )


def _places(
    shards: Ints, planes: npt.NDArray[np.uint8], rows: npt.NDArray[np.int32], counts: Ints, planes_read: int
) -> Ints | None:
    """The places of index rows, numbers `rows` in the indexes of `shards`, in a flattened table (planes, images).

    An index holds all planes of its shard one after the other, each with as many images, so that a row's number tells
    its image, whichever planes were added before it. The order in which the rows arrive is not reliable:
    DuckDB returns them thread by thread. None if the rows cannot come from such indexes.
    """
    total = int(counts.sum())
    if len(rows) != planes_read * total or (len(rows) and not 0 <= shards.min() <= shards.max() < len(counts)):
        return None
    if not counts[shards].all():
        return None
    image = rows % counts.astype(np.int32)[shards]
    places = planes * np.int64(total) + (np.cumsum(counts) - counts)[shards] + image
    found = np.zeros(len(rows), bool)
    found[places] = True
    return places if found.all() else None


def _by_plane(column: npt.NDArray[Any], places: Ints, planes: int) -> npt.NDArray[Any]:
    """Arrange a column as (planes, images)."""
    table = np.empty_like(column)
    table[places] = column
    return table.reshape(planes, -1)


def _query(
    files: Sequence[Path],
    planes: Sequence[str],
    where: str | None,
    wanted: Mapping[str, str],
    declared: Sequence[str] | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """The columns `wanted`, in SQL, `plane_number` and `chosen` of the rows of some planes, in any order."""
    condition = "true" if where is None else f"coalesce(({expression('where', where)}), false)"
    numbers = " ".join(f"WHEN plane = {quoted(plane)} THEN {number}" for number, plane in enumerate(planes))
    columns = {**wanted, "plane_number": f"(CASE {numbers} END)::UTINYINT", "chosen": condition}
    sql = f"SELECT {', '.join(columns.values())} FROM samples WHERE plane IN ({', '.join(map(quoted, planes))})"
    with sandbox(files, declared) as db:
        if where is None:
            return dict(zip(columns, db.execute(sql).fetchnumpy().values(), strict=True))
        try:
            with refusals(lambda reason: LayerMixError(with_remedy(reason)), files=False):
                check(db, sql)
                with time_limit(db):
                    found = list(db.execute(sql).fetchnumpy().values())
        except OutOfResources:  # which says nothing of the condition
            raise
        except LayerMixError as error:
            _query(files, planes, None, wanted, declared)  # raises if the index is the cause
            raise LayerMixError(f"where={where!r} is no condition on the index: {error}") from error
    if len(found) != len(columns) or found[-1].dtype != np.bool_:
        raise LayerMixError(f"where={where!r} is no condition: expected true or false of it; {REMEDY}")
    return dict(zip(columns, found, strict=True))


def _disagreement(files: Sequence[Path], planes: Sequence[str], counts: Ints) -> str:
    """The message that names the shard whose index has other rows than the manifest says."""
    for path, count in zip(files, counts, strict=True):
        with sandbox([path]) as db:
            found = [row["plane"] for row in rows(db, "SELECT plane FROM samples ORDER BY plane, key")]
        if Counter(found) != Counter(dict.fromkeys(planes, count)):
            return (
                f"expected {count} samples of each of {', '.join(planes)} in {path}, found other rows; it is another "
                "dataset's index: restore this one's or build it again"
            )
    return f"the index in {files[0].parent} belongs to other shards; restore it or build it again"
