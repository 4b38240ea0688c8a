"""The sandbox of queries: DuckDB may read the index and nothing else.

Two barriers guard a query. First DuckDB parses it, and its syntax tree may hold one SELECT with expressions over the
table `samples`: no other statement, table or file, and no function whose result depends on more than its arguments.
Then it runs in an in-memory database that can open the files of the index only, and whose settings are locked.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from layermix_gen.dataset.index import COLUMNS, DAMAGED_ROW, samples_in
from layermix_gen.errors import LayerMixError
from layermix_gen.support.database import Database, connected, list_of, pattern_of

# What a syntax tree may hold, by DuckDB's names: expressions, and the clauses around them.
EXPRESSIONS = {"BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA"}
EXPRESSIONS |= {"OPERATOR", "STAR", "SUBQUERY", "TYPE"}
CLAUSES = {"SELECT_NODE", "BASE_TABLE", "SUBQUERY", "ORDER_MODIFIER", "LIMIT_MODIFIER", "DISTINCT_MODIFIER"}
CLAUSES |= {"ASCENDING", "DESCENDING", "ORDER_DEFAULT"}
FUNCTION_WITHOUT_BRACKETS = r"current_\w+|local\w+|session_user|user"
# Functions that return the same for the same arguments, except functions that read SQL or describe the database.
PURE_FUNCTIONS = """
    SELECT function_name FROM duckdb_functions()
    WHERE (stability = 'CONSISTENT' AND NOT regexp_matches(function_name, 'sql|plan|version|^__'))
       OR (function_type = 'macro' AND regexp_matches(function_name, '^(list_|array_|nullif$|split_part$|if$)'))
"""
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "python_enable_replacements": False,  # no variable of the program is a table
    "autoload_known_extensions": False,
    "temp_directory": "",  # nothing is written, however large the query
}
REMEDY = f"the columns are {', '.join(COLUMNS)}"


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
        try:
            db.execute(f"CREATE VIEW samples AS {samples_in(db, files)}")
        except ValueError as error:
            raise unreadable(str(error)) from error
        yield db


def unreadable(reason: str) -> LayerMixError:
    """The error for an index that DuckDB refuses."""
    return LayerMixError(f"the index cannot be read: {reason}; see `layermix-gen verify`")


def check(db: Database, sql: str) -> None:
    """Raise `LayerMixError` unless `sql` is one SELECT over `samples`, of expressions that depend on nothing else."""
    ((text,),) = db.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    tree = json.loads(text)
    if tree["error"]:
        raise mistake(tree["error_message"].splitlines()[0])
    if len(tree["statements"]) != 1:
        raise _refusal(f"{len(tree['statements'])} statements")
    functions = set(_functions(tree["statements"][0]["node"]))
    if functions and (impure := functions - {name for (name,) in db.execute(PURE_FUNCTIONS).fetchall()}):
        raise _refusal(f"the function {min(impure)}()")


def _functions(node: Any) -> Iterator[str]:
    """Yield the names of the functions in a syntax tree. Raises `LayerMixError` for anything that it may not hold."""
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


def mistake(reason: str) -> LayerMixError:
    """The error for SQL that DuckDB cannot parse or run, or for a row that it comes across."""
    if DAMAGED_ROW in reason:
        return unreadable(reason)
    return LayerMixError(f"expected a query of the index in SQL: {reason}; {REMEDY}")


def _refusal(found: str) -> LayerMixError:
    return LayerMixError(f"expected a query of the table samples alone, got {found}; {REMEDY}")
