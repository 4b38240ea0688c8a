"""What a query finds as a data frame or an Arrow table, whose library is imported only when it is asked for."""

from collections.abc import Callable
from typing import Any, TypeAlias

from layermix_gen.errors import extras_explained
from layermix_gen.support.database import Found

Frame: TypeAlias = Any  # a `pandas.DataFrame`, a `polars.DataFrame` or a `pyarrow.Table`


def _pandas(found: Found) -> Frame:
    import pandas  # noqa: F401 - DuckDB needs it

    return found.df()


def _polars(found: Found) -> Frame:
    import polars

    return polars.from_arrow(_arrow(found))


def _arrow(found: Found) -> Frame:
    import pyarrow  # noqa: F401 - DuckDB needs it

    return found.to_arrow_table()


FRAMES: dict[str, Callable[[Found], Frame]] = {"pandas": _pandas, "polars": _polars, "arrow": _arrow}


def as_frame(found: Found, form: str) -> Frame:
    """The rows of a statement as one of `FRAMES`. Raises `MissingExtraError` without its library."""
    with extras_explained():
        return FRAMES[form](found)
