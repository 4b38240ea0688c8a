"""The plots of a study: what the number of stored variants changes, and how conditions differ from another one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from study_analysis import METRICS, Difference, Results
from study_tables import Row

from layermix_gen.figures.palette import HAIRLINE, INK, QUIET, SERIES
from layermix_gen.figures.style import (
    HEAD,
    LABEL,
    MARGIN,
    figure_of,
    legend,
    legend_height,
    line_look,
    name_panel,
    panel,
    plain,
    save,
    text_width,
    write,
)

NUMBERS = (1, 2, 4, 8, 16, 20)
CURVES = {  # by title: the name of a condition with a number of variants, of the one with all, and a color
    "a view for each variant": ("layermix-v{}", "layermix", SERIES[1]),
    "one view for all": ("layermix-shared-v{}", "layermix-shared", SERIES[2]),
}
ACROSS, WIDTH, HEIGHT = 4, 1.75, 1.55  # panels side by side; inches of a panel
WHOLE, ROW = 9.2, 0.21  # inches: the width of a plot of differences, and the height of one
OPINIONS = {"better": SERIES[1], "worse": SERIES[2], "may be chance": SERIES[0]}


def draw_curves(results: Results, out: Path) -> None:
    """Draw each metric over the number of variants, every seed a point, and write the figure to `out`, a PNG."""
    curves = {title: curve for title, curve in CURVES.items() if curve[1] in results.found}
    names = [*curves, "online: a new variant in every epoch"]
    rows = -(-len(METRICS) // ACROSS)
    step_x, step_y = WIDTH + 0.5, HEIGHT + 0.75
    width = MARGIN + ACROSS * step_x + 0.1
    top = HEAD + legend_height(width, names) + 0.1
    height = top + rows * step_y
    figure = figure_of(width, height, "LayerMix by the number of stored variants", "lower is better")
    legend(figure, [line_look(color) for *_, color in curves.values()] + [line_look(QUIET)], names)
    for number, metric in enumerate(metric for metric in METRICS if results.values("layermix", metric)):
        row, column = divmod(number, ACROSS)
        left, bottom = MARGIN + 0.4 + column * step_x, height - top - (row + 1) * step_y + 0.45
        axes = panel(figure, left, bottom, WIDTH, HEIGHT)
        _curves(axes, results, metric)
        name_panel(figure, left + WIDTH / 2, bottom + HEIGHT + 0.06, [METRICS[metric]])
    with out.open("wb") as file:
        save(figure, file)


def _curves(axes: Axes, results: Results, metric: str) -> None:
    for each, whole, color in CURVES.values():
        names = {number: whole if number == NUMBERS[-1] else each.format(number) for number in NUMBERS}
        there = {number: list(results.values(name, metric).values()) for number, name in names.items()}
        there = {number: values for number, values in there.items() if values}
        axes.plot(list(there), [np.mean(values) for values in there.values()], color=color, linewidth=1.3, zorder=3)
        for number, values in there.items():
            axes.plot([number] * len(values), values, "o", color=color, markersize=2.2, zorder=4)
    if (online := results.mean("layermix", metric)) is not None:
        axes.axhline(online, color=QUIET, linewidth=0.9, zorder=2)
    axes.set_xscale("log", base=2)
    axes.set_xticks(NUMBERS, [str(number) if number != 16 else "" for number in NUMBERS])
    axes.minorticks_off()
    axes.set_xlabel("variants", fontsize=LABEL, color=INK)
    plain(axes)


def draw_differences(results: Results, rows: Sequence[Row], title: str, out: Path) -> None:
    """Draw by how much conditions differ from their references, with 95% intervals, to `out`, a PNG.

    Rows without results are left out, and so are metrics of which none has a difference.
    """
    there = [row for row in rows if any(row.difference(results, metric) for metric in METRICS)]
    metrics = [metric for metric in METRICS if any(row.difference(results, metric) for row in there)]
    names = [row.label.replace("`", "") for row in there]
    labels = MARGIN + max((text_width(name, LABEL) for name in names), default=0) + 0.15
    step = (WHOLE - MARGIN - labels) / max(len(metrics), 1)
    top, tall = HEAD + legend_height(WHOLE, [*OPINIONS]) + 0.35, ROW * len(there)
    height = top + tall + 0.3
    figure = figure_of(WHOLE, height, title, "lower is better")
    legend(figure, [line_look(color) for color in OPINIONS.values()], [*OPINIONS])
    for number, name in enumerate(names):
        write(figure, MARGIN, height - top - (number + 0.5) * ROW, name, LABEL, INK, va="center_baseline")
    for number, metric in enumerate(metrics):
        left, bottom = labels + number * step, height - top - tall
        axes = panel(figure, left, bottom, step - 0.13, tall)
        _differences(axes, [row.difference(results, metric) for row in there])
        name_panel(figure, left + (step - 0.13) / 2, bottom + tall + 0.08, [METRICS[metric]])
    with out.open("wb") as file:
        save(figure, file)


def _differences(axes: Axes, differences: Sequence[Difference | None]) -> None:
    """One difference a row, from the top; each is a point on the line of its interval."""
    for row, found in enumerate(differences):
        if found is None:
            continue
        opinion = "may be chance" if not found.is_clear else "better" if found.value < 0 else "worse"
        ends = (found.value - found.half_width, found.value + found.half_width)
        axes.plot(ends, (row, row), color=OPINIONS[opinion], linewidth=1.3, solid_capstyle="butt", zorder=3)
        axes.plot(found.value, row, "o", color=OPINIONS[opinion], markersize=4, zorder=4)
    axes.axvline(0, color=QUIET, linewidth=0.9, zorder=2)
    axes.set_ylim(len(differences) - 0.5, -0.5)
    axes.set_yticks([])
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.grid(color=HAIRLINE, linewidth=0.7, zorder=0)
    plain(axes)
