"""The inputs of a build in planned order: a row of a Parquet file for each, of which a worker reads those of its shard.

The order is that of a digest of seed and id: as good as shuffled, the same on every machine, and the same for all other
inputs where one is added. Inputs pass through DuckDB as a source yields them, which sorts on disk what does not fit
into `MEMORY`: what a listing takes of memory does not grow with the number of inputs.
"""

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np

from layermix_gen.dataset.names import LISTING
from layermix_gen.dataset.outlets.holders import scratch_folder
from layermix_gen.errors import LayerMixError, OutOfResources
from layermix_gen.sources import Item
from layermix_gen.sources.base import MAX_ID
from layermix_gen.support.database import Database, connected, connected_again, parquet, quoted, refusals, rows
from layermix_gen.support.files import cannot_read, file_digest, reason, regular, with_retries, writing
from layermix_gen.support.parsing import parse_json
from layermix_gen.support.progress import progress_bar

COLUMNS = {
    "number": "BIGINT",  # of the input, in planned order
    "id": "VARCHAR",
    "label": "BIGINT",
    "size": "BIGINT",  # in bytes
    "version": "VARCHAR",  # see `Item`
    "place": "VARCHAR",  # `Item.at` as JSON, "" for none
}
BATCH = 1 << 16  # inputs that are handed to DuckDB at once
GROUP = 1 << 14  # rows of a row group, which is read as a whole; the more there are, the longer the footer takes
MEMORY, MOST_MEMORY = "256MB", "4GB"  # of DuckDB, which sorts on disk what takes more; the second for very long names
WRITE_AGAIN = "delete it and run the same command to write it again"
_LONGEST = 1024  # characters of a version


@dataclass(frozen=True, slots=True, eq=False)
class Listing(Sequence[Item]):
    """The inputs of a build in planned order. `digest` is over ids, labels and sizes, `sha256` is of the file."""

    path: Path
    total: int
    digest: str
    sha256: str
    labels: Counter[int]  # how many inputs have each label
    _folder: tempfile.TemporaryDirectory[str]

    def close(self) -> None:
        """Remove the file. It goes with this object, too, but a signal that comes at that moment would be lost."""
        self._folder.cleanup()

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[Item]:
        yield from read_items(self.path, 0, self.total)  # which keeps this object, and so the file

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        numbers = range(self.total)[place]
        if isinstance(numbers, int):
            return next(read_items(self.path, numbers, numbers + 1))
        start, stop = min(numbers, default=0), max(numbers, default=-1) + 1
        items = list(read_items(self.path, start, stop))
        return [items[number - start] for number in numbers]

    def spread(self, most: int) -> list[Item]:
        """A few inputs from all over the source, sorted by id, whatever the seed."""
        with opened(self.path) as db:
            found = rows(db, f"SELECT * FROM listing ORDER BY md5_number_lower(id), id LIMIT {most}")
            return sorted(map(_item, found), key=lambda item: item.id)

    def labels_between(self, start: int, stop: int) -> Counter[int]:
        """How many of the inputs from number `start` up to `stop` have each label."""
        return _labels(self.path, f"number >= {start} AND number < {stop}")

    def labels_of(self, ids: Sequence[str]) -> Counter[int]:
        """How many of the inputs with these ids have each label."""
        return labels_of(self.path, ids)


def list_items(items: Iterable[Item], seed: int, progress: bool = False, known: Path | None = None) -> Listing:
    """List the items of a source in the order that the seed gives, in a temporary file.

    `known` is a listing in that order, of which a copy is taken if it has the same items: sorting and writing them is
    half of the work. Raises `LayerMixError` where there is no room for temporary files, and what `items` raises.
    """
    with writing(tempfile.gettempdir(), "set TMPDIR to another folder"):
        folder = scratch_folder()
    try:
        return _listed(items, seed, progress, known, folder)
    except BaseException:
        folder.cleanup()
        raise


def _listed(
    items: Iterable[Item], seed: int, progress: bool, known: Path | None, folder: tempfile.TemporaryDirectory[str]
) -> Listing:
    path = Path(folder.name) / LISTING
    settings = {"threads": 1, "memory_limit": MEMORY, "temp_directory": folder.name}  # one: for the same bytes
    with _database(settings) as db:
        db.execute(f"CREATE TABLE found ({', '.join(f'{name} {kind}' for name, kind in list(COLUMNS.items())[1:])})")
        with progress_bar(None, "image", progress, desc="listing", delay=1, leave=False, unit_scale=True) as bar:
            remaining = iter(items)
            while batch := list(islice(remaining, BATCH)):
                _insert(db, batch)
                bar.update(len(batch))
        count, digest = _digest(db, "found")
        labels = Counter(dict(db.execute("SELECT label, count(*) FROM found GROUP BY label").fetchall()))
        if known and _is_of(db, known):
            shutil.copyfile(known, path)
        else:
            _write(db, seed, path)
            _refuse_repeated(db, path)
    return Listing(path, count, digest, with_retries(lambda: file_digest(path), path), labels, folder)


@contextmanager
def _database(settings: Mapping[str, Any]) -> Iterator[Database]:
    """A database to list a source in; its errors say where the temporary files are."""
    where = f"the source cannot be listed in {tempfile.gettempdir()}"
    try:
        with connected(lambda why: LayerMixError(f"{where}: {why}; set TMPDIR to another folder"), settings) as db:
            yield db
    except OutOfResources as error:
        raise OutOfResources(f"{where}: {error}, or set TMPDIR, then run the same command to resume") from error


def _insert(db: Database, items: Sequence[Item]) -> None:
    """Append items to the table `found`."""
    columns = {
        "id": np.array([item.id for item in items], dtype=object),
        "label": np.array([item.label for item in items], dtype=np.int64),
        "size": np.array([item.size for item in items], dtype=np.int64),
        "version": np.array([item.version for item in items], dtype=object),
        "place": np.array([json.dumps(item.at) if item.at else "" for item in items], dtype=object),
    }
    db.register("batch", columns)
    db.execute("INSERT INTO found SELECT * FROM batch")
    db.unregister("batch")


def _write(db: Database, seed: int, path: Path) -> None:
    """Write the inputs of the table `found` in planned order."""
    in_order = f"SELECT * FROM found ORDER BY {_order(seed)}, id, place"
    numbered = f"SELECT row_number() OVER () - 1 AS number, * FROM ({in_order})"
    copy = f"COPY ({numbered}) TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {GROUP})"
    try:
        with refusals(LayerMixError):
            db.execute(copy)
    except OutOfResources:
        db.execute(f"SET memory_limit = '{MOST_MEMORY}'")
        db.execute(copy)


def _refuse_repeated(db: Database, path: Path) -> None:
    """Raise `LayerMixError` for an input that is there twice: rows of one id follow each other."""
    pairs = f"SELECT id, lag(id) OVER () AS last FROM {parquet([path])}"
    for row in rows(db, f"SELECT id FROM ({pairs}) WHERE id = last LIMIT 1"):
        raise LayerMixError(f"expected each image of the source once, found {row['id']} twice; take one out")


def _is_of(db: Database, path: Path) -> bool:
    """Whether a listing has all items of the table `found`, and no others."""
    columns = [name for name in COLUMNS if name != "number"]
    return _digest(db, "found", columns) == _digest(db, parquet([path]), columns)


def _digest(db: Database, table: str, columns: Sequence[str] = ("id", "label", "size")) -> tuple[int, str]:
    """The number of inputs in a table, and the digest of some columns, which does not depend on their order.

    It is one of the sums of both halves of the MD5 of each, so that nothing has to be sorted for it.
    """
    sums = ", ".join(f"coalesce(sum(({half})::HUGEINT), 0)" for half in ("md5 >> 64", f"md5 & {2**64 - 1}"))
    digests = f"SELECT md5_number(concat_ws(chr(0), {', '.join(columns)})) AS md5 FROM {table}"
    (found,) = db.execute(f"SELECT count(*), {sums} FROM ({digests})").fetchall()
    return found[0], hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _order(seed: int) -> str:
    """What inputs are sorted by, in SQL."""
    return f"md5_number_lower(concat('{seed}', chr(10), id))"


def labels_in(path: Path) -> Counter[int]:
    """How many inputs of a listing have each label."""
    return _labels(path, "true")


def labels_of(path: Path, ids: Sequence[str]) -> Counter[int]:
    """How many of the inputs of a listing with these ids have each label."""
    return _labels(path, "id IN (SELECT unnest(?::VARCHAR[]))", [list(ids)])


def _labels(path: Path, condition: str, values: Sequence[Any] = ()) -> Counter[int]:
    sql = f"SELECT label, count(*) AS count FROM listing WHERE {condition} GROUP BY label"
    with opened(path) as db:
        return Counter({row["label"]: row["count"] for row in rows(db, sql, values)})


@contextmanager
def opened(path: Path, settings: Mapping[str, Any] | None = None) -> Iterator[Database]:
    """A database in which `listing` has the rows of a listing.

    It is one that stays open, or a new one with `settings`. Raises FileNotFoundError where there is no such file, and
    `LayerMixError` where it cannot be read.
    """
    try:
        with_retries(lambda: regular(path), path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise cannot_read(path, reason(error), WRITE_AGAIN) from error

    def damaged(why: str) -> LayerMixError:
        return LayerMixError(f"{LISTING} is damaged ({why}); {WRITE_AGAIN}")

    with connected(damaged, settings) if settings else connected_again(damaged) as db:
        db.execute(f"CREATE TEMP VIEW listing AS SELECT {', '.join(COLUMNS)} FROM {parquet([path])}")
        yield db


def read_items(path: Path, start: int, stop: int) -> Iterator[Item]:
    """The inputs from number `start` up to `stop`, read from a listing, and nothing else.

    Raises FileNotFoundError where there is none, and `LayerMixError` where it is damaged.
    """
    if start >= stop:
        return
    expected = start
    with opened(path) as db:
        for row in rows(db, f"SELECT * FROM listing WHERE number >= {start} AND number < {stop} ORDER BY number"):
            if row["number"] != expected:
                break
            yield _item(row)
            expected += 1
    if expected < stop:
        raise _damaged(expected)


def excerpt(path: Path, start: int, stop: int) -> bytes:
    """The inputs from number `start` up to `stop` of a listing, as the bytes of a file that `read_items` can read."""
    with scratch_folder() as folder, opened(path) as db:
        part = Path(folder) / LISTING
        where = f"number >= {start} AND number < {stop}"
        db.execute(f"COPY (SELECT * FROM listing WHERE {where} ORDER BY number) TO {quoted(part)} (FORMAT parquet)")
        return part.read_bytes()


def _item(row: Mapping[str, Any]) -> Item:
    """The item of a row. Raises `LayerMixError` where it is none."""
    number, source_id, label, size, version, place = row.values()
    try:
        if list(map(type, row.values())) != [int, str, int, int, str, str] or size < 0 or len(version) > _LONGEST:
            raise ValueError("no item of a source")
        if len(source_id.encode()) > MAX_ID or "\0" in source_id:
            raise ValueError("no id")
        return Item(source_id, label, size, _place(place), version)
    except (ValueError, TypeError) as error:
        raise _damaged(number) from error


def _place(text: str) -> tuple[int | str, ...]:
    at = parse_json(text) if text else []
    if not isinstance(at, list) or not {*map(type, at)} <= {int, str}:
        raise ValueError("no place in a source")
    return tuple(at)


def _damaged(number: object) -> LayerMixError:
    return LayerMixError(f"{LISTING} is damaged at input {number}; {WRITE_AGAIN}")


def check_items(path: Path, seed: int, count: int, digest: str) -> None:
    """Raise `LayerMixError` unless a listing has so many inputs, with this digest, in the order that the seed gives."""
    with opened(path, {"threads": 1, "memory_limit": MEMORY, "temp_directory": tempfile.gettempdir()}) as db:
        if _digest(db, "listing") != (count, digest):
            raise LayerMixError("its inputs are not those of the plan")
        keys = f"SELECT number, {_order(seed)} AS key, row_number() OVER () - 1 AS place FROM listing"
        steps = f"SELECT *, lag(key) OVER () AS last FROM ({keys})"
        if db.execute(f"SELECT count(*) FROM ({steps}) WHERE number != place OR key < last").fetchall() != [(0,)]:
            raise LayerMixError("its inputs are in another order than that of the plan")
