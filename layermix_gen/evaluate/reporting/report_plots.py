"""Plots of a report: heat maps of the error, bars for each corruption, reliability diagrams. Matplotlib is an extra."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from layermix_gen.evaluate.benchmarks import SEVERITIES, TITLES, mean_list
from layermix_gen.evaluate.metrics.calibration import Reliability
from layermix_gen.evaluate.metrics.measuring import CALIBRATED, Measured
from layermix_gen.evaluate.reporting.comparability import apart
from layermix_gen.evaluate.reporting.in_common import InCommon, in_common
from layermix_gen.figures.file_formats import PLOTS
from layermix_gen.figures.palette import INK, OVER, QUIET, RIGHT, SERIES, UNDER
from layermix_gen.figures.style import (
    HEAD,
    HEAT_MAP,
    LABEL,
    LINE,
    NAME,
    SMALL,
    bar_look,
    figure_of,
    legend,
    legend_height,
    name_panel,
    panel,
    plain,
    run_look,
    save,
    shortened,
    wrapped,
    write,
)
from layermix_gen.support.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 4  # panels side by side, at most
PANEL, BETWEEN = 2.02, 0.17  # inches: the width of a panel, and the gap to the next one


def plot_names() -> tuple[str, ...]:
    """The files that `draw_plots` may write."""
    return tuple(f"{name}.{form}" for name in _plots(()) for form in PLOTS)


def draw_plots(runs: Sequence[Measured], out: Path, form: str = "png") -> list[Path]:
    """Draw in one of the formats `PLOTS` into the folder `out` what the runs have data for; return the paths.

    Other old plots are removed.
    """
    paths = []
    for name, (draw, found, suite) in _plots(runs).items():
        path = out / f"{name}.{form}"
        if found:
            with replacing(path) as draft:
                save(draw(found, suite), draft, form)
            paths.append(path)
    for name in plot_names():
        if out / name not in paths:
            (out / name).unlink(missing_ok=True)
    return paths


def _plots(runs: Sequence[Measured]) -> dict[str, tuple[Callable[..., "Figure"], list[Measured], str]]:
    """By name: the function that draws a plot, the runs that have data for it, and the suite."""
    plots: dict[str, tuple[Callable[..., Figure], list[Measured], str]] = {}
    for suite in ("c", "cbar"):
        found = [run for run in runs if set(run.errors.get(suite, ())) & set(mean_list(suite, run.signature.scale))]
        plots[f"heat-map-{suite}"] = (heat_map, found, suite)
        plots[f"bars-{suite}"] = (bars, found, suite)
    for suite in CALIBRATED:
        found = [run for run in runs if suite in run.diagrams]
        plots[f"reliability-{suite}"] = (reliability_diagrams, found, suite)
    return plots


def heat_map(runs: Sequence[Measured], suite: str) -> "Figure":
    """The error of each run by corruption and severity, in percent; what is missing is left blank.

    Below a run's name stands its mean, over what all runs have in common if some are evaluated in part, or why it does
    not compare with the others.
    """
    names = _names(runs, suite)
    grids = [
        np.array([[run.errors[suite].get(name, {}).get(s, np.nan) for s in SEVERITIES] for name in names])
        for run in runs
    ]
    top = max(10.0, 10 * float(np.ceil(np.nanmax([np.nanmax(grid) for grid in grids]) / 10)))
    common = [_in_common(runs, suite, number) for number in range(len(runs))]
    whys = apart(runs, suite)
    facts = [one or why or _mean(run, suite) for run, why, one in zip(runs, whys, common, strict=True)]
    sheet = _Sheet(runs, facts, f"Error on {TITLES[suite]} by corruption and severity, %", 1.75, 0.27 * len(names))
    for grid, (left, bottom, is_first) in zip(grids, sheet.places("severity"), strict=True):
        axes = panel(sheet.figure, left, bottom, PANEL, sheet.height)
        axes.imshow(grid, cmap=HEAT_MAP, vmin=0, vmax=top, aspect="auto")
        for (row, column), error in np.ndenumerate(grid):
            color = QUIET if np.isnan(error) else "white" if error > 0.52 * top else INK
            text = "-" if np.isnan(error) else f"{error:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=color)
        axes.set_xticks(range(5), map(str, SEVERITIES))
        axes.set_yticks(range(len(names)), [_label(name) for name in names] if is_first else [""] * len(names))
        axes.set_xticks(np.arange(-0.5, 5), minor=True)
        axes.set_yticks(np.arange(-0.5, len(names)), minor=True)
        axes.grid(which="minor", color="white", linewidth=1.2)
        axes.tick_params(which="both", length=0, colors=QUIET, labelsize=LABEL)
        axes.spines[:].set_visible(False)
    return sheet.figure


def bars(runs: Sequence[Measured], suite: str) -> "Figure":
    """The mean error over severities, in percent: a group of bars for each corruption, a bar for each run.

    A corruption that lacks a severity has no bar. Where runs are evaluated in part, their mean is over what all of them
    have in common. A mean that does not compare with most others has no bar; the run's name in the legend says why.
    """
    names = _names(runs, suite)
    groups = np.arange(len(names) + 1.0)
    groups[1:] += 0.6  # the mean stands apart
    each, tall = (0.14, 1.8) if len(runs) <= 5 else (0.085, 2.4)
    width, reasons = 1.1 + max(0.42, each * len(runs) + 0.14) * (len(names) + 1), apart(runs, suite)
    entries = [f"{run.name} ({why})" if why else run.name for run, why in zip(runs, reasons, strict=True)]
    key = legend_height(width, entries)
    figure = figure_of(width, HEAD + key + 0.1 + tall + 1.0, f"Error on {TITLES[suite]}, mean over severities, %")
    axes, bar = panel(figure, 0.5, 1.0, width - 0.6, tall), 0.82 / len(runs)
    common = _largest(runs, suite)
    for number, (run, why) in enumerate(zip(runs, reasons, strict=True)):
        mean = run.numbers.get(f"{suite}_error")
        shown = mean.value if mean and mean.complete and not why else None
        if common:
            shown = common.means.get(number)
        errors = [shown, *(run.mean_error(suite, name) for name in names)]
        heights = [np.nan if error is None else error for error in errors]
        places = groups + (number - (len(runs) - 1) / 2) * bar
        axes.bar(places, heights, 0.9 * bar, zorder=2, **run_look(number))
    axes.set_xticks(
        groups,
        [f"mean of {common.extent}" if common else "mean", *map(_label, names)],
        rotation=40,
        ha="right",
        rotation_mode="anchor",
    )
    axes.set_xlim(-0.6, groups[-1] + 0.6)
    plain(axes)
    legend(figure, [run_look(number) for number in range(len(runs))], entries)
    return figure


def reliability_diagrams(runs: Sequence[Measured], suite: str) -> "Figure":
    """Accuracy by confidence for each run, its gap to perfect calibration, and below a histogram of the confidences."""
    share = max(float((run.diagrams[suite].counts / run.diagrams[suite].counts.sum()).max()) for run in runs)
    facts = []
    for run in runs:
        numbers = {name: f"{number.value:.1f}" for name, number in run.calibration[suite].items()}
        pooled = run.calibration[suite]["rms"]
        extent = "" if pooled.complete else f" ({pooled.parts}/{pooled.of})"
        facts.append(f"RMS {numbers['rms']}, floor {numbers['rms_floor']}, ECE {numbers['ece']}{extent}")
    looks = {"accuracy": RIGHT, "overconfident": OVER, "underconfident": UNDER}
    title = f"Reliability on {TITLES[suite] if suite != 'clean' else 'clean images'}"
    sheet = _Sheet(runs, facts, title, 0.55, 2.5, key=[*looks])
    for run, (left, bottom, is_first) in zip(runs, sheet.places("confidence"), strict=True):
        lower = panel(sheet.figure, left, bottom, PANEL, 0.55)
        upper = panel(sheet.figure, left, bottom + 0.65, PANEL, 1.85)
        _reliability(upper, lower, run.diagrams[suite])
        for axes, ticks, label in ((upper, (0, 0.5, 1), "accuracy"), (lower, (0, share), "share")):
            axes.set_xlim(0, 1)
            axes.set_ylim(0, ticks[-1])
            axes.set_xticks((0, 0.5, 1), ("0", "0.5", "1") if axes is lower else ("", "", ""))
            axes.set_yticks(ticks, [f"{tick:.2g}" for tick in ticks] if is_first else [""] * len(ticks))
            axes.set_ylabel(label if is_first else "", fontsize=LABEL, color=QUIET)
            plain(axes)
    legend(sheet.figure, [bar_look(color) for color in looks.values()], [*looks])
    return sheet.figure


def _reliability(upper: "Axes", lower: "Axes", diagram: Reliability) -> None:
    full, n = diagram.counts > 0, len(diagram.counts)
    centres, sure, right = (np.arange(n) + 0.5)[full] / n, diagram.confidences[full], diagram.accuracies[full]
    low, bar = np.minimum(sure, right), 0.9 / n
    upper.bar(centres, low, bar, color=RIGHT, zorder=2)
    upper.bar(centres, np.maximum(sure - right, 0), bar, low, color=OVER, zorder=2)
    upper.bar(centres, np.maximum(right - sure, 0), bar, low, color=UNDER, zorder=2)
    upper.plot([0, 1], [0, 1], color=INK, linewidth=0.7, linestyle=(0, (3, 3)), zorder=3)
    lower.bar(centres, diagram.counts[full] / diagram.counts.sum(), bar, color=SERIES[0], zorder=2)


class _Sheet:
    """A figure with a panel for each run, a few side by side, each under the run's name and a fact.

    `left` (for the labels of the axes) and `height` (of a panel) are in inches; `key` are the names in a legend.
    """

    def __init__(
        self,
        runs: Sequence[Measured],
        facts: Sequence[str],
        title: str,
        left: float,
        height: float,
        key: Sequence[str] = (),
    ) -> None:
        lines = -(-len(runs) // ACROSS)
        self.columns = -(-len(runs) // lines)
        self.left, self.height, self.facts = left, height, facts
        self.names = [wrapped(run.name, PANEL, NAME) for run in runs]
        self.over = LINE * (max(map(len, self.names)) + 1) + 0.1  # above a panel: its name and its fact
        self.step = self.over + height + 0.5
        width = max(3.75, left + self.columns * (PANEL + BETWEEN))
        self.top = HEAD + (legend_height(width, key) + 0.1 if key else 0.0)
        self.figure = figure_of(width, self.top + lines * self.step, title)

    def places(self, foot: str) -> Iterator[tuple[float, float, bool]]:
        """Label the panels one by one; yield left and bottom of each, and whether it is the first of its line.

        `foot` is the label of their horizontal axes.
        """
        height = self.figure.get_size_inches()[1]
        for number, (name, fact) in enumerate(zip(self.names, self.facts, strict=True)):
            line, column = divmod(number, self.columns)
            left, top = self.left + column * (PANEL + BETWEEN), height - self.top - line * self.step - self.over
            middle = left + PANEL / 2
            name_panel(self.figure, middle, top + 0.1 + LINE, name)
            write(self.figure, middle, top + 0.1, shortened(fact, PANEL, SMALL), SMALL, ha="center")
            write(self.figure, middle, top - self.height - 0.34, foot, LABEL, ha="center")
            yield left, top - self.height, column == 0


def _mean(run: Measured, suite: str) -> str:
    mean = run.numbers.get(f"{suite}_error")
    if not mean:
        return ""
    return f"mean {mean.value:.1f}" + ("" if mean.complete else f" ({mean.parts}/{mean.of})")


def _largest(runs: Sequence[Measured], suite: str) -> InCommon | None:
    """What most runs have in common, if some are evaluated in part; None where means compare as they are."""
    return max(_of_their_severities(runs, suite), key=lambda one: len(one.means), default=None)


def _of_their_severities(runs: Sequence[Measured], suite: str) -> Iterator[InCommon]:
    """What runs have in common that are at the same severities, as their corruptions are drawn at all of a run's."""
    for one in in_common(runs, suite):
        if all(set(runs[number].signature.suites[suite].severities) == {*one.severities} for number in one.means):
            yield one


def _in_common(runs: Sequence[Measured], suite: str, number: int) -> str:
    """The mean of a run over what it has in common with others; "" where means compare as they are."""
    found = (one for one in _of_their_severities(runs, suite) if number in one.means)
    return next((f"mean {one.means[number]:.1f} over {one.extent}" for one in found), "")


def _names(runs: Sequence[Measured], suite: str) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in mean_list(suite, run.signature.scale)))


def _label(name: str) -> str:
    return name.replace("_", " ").replace("transverse chromatic abberation", "chromatic abberation")
