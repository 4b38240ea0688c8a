"""Queries in SQL: the right rows, by a second route, and no query that reads anything but the index."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from layermix_gen import open_shards
from layermix_gen.dataset.index import COLUMNS
from layermix_gen.dataset.querying import query_sandbox
from layermix_gen.errors import LayerMixError
from tests.helpers import files, invoke, rows, snapshot
from tests.inspection.built import Built

ALL_COLUMNS = f"the columns are {', '.join(COLUMNS)}"


@pytest.fixture(scope="module")
def everything(large: Built) -> list[dict[str, Any]]:
    """All rows of the large dataset, by a second route. Not to be changed."""
    return rows(large.root)


IN_A_NOTEBOOK = """
import sys, types
kernel = types.SimpleNamespace(config={"IPKernelApp": {}})
sys.modules["IPython"] = types.ModuleType("IPython")
sys.modules["IPython"].get_ipython = lambda: kernel
sys.modules["ipywidgets"] = None
from layermix_gen import open_shards
print(open_shards(sys.argv[1]).count())
"""


def test_in_a_notebook_without_widgets(small: Built) -> None:
    run = subprocess.run([sys.executable, "-c", IN_A_NOTEBOOK, small.root], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("72\n", "")


# --- answers ---------------------------------------------------------------------------------------------------------

CONDITIONS = [
    ("layer = 3", lambda row: row["layer"] == 3),
    ("layer = 3 and op = 'rotate' or plane = 'clean'", lambda row: row["plane"] == "clean" or _rotated(row)),
    ("list_contains(blends, 'pixel')", lambda row: "pixel" in row["blends"]),
    ("op LIKE 'shear%' -- a comment", lambda row: row["op"].startswith("shear")),
    ("op_args[1] BETWEEN 0.1 AND 0.5", lambda row: 0.1 <= row["op_args"][0] <= 0.5),
    ("label IN (0, 2) AND NOT (variant = 1)", lambda row: row["label"] in (0, 2) and row["variant"] != 1),
    (
        "size::VARCHAR LIKE '%1' AND list_sum(op_args) > 0",
        lambda row: row["size"] % 10 == 1 and sum(row["op_args"]) > 0,
    ),
    ("len(list_filter(blends, lambda x: x <> '')) = 2", lambda row: "" not in row["blends"]),
    ("CASE WHEN layer = 1 THEN size > 2000 ELSE coalesce(layer, 9) = 2 END", lambda row: _large_or_second(row)),
    ("1 = 1) OR (1 = 1", lambda row: True),
]


def _rotated(row):
    return row["layer"] == 3 and row["op"] == "rotate"


def _large_or_second(row):
    return row["size"] > 2000 if row["layer"] == 1 else row["layer"] == 2


@pytest.mark.parametrize(("where", "meets"), CONDITIONS, ids=[where for where, _ in CONDITIONS])
def test_a_condition_gives_the_rows_that_meet_it(where, meets, large: Built, everything) -> None:
    expected = [row for row in everything if meets(row)]
    shards = large.open()
    found = shards.query(where)
    assert sorted(found, key=lambda row: (row["plane"], row["key"])) == expected
    assert shards.count(where) == len(expected)
    assert len(expected) > 0


def test_a_subquery_over_the_samples(large: Built, everything) -> None:
    sizes = [row["size"] for row in everything]
    found = large.open().query("size > 1.5 * (SELECT avg(size) FROM samples)", ["size"])
    assert sorted(row["size"] for row in found) == sorted(
        size for size in sizes if size > 1.5 * sum(sizes) / len(sizes)
    )


def test_the_table_in_capitals(large: Built) -> None:
    shards = large.open()
    for table in ("SAMPLES", "Samples", '"sAmPlEs"'):
        where = f"size = (SELECT max({table}.size) FROM {table})"  # noqa: S608
        assert shards.count(where) == shards.count("size = (SELECT max(size) FROM samples)")


def test_without_a_condition_come_all_rows_in_order(large: Built, everything) -> None:
    found = large.open().query()
    assert list(found[0]) == list(COLUMNS)
    assert [(row["shard"], row["plane"], row["key"]) for row in found] == sorted(
        (row["shard"], row["plane"], row["key"]) for row in everything
    )
    assert list(large.open().iterate()) == found


def test_columns_order_and_limit(large: Built, everything) -> None:
    found = large.open().query("layer = 2", ("key", "size"), "size DESC, key", 7)
    expected = sorted((-row["size"], row["key"]) for row in everything if row["layer"] == 2)[:7]
    assert [tuple(row) for row in found] == [("key", "size")] * 7
    assert [(-row["size"], row["key"]) for row in found] == expected
    assert large.open().query(limit=0) == []


def test_a_single_row(small: Built) -> None:
    row = small.open().row("000000003-v01")
    assert (row["key"], row["plane"], row["variant"]) == ("000000003-v01", "v01", 1)
    for key in ("000000999-v01", "x' OR '1'='1", "", "000000003-v01' --"):
        with pytest.raises(LayerMixError, match=r"^expected the key of a sample, such as 0+\d-clean, got "):
            small.open().row(key)


# --- mistakes --------------------------------------------------------------------------------------------------------

MISTAKES = [
    ("lay = 1", 'Referenced column "lay" not found'),
    ("layer = = 1", "syntax error"),
    ("layer = 1)", "syntax error"),
    ("op = 'rotate", "unterminated"),
    ("", ""),
    ("/*", "unterminated"),
    ("lower(layer, 3)", "lower"),
    ("op::INTEGER = 1", "Could not convert"),
    ("no_such_function(op)", "no_such_function"),
    ("layer = 1\x00", ""),
]


@pytest.mark.parametrize(("where", "reason"), MISTAKES)
def test_wrong_sql_is_one_line_and_the_columns(where: str, reason: str, small: Built) -> None:
    with pytest.raises(LayerMixError) as caught:
        small.open().query(where)
    (line,) = str(caught.value).splitlines()
    assert reason in line
    assert line.endswith(ALL_COLUMNS)


def test_an_unknown_column_and_a_negative_limit(small: Built) -> None:
    with pytest.raises(LayerMixError, match=rf"^no column 'kez' in the index; {ALL_COLUMNS}$"):
        small.open().query(columns=["key", "kez"])
    with pytest.raises(LayerMixError, match=r"^limit must be a whole number from 0 on, got -1; change --limit$"):
        small.open().query(limit=-1)


# --- attacks ---------------------------------------------------------------------------------------------------------

ATTACKS = [
    "1 IN (SELECT 1 FROM read_text('{secret}'))",
    "1 IN (SELECT 1 FROM read_csv('{secret}'))",
    "1 IN (SELECT 1 FROM read_blob('{secret}'))",
    "1 IN (SELECT 1 FROM '{secret}')",
    "1 IN (FROM '{secret}')",
    "EXISTS (SELECT 1 FROM read_parquet('{root}/index/*.parquet'))",
    "EXISTS (SELECT 1 FROM glob('/etc/*'))",
    "EXISTS (SELECT 1 FROM sniff_csv('{secret}'))",
    "EXISTS (SELECT 1 FROM read_json('http://127.0.0.1:9/x.json'))",
    "EXISTS (SELECT 1 FROM duckdb_settings())",
    "EXISTS (SELECT 1 FROM duckdb_secrets())",
    "EXISTS (SELECT 1 FROM duckdb_logs())",
    "EXISTS (SELECT 1 FROM information_schema.tables)",
    "EXISTS (SELECT 1 FROM sqlite_master)",
    "EXISTS (SELECT 1 FROM query('SELECT 1'))",
    "EXISTS (SELECT 1 FROM enable_logging('QueryLog', storage := 'file', storage_path := '{out}'))",
    "EXISTS (SELECT 1 FROM generate_series(1, 2))",
    "EXISTS (SELECT 1 FROM samples, samples AS other)",
    "EXISTS (SELECT 1 FROM samples TABLESAMPLE 10%)",
    "EXISTS (SELECT 1 FROM main.samples)",
    "EXISTS (WITH samples AS (SELECT 1) SELECT 1 FROM samples)",
    "EXISTS (WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT 1 FROM a) SELECT 1 FROM a)",
    "EXISTS (SELECT 1 UNION SELECT 2)",
    "EXISTS (VALUES (1))",
    "EXISTS (PIVOT samples ON op)",
    "EXISTS (SHOW TABLES)",
    "EXISTS (DESCRIBE samples)",
    "getenv('HOME') = 'x'",
    "current_setting('home_directory') = 'x'",
    "getvariable('x') = 1",
    "current_user = 'x'",
    "current_database() = 'x'",
    "current_query() = 'x'",
    "version() = 'x'",
    "write_log('x') IS NULL",
    "sleep_ms(1) IS NULL",
    "random() < 0.5",
    "json_serialize_plan('SELECT 1') IS NULL",
    "op = $1",
    "1 = 1; DROP TABLE samples",
    "1 = 1); DROP VIEW samples; --",
    "1 = 1); COPY (SELECT 1) TO '{out}'; SELECT (1",
    "1 = 1); COPY (SELECT 1) TO '{index}'; SELECT (1",
    "1 = 1); ATTACH '{out}' AS other; SELECT (1",
    "1 = 1); INSTALL httpfs; LOAD httpfs; SELECT (1",
    "1 = 1); SET enable_external_access = true; SELECT (1",
    "1 = 1); PRAGMA enable_profiling; SELECT (1",
    "1 = 1); EXPORT DATABASE '{out}'; SELECT (1",
    "1 = 1); CREATE TABLE samples AS SELECT 1; SELECT (1",
    "1 = 1) UNION ALL SELECT * FROM read_text('{secret}') WHERE (1 = 1",
    "1 = 1) UNION ALL SELECT * FROM samples WHERE (1 = 1",
    "1 = 1) INTERSECT SELECT (1",
    "1 = 1 /* ) */ ) UNION SELECT * FROM '{secret}' WHERE (1 = 1",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_question_reads_the_index_and_nothing_else(
    attack: str, damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    names = {"secret": tmp_path / "secret.csv", "root": damaged, "out": tmp_path / "out.csv"}
    text = attack.format(**names, index=damaged / "index" / "000000.parquet")
    before = snapshot(tmp_path)
    with pytest.raises(LayerMixError, match=r"^expected a query of the (index in SQL|table samples)") as caught:
        open_shards(damaged).query(text)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).endswith(ALL_COLUMNS)
    assert snapshot(tmp_path) == before


def test_parts_of_a_query_are_texts(small: Built) -> None:
    with pytest.raises(
        LayerMixError, match=r"^order_by must be a text in SQL, got \['size'\]; the columns are plane, "
    ):
        small.open().query(order_by=["size"])  # type: ignore[call-overload]
    with pytest.raises(LayerMixError, match=r"^where must be a text in SQL, got 3; the columns are plane, "):
        small.open().count(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "order_by", ["size; SELECT 1", "size UNION SELECT 1", "(SELECT 1 FROM 'x.csv')", "getenv('HOME')", "random()"]
)
def test_an_order_reads_nothing_else_either(order_by: str, small: Built) -> None:
    with pytest.raises(LayerMixError, match=r"^expected a query of the (index in SQL|table samples)"):
        small.open().query(order_by=order_by)


def test_variables_of_the_program_are_no_tables(small: Built) -> None:
    numbers = duckdb.sql("SELECT 1 AS a")  # noqa: F841
    with pytest.raises(LayerMixError, match="got the table 'numbers'"):
        small.open().query("EXISTS (SELECT 1 FROM numbers)")


STATEMENTS = [
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM read_parquet('{root}/index/*.parquet')",
    "SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "EXPORT DATABASE '{folder}/out'",
    "ATTACH '{folder}/out.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "RESET lock_configuration",
    "SET allowed_paths = ['{secret}']",
    "SET temp_directory = '{folder}'",
    "PRAGMA enable_profiling",
    "CALL enable_logging(storage := 'file', storage_path := '{folder}/log')",
    "CREATE SECRET (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "SELECT * FROM duckdb_secrets()",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_would_refuse_it_too(statement: str, damaged: Path, tmp_path: Path) -> None:
    """DuckDB's own settings refuse each statement, even without our check of its text."""
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    text = statement.format(secret=tmp_path / "secret.csv", folder=tmp_path, root=damaged)
    before = files(tmp_path)
    with (
        pytest.raises(LayerMixError, match=r"Permission Error|Catalog Error|Cannot change configuration"),
        query_sandbox.sandbox([damaged / "index" / "000000.parquet"]) as db,
    ):
        db.execute(text).fetchall()
    assert files(tmp_path) == before


def test_a_link_out_of_the_dataset_is_not_followed(small: Built, damaged: Path) -> None:
    (damaged / "index" / "000001.parquet").unlink()
    (damaged / "index" / "000001.parquet").symlink_to(small.root / "index" / "000001.parquet")
    with pytest.raises(LayerMixError, match=r"^expected .*/index/000001\.parquet in .*, found a link out of it;"):
        open_shards(damaged).query()


def test_no_tar_is_opened(damaged: Path) -> None:
    for tar in damaged.glob("*/*.tar"):
        tar.unlink()
    assert len(open_shards(damaged).query("layer >= 0")) == 72
    assert "72: 24 in 3 planes" in str(open_shards(damaged).summary())


@pytest.mark.parametrize("name", ["it's", "a*b?", "[c]", "ü é", "{d,e}"])
def test_any_folder_name_will_do(name: str, small: Built, tmp_path: Path) -> None:
    small.copy(tmp_path / "abx")  # what a pattern would match
    assert len(open_shards(small.copy(tmp_path / name)).query("layer >= 0")) == 72


# --- the command -----------------------------------------------------------------------------------------------------


def ask(*arguments: object) -> str:
    result = invoke("inspect", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_format_has_the_same_rows(small: Built) -> None:
    question = (small.root, "--where", "layer = 2", "--columns", "key,blends,size", "--order-by", "size DESC")
    expected = small.open().query("layer = 2", ["key", "blends", "size"], "size DESC")
    assert json.loads(ask(*question, "--format", "json")) == expected
    assert [json.loads(line) for line in ask(*question, "--format", "jsonl").splitlines()] == expected
    head, *lines = csv.reader(io.StringIO(ask(*question, "--format", "csv")))
    assert head == ["key", "blends", "size"]
    assert [[key, json.loads(blends), int(size)] for key, blends, size in lines] == [
        list(row.values()) for row in expected
    ]
    table = ask(*question, "--limit", 3).splitlines()
    assert table[0].split() == ["key", "blends", "size"]
    assert [line.split()[0] for line in table[1:4]] == [row["key"] for row in expected[:3]]
    assert table[4:] == ["", f"3 of {len(expected)} samples; see more with --limit"]


def test_no_rows(small: Built) -> None:
    nothing = (small.root, "--where", "layer = 7", "--columns", "key,size")
    assert ask(*nothing) == "no rows\n"
    assert json.loads(ask(*nothing, "--format", "json")) == []
    assert ask(*nothing, "--format", "jsonl") == ""
    assert ask(*nothing, "--format", "csv") == "key,size\n"


def test_a_table_shows_twenty_rows_unless_told(small: Built) -> None:
    assert len(ask(small.root, "--where", "layer >= 0").splitlines()) == 1 + 20 + 2
    assert len(ask(small.root, "--where", "layer >= 0", "--limit", 100).splitlines()) == 1 + 72


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--where", "lay = 1"), 'Binder Error: Referenced column "lay" not found'),
        (("--where", "1=1); COPY (SELECT 1) TO '/tmp/x'; SELECT (1"), "Only SELECT statements"),
        (("--columns", "kez"), "no column 'kez' in the index"),
        (("--order-by", "size; DROP TABLE samples"), "expected a query of the index in SQL"),
        (("--where", ""), "expected an expression in SQL as where, found an empty text; the columns are plane, "),
        (
            ("--order-by", " "),
            "expected an expression in SQL as order_by, found an empty text; the columns are plane, ",
        ),
        (
            ("--where", 'op = "rotate"'),
            "not found in FROM clause! (texts stand in single quotes); the columns are plane, ",
        ),
        (("--limit", -1), "limit must be a whole number from 0 on, got -1; change --limit"),
    ],
)
def test_a_mistake_is_one_line_and_status_1(arguments: tuple[object, ...], line: str, small: Built) -> None:
    result = invoke("inspect", small.root, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    (said,) = result.stderr.splitlines()
    assert line in said
