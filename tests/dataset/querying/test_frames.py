"""Queries as data frames and tables: the same rows, columns and types, and one line where the library is missing."""

import sys

import pytest

from layermix_gen import LayerMixError
from layermix_gen.inspection.shards import Shards

QUESTION = ("layer = 3", ["key", "layer", "size", "ops", "op_args", "image_crc32"], "size DESC, key", 20)


@pytest.fixture(scope="module")
def expected(squares: Shards) -> list[dict[str, object]]:
    found = squares.query(*QUESTION)
    assert len(found) == 20
    return found


def test_arrow(squares: Shards, expected: list[dict[str, object]]) -> None:
    table = squares.query(*QUESTION, as_="arrow")
    assert table.to_pylist() == expected
    types = {name: str(kind) for name, kind in zip(table.schema.names, table.schema.types, strict=True)}
    assert types["ops"].startswith("list<")
    assert types == types | {"key": "string", "layer": "int32", "size": "int64", "image_crc32": "uint32"}


def test_pandas(squares: Shards, expected: list[dict[str, object]]) -> None:
    frame = squares.query(*QUESTION, as_="pandas")
    assert list(frame.columns) == QUESTION[1]
    assert str(frame["layer"].dtype) == "int32"
    for row, found in zip(expected, frame.to_dict("records"), strict=True):
        assert {name: value if name[:2] != "op" else list(value) for name, value in found.items()} == row


def test_polars(squares: Shards, expected: list[dict[str, object]]) -> None:
    pytest.importorskip("polars")
    assert squares.query(*QUESTION, as_="polars").to_dicts() == expected


def test_of_no_row_the_columns_are_left(squares: Shards) -> None:
    for form in ("pandas", "arrow"):
        found = squares.query("layer = 7", as_=form)
        assert len(found) == 0
        assert found.shape[1] == len(squares.query(limit=1)[0])


@pytest.mark.parametrize(
    ("form", "module", "package"),
    [
        ("pandas", "pandas", "pandas for data frames of queries"),
        ("polars", "polars", "Polars for data frames of queries"),
        ("arrow", "pyarrow", "pyarrow for Arrow files and tables"),
    ],
)
def test_without_its_library(
    squares: Shards, monkeypatch: pytest.MonkeyPatch, form: str, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    extra = "arrow" if module == "pyarrow" else module
    with pytest.raises(LayerMixError) as caught:
        squares.query(as_=form)  # type: ignore[call-overload]
    assert str(caught.value) == f"expected {package}, found none; pip install 'layermix-gen[{extra}]'"


def test_other_forms_are_refused(squares: Shards) -> None:
    with pytest.raises(
        LayerMixError, match=r"^as_ must be one of dicts, pandas, polars, arrow, got 'excel'; change as_=$"
    ):
        squares.query(as_="excel")  # type: ignore[call-overload]


def test_frames_come_from_the_sandbox(squares: Shards) -> None:
    for where, found in (("key IN (FROM '/etc/passwd')", "the table"), ("nonsense = 1", "nonsense")):
        with pytest.raises(LayerMixError, match=found):
            squares.query(where, as_="arrow")
