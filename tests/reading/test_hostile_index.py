"""An index that its author has made to do harm is refused in one line by the reader, queries and verification."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from layermix_gen import LayerMixError, open_shards
from layermix_gen.reading.reader import LayerMixDataset
from tests.reading.datasets import rewrite_indexes
from tests.reading.truth import Truth

ROWS = {
    "no column": "SELECT * EXCLUDE (size) FROM t",
    "another type": "SELECT * REPLACE (size::VARCHAR || 'x' AS size) FROM t",
    "a list": "SELECT * REPLACE ([label] AS label) FROM t",
    "a column more": "SELECT *, 1 AS file_row_number FROM t",
    "no label": "SELECT * REPLACE (NULL::BIGINT AS label) FROM t",
    "a label missing": "SELECT * REPLACE (CASE WHEN label = 3 THEN NULL ELSE label END AS label) FROM t",
    "a negative offset": 'SELECT * REPLACE (-"offset" AS "offset") FROM t',
    "a large offset": 'SELECT * REPLACE (9223372036854775807 AS "offset") FROM t',
    "an offset behind the tar": 'SELECT * REPLACE (1000000 AS "offset") FROM t',
    "a size of nothing": "SELECT * REPLACE (0::BIGINT AS size) FROM t",
    "a large size": "SELECT * REPLACE (9223372036854775807 AS size) FROM t",
    "a negative size": "SELECT * REPLACE (-size AS size) FROM t",
    "a negative label": "SELECT * REPLACE (-2::BIGINT AS label) FROM t",
    "a large label": "SELECT * REPLACE (1e15::BIGINT AS label) FROM t",
    "a negative shard": "SELECT * REPLACE (-1::INTEGER AS shard) FROM t",
    "another shard": "SELECT * REPLACE (7::INTEGER AS shard) FROM t",
    "rows twice": "SELECT * FROM t UNION ALL SELECT * FROM t",
    "rows of one plane": "SELECT * REPLACE ('v00' AS plane) FROM t",
    "planes in turn": "SELECT * FROM t ORDER BY key, plane",
    "no rows": "SELECT * FROM t WHERE false",
}
MANY = 3_000_000  # equal rows, in a file of 20 KB
ROWS_OF_QUERIES = {
    "keys that are paths": "SELECT * REPLACE ('../../thesis' AS key) FROM t",
    "keys with a line break": "SELECT * REPLACE (key || chr(10) AS key) FROM t",
    "a long recipe": "SELECT * REPLACE (repeat('invert(', 10000) AS recipe) FROM t",
    "no list": "SELECT * REPLACE (NULL::DOUBLE[] AS op_args) FROM t",
    "NaN": "SELECT * REPLACE (['nan'::DOUBLE, 0, 0] AS op_args) FROM t",
    "a hole in a list": "SELECT * REPLACE ([NULL, 'add'] AS blends) FROM t",
    "a layer of none": "SELECT * REPLACE (4::INTEGER AS layer) FROM t",
}


@pytest.fixture
def rewritten(independent: Truth, tmp_path: Path) -> Callable[[str], Path]:
    """Rewrites the index of a copy of a dataset by a statement, with its summary, and puts the manifest right."""
    return lambda sql: rewrite_indexes(shutil.copytree(independent.root, tmp_path / "shards"), sql)


def line_of(action: Callable[[], object]) -> str:
    """The one line of the error that an action raises."""
    with pytest.raises(LayerMixError) as caught:
        action()
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 1000
    return str(caught.value)


@pytest.mark.parametrize("name", ROWS)
def test_the_reader_refuses_it(name: str, rewritten: Callable[[str], Path]) -> None:
    root = rewritten(ROWS[name])
    assert "000000.parquet" in (line := line_of(lambda: LayerMixDataset(root, 8))) or "index" in line
    assert not open_shards(root).verify(workers=1, progress=False).ok


@pytest.mark.parametrize("name", ROWS_OF_QUERIES)
def test_queries_refuse_it(name: str, rewritten: Callable[[str], Path], tmp_path: Path) -> None:
    shards = open_shards(rewritten(ROWS_OF_QUERIES[name]))
    assert "the index cannot be read: " in line_of(shards.query)
    assert "the index cannot be read: " in line_of(lambda: shards.extract(tmp_path / "out", progress=False))
    assert "the index cannot be read: " in line_of(lambda: shards.sheet(tmp_path / "sheet.png"))
    assert not shards.verify(workers=1, progress=False).ok
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shards"]


def test_a_column_that_is_not_used_is_not_read(rewritten: Callable[[str], Path]) -> None:
    """Checks of ranges cost a reader nothing for the columns that it does not need."""
    root = rewritten(ROWS_OF_QUERIES["a long recipe"])
    assert open_shards(root).count("layer >= 0") == 97 * 2
    assert len(np.unique([labels.numpy() for _, labels in LayerMixDataset(root, 8)])) == 5


def test_very_many_rows_are_refused_by_the_footer(rewritten: Callable[[str], Path]) -> None:
    root = rewritten(f"SELECT t.* FROM (FROM t LIMIT 1) AS t, range({MANY})")  # noqa: S608
    for consumer in (lambda: LayerMixDataset(root, 8), open_shards(root).summary, open_shards(root).query):
        begin = time.process_time()
        assert f"found {MANY} rows" in line_of(consumer)
        assert time.process_time() - begin < 1
