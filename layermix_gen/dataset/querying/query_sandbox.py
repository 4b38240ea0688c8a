"""The sandbox of queries: DuckDB may read the index and nothing else.

Two barriers guard a query. First DuckDB parses it, and its syntax tree may hold one SELECT with expressions over the
table `samples`: no other statement, table or file, and no function whose result depends on more than its arguments.
Then it runs in an in-memory database that can open the files of the index only, and whose settings are locked.

Memory and time are limited, too. DuckDB counts the memory of sorts, joins and groups, but not that of the texts and
lists in the rows at hand, so functions that make these many times longer than their arguments are refused. Before
that, it plans a query without limits, and puts a column's expression wherever an alias of it stands, and an argument
wherever a macro has it: columns have no aliases in a query, tables are `samples` alone, and few macros are nested.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from layermix_gen.dataset.index import COLUMNS, DAMAGED_ROW, samples_in
from layermix_gen.errors import LayerMixError
from layermix_gen.support.database import (
    Database,
    TimeLimit,
    connected,
    list_of,
    pattern_of,
    tokens,
)
from layermix_gen.support.processes import usable_memory

# What a syntax tree may hold, by DuckDB's names: expressions, and the clauses around them.
EXPRESSIONS = {"BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA"}
EXPRESSIONS |= {"OPERATOR", "STAR", "SUBQUERY", "TYPE"}
CLAUSES = {"SELECT_NODE", "BASE_TABLE", "ORDER_MODIFIER", "LIMIT_MODIFIER", "DISTINCT_MODIFIER"}
CLAUSES |= {"ASCENDING", "DESCENDING", "ORDER_DEFAULT"}
FUNCTION_WITHOUT_BRACKETS = r"current_\w+|local\w+|session_user|user"
# Functions whose result can be many times longer than their arguments, or as long as all rows together.
GROWING = (
    "range|generate_series|repeat|[lr]pad|format|printf|bitstring|equi_width_bins|(regexp_)?replace|overlay"
    "|(list_|array_)?(resize|reduce)|list|array_agg|string_agg|group_concat|listagg|histogram(_exact)?|map|lttb"
    "|json_group_.*|bitstring_agg|reservoir_quantile|approx_top_k"
)
# Functions that return the same for the same arguments, except functions that read SQL or describe the database.
PURE_FUNCTIONS = f"""
    SELECT function_name FROM duckdb_functions()
    WHERE NOT regexp_full_match(function_name, '{GROWING}')
      AND ((stability = 'CONSISTENT' AND NOT regexp_matches(function_name, 'sql|plan|version|^__'))
        OR (function_type = 'macro' AND regexp_matches(function_name, '^(list_|array_|nullif$|split_part$|if$)')))
"""
JOINING = {"||", "concat", "concat_ws", "list_concat", "list_cat", "array_concat", "array_cat", "list_append"}
JOINING |= {"list_prepend", "array_append", "array_prepend", "array_push_back", "array_push_front", "flatten"}
MOST_JOINS = 16  # in a query: in lambdas in each other, they make a text up to 360 times as long
LONGEST = 100_000  # characters of a query: DuckDB plans it before its time is limited
COPYING = {"nullif", "split_part", "array_to_string", "array_to_string_comma_default", "array_pop_back"}  # an argument
DEEPEST = 3  # subqueries, lambdas and `COPYING` macros in each other: each can double what the one in it returns or is
SECONDS = 600.0  # for a query: to sort all columns of 5 million rows and fetch them takes 110 s on two cores
MOST_MEMORY = 4 * 10**9  # bytes: to sort all columns of 5 million rows takes 2.8 GB
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "python_enable_replacements": False,  # no variable of the program is a table
    "autoload_known_extensions": False,
    "temp_directory": "",  # nothing is written, however large the query
}
_NO_COLUMN = "Binder Error: Referenced column"  # as DuckDB takes a text in double quotes, or in none, for a column
REMEDY = f"the columns are {', '.join(COLUMNS)}"


@contextmanager
def sandbox(files: Sequence[Path], planes: Sequence[str] | None = None) -> Iterator[Database]:
    """A database with the view `samples` that can open the index `files` and nothing else.

    The view has the rows of `planes`, by default of all: an index has more of them than its dataset while some are
    added. Besides the columns of the index it has `file_row_number`. Raises `LayerMixError` where a file cannot be
    read.
    """
    patterns = [pattern_of(path) for path in files]
    memory = min(MOST_MEMORY, usable_memory() // 2)
    with connected(unreadable, SETTINGS | {"memory_limit": f"{memory // 1000}KB"}) as db:
        ((has_bar,),) = db.execute("SELECT current_setting('enable_progress_bar')").fetchall()
        if has_bar:  # only then: without ipywidgets, a notebook has none, and DuckDB refuses to set it
            db.execute("SET enable_progress_bar = false")
        db.execute(f"SET allowed_paths = {list_of([*map(os.path.realpath, files), *patterns])}")
        db.execute("SET enable_external_access = false")
        db.execute("SET lock_configuration = true")
        try:
            view = f"SELECT * FROM ({samples_in(db, files)})"
            if planes:
                others = f"NOT list_contains({list_of(planes)}, plane)"
                ((more,),) = db.execute(f"SELECT EXISTS (FROM ({view}) WHERE {others})").fetchall()
                view += f" WHERE NOT {others}" if more else ""  # only then: what is filtered comes in another order
            db.execute(f"CREATE VIEW samples AS {view}")
        except ValueError as error:
            raise unreadable(str(error)) from error
        yield db


def unreadable(reason: str) -> LayerMixError:
    """The error for an index that DuckDB refuses."""
    return LayerMixError(f"the index cannot be read: {reason}; see `layermix-gen verify`")


def check(db: Database, sql: str) -> None:
    """Raise `LayerMixError` unless `sql` is one SELECT over `samples`, of expressions that depend on nothing else."""
    if len(sql) > LONGEST:
        raise _refusal(f"{len(sql)} characters, of which {LONGEST} are allowed")
    if any(one == "case" and other != "when" for one, other in pairwise(map(str.lower, tokens(sql)))):
        raise _refusal("CASE with an expression before its WHEN, which DuckDB copies for each; compare after WHEN")
    ((text,),) = db.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    try:
        tree = json.loads(text)
        if tree["error"]:
            raise mistake(tree["error_message"].splitlines()[0])
        if len(tree["statements"]) != 1:
            raise _refusal(f"{len(tree['statements'])} statements")
        names = list(_functions(tree["statements"][0]["node"]))
    except RecursionError as error:
        raise _refusal("hundreds of expressions in each other") from error
    if sum(name in JOINING for name in names) > MOST_JOINS:
        raise _refusal(f"more than {MOST_JOINS} texts or lists joined")
    if names and (impure := set(names) - {name for (name,) in db.execute(PURE_FUNCTIONS).fetchall()}):
        raise _refusal(f"the function {min(impure)}()")


def expression(name: str, text: Any) -> str:
    """Return a part of a query, called `name`, on a line of its own, which ends a comment in it.

    Raises `LayerMixError` for what is no text, or is empty.
    """
    if not isinstance(text, str):
        raise LayerMixError(f"{name} must be a text in SQL, got {text!r:.80}; {REMEDY}")
    if not text.strip():
        raise LayerMixError(f"expected an expression in SQL as {name}, found an empty text; {REMEDY}")
    return f"{text}\n"


def _functions(node: Any, depth: int = -1) -> Iterator[str]:
    """Yield the names of the functions in a syntax tree. Raises `LayerMixError` for anything that it may not hold."""
    if isinstance(node, list):
        for part in node:
            yield from _functions(part, depth)
    if not isinstance(node, dict):
        return
    kind = node.get("class", node.get("type"))
    if kind is not None and kind not in (EXPRESSIONS if "class" in node else CLAUSES):
        raise _refusal(str(kind).lower().replace("_", " "))
    if kind in ("SELECT_NODE", "LAMBDA") or (kind == "FUNCTION" and node["function_name"].lower() in COPYING):
        depth += 1
    if depth > DEEPEST:
        raise _refusal(f"more than {DEEPEST} subqueries, lambdas or functions such as nullif() in each other")
    if kind == "SELECT_NODE" and (aliases := [one["alias"] for one in node["select_list"] if one["alias"]]):
        raise _refusal(f"a column with the alias {aliases[0]!r}")
    if kind == "BASE_TABLE" and (node["schema_name"], node["table_name"].lower()) != ("", "samples"):
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
            yield from _functions(part, depth)


def time_limit(db: Database) -> TimeLimit:
    """The time that a query may take."""
    return TimeLimit(db, SECONDS)


def mistake(reason: str) -> LayerMixError:
    """The error for SQL that DuckDB cannot parse or run, or for a row that it comes across."""
    if DAMAGED_ROW in reason:
        return unreadable(reason)
    return LayerMixError(f"expected a query of the index in SQL: {with_remedy(reason)}")


def with_remedy(reason: str) -> str:
    """What DuckDB says against a query, and what may help."""
    quotes = " (texts stand in single quotes)" if reason.startswith(_NO_COLUMN) else ""
    return f"{reason}{quotes}; {REMEDY}"


def _refusal(found: str) -> LayerMixError:
    return LayerMixError(f"expected a query of the table samples alone, got {found}; {REMEDY}")
