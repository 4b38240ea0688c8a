"""Questions to the index in SQL, by DuckDB, which may read the index and nothing else.

Two walls stand around a question. It is parsed by DuckDB first, and its syntax tree may hold one SELECT with
expressions over the table `samples`: no other statement, table or file, and no function that tells of anything but its
arguments. Then it runs in a database in memory that can open no file but those of the index, and whose settings are
locked.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from layermix_gen.dataset.index import COLUMNS
from layermix_gen.errors import LayerMixError
from layermix_gen.support.checks import check_whole
from layermix_gen.support.database import Database, connected, list_of, pattern_of, refusals, rows

# What a syntax tree may hold, by DuckDB's names: expressions, and what stands around them.
EXPRESSIONS = {"BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA"}
EXPRESSIONS |= {"OPERATOR", "STAR", "SUBQUERY", "TYPE"}
CLAUSES = {"SELECT_NODE", "BASE_TABLE", "SUBQUERY", "ORDER_MODIFIER", "LIMIT_MODIFIER", "DISTINCT_MODIFIER"}
CLAUSES |= {"ASCENDING", "DESCENDING", "ORDER_DEFAULT"}
FUNCTION_WITHOUT_BRACKETS = r"current_\w+|local\w+|session_user|user"
# Functions that give the same for the same arguments, but for those that read SQL or tell of the database.
PURE_FUNCTIONS = """
    SELECT function_name FROM duckdb_functions()
    WHERE (stability = 'CONSISTENT' AND NOT regexp_matches(function_name, 'sql|plan|version|^__'))
       OR (function_type = 'macro' AND regexp_matches(function_name, '^(list_|array_|nullif$|split_part$|if$)'))
"""
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "python_enable_replacements": False,  # no variable of the program is a table
    "autoload_known_extensions": False,
    "temp_directory": "",  # nothing is written, however large the question
}
REMEDY = f"the columns are {', '.join(COLUMNS)}"


def select(
    files: Sequence[Path],
    where: str | None = None,
    columns: Sequence[str] | None = None,
    order_by: str | None = None,
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Rows of the index `files`, by default all columns in the order of shards, planes and keys.

    `where` is a condition and `order_by` a list of expressions, in SQL; `columns` are names. Raises `LayerMixError` for
    what is no such condition, and where the index cannot be read.
    """
    if unknown := [name for name in columns or () if name not in COLUMNS]:
        raise LayerMixError(f"no column {unknown[0]!r} in the index; {REMEDY}")
    if limit is not None:
        check_whole("limit", limit, 0)
    names = ", ".join(f'"{name}"' for name in columns or COLUMNS)
    sql = f"SELECT {names} FROM samples{_condition(where)}"
    sql += f" ORDER BY {order_by}\n" if order_by is not None else ""
    sql += f" LIMIT {limit}" if limit is not None else ""
    with sandbox(files) as db, refusals(_mistake, files=False):
        check(db, sql)
        yield from rows(db, sql)


def count(files: Sequence[Path], where: str | None = None) -> int:
    """How many rows meet a condition. Raises as `select` does."""
    sql = f"SELECT count(*) AS count FROM samples{_condition(where)}"
    with sandbox(files) as db, refusals(_mistake, files=False):
        check(db, sql)
        (row,) = rows(db, sql)
        found: int = row["count"]
        return found


def aggregate(files: Sequence[Path], sql: str) -> list[dict[str, Any]]:
    """Run a statement of our own over the table `samples`, the rows of the index `files`."""
    with sandbox(files) as db:
        return list(rows(db, sql))


def _condition(where: str | None) -> str:
    return f" WHERE ({where}\n)" if where is not None else ""  # a comment at its end ends with the line


@contextmanager
def sandbox(files: Sequence[Path]) -> Iterator[Database]:
    """A database with the view `samples` that can open the index `files` and nothing else.

    Besides the columns of the index the view has `file_row_number`. Raises `LayerMixError` where a file cannot be read.
    """
    patterns = [pattern_of(path) for path in files]
    with connected(unreadable, SETTINGS) as db:
        db.execute("SET enable_progress_bar = false")
        db.execute(f"SET allowed_paths = {list_of([*files, *patterns])}")
        db.execute("SET enable_external_access = false")
        db.execute("SET lock_configuration = true")
        view = f"SELECT * FROM read_parquet({list_of(patterns)}, file_row_number = true)"
        db.execute(f"CREATE VIEW samples AS {view}")
        yield db


def unreadable(reason: str) -> LayerMixError:
    """The error of an index that DuckDB refuses."""
    return LayerMixError(f"the index cannot be read: {reason}; see `layermix-gen verify`")


def check(db: Database, sql: str) -> None:
    """Raise `LayerMixError` unless `sql` is one SELECT over `samples` of expressions that tell of nothing else."""
    ((text,),) = db.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    tree = json.loads(text)
    if tree["error"]:
        raise _mistake(tree["error_message"].splitlines()[0])
    if len(tree["statements"]) != 1:
        raise _refusal(f"{len(tree['statements'])} statements")
    functions = set(_functions(tree["statements"][0]["node"]))
    if functions and (impure := functions - {name for (name,) in db.execute(PURE_FUNCTIONS).fetchall()}):
        raise _refusal(f"the function {min(impure)}()")


def _functions(node: Any) -> Iterator[str]:
    """Walk a syntax tree: the names of the functions in it. Raises `LayerMixError` for what may not be there."""
    if isinstance(node, list):
        for part in node:
            yield from _functions(part)
    if not isinstance(node, dict):
        return
    kind = node.get("class", node.get("type"))
    if kind is not None and kind not in (EXPRESSIONS if "class" in node else CLAUSES):
        raise _refusal(str(kind).lower().replace("_", " "))
    if kind == "BASE_TABLE" and (node["schema_name"], node["table_name"]) != ("", "samples"):
        raise _refusal(f"the table {node['table_name']!r}")
    if kind == "FUNCTION":
        yield node["function_name"].lower()
    if kind == "COLUMN_REF" and re.fullmatch(FUNCTION_WITHOUT_BRACKETS, node["column_names"][0], re.IGNORECASE):
        yield node["column_names"][0].lower()
    for name, part in node.items():
        if name == "cte_map" and any(part.values()):
            raise _refusal("a WITH clause")
        if name == "sample" and part:
            raise _refusal("a TABLESAMPLE clause")
        if name not in ("literal", "value", "cast_type"):
            yield from _functions(part)


def _mistake(reason: str) -> LayerMixError:
    return LayerMixError(f"expected a question to the index in SQL: {reason}; {REMEDY}")


def _refusal(found: str) -> LayerMixError:
    return LayerMixError(f"expected a question to the table samples alone, got {found}; {REMEDY}")
