"""Parquet files by DuckDB: their columns under the names that are in the file, and the cells of chosen columns."""

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.sources.columnar.features import BINARY, OTHER, STRUCT
from layermix_gen.support.database import FETCHED, Database, connected, open_database, pattern_of, quoted, refusals
from layermix_gen.support.files import cannot_read
from layermix_gen.support.text import count, message_of

T = TypeVar("T")

MAX_KEPT = 1 << 27  # bytes of the groups of rows that a process keeps in memory


@dataclass(frozen=True, slots=True)
class Column:
    """A column at the top level of a file: its name there, the name by which SQL finds it, and its type in SQL."""

    name: str
    sql: str
    type: Any

    @property
    def form(self) -> str:
        """Whether the column is binary, or a struct with a binary field `bytes`, or something other."""
        if self.type.id == "struct" and "blob" in [kind.id for name, kind in self.type.children if name == "bytes"]:
            return STRUCT
        return BINARY if self.type.id == "blob" else OTHER

    @property
    def bytes_sql(self) -> str:
        """The bytes in a column of images, in SQL."""
        return f"{self.sql}.bytes" if self.form == STRUCT else self.sql


@dataclass(frozen=True, slots=True)
class OpenedParquet:
    """A Parquet file that is opened."""

    columns: list[Column]
    metadata: dict[bytes, bytes]
    groups: list[tuple[int, int]]  # of rows: how many there are in each, and their bytes
    _db: Database
    _pattern: str

    def fetched(self, *expressions: str | None, rows: range | None = None) -> list[tuple[Any, ...]]:
        """Some expressions in SQL of all rows, or of those in a range; None gives None."""
        table = self._db.read_parquet(self._pattern, hive_partitioning=False, file_row_number=rows is not None)
        if rows is not None:
            table = table.filter(f"file_row_number BETWEEN {rows.start} AND {rows.stop - 1}")
        return table.project(_listed(expressions)).fetchall()

    def streamed(self, *expressions: str | None) -> Iterator[tuple[Any, ...]]:
        """Some expressions of all rows, a few rows at a time."""
        table = f"read_parquet({quoted(self._pattern)}, hive_partitioning = false)"
        found = self._db.execute(f"SELECT {_listed(expressions)} FROM {table}")
        while rows := found.fetchmany(FETCHED):
            yield from rows


def _listed(expressions: Sequence[str | None]) -> str:
    return ", ".join("NULL" if one is None else one for one in expressions)


@contextmanager
def opened_parquet(path: Path, remedy: str) -> Iterator[OpenedParquet]:
    """Open a Parquet file. Raises `LayerMixError` with the `remedy`, then or in use, if it is damaged."""
    with _sound(path, remedy), connected(lambda reason: _unsound(path, reason, remedy)) as db:
        yield _open(db, path)


def read_each(paths: Sequence[Path], remedy: str, read: Callable[[OpenedParquet, Path], T]) -> list[T]:
    """What `read` makes of each of some Parquet files, which are opened in turn. Raises as `opened_parquet` does."""
    found = []
    with connected(lambda reason: _unsound(paths[0], reason, remedy)) as db:  # one for all: each takes 48 ms
        for path in paths:
            with _sound(path, remedy):
                found.append(read(_open(db, path), path))
    return found


@contextmanager
def _sound(path: Path, remedy: str) -> Iterator[None]:
    try:
        with refusals(lambda reason: _unsound(path, reason, remedy)):
            yield
    except RuntimeError as fault:  # if a text is not UTF-8
        raise _unsound(path, message_of(fault), remedy) from fault


def _unsound(path: Path, why: str, remedy: str) -> LayerMixError:
    return cannot_read(path, f"it is no sound Parquet file ({why})", remedy)


def _open(db: Database, path: Path) -> OpenedParquet:
    pattern = pattern_of(path)
    relation = db.read_parquet(pattern, hive_partitioning=False)
    names = _top_level(db.execute("SELECT name, num_children FROM parquet_schema(?)", [pattern]).fetchall())
    quoted = ['"' + name.replace('"', '""') + '"' for name in relation.columns]
    columns = [Column(*one) for one in zip(names, quoted, relation.types, strict=True)]
    metadata = db.execute("SELECT key, value FROM parquet_kv_metadata(?)", [pattern]).fetchall()
    groups = db.execute(
        "SELECT any_value(row_group_num_rows), sum(total_uncompressed_size)::BIGINT FROM parquet_metadata(?) "
        "GROUP BY row_group_id ORDER BY row_group_id",
        [pattern],
    ).fetchall()
    return OpenedParquet(columns, dict(metadata), groups, db, pattern)


def _top_level(schema: list[tuple[str, int | None]]) -> list[str]:
    """The names of the columns in a schema, where each column is followed by those in it; the root comes first.

    DuckDB gives columns new names where two are equal but for their case.
    """
    names, inner = [], 0
    for name, children in schema[1:]:
        if not inner:
            names.append(name)
            inner = 1
        inner += (children or 0) - 1
    return names


class ParquetRows:
    """Cells of Parquet files by row.

    Files are compressed in groups of rows, and a cell takes as long as its group. The last groups are therefore kept in
    memory, and only cells of groups above `MAX_KEPT` bytes are read alone.
    """

    def __init__(self, choose: Callable[[OpenedParquet, Path], str], remedy: str) -> None:
        """`choose` gives the expression in SQL of a file's cells, which are bytes."""
        self._choose, self._remedy = choose, remedy
        self._db = open_database({"threads": 1})
        self._files: dict[Path, tuple[OpenedParquet, str, list[int]]] = {}  # and where their groups start
        self._kept: OrderedDict[tuple[Path, int], list[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def bytes_at(self, path: Path, row: int) -> bytes | None:
        """The bytes in a row of a file. Raises `BadImage` if it has fewer rows, `LayerMixError` if it is damaged."""
        with self._lock, _sound(path, self._remedy):
            if path not in self._files:
                file = _open(self._db, path)
                self._files[path] = file, self._choose(file, path), [0, *accumulate(rows for rows, _ in file.groups)]
            file, expression, starts = self._files[path]
            if row >= starts[-1]:
                raise BadImage(f"its Parquet file has only {count(starts[-1], 'row')}")
            group = bisect_right(starts, row) - 1
            if file.groups[group][1] > MAX_KEPT:
                return file.fetched(expression, rows=range(row, row + 1))[0][0]
            if (path, group) not in self._kept:
                self._make_room(file.groups[group][1])
                rows = range(starts[group], starts[group + 1])
                self._kept[path, group] = [cell for (cell,) in file.fetched(expression, rows=rows)]
            self._kept.move_to_end((path, group))
            return self._kept[path, group][row - starts[group]]

    def _make_room(self, size: int) -> None:
        while self._kept and size + sum(self._files[path][0].groups[group][1] for path, group in self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
