"""Queries of the index in SQL: the rows that meet a condition, their number, and the statistics of this package."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from layermix_gen.dataset.index import COLUMNS
from layermix_gen.dataset.querying.frames import FRAMES, Frame, as_frame
from layermix_gen.dataset.querying.query_sandbox import REMEDY, check, expression, mistake, sandbox, time_limit
from layermix_gen.errors import LayerMixError
from layermix_gen.support.checks import check_choice, check_seed, check_whole
from layermix_gen.support.database import refusals, rows


def select(
    files: Sequence[Path],
    where: str | None = None,
    columns: Sequence[str] | None = None,
    order_by: str | None = None,
    limit: int | None = None,
    *,
    planes: Sequence[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Rows of the index `files`, by default all columns in the order of shards, planes and keys.

    `where` is a condition and `order_by` a list of expressions, in SQL; `columns` are names; `planes` are all by
    default. Raises `LayerMixError` for anything else, and if the index cannot be read; `OutOfResources` where memory or
    the time of a query runs out.
    """
    sql = _statement(where, columns, order_by, limit)
    with sandbox(files, planes) as db, refusals(mistake, files=False):
        check(db, sql)
        yield from rows(db, sql, limit=time_limit(db))


def drawn(where: str | None, number: int, seed: int = 0) -> str:
    """A condition for `number` samples, drawn at random by the seed from those that meet the condition `where`.

    It depends on planes and keys alone, so it draws the same ones wherever the dataset is.
    """
    check_whole("sample", number, 1)
    check_seed(seed)
    name = "concat(plane, ' ', key)"
    order = f"md5(concat('{seed} ', {name}))"
    return f"{name} IN (SELECT {name} FROM samples{_condition(where)} ORDER BY {order} LIMIT {number})"


def select_frame(
    form: str,
    files: Sequence[Path],
    where: str | None = None,
    columns: Sequence[str] | None = None,
    order_by: str | None = None,
    limit: int | None = None,
    *,
    planes: Sequence[str] | None = None,
) -> Frame:
    """The rows of `select` as one of `FRAMES`. Raises as `select` does, and without the library of the frame."""
    check_choice("as_", form, ("dicts", *FRAMES), change="as_=")
    sql = _statement(where, columns, order_by, limit)
    with sandbox(files, planes) as db, refusals(mistake, files=False):
        check(db, sql)
        with time_limit(db):
            return as_frame(db.sql(sql), form)


def count(files: Sequence[Path], where: str | None = None, *, planes: Sequence[str] | None = None) -> int:
    """How many rows meet a condition. Raises as `select` does."""
    sql = f"SELECT count(*) FROM samples{_condition(where)}"
    with sandbox(files, planes) as db, refusals(mistake, files=False):
        check(db, sql)
        (row,) = rows(db, sql, limit=time_limit(db))
        (found,) = row.values()
        return int(found)


def aggregate(files: Sequence[Path], sql: str, planes: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Run a statement of this package, unchecked, over the table `samples`, the rows of the index `files`."""
    with sandbox(files, planes) as db:
        return list(rows(db, sql))


def _statement(where: str | None, columns: Sequence[str] | None, order_by: str | None, limit: int | None) -> str:
    if unknown := [name for name in columns or () if name not in COLUMNS]:
        raise LayerMixError(f"no column {unknown[0]!r} in the index; {REMEDY}")
    if limit is not None:
        check_whole("limit", limit, 0)
    names = ", ".join(f'"{name}"' for name in columns or COLUMNS)
    sql = f"SELECT {names} FROM samples{_condition(where)}"
    sql += f" ORDER BY {expression('order_by', order_by)}" if order_by is not None else ""
    return sql + (f" LIMIT {limit}" if limit is not None else "")


def _condition(where: str | None) -> str:
    return f" WHERE ({expression('where', where)})" if where is not None else ""
