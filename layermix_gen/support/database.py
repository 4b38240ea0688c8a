"""All access to DuckDB: databases in memory, its errors as one line, and paths and names as SQL."""

import glob
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

Database: TypeAlias = duckdb.DuckDBPyConnection
Fault: TypeAlias = Callable[[str], Exception]  # makes an error from the reason that DuckDB gives

FETCHED = 4096  # rows at a time


@contextmanager
def connected(fault: Fault, settings: Mapping[str, Any] | None = None) -> Iterator[Database]:
    """Open a database in memory, with DuckDB's `settings`. Its errors are raised as `fault` makes them."""
    with refusals(fault), duckdb.connect(config=dict(settings or {})) as db:
        yield db


@contextmanager
def refusals(fault: Fault, files: bool = True) -> Iterator[None]:
    """Raise DuckDB's errors as `fault` makes them; without `files`, not its I/O errors. Ctrl-C stays Ctrl-C."""
    try:
        yield
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException) and not files:
            raise
        raise fault(str(error).splitlines()[0]) from error
    except RuntimeError as error:
        if "interrupted" in str(error):  # how DuckDB reports Ctrl-C
            raise KeyboardInterrupt from error
        raise


def rows(db: Database, sql: str, parameters: Sequence[Any] = ()) -> Iterator[dict[str, Any]]:
    """Run a statement; yield its rows as dicts, fetched as they are used. Raises `duckdb.Error`; see `refusals`."""
    result = db.execute(sql, parameters)
    names = [column[0] for column in result.description or ()]
    while fetched := result.fetchmany(FETCHED):
        for row in fetched:
            yield dict(zip(names, row, strict=True))


def quoted(text: str | Path) -> str:
    """A text as a string in SQL."""
    escaped = str(text).replace("'", "''")
    return f"'{escaped}'"


def list_of(texts: Iterable[str | Path]) -> str:
    """Texts as a list of strings in SQL."""
    return f"[{', '.join(map(quoted, texts))}]"


def struct_of(values: Mapping[str, str]) -> str:
    """A mapping as a struct of strings in SQL."""
    return "{" + ", ".join(f"{quoted(key)}: {quoted(value)}" for key, value in values.items()) + "}"


def pattern_of(path: Path) -> str:
    """A path escaped for DuckDB's readers, which take the characters *, ? and [ for patterns."""
    return glob.escape(str(path))
