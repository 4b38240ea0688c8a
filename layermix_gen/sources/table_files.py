"""The rows of a table of paths and labels, from CSV or from Parquet."""

from collections.abc import Iterator
from pathlib import Path

from layermix_gen.sources.columnar.features import STRUCT
from layermix_gen.sources.columnar.parquet_images import is_parquet
from layermix_gen.sources.columns import COLUMNS, Cells, places_of
from layermix_gen.sources.csv_tables import REMEDY, csv_rows, has_header
from layermix_gen.support.files import reading, with_retries
from layermix_gen.support.text import as_text


def is_table(path: Path) -> bool:
    """Tell by the content whether a file is Parquet, or CSV with columns of paths and labels."""
    try:
        with reading(path, REMEDY):
            return is_parquet(path) or with_retries(lambda: has_header(path), path)
    except UnicodeError:
        return False


def table_rows(path: Path) -> list[Cells]:
    """All rows of a table. Raises `LayerMixError` that says what is wrong with the file."""
    with reading(path, REMEDY):
        if is_parquet(path):
            return with_retries(lambda: list(_parquet(path)), path)
        return with_retries(lambda: list(csv_rows(path, lambda _: COLUMNS)), path)


def _parquet(path: Path) -> Iterator[Cells]:
    """Yield the rows of a Parquet file."""
    from layermix_gen.sources.columnar.parquet_files import opened_parquet  # here, because DuckDB takes a while to load

    with opened_parquet(path, REMEDY) as file:
        columns = ["" if column.form == STRUCT else column.name for column in file.columns]
        places = places_of(columns, COLUMNS, as_text(path))
        rows = file.fetched(*(None if place is None else file.columns[place].sql for place in places))
    for number, cells in enumerate(rows, 1):
        yield Cells(f"row {number} of {as_text(path)}", *cells)
