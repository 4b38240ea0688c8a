"""The one door to DuckDB: databases in memory, its refusals as one line, and paths and names as SQL."""

import glob
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

Database: TypeAlias = duckdb.DuckDBPyConnection
Fault: TypeAlias = Callable[[str], Exception]  # makes an error of the reason that DuckDB gives

FETCHED = 4096  # rows at a time


@contextmanager
def connected(fault: Fault, settings: Mapping[str, Any] | None = None) -> Iterator[Database]:
    """A database in memory, with DuckDB's `settings`. What it refuses is raised as `fault` makes it."""
    with refusals(fault), duckdb.connect(config=dict(settings or {})) as db:
        yield db


@contextmanager
def refusals(fault: Fault, files: bool = True) -> Iterator[None]:
    """Raise what DuckDB refuses as `fault` makes it; without `files`, not that a file cannot be read. Ctrl-C stays."""
    try:
        yield
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException) and not files:
            raise
        raise fault(str(error).splitlines()[0]) from error
    except RuntimeError as error:
        if "interrupted" in str(error):  # what DuckDB makes of Ctrl-C
            raise KeyboardInterrupt from error
        raise


def rows(db: Database, sql: str, parameters: Sequence[Any] = ()) -> Iterator[dict[str, Any]]:
    """Run a statement; its rows by column, fetched as they are used. Raises `duckdb.Error`; see `refusals`."""
    result = db.execute(sql, parameters)
    names = [column[0] for column in result.description or ()]
    while fetched := result.fetchmany(FETCHED):
        for row in fetched:
            yield dict(zip(names, row, strict=True))


def quoted(text: str | Path) -> str:
    """A string of SQL."""
    escaped = str(text).replace("'", "''")
    return f"'{escaped}'"


def list_of(texts: Iterable[str | Path]) -> str:
    """A list of strings of SQL."""
    return f"[{', '.join(map(quoted, texts))}]"


def struct_of(values: Mapping[str, str]) -> str:
    """A struct of strings of SQL."""
    return "{" + ", ".join(f"{quoted(key)}: {quoted(value)}" for key, value in values.items()) + "}"


def pattern_of(path: Path) -> str:
    """A path as DuckDB's readers want it, which take the signs *, ? and [ for patterns."""
    return glob.escape(str(path))
