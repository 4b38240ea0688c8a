"""Rows of the index as lines of text: a table for people; JSON, JSON Lines or CSV for programs, a row at a time."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from layermix_gen.errors import printable, printable_json
from layermix_gen.support.text import table

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for the beginning of one
Rows: TypeAlias = Iterable[Mapping[str, Any]]


def as_table(rows: Rows, columns: Sequence[str]) -> Iterator[str]:
    """A text table with columns as wide as needed, without the empty strings that pad `blends`."""
    yield table([{name: _cell(value) for name, value in row.items()} for row in rows])


def as_json(rows: Rows, columns: Sequence[str]) -> Iterator[str]:
    """One JSON list of objects, an object a line."""
    before = "["
    for row in rows:
        yield before
        before = f"  {_json(row)},"
    yield before.removesuffix(",")
    yield "]"


def as_jsonl(rows: Rows, columns: Sequence[str]) -> Iterator[str]:
    """JSON Lines: one object a line."""
    return map(_json, rows)


def as_csv(rows: Rows, columns: Sequence[str]) -> Iterator[str]:
    """CSV: a header line and a line for each row, with lists as JSON; a text that spreadsheets would run has a `'`."""
    yield _csv(columns)
    for row in rows:
        yield _csv(_csv_cell(value) for value in row.values())


FORMATS: dict[str, Callable[[Rows, Sequence[str]], Iterator[str]]] = {
    "table": as_table,
    "json": as_json,
    "jsonl": as_jsonl,
    "csv": as_csv,
}


def _json(value: Any) -> str:
    return printable_json(json.dumps(value, ensure_ascii=False))


def _csv_cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{printable(value)}" if value.startswith(FORMULA) else printable(value)
    return _json(value) if isinstance(value, list) else value


def _csv(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in value if one != "")
