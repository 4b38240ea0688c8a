"""The rows of a table of paths and labels, from CSV or from Parquet."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from layermix_gen.sources.columnar.features import STRUCT
from layermix_gen.sources.columnar.parquet_images import is_parquet
from layermix_gen.sources.columns import COLUMNS, Cells, places_of
from layermix_gen.sources.csv_tables import REMEDY, csv_rows, has_header
from layermix_gen.support.files import reading, with_retries
from layermix_gen.support.text import as_text

AT_ONCE = 4096  # rows


def is_table(path: Path) -> bool:
    """Tell by the content whether a file is Parquet, or CSV with columns of paths and labels."""
    try:
        with reading(path, REMEDY):
            return is_parquet(path) or with_retries(lambda: has_header(path), path)
    except UnicodeError:
        return False


def table_rows(path: Path) -> Iterator[Cells]:
    """Yield all rows of a table, with memory for some of them. Raises `LayerMixError` for what is wrong with it."""
    with reading(path, REMEDY):
        is_columnar = is_parquet(path)
    done = 0

    def begun() -> Iterator[Cells]:
        return islice(_parquet(path) if is_columnar else csv_rows(path, lambda _: COLUMNS), done, None)

    rows = begun()

    def next_rows() -> list[Cells]:
        nonlocal rows
        try:
            return list(islice(rows, AT_ONCE))
        except OSError:
            rows = begun()  # to be read again up to here
            raise

    with reading(path, REMEDY):
        while some := with_retries(next_rows, path):
            done += len(some)
            yield from some


def _parquet(path: Path) -> Iterator[Cells]:
    """Yield the rows of a Parquet file."""
    from layermix_gen.sources.columnar.parquet_files import opened_parquet  # here, because DuckDB takes a while to load

    with opened_parquet(path, REMEDY) as file:
        columns = ["" if column.form == STRUCT else column.name for column in file.columns]
        places = places_of(columns, COLUMNS, as_text(path))
        found = file.streamed(*(None if place is None else file.columns[place].sql for place in places))
        for number, cells in enumerate(found, 1):
            yield Cells(f"row {number} of {as_text(path)}", *cells)
