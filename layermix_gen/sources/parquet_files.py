"""Parquet files by DuckDB: their columns under the names that are in the file, and rows of chosen columns."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.support.database import Database, connected, pattern_of
from layermix_gen.support.files import cannot_read
from layermix_gen.support.text import message_of


@dataclass(frozen=True, slots=True)
class Column:
    """A column at the top level of a file: its name there, the name by which SQL finds it, and its type in SQL."""

    name: str
    sql: str
    type: Any


@dataclass(frozen=True, slots=True)
class OpenedParquet:
    """An opened Parquet file."""

    columns: list[Column]
    _db: Database
    _pattern: str

    def fetched(self, *expressions: str | None) -> list[tuple[Any, ...]]:
        """All rows of some expressions in SQL; None gives None."""
        chosen = ", ".join("NULL" if one is None else one for one in expressions)
        return self._db.read_parquet(self._pattern).project(chosen).fetchall()


@contextmanager
def opened_parquet(path: Path, remedy: str) -> Iterator[OpenedParquet]:
    """Open a Parquet file. Raises `LayerMixError` with the `remedy`, then or in use, if it is damaged."""

    def unsound(reason: str) -> LayerMixError:
        return cannot_read(path, f"it is no sound Parquet file ({reason})", remedy)

    pattern = pattern_of(path)
    try:
        with connected(unsound) as db:
            relation = db.read_parquet(pattern)
            names = _top_level(db.execute("SELECT name, num_children FROM parquet_schema(?)", [pattern]).fetchall())
            columns = [
                Column(name, f'"{sql.replace(chr(34), chr(34) * 2)}"', kind)
                for name, sql, kind in zip(names, relation.columns, relation.types, strict=True)
            ]
            yield OpenedParquet(columns, db, pattern)
    except RuntimeError as fault:  # if a text is not UTF-8
        raise unsound(message_of(fault)) from fault


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
