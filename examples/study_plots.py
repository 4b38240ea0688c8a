"""The plot of a study: what the number of stored variants changes, with the line of mixing online."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from study_analysis import METRICS, Results

from layermix_gen.figures.palette import INK, QUIET, SERIES
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
)

NUMBERS = (1, 2, 4, 8, 16, 20)
CURVES = {  # by title: the name of a condition with a number of variants, of the one with all, and a color
    "a view for each variant": ("layermix-v{}", "layermix", SERIES[1]),
    "one view for all": ("layermix-shared-v{}", "layermix-shared", SERIES[2]),
}
ACROSS, WIDTH, HEIGHT = 4, 1.75, 1.55  # panels side by side; inches of a panel


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
