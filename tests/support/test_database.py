"""Access to DuckDB: its errors as one line, Ctrl-C as KeyboardInterrupt, names and paths as SQL."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from layermix_gen.errors import LayerMixError, OutOfResources
from layermix_gen.support.database import (
    connected,
    connected_again,
    list_of,
    pattern_of,
    quoted,
    refusals,
    rows,
    struct_of,
)


def test_ctrl_c_is_ctrl_c() -> None:
    """DuckDB answers the signal itself, by an exception of its own."""
    with pytest.raises(KeyboardInterrupt), connected(LayerMixError):
        raise RuntimeError("Query interrupted")
    with pytest.raises(RuntimeError, match="other"), connected(LayerMixError):
        raise RuntimeError("other")


def test_a_refusal_is_one_line() -> None:
    with pytest.raises(LayerMixError, match=r"^Parser Error: [^\n]*$"), connected(LayerMixError) as db:
        db.execute("SELEKT\n1")


def has_mark() -> bool:
    """Whether the database is the one that was marked by a table."""
    with connected_again(LayerMixError) as db:
        return bool(db.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'mark'").fetchall())


FORKING = """
import os, sys
from layermix_gen.errors import LayerMixError
from layermix_gen.support.database import connected_again

def ask(sql):
    with connected_again(LayerMixError) as db:
        return db.execute(sql).fetchall()

ask("SELECT 1")
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
try:
    ask("SELEKT 1")
except LayerMixError:
    sys.exit(0 if ask("SELECT 2") == [(2,)] else 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")
def test_a_process_that_is_forked_has_a_database_of_its_own() -> None:
    """With that of its parent it would hang at the first error, or crash at its end."""
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_database_is_kept_until_an_error() -> None:
    with connected_again(LayerMixError) as db:
        db.execute("CREATE OR REPLACE TABLE mark (i INTEGER)")
    assert has_mark()
    with pytest.raises(LayerMixError, match="Parser Error"), connected_again(LayerMixError) as db:
        db.execute("SELEKT 1")
    assert not has_mark()


def test_files_that_cannot_be_read_may_be_left_to_another() -> None:
    with pytest.raises(duckdb.IOException), refusals(LayerMixError, files=False):
        duckdb.read_parquet("/nowhere.parquet")
    with pytest.raises(LayerMixError), refusals(LayerMixError):
        duckdb.read_parquet("/nowhere.parquet")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate 16 MiB"), "free memory, use fewer"),
        (duckdb.IOException('IO Error: Cannot open file "a": Too many open files'), "raise the limit of open files"),
        (duckdb.IOException("IO Error: Could not write file: No space left on device"), "make room"),
    ],
)
@pytest.mark.parametrize("files", [True, False])
def test_what_has_run_out_is_no_damage(error: duckdb.Error, remedy: str, files: bool) -> None:
    with pytest.raises(OutOfResources, match=f"; {remedy}"), refusals(lambda _: LayerMixError("damaged"), files=files):
        raise error


def test_rows_are_dicts() -> None:
    with connected(LayerMixError) as db:
        assert list(rows(db, "SELECT i, i * ? AS x FROM range(5000) AS r(i)", [2]))[4097] == {"i": 4097, "x": 8194}


def test_names_and_paths_as_sql() -> None:
    assert quoted("it's") == "'it''s'"
    assert list_of(["a", Path("b'c")]) == "['a', 'b''c']"
    assert struct_of({"a": "b"}) == "{'a': 'b'}"


def test_patterns_are_real_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    real = tmp_path.resolve()
    assert pattern_of(Path("a*b?[c]")) == f"{real}/a[*]b[?][[]c]"
    assert pattern_of(Path("~")) == f"{real}/~"
    assert pattern_of(Path("a[1]/../b\\c")) == f"{real}/b\\c"
    with pytest.raises(LayerMixError, match=r"^expected a path without a backslash next to .*; rename the folder$"):
        pattern_of(Path("a[1]/b\\c"))
