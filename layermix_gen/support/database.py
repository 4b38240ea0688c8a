"""All access to DuckDB: databases in memory, its errors as one line, and paths and names as SQL."""

import glob
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

from layermix_gen.errors import LayerMixError, OutOfResources
from layermix_gen.support.text import as_text

Database: TypeAlias = duckdb.DuckDBPyConnection
Found: TypeAlias = duckdb.DuckDBPyRelation  # a statement whose rows are not fetched yet
Fault: TypeAlias = Callable[[str], Exception]  # makes an error from the reason that DuckDB gives

FETCHED = 4096  # rows at a time
ONE_THREAD = {
    "threads": 1,  # so that the order of rows, and so the bytes of a file, are always the same
    "enable_external_file_cache": False,  # files are read once, while a shard may be built again under its name
}
SHORTAGES = {
    "Out of Memory Error": "free memory, use fewer workers, or ask for fewer rows and columns",
    "Cannot allocate memory": "free memory or use fewer workers",
    "bad_alloc": "free memory or use fewer workers",
    "Resource temporarily unavailable": "use fewer workers, or raise the limit of processes (`ulimit -u`)",
    "Too many open files": "raise the limit of open files (`ulimit -n`)",
    "No space left on device": "make room",
    "Disk quota exceeded": "make room",
    "File too large": "make room",
}
"""What DuckDB says where the machine has run out of something, and the remedy."""


@contextmanager
def connected(fault: Fault, settings: Mapping[str, Any] | None = None) -> Iterator[Database]:
    """Open a database in memory, with DuckDB's `settings`. Its errors are raised as `fault` makes them."""
    with refusals(fault), open_database(settings) as db:
        yield db


@contextmanager
def connected_again(fault: Fault) -> Iterator[Database]:
    """Connect to a database of one thread that this process keeps open. Its errors are raised as `fault` makes them.

    To open and close a database takes 16 ms, which is as long as all else that is done for the index of 1000 samples.
    """
    try:
        with refusals(fault), _kept().cursor() as db:
            yield db
    except BaseException:
        _close_kept()  # after a fatal error, DuckDB refuses all that follows
        raise


@cache
def _kept() -> Database:
    return open_database(ONE_THREAD)


def _close_kept() -> None:
    if _kept.cache_info().currsize:
        _kept().close()
        _kept.cache_clear()


if hasattr(os, "register_at_fork"):  # a child would wait for threads of the database that it does not have
    os.register_at_fork(before=_close_kept)


def open_database(settings: Mapping[str, Any] | None = None) -> Database:
    """Open a database in memory, with DuckDB's `settings`, that stays open. Its errors are as DuckDB raises them."""
    return duckdb.connect(config=dict(settings or {}))


@contextmanager
def refusals(fault: Fault, files: bool = True) -> Iterator[None]:
    """Raise DuckDB's errors as `fault` makes them; without `files`, not its I/O errors. Ctrl-C stays Ctrl-C.

    Raises `OutOfResources` where memory, open files or disk space have run out: neither files nor SQL are wrong.
    """
    try:
        yield
    except duckdb.Error as error:
        if remedy := next((SHORTAGES[text] for text in SHORTAGES if text in str(error)), None):
            raise OutOfResources(f"{str(error).splitlines()[0]}; {remedy}") from error
        if isinstance(error, duckdb.IOException) and not files:
            raise
        raise fault(str(error).splitlines()[0]) from error
    except RuntimeError as error:
        if "interrupted" in str(error):  # how DuckDB reports Ctrl-C
            raise KeyboardInterrupt from error
        raise


class TimeLimit:
    """The seconds that a database may still work on a statement; time between the parts of its answer is free."""

    def __init__(self, db: Database, seconds: float) -> None:
        self._db, self._seconds, self._left = db, seconds, seconds
        self._is_over = False

    def __enter__(self) -> None:
        """Begin to measure. DuckDB heeds an interrupt between two vectors of rows, and while rows are fetched."""
        self._timer = threading.Timer(max(self._left, 0), self._stop)
        self._timer.daemon = True
        self._begin = time.monotonic()
        self._timer.start()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Stop to measure. Raises `OutOfResources` where the time ran out before the database was ready."""
        self._timer.cancel()
        self._timer.join()  # an interrupt on its way would stop the next statement
        self._left -= time.monotonic() - self._begin
        if self._is_over and isinstance(error, duckdb.InterruptException):
            raise OutOfResources(
                f"expected the answer to a query within {self._seconds:g} s, found none; make the query simpler, or "
                "ask for fewer rows"
            ) from error

    def _stop(self) -> None:
        self._is_over = True
        self._db.interrupt()


def rows(
    db: Database, sql: str, parameters: Sequence[Any] = (), limit: TimeLimit | None = None
) -> Iterator[dict[str, Any]]:
    """Run a statement; yield its rows as dicts, fetched as they are used. Raises `duckdb.Error`; see `refusals`."""
    working = limit or nullcontext()
    with working:
        result = db.execute(sql, parameters)
        names = [column[0] for column in result.description or ()]
        fetched = result.fetchmany(FETCHED)
    while fetched:
        for row in fetched:
            yield dict(zip(names, row, strict=True))
        with working:
            fetched = result.fetchmany(FETCHED)


def tokens(sql: str) -> list[str]:
    """The words, numbers, texts and signs of SQL as DuckDB reads them, without comments."""
    text = sql.encode("utf-8", "replace")
    found = duckdb.tokenize(text.decode())
    ends = [*(start for start, _ in found[1:]), len(text)]
    kinds = zip(found, ends, strict=False)  # of no text there is no token, but an end
    return [text[start:end].decode().strip() for (start, kind), end in kinds if kind != duckdb.token_type.comment]


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
    """The real path of a file, escaped for DuckDB's readers, which take the characters *, ? and [ for patterns.

    It is the real one because DuckDB gives a meaning to a `~` at the beginning, and to `..` behind a pattern. Raises
    `LayerMixError` for a backslash next to these characters, which cannot be escaped.
    """
    real = os.path.realpath(path)
    pattern = glob.escape(real)
    if "\\" in real and pattern != real:
        raise LayerMixError(
            f"expected a path without a backslash next to *, ? or [, which DuckDB cannot open, got {as_text(real)}; "
            "rename the folder"
        )
    return pattern


def parquet(files: Iterable[Path], options: str = "") -> str:
    """The rows of Parquet files as a table in SQL; folders named like `plane=3` give it no columns."""
    return f"read_parquet({list_of(map(pattern_of, files))}, hive_partitioning = false{options})"


def json_lines(file: Path, columns: Mapping[str, str]) -> str:
    """The rows of a file of JSON Lines as a table in SQL, with these columns and their types."""
    given = f"format = 'newline_delimited', hive_partitioning = false, columns = {struct_of(columns)}"
    return f"read_json({quoted(pattern_of(file))}, {given})"
