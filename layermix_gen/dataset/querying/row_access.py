"""One sample of a finished dataset: its row of the index, by its key, and its image, from its place in the tar."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isal import isal_zlib

from layermix_gen.dataset.dataset_files import DatasetFiles
from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import ADDRESS, address, tar_name
from layermix_gen.dataset.querying.queries import select
from layermix_gen.errors import BadImage, LayerMixError

PLACE = ("key", "plane", "shard", "offset", "size", "image_crc32")  # the columns that `stored_image` needs


def row_of(index: Sequence[Path], manifest: Manifest, key: str) -> dict[str, Any]:
    """The row of the sample with this key; where planes share keys, with this key and plane: `000000123-v03`.

    `index` are the files that may hold it. Raises `LayerMixError` where there is none.
    """
    unique = manifest.settings.keys == "unique"
    if found := re.fullmatch(ADDRESS, str(key)):
        number, plane = found.groups()
        where = f"key = '{key if unique else number}' AND plane = '{plane}'"
        for row in select(index, where, planes=manifest.planes):
            return row
    some = select(index, columns=["key", "plane"], limit=1, planes=manifest.planes)
    what = "the key" if unique else "the key and the plane"
    example = ", ".join(map(address, some))
    raise LayerMixError(f"expected {what} of a sample, such as {example}, got {key!r}; find keys with --where")


def check_row(manifest: Manifest, row: Mapping[str, Any], columns: Sequence[str]) -> None:
    """Raise `LayerMixError` for a row without one of the `columns` or of another dataset, and for what is no row."""
    if not isinstance(row, Mapping):
        raise LayerMixError(f"expected a row, as row() and query() return them, got {row!r}; look it up by row()")
    missing = [name for name in columns if name not in row]
    if missing:
        raise LayerMixError(f"expected a row with the columns {', '.join(columns)}, got none for {missing[0]}")
    if row["plane"] not in manifest.planes or row["shard"] not in range(manifest.shards):
        raise _foreign(row)


def tar_of(manifest: Manifest, row: Mapping[str, Any]) -> str:
    """The name of the tar that holds a row's image, by the columns of `PLACE`.

    Raises `LayerMixError` for a row without one of these, or of another dataset, and for what is no row.
    """
    check_row(manifest, row, PLACE)
    name = tar_name(row["plane"], row["shard"])
    tar = manifest.tars.get(name)
    if tar is None or row["size"] is None or not 0 <= row["offset"] <= row["offset"] + row["size"] <= tar["bytes"]:
        raise _foreign(row)
    return name


def _foreign(row: Mapping[str, Any]) -> LayerMixError:
    name = tar_name(row["plane"], row["shard"])
    return LayerMixError(f"expected a row of the dataset's own index, got {row['key']!r} in {name}")


def stored_image(files: DatasetFiles, manifest: Manifest, row: Mapping[str, Any]) -> bytes:
    """A row's stored image, still encoded. Raises `LayerMixError` where it is not as it was built."""
    name = tar_of(manifest, row)
    try:
        data = files.part(name, row["offset"], row["size"])
    except BadImage as error:
        raise LayerMixError(f"{address(row)} cannot be read: {error}; restore the file") from error
    if len(data) != row["size"] or isal_zlib.crc32(data) != row["image_crc32"]:
        raise LayerMixError(
            f"{address(row)} in {files.location}/{name} is not as it was built; "
            f"see `layermix-gen verify {files.location}`"
        )
    return data
