"""The numbers of the paper's tables III to IX, from `paper.json`, under this package's names of the metrics."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from layermix_gen.errors import LayerMixError


@dataclass(frozen=True, slots=True)
class PaperTable:
    """Rows of one table for one dataset and one architecture. Entries without a number in the paper are left out."""

    table: str
    dataset: str
    model: str
    rows: dict[str, dict[str, float]]  # by method, then metric
    notes: tuple[str, ...]
    decimals: int  # as the paper prints them

    @property
    def source(self) -> str:
        """The name of the table in reports."""
        return f"paper {self.table}, {self.dataset}, {self.model}"


def paper_tables(numbers: Sequence[str]) -> tuple[PaperTable, ...]:
    """The tables with the given Roman numerals, in lower or upper case, in the order of the paper.

    Raises `LayerMixError` for other numerals.
    """
    everything = json.loads(files("layermix_gen.evaluate.reporting").joinpath("paper.json").read_text("utf-8"))[
        "tables"
    ]
    known = list(dict.fromkeys(one["table"] for one in everything))
    if unknown := [number for number in numbers if number.upper() not in known]:
        raise LayerMixError(f"expected tables of {', '.join(known)}, got {unknown[0]!r}; change --paper")
    return tuple(
        PaperTable(
            one["table"],
            one["dataset"],
            one["model"],
            {str(row.pop("method")): row for row in one["rows"]},
            tuple(one["notes"]),
            one["decimals"],
        )
        for one in everything
        if one["table"] in [number.upper() for number in numbers]
    )
