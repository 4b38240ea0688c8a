"""Queries that would take all memory or never end: stopped, or refused before they run."""

import json
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from layermix_gen.dataset.index import COLUMNS
from layermix_gen.dataset.querying import query_sandbox
from layermix_gen.dataset.querying.queries import count, select, select_frame
from layermix_gen.errors import LayerMixError, OutOfResources
from layermix_gen.reading import catalog
from layermix_gen.support import database, processes

ROWS = 200_000
CROSS = (
    "(SELECT count(*) FROM samples AS a WHERE (SELECT count(*) FROM samples AS b WHERE a.key || b.key LIKE '%x') > 3)"
)
AT_MOST = 1_700_000_000  # bytes that a process may hold after a hostile query, Python and DuckDB's libraries among them


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """An index of so many rows that their product is out of reach."""
    path = tmp_path_factory.mktemp("index") / "000000.parquet"
    made = {"key": "printf('%09d-clean', i)", "size": "1 + i * 7919 % 5000", "recipe": "repeat('rotate(image, 1)', 10)"}
    made |= {"plane": "'clean'", "blends": "['add', 'pixel']", "source": "md5(i::VARCHAR)"}
    columns = ", ".join(
        f'({made.get(name, "[0]" if kind.endswith("[]") else "1")})::{kind} AS "{name}"'
        for name, kind in COLUMNS.items()
    )
    duckdb.connect().execute(f"COPY (SELECT {columns} FROM range({ROWS}) AS r(i)) TO '{path}' (FORMAT parquet)")  # noqa: S608
    return [path]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_sandbox, "SECONDS", 0.5)


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where", [f"{CROSS} > 1", f"size > {CROSS}", f"CASE WHEN {CROSS} > 1 THEN size > 1 ELSE false END"]
)
@pytest.mark.usefixtures("impatient")
def test_a_query_that_would_never_end_is_stopped(where: str, index: list[Path]) -> None:
    begin = time.monotonic()
    with pytest.raises(OutOfResources, match=r"^expected the answer to a query within 0\.5 s, found none; make the"):
        count(index, where)
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("form", ["pandas", "arrow"])
@pytest.mark.usefixtures("impatient")
def test_a_frame_that_would_never_be_made_is_stopped(form: str, index: list[Path]) -> None:
    with pytest.raises(OutOfResources, match=r"^expected the answer to a query within 0\.5 s, found none; make the"):
        select_frame(form, index, f"{CROSS} > 1")


def test_the_time_to_fetch_rows_counts(index: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_sandbox, "SECONDS", 0.1)
    with pytest.raises(OutOfResources, match="within"):
        list(select([*index] * 20))


@pytest.mark.usefixtures("impatient")
def test_the_time_that_a_program_takes_between_rows_does_not(index: list[Path]) -> None:
    numbers = []
    for number, row in enumerate(select(index, columns=["key"], limit=3 * database.FETCHED)):
        if number % database.FETCHED == 0:
            time.sleep(0.4)
        numbers.append(int(row["key"][:9]))
    assert sorted(numbers) == list(range(3 * database.FETCHED))


def test_a_condition_of_a_reader_is_stopped_too(index: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_sandbox, "SECONDS", 0.5)
    with pytest.raises(OutOfResources, match=r"^expected the answer to a query within 0\.5 s"):
        catalog._query(index, ["clean"], f"{CROSS} > 1", catalog._COLUMNS)


def test_a_limit_of_an_earlier_statement_stops_no_later_one() -> None:
    with database.connected(LayerMixError) as db:
        with pytest.raises(OutOfResources):
            list(database.rows(db, "SELECT count(*) AS n FROM range(1e11::BIGINT)", limit=database.TimeLimit(db, 0.1)))
        assert list(database.rows(db, "SELECT 1 AS n", limit=database.TimeLimit(db, 60))) == [{"n": 1}]


INTERRUPTED = """
import os, signal, sys, threading
from pathlib import Path
from layermix_gen.dataset.querying import queries, query_sandbox
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a parent in the background may have set to ignore
query_sandbox.SECONDS = 20
threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
try:
    queries.count([Path(sys.argv[1])], sys.argv[2])
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.long
def test_ctrl_c_in_a_query_is_no_limit(index: list[Path]) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(index[0]), f"{CROSS} > 1"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == "interrupted\n"


# --- memory ----------------------------------------------------------------------------------------------------------


def test_memory_is_limited(index: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_sandbox, "MOST_MEMORY", 100_000_000)  # rows at hand take up to 30 MB, to sort all 300
    with pytest.raises(OutOfResources, match=r"^Out of Memory Error: .*; free memory.* or ask for fewer rows and"):
        list(select(index * 5, order_by="recipe, key"))
    assert len(list(select(index, order_by="size, key", limit=10))) == 10


@pytest.mark.parametrize(("text", "expected"), [("max\n", None), ("1000000\n", 1_000_000), ("", None)])
def test_a_container_has_less_memory(
    text: str, expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "CONTROL_GROUP", tmp_path)
    physical = processes.usable_memory()  # there is no such file
    (tmp_path / "memory.max").write_text(text)
    assert processes.usable_memory() == (expected or physical)


GROWING = [
    "len(range(1000000000)) > size",
    "len(generate_series(1, 100000000 + size)) > 0",
    "len(repeat(recipe, 100000)) > size",
    "len(lpad(source, 1000000000, 'x')) > 0",
    "len(format('{:>1000000000}', source)) > 0",
    "len(printf('%1000000000s', source)) > 0",
    "len(bitstring('1', 1000000000)) > size",
    "len(list_resize([1], 100000 + size)) > 0",
    "len(replace(replace(recipe, 'i', recipe), 'i', recipe)) > 0",
    "list_reduce([recipe, recipe], lambda x, y: x || x) > ''",
    "(SELECT string_agg(recipe) FROM samples) || key > ''",
    "len((SELECT list(recipe) FROM samples)) > size",
    "[x for x in range(10000000 + size)] IS NULL",
    "key IN (SELECT d || d FROM (SELECT c || c AS d FROM (SELECT b || b AS c FROM (SELECT key AS b FROM samples))))",
    "not " * 900 + "true",
    "length(" + " || ".join(["source"] * 18) + ") > 3",
    "len(list_transform(list_transform([source], x -> " + "x || " * 9 + "x), y -> " + "y || " * 9 + "y)) > 3",
    "key = '" + "x" * 100_000 + "'",
]


@pytest.mark.parametrize("where", GROWING)
def test_a_query_whose_values_grow_is_refused(where: str, index: list[Path]) -> None:
    with pytest.raises(LayerMixError, match=r"^expected a query of the table samples alone, got "):
        count(index, where)


def nested(form: str, depth: int, inner: str = "size") -> str:
    """A text put into the {} of a form, again and again."""
    for _ in range(depth):
        inner = form.replace("{}", inner)
    return inner


ALIASES = ", ".join(f"a{number} + a{number} AS a{number + 1}" for number in range(18))


@pytest.mark.parametrize(
    "where",
    [
        f"(SELECT max(a18) FROM (SELECT size AS a0, {ALIASES} FROM samples)) > 0",  # noqa: S608
        "(SELECT max(b) FROM (SELECT size FROM samples) AS t(b)) > 0",
        "(SELECT size AS a, a + a FROM samples LIMIT 1) IS NULL",
        nested("nullif({}, 7)", 18) + " > 0",
        nested("CASE {} WHEN 1 THEN 2 WHEN 3 THEN 4 END", 18) + " > 0",
        nested("cAsE/* */{} WHEN 1 THEN 2 WHEN 3 THEN 4 END", 18) + " > 0",
        "len(" + nested("array_pop_back({})", 18, "op_args") + ") > 0",
        nested("split_part({}, ',', 1)", 18, "recipe") + " > ''",
        nested("array_to_string([{}], ',')", 18, "recipe") + " > ''",
    ],
)
def test_a_query_that_grows_when_it_is_planned_is_refused(where: str, index: list[Path]) -> None:
    begin = time.monotonic()
    with pytest.raises(LayerMixError, match=r"^expected a query of the table samples alone, got "):
        count(index, where)
    with pytest.raises(LayerMixError, match="expected a query of the table samples alone, got "):
        catalog._query(index, ["clean"], where, catalog._COLUMNS)
    assert time.monotonic() - begin < 5


def test_a_condition_of_a_reader_adds_no_columns(index: list[Path]) -> None:
    with pytest.raises(LayerMixError, match="is no condition: expected true or false"):
        catalog._query(index, ["clean"], "true), false), coalesce((true", catalog._COLUMNS)


@pytest.mark.parametrize(
    "where",
    [
        "size > 0 * (SELECT avg(size) FROM samples)",
        "size >= (SELECT min(b.size) FROM samples AS b WHERE b.label = samples.label)",
        "CASE WHEN nullif(split_part(key, '-', 2), '') = 'clean' THEN class_name <> 'case' ELSE false END",
        "array_to_string(blends, ',') = 'add,pixel'",
    ],
)
def test_usual_queries_are_planned(where: str, index: list[Path]) -> None:
    assert count(index, where) == ROWS


def test_long_lists_of_keys_and_some_joined_texts_are_fine(index: list[Path]) -> None:
    keys = ", ".join(f"'{number:09d}-clean'" for number in range(5000))
    assert count(index, f"key IN ({keys}) AND length({' || '.join(['source'] * 17)}) = 544") == 5000


HOSTILE = [
    "(SELECT count(*) FROM (SELECT DISTINCT recipe || key || source AS x FROM samples)) > 0",
    "size IN (SELECT a.size + (SELECT max(b.size) FROM samples AS b WHERE b.key <> a.key) FROM samples AS a)",
    "key || key || key || key IN (SELECT recipe || recipe || recipe || recipe || key FROM samples)",
    "len(list_transform([recipe, recipe], lambda x: list_transform([x || x, x || x], lambda y: y || y))) > size",
    "len(array_to_string([recipe, recipe, recipe, recipe], recipe)) > 0 AND levenshtein(recipe, source) > 1",
    "regexp_matches(recipe, '(.*)*(r|o|t)*(x+x+)+y{100}') OR len(regexp_extract_all(recipe, '.')) < 0",
]
ASKED = """
import json, resource, sys
from pathlib import Path
from layermix_gen.dataset.querying import query_sandbox
from layermix_gen.dataset.querying.queries import count
from layermix_gen.errors import LayerMixError
query_sandbox.SECONDS, query_sandbox.MOST_MEMORY = 0.3, 10**9
for where in json.loads(sys.argv[2]):
    try:
        count([Path(sys.argv[1])], where)
    except LayerMixError as error:
        assert "\\n" not in str(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_the_memory_of_the_process_stays_within_the_limit(index: list[Path]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", ASKED, str(index[0]), json.dumps(HOSTILE)], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < AT_MOST
