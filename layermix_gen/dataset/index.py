"""The index: one Parquet file per shard, with a row for each sample and a summary of the shard.

A row holds a sample's metadata and where its image lies in which tar, so that no tar is searched for queries or random
access. The summary is the shard's seal: it is written with the rows, last of all, and holds the size and sha256 of
every tar of the shard. DuckDB writes and reads the files; rows reach it as lines of JSON.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib

from layermix_gen.dataset.names import KEY, PLANE, SHA256, found_indexes, index_path
from layermix_gen.dataset.skipped import Skipped
from layermix_gen.dataset.tar import MAX_SIZE, TarSummary
from layermix_gen.errors import LayerMixError, OutOfResources
from layermix_gen.images import Image
from layermix_gen.support.database import (
    Database,
    connected_again,
    json_lines,
    list_of,
    parquet,
    pattern_of,
    quoted,
    rows,
    struct_of,
)
from layermix_gen.support.files import replacing
from layermix_gen.support.parsing import made_of, parse_object

COLUMNS = {
    "plane": "VARCHAR",
    "shard": "INTEGER",
    "key": "VARCHAR",
    "offset": "BIGINT",  # of the image in its tar, in bytes
    "size": "BIGINT",  # of the image, in bytes
    "image_crc32": "UINTEGER",  # of the image as it is stored
    "pixels_crc32": "UINTEGER",  # of the rendered pixels before encoding, (H, W, 3) in C order
    "source_crc32": "UINTEGER",  # of the decoded source image, see `source_checksum`
    "json_crc32": "UINTEGER",  # of the sample's JSON in the tar, see `json_checksum`
    "source": "VARCHAR",
    "label": "BIGINT",
    "class_name": "VARCHAR",
    "other": "VARCHAR",
    "label2": "BIGINT",
    "label_weight": "DOUBLE",
    "method": "VARCHAR",
    "variant": "INTEGER",
    "layer": "INTEGER",
    "op": "VARCHAR",
    "ops": "VARCHAR[]",
    "op_args": "DOUBLE[]",
    "blends": "VARCHAR[]",
    "blend_args": "DOUBLE[]",
    "picture": "INTEGER",
    "picture_view": "INTEGER[]",
    "view": "DOUBLE[]",
    "recipe": "VARCHAR",
}
_VIRTUAL = '"size" IS NULL'  # of the rows of virtual planes, which have no image in a tar
_BOUNDS = {  # what the values of a column fulfil, in SQL with {} for the column
    "shard": "{} >= 0",
    "key": f"regexp_full_match({{}}, '{KEY}')",
    "offset": f"coalesce({{}} >= 0, {_VIRTUAL})",
    "size": f"coalesce({{}} BETWEEN 1 AND {MAX_SIZE}, true)",
    "image_crc32": f"{{}} IS NOT NULL OR {_VIRTUAL}",
    "json_crc32": f"{{}} IS NOT NULL OR {_VIRTUAL}",
    "label": f"{{}} BETWEEN -1 AND {2**31 - 1}",
    "label2": f"{{}} BETWEEN -1 AND {2**31 - 1}",
    "label_weight": "{} BETWEEN 0 AND 1",
    "variant": "{} >= -1",
    "layer": "{} BETWEEN 0 AND 3",
}
_BOUNDS_OF_TYPES = {
    "VARCHAR": "strlen({}) <= 4096",
    "VARCHAR[]": "list_count({}) = len({})",  # which counts no NULL
    "INTEGER[]": "list_count({}) = len({})",
    "DOUBLE[]": "list_count({}) = len({}) AND isfinite(list_sum({}))",
}
METADATA = tuple(list(COLUMNS)[list(COLUMNS).index("source") :])  # the columns that a sample's JSON has, too
_SEAL = "layermix_gen"
DAMAGED_ROW = "a row has no value in its range"


@dataclass(frozen=True, slots=True)
class ShardSummary:
    """The summary of a finished shard: its tars by their planes, and its virtual planes. inputs = written + skipped."""

    number: int
    inputs: int
    written: int
    skipped: tuple[Skipped, ...]
    planes: dict[str, TarSummary]
    virtual: tuple[str, ...] = ()

    def as_json(self) -> str:
        """The text that the index keeps; without virtual planes, it does not name them."""
        facts = asdict(self)
        return json.dumps(facts if self.virtual else {name: facts[name] for name in facts if name != "virtual"})

    @classmethod
    def from_json(cls, text: str) -> "ShardSummary":
        """Rebuild a summary from the text of `as_json`. Raises ValueError for any other text."""
        summary = made_of(cls, parse_object(text))
        if min(summary.number, summary.written) < 0 or summary.inputs != summary.written + len(summary.skipped):
            raise ValueError(f"{summary.inputs} inputs, of which {summary.written} written")
        for plane, tar in summary.planes.items():
            if not re.fullmatch(PLANE, plane) or not re.fullmatch(SHA256, tar.sha256) or tar.bytes < 0:
                raise ValueError(f"a tar {plane!r} of {tar.bytes} bytes with sha256 {tar.sha256!r}")
        if wrong := [plane for plane in summary.virtual if plane in summary.planes or not re.fullmatch(PLANE, plane)]:
            raise ValueError(f"a virtual plane {wrong[0]!r}")
        return summary


def source_checksum(pixels: Image) -> int:
    """The CRC-32 of a decoded source image (H, W, 3), begun with its height, so that other shapes give other values."""
    return isal_zlib.crc32(np.ascontiguousarray(pixels), pixels.shape[0])


def json_checksum(key: bytes, text: bytes | memoryview) -> int:
    """The CRC-32 of a sample's key followed by the text of its JSON."""
    return isal_zlib.crc32(text, isal_zlib.crc32(key))


def metadata_text(row: Mapping[str, Any]) -> str:
    """The JSON text that the tar holds for the sample of a row."""
    return json.dumps({name: row[name] for name in METADATA}, ensure_ascii=False)


def write_index(path: Path, listing: Path, summary: ShardSummary, kept: Iterable[str] = ()) -> None:
    """Write the index of a shard, atomically: its rows, from the `listing`, a JSON object a line, and its summary.

    The rows of the planes `kept` are copied from the index that is there. The file has all rows plane by plane, in the
    order of the samples, no matter which were written first.
    """
    table = f"SELECT * FROM {json_lines(listing, COLUMNS)}"
    if names := ", ".join(map(quoted, kept)):
        table = f"SELECT * FROM {parquet([path])} WHERE plane IN ({names}) UNION ALL {table}"
    seal = struct_of({_SEAL: summary.as_json()})
    with replacing(path) as draft, _database() as db:
        db.execute(
            f"COPY (SELECT * FROM ({table}) ORDER BY plane, key) TO {quoted(draft.absolute())} "
            f"(FORMAT parquet, COMPRESSION zstd, KV_METADATA {seal})"
        )


def samples_in(db: Database, files: Sequence[Path]) -> str:
    """A SELECT in SQL of all rows of index `files`, in which a value that is used, but is out of range, is an error.

    The columns are `COLUMNS` and `file_row_number`. Raises ValueError where the files have others.
    """
    table = parquet(files, ", file_row_number = true")
    found = {row["column_name"]: row["column_type"] for row in rows(db, f"DESCRIBE SELECT * FROM {table}")}
    wanted = COLUMNS | {"file_row_number": "BIGINT"}
    if found != wanted:
        name = next(name for name in (*wanted, *found) if found.get(name) != wanted.get(name))
        raise ValueError(f"its column {name} is {found.get(name, 'missing')}, not {wanted.get(name, 'known')}")
    return f"SELECT {', '.join(map(_checked, COLUMNS))}, file_row_number FROM {table}"


def row_counts(db: Database, files: Sequence[Path]) -> list[int]:
    """How many rows each of the index `files` has, by their footers: no row is read, and these may be very many."""
    groups = f"SELECT * FROM parquet_metadata({list_of(map(pattern_of, files))}) WHERE column_id = 0"
    counts = rows(db, f"SELECT file_name, sum(row_group_num_rows)::BIGINT AS count FROM ({groups}) GROUP BY file_name")
    found = {row["file_name"]: row["count"] for row in counts}
    return [found.get(os.path.realpath(path), 0) for path in files]  # without rows there are no groups of them


def _checked(name: str) -> str:
    """A column that raises an error where a value of it is missing or out of range."""
    column, kind = f'"{name}"', COLUMNS[name]
    bound = _BOUNDS.get(name, _BOUNDS_OF_TYPES.get(kind, "{} IS NOT NULL")).replace("{}", column)
    wrong = quoted(f"{DAMAGED_ROW}: {name}")
    return f"CASE WHEN {bound} THEN {column} ELSE error({wrong}) END AS {column}"  # also where `bound` is NULL


def read_summary(root: Path, number: int) -> ShardSummary | None:
    """The summary of one shard, or None if it is not finished: it has no index, or its file holds no such summary."""
    path = index_path(root, number)
    found = _summaries([path]) if path.exists() else []
    return next((summary for summary in found if summary.number == number), None)


def read_summaries(root: Path) -> dict[int, ShardSummary]:
    """The summaries of all shards that are finished, by number."""
    if not (files := found_indexes(root)):
        return {}
    summaries = sorted(_summaries(files), key=lambda summary: summary.number)
    return {summary.number: summary for summary in summaries}


def source_checksums(root: Path, number: int, plane: str) -> dict[str, int]:
    """The checksum of each source image in a plane of a finished shard, by the image's id."""
    with connected_again(_unreadable) as db:
        table = parquet([index_path(root, number)])
        of_plane = rows(db, f"SELECT source, source_crc32 FROM {table} WHERE plane = ?", [plane])
        return {row["source"]: row["source_crc32"] for row in of_plane}


def summary_in(db: Database, path: Path) -> ShardSummary:
    """The summary in one index, read by an open database. Raises ValueError where there is none, or it is damaged."""
    (summary,) = _summaries_in(db, [path])
    return summary


def _summaries(files: Sequence[Path]) -> list[ShardSummary]:
    try:
        with _database() as db:
            return _summaries_in(db, files)
    except ValueError as error:
        raise _unreadable(f"a summary in {files[0].parent} is damaged ({error})") from error


def _summaries_in(db: Database, files: Sequence[Path]) -> list[ShardSummary]:
    seals = f"SELECT decode(value) AS seal FROM parquet_kv_metadata({list_of(map(pattern_of, files))})"
    return [ShardSummary.from_json(row["seal"]) for row in rows(db, f"{seals} WHERE decode(key) = '{_SEAL}'")]


@contextmanager
def _database() -> Iterator[Database]:
    """A database to read or write an index with; its errors say how to go on with a build."""
    try:
        with connected_again(_unreadable) as db:
            yield db
    except OutOfResources as error:
        raise OutOfResources(
            f"the index cannot be read or written: {error}, then run the same command to resume"
        ) from error


def _unreadable(reason: str) -> LayerMixError:
    return LayerMixError(
        f"the index cannot be read or written: {reason}; delete the file if it is damaged, then run the same command "
        "to resume"
    )
