"""The index: rows and seal in one file, the same bytes whichever planes were written first, readable by DuckDB."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from layermix_gen.dataset import index
from layermix_gen.dataset.index import COLUMNS, ShardSummary, read_summaries, read_summary, summary_in
from layermix_gen.dataset.index import write_index as write
from layermix_gen.dataset.names import index_path
from layermix_gen.dataset.skipped import Skipped
from layermix_gen.dataset.tar import TarSummary
from layermix_gen.errors import LayerMixError
from layermix_gen.support.database import Database, connected, connected_again
from layermix_gen.support.database import rows as database_rows
from tests.helpers import rows

VALUES = {
    "VARCHAR": "x",
    "INTEGER": 1,
    "BIGINT": 2**40,
    "UINTEGER": 2**32 - 1,
    "DOUBLE": 0.25,
    "DOUBLE[]": [0.5, -1e-4],
    "VARCHAR[]": ["a", ""],
    "INTEGER[]": [0, 1],
}


def row(plane: str, ordinal: int) -> dict[str, Any]:
    return {name: VALUES[kind] for name, kind in COLUMNS.items()} | {"plane": plane, "key": f"{ordinal:09d}-{plane}"}


def summary(number: int, *planes: str) -> ShardSummary:
    tars = {plane: TarSummary(1024, "0" * 64) for plane in planes}
    return ShardSummary(number, 3, 2, (Skipped('odd "näme".jpg', "not an image"),), tars)


def write_index(root: Path, number: int, old: list[str], new: list[str]) -> Path:
    path = index_path(root, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    listing = path.with_suffix(".jsonl")
    listing.write_text("".join(f"{json.dumps(row(plane, ordinal))}\n" for ordinal in range(2) for plane in new))
    write(path, listing, summary(number, *sorted(old + new)), old)
    listing.unlink()
    return path


def test_rows_and_seal_come_back(tmp_path: Path) -> None:
    write_index(tmp_path, 0, [], ["v00", "clean"])
    assert rows(tmp_path) == [row(p, n) for p in ("clean", "v00") for n in range(2)]
    assert read_summary(tmp_path, 0) == summary(0, "clean", "v00")
    assert read_summary(tmp_path, 1) is None


@pytest.mark.parametrize(
    "seal", ["{}", "[]", "5", "{", '{"number": 0, "skipped": [{"source": "a"}], "planes": {}}', None]
)
def test_an_index_with_a_damaged_seal_has_no_summary(seal: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    metadata = "" if seal is None else f", KV_METADATA {{layermix_gen: '{seal}'}}"
    duckdb.execute(f"COPY (SELECT 1 AS a) TO '{path}' (FORMAT parquet{metadata})")
    with (
        connected(ValueError) as db,
        pytest.raises(ValueError, match=r"no field 'inputs'|expected an object|values to unpack|Expecting"),
    ):
        summary_in(db, path)


def test_the_json_of_a_row_is_that_of_the_tar() -> None:
    """In the order of the columns, and without escapes for letters of other scripts."""
    made = row("v00", 0) | {"source": "Käfer/猫.png"}
    text = index.metadata_text(made)
    assert json.loads(text) == {name: made[name] for name in index.METADATA}
    assert text.startswith('{"source": "')
    assert "Käfer/猫.png" in text


def test_columns_are_typed_as_declared(tmp_path: Path) -> None:
    path = write_index(tmp_path, 0, [], ["v00"])
    table = duckdb.read_parquet(str(path))
    assert dict(zip(table.columns, map(str, table.types), strict=True)) == COLUMNS


def test_planes_added_later_give_the_same_bytes(tmp_path: Path) -> None:
    at_once = write_index(tmp_path / "a", 0, [], ["v00", "v01", "clean"])
    later = write_index(tmp_path / "b", 0, [], ["v00"])
    write_index(tmp_path / "b", 0, ["v00"], ["clean", "v01"])
    assert later.read_bytes() == at_once.read_bytes()
    assert [path.name for path in later.parent.iterdir()] == ["000000.parquet"]


def test_the_index_is_written_by_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On any machine: with more threads the order of rows, and so the bytes, may differ from run to run."""
    threads = []

    @contextmanager
    def watched(*arguments: Any) -> Iterator[Database]:
        with connected_again(*arguments) as db:
            threads.extend(row["threads"] for row in database_rows(db, "SELECT current_setting('threads') AS threads"))
            yield db

    monkeypatch.setattr(index, "connected_again", watched)
    write_index(tmp_path, 0, [], ["v00"])
    write_index(tmp_path, 0, ["v00"], ["v01"])
    assert threads == [1, 1]


def test_a_shard_without_a_sample_has_an_index(tmp_path: Path) -> None:
    path = index_path(tmp_path, 0)
    path.parent.mkdir()
    (tmp_path / "rows.jsonl").touch()
    write(path, tmp_path / "rows.jsonl", summary(0, "v00"))
    assert read_summary(tmp_path, 0) == summary(0, "v00")
    assert rows(tmp_path) == []


@pytest.mark.parametrize("name", ["it's", "a*b?", "[c]", "ü é", "{d,e}"])
def test_any_folder_name_will_do(name: str, tmp_path: Path) -> None:
    for other in ("its", "axbx", "c"):  # what a pattern would match
        write_index(tmp_path / other, 5, [], ["v05"])
    root = tmp_path / name
    write_index(root, 0, [], ["v00"])
    write_index(root, 0, ["v00"], ["v01"])
    write_index(root, 10, [], ["v00", "v01"])
    write_index(root, 2, [], ["v00", "v01"])
    assert list(read_summaries(root)) == [0, 2, 10]
    assert [one["shard"] for one in rows(root) if one["plane"] == "v01"] == [1] * 6


LIMITED = """
import resource, sys
from pathlib import Path
from layermix_gen.errors import LayerMixError
from layermix_gen.dataset.index import ShardSummary, index_path, write_index
path = index_path(Path(sys.argv[1]), 0)
path.parent.mkdir()
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
listing = path.with_suffix(".jsonl")
listing.write_text("{}")
try:
    write_index(path, listing, ShardSummary(0, 1, 1, (), {}))
except LayerMixError as error:
    print(error)
listing.unlink()
"""


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk; it applies to a whole process."""
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    (line,) = run.stdout.splitlines()
    assert "000000.parquet" in line
    assert line.startswith("the index cannot be read or written: ")
    assert line.endswith("; make room, then run the same command to resume")
    assert list((tmp_path / "index").iterdir()) == []


def test_no_index_is_no_summary(tmp_path: Path) -> None:
    assert read_summaries(tmp_path) == {}


def test_damage_is_one_line(tmp_path: Path) -> None:
    path = write_index(tmp_path, 0, [], ["v00"])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        LayerMixError, match=r"^the index cannot be read or written: .*000000\.parquet.*delete the file"
    ):
        read_summaries(tmp_path)
    (tmp_path / "index" / "000000.parquet").write_bytes(b"")
    with pytest.raises(LayerMixError, match=r"^the index cannot be read or written: ") as caught:
        read_summary(tmp_path, 0)
    assert "\n" not in str(caught.value)
