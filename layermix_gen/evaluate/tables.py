"""Tables of numbers for people: as plain text, Markdown or LaTeX, with what is missing shown and the best marked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from layermix_gen.evaluate.measuring import Number

MISSING = "-"
Better: TypeAlias = Literal["low", "high", ""]


@dataclass(frozen=True, slots=True)
class Cell:
    """A number, or the lack of one. A mean over fewer parts than its list has shows how many it is over."""

    number: Number | None
    decimals: int = 2
    best: bool = False

    @property
    def text(self) -> str:
        """`31.20`, `31.20 (12/15)` or `-`."""
        if self.number is None:
            return MISSING
        share = "" if self.number.complete else f" ({self.number.parts}/{self.number.of})"
        return f"{self.number.value:.{self.decimals}f}{share}"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of labels and cells; `labels` and `columns` are their heads. A row's label repeats where it must."""

    title: str
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Cell, ...]], ...]


def mark_best(cells: Sequence[Cell], better: Better) -> tuple[Cell, ...]:
    """The cells with the best of them marked, as they are printed: equal ones all, means that lack parts never.

    A number without another to compare with is not marked.
    """
    shown = {i: float(cell.text) for i, cell in enumerate(cells) if cell.number and cell.number.complete}
    if not better or len(shown) < 2:
        return tuple(cells)
    best = (min if better == "low" else max)(shown.values())
    return tuple(replace(cell, best=shown.get(i) == best) for i, cell in enumerate(cells))


def mark_columns(rows: Sequence[Sequence[Cell]], betters: Sequence[Better]) -> list[tuple[Cell, ...]]:
    """Rows of cells with the best of each column marked."""
    columns = [mark_best([row[i] for row in rows], better) for i, better in enumerate(betters)]
    return [tuple(column[i] for column in columns) for i in range(len(rows))]


def as_text(table: Table, emphasize: Callable[[str], str] = str) -> str:
    """Aligned columns under a title; the best have a star, and pass through `emphasize`."""
    heads = [*table.labels, *table.columns]
    lines = [[*labels, *(cell.text + "*" * cell.best for cell in cells)] for labels, cells in table.rows]
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    aligned = []
    for line in (heads, *lines):
        padded = [
            text.ljust(width) if i < len(table.labels) else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        shown = [text.replace(text.strip(), emphasize(text.strip())) if text.endswith("*") else text for text in padded]
        aligned.append("  ".join(shown).rstrip())
    return "\n".join([table.title, "", aligned[0], "-" * (sum(widths) + 2 * len(widths) - 2), *aligned[1:]])


def as_markdown(table: Table) -> str:
    """A table of GitHub's Markdown under a heading; the best are bold."""
    heads = [*table.labels, *table.columns]
    rule = ["---"] * len(table.labels) + ["---:"] * len(table.columns)
    lines = [
        [*labels, *(f"**{cell.text}**" if cell.best else cell.text for cell in cells)] for labels, cells in table.rows
    ]
    body = ["| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in (heads, rule, *lines)]
    return "\n".join([f"## {table.title}", "", *body])


def as_latex(table: Table) -> str:
    """A `table` of LaTeX, which needs the package booktabs; the best are bold."""
    heads = [_escaped(text) for text in (*table.labels, *table.columns)]
    lines = [
        [*map(_escaped, labels), *(f"\\textbf{{{cell.text}}}" if cell.best else _latex(cell) for cell in cells)]
        for labels, cells in table.rows
    ]
    body = [" & ".join(line) + r" \\" for line in lines]
    columns = "l" * len(table.labels) + "r" * len(table.columns)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_escaped(table.title)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(heads) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _latex(cell: Cell) -> str:
    return "--" if cell.number is None else cell.text


_SIGNS = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def _escaped(text: str) -> str:
    return "".join(_SIGNS.get(sign, f"\\{sign}" if sign in "&%$#_{}" else sign) for sign in text)
