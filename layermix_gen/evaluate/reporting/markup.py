"""Tables of numbers as plain text, Markdown, LaTeX or HTML, which show missing numbers and mark the best."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from layermix_gen.evaluate.metrics.measuring import Number
from layermix_gen.support.notebooks import panels

MISSING = "-"
Better: TypeAlias = Literal["low", "high", ""]


@dataclass(frozen=True, slots=True)
class Cell:
    """A number, or a missing one. A mean over fewer parts than its list has shows over how many it is."""

    number: Number | None
    decimals: int = 2
    best: bool = False

    @property
    def text(self) -> str:
        """The text of the cell: `31.20`, `31.20 (12/15)` or `-`."""
        if self.number is None:
            return MISSING
        share = "" if self.number.complete else f" ({self.number.parts}/{self.number.of})"
        return f"{self.number.value:.{self.decimals}f}{share}"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of labels and cells; `labels` and `columns` are their heads. Rows may share a label."""

    title: str
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Cell, ...]], ...]


def mark_best(cells: Sequence[Cell], better: Better, groups: Sequence[Hashable]) -> tuple[Cell, ...]:
    """The cells with the best of each group marked; `groups` has the group of each cell.

    Numbers are compared as they are printed, with the fewest decimals in their group. Equal ones are all marked. A mean
    that lacks parts is never marked, nor is a number without another to compare with.
    """
    marked: set[int] = set()
    for group in set(groups) if better else ():
        found = {
            i: (cell.number.value, cell.decimals)
            for i, (cell, one) in enumerate(zip(cells, groups, strict=True))
            if one == group and cell.number and cell.number.complete
        }
        fewest = min((decimals for _, decimals in found.values()), default=0)
        shown = {i: round(value, fewest) for i, (value, _) in found.items()}
        if len(shown) > 1:
            best = (min if better == "low" else max)(shown.values())
            marked |= {i for i, value in shown.items() if value == best}
    return tuple(replace(cell, best=i in marked) for i, cell in enumerate(cells))


def mark_columns(
    rows: Sequence[Sequence[Cell]], betters: Sequence[Better], groups: Sequence[Sequence[Hashable]]
) -> list[tuple[Cell, ...]]:
    """Rows of cells with the best of each group marked in each column; `groups` has the group of each cell."""
    columns = [
        mark_best([row[i] for row in rows], better, [group[i] for group in groups]) for i, better in enumerate(betters)
    ]
    return [tuple(column[i] for column in columns) for i in range(len(rows))]


def as_plain_text(table: Table, emphasize: Callable[[str], str] = str) -> str:
    """Aligned columns under a title; the best have a star, and pass through `emphasize`."""
    heads, count = [*table.labels, *table.columns], len(table.labels)
    lines = [[*labels, *(cell.text + "*" * cell.best for cell in cells)] for labels, cells in table.rows]
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]

    def aligned(texts: Sequence[str], best: Sequence[bool]) -> str:
        left = [text.ljust(width) for text, width in zip(texts[:count], widths[:count], strict=True)]
        right = [
            " " * (width - len(text)) + (emphasize(text) if marked else text)
            for text, width, marked in zip(texts[count:], widths[count:], best, strict=True)
        ]
        return "  ".join([*left, *right]).rstrip()

    rule = "-" * (sum(widths) + 2 * len(widths) - 2)
    rows = [aligned(line, [cell.best for cell in cells]) for line, (_, cells) in zip(lines, table.rows, strict=True)]
    return "\n".join([table.title, "", aligned(heads, [False] * len(table.columns)), rule, *rows])


def as_markdown(table: Table) -> str:
    """A table of GitHub's Markdown under a heading; the best are bold."""
    heads = [*table.labels, *table.columns]
    rule = ["---"] * len(table.labels) + ["---:"] * len(table.columns)
    lines = [
        [*labels, *(f"**{cell.text}**" if cell.best else cell.text for cell in cells)] for labels, cells in table.rows
    ]
    body = ["| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in (heads, rule, *lines)]
    return "\n".join([f"## {table.title}", "", *body])


def as_html(table: Table) -> str:
    """A table for notebooks; the best are bold."""
    return panels.panel(
        table.title,
        panels.grid(
            [*table.labels, *table.columns],
            [[*labels, *(cell.text for cell in cells)] for labels, cells in table.rows],
            [[*(False for _ in labels), *(cell.best for cell in cells)] for labels, cells in table.rows],
            len(table.labels),
        ),
    )


def as_latex(table: Table) -> str:
    """A `table` of LaTeX, which needs the package booktabs; the best are bold.

    An empty group is put before a row that LaTeX would otherwise read as an argument of the line break above it.
    """
    heads = [_escaped(text) for text in (*table.labels, *table.columns)]
    lines = [
        [*map(_escaped, labels), *(f"\\textbf{{{cell.text}}}" if cell.best else _latex(cell) for cell in cells)]
        for labels, cells in table.rows
    ]
    body = [" & ".join(line) + r" \\" for line in lines]
    body = [f"{{}}{line}" if line.startswith(("[", "*")) else line for line in body]
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
