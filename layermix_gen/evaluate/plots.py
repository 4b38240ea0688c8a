"""Plots of a report: heat maps of the error, bars for each corruption, reliability diagrams. Matplotlib is an extra."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.calibration import Reliability
from layermix_gen.evaluate.lists import SEVERITIES, TITLES, mean_list
from layermix_gen.evaluate.measuring import CALIBRATED, Measured
from layermix_gen.files import replacing

try:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
except ImportError as missing:
    raise LayerMixError(
        "expected Matplotlib for plots, found none; pip install 'layermix-gen[plots]', or print with --format alone"
    ) from missing

INK, FAINT, RULE = "#22252b", "#767b85", "#d9dce1"
COLORS = ("#a3a9b3", "#4f7cac", "#d98e32", "#7c9d5b", "#8d6a9f", "#4aa3a2", "#c9a227", "#b05c5c")
RIGHT, OVER, UNDER = "#4f7cac", "#e7a7a3", "#b9cde3"
HEAT = LinearSegmentedColormap.from_list("error", ["#fbf7ef", "#f3cf9b", "#e08a5f", "#b5435a", "#6a1f4d", "#2c1037"])
DPI = 160


def plot_names() -> tuple[str, ...]:
    """The files that `draw_plots` may write."""
    return tuple(_plots(()))


def draw_plots(runs: Sequence[Measured], out: Path) -> list[Path]:
    """Draw all that the runs have into the folder `out`, as PNG; return the paths. Other plots of old are removed."""
    paths = []
    for name, (draw, found, suite) in _plots(runs).items():
        path = out / name
        if found:
            with replacing(path) as draft:
                draw(found, suite).savefig(draft, format="png", dpi=DPI, metadata={"Software": None})
            paths.append(path)
        else:
            path.unlink(missing_ok=True)
    return paths


def _plots(runs: Sequence[Measured]) -> dict[str, tuple[Callable[..., Figure], list[Measured], str]]:
    """How each plot is drawn, and the runs that have something to show there."""
    plots: dict[str, tuple[Callable[..., Figure], list[Measured], str]] = {}
    for suite in ("c", "cbar"):
        found = [run for run in runs if set(run.errors.get(suite, ())) & set(mean_list(suite, run.signature.scale))]
        plots[f"heat-map-{suite}.png"] = (heat_map, found, suite)
        plots[f"bars-{suite}.png"] = (bars, found, suite)
    for suite in CALIBRATED:
        found = [run for run in runs if suite in run.diagrams]
        plots[f"reliability-{suite}.png"] = (reliability_diagrams, found, suite)
    return plots


def heat_map(runs: Sequence[Measured], suite: str) -> Figure:
    """The error of each run by corruption and severity, in percent; what is missing is left blank."""
    names = _names(runs, suite)
    grids = [
        np.array([[run.errors[suite].get(name, {}).get(s, np.nan) for s in SEVERITIES] for name in names])
        for run in runs
    ]
    width, height = max(4.2, 1.9 + 2.15 * len(runs)), 1.1 + 0.27 * len(names)
    figure, panels = _figure(width, height, 1, len(runs), left=1.75, right=0.15, top=0.66, bottom=0.42, gap=0.12)
    top = max(10.0, 10 * float(np.ceil(np.nanmax([np.nanmax(grid) for grid in grids]) / 10)))
    for run, grid, axes in zip(runs, grids, panels[0], strict=True):
        axes.imshow(grid, cmap=HEAT, vmin=0, vmax=top, aspect="auto")
        for (row, column), error in np.ndenumerate(grid):
            color = FAINT if np.isnan(error) else "white" if error > 0.52 * top else INK
            text = "-" if np.isnan(error) else f"{error:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color=color)
        axes.set_title(_title(run, suite), fontsize=9, color=INK, pad=6)
        axes.set_xticks(range(5), map(str, SEVERITIES))
        axes.set_yticks(range(len(names)), [_label(name) for name in names] if axes is panels[0][0] else [])
        axes.set_xticks(np.arange(-0.5, 5), minor=True)
        axes.set_yticks(np.arange(-0.5, len(names)), minor=True)
        axes.grid(which="minor", color="white", linewidth=1.2)
        axes.tick_params(which="both", length=0, colors=FAINT, labelsize=8)
        axes.spines[:].set_visible(False)
    _head(figure, f"Error on {TITLES[suite]} by corruption and severity, %")
    _foot(figure, panels[-1], "severity")
    return figure


def bars(runs: Sequence[Measured], suite: str) -> Figure:
    """The mean error over severities, in percent: a group of bars for each corruption, a bar for each run.

    A corruption that lacks a severity, and a mean that lacks a corruption, have no bar.
    """
    names = _names(runs, suite)
    groups = np.arange(len(names) + 1.0)
    groups[1:] += 0.6  # the mean stands apart
    width, height = 1.1 + max(0.42, 0.14 * len(runs) + 0.14) * (len(names) + 1), 3.3
    figure, panels = _figure(width, height, 1, 1, left=0.5, right=0.1, top=0.62, bottom=1.0)
    axes, bar = panels[0][0], 0.82 / len(runs)
    for number, run in enumerate(runs):
        mean = run.numbers.get(f"{suite}_error")
        errors = [mean.value if mean and mean.complete else None, *(run.mean_error(suite, name) for name in names)]
        heights = [np.nan if error is None else error for error in errors]
        places = groups + (number - (len(runs) - 1) / 2) * bar
        axes.bar(places, heights, 0.9 * bar, color=COLORS[number % len(COLORS)], label=run.name, zorder=2)
    axes.set_xticks(groups, ["mean", *map(_label, names)], rotation=40, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.6, groups[-1] + 0.6)
    _plain(axes)
    _head(figure, f"Error on {TITLES[suite]}, mean over severities, %")
    _legend(figure, axes)
    return figure


def reliability_diagrams(runs: Sequence[Measured], suite: str) -> Figure:
    """Accuracy by confidence for each run, and its gap to perfect calibration, over how often a model is so sure."""
    width, height = max(5.6, 0.62 + 2.15 * len(runs)), 3.7  # the head and the legend need so much
    inches = {"left": 0.5, "right": 0.12, "top": 0.92, "bottom": 0.48}
    figure, panels = _figure(width, height, 2, len(runs), **inches, gap=0.14, ratios=(3, 1))
    share = max(float((run.diagrams[suite].counts / run.diagrams[suite].counts.sum()).max()) for run in runs)
    for column, run in enumerate(runs):
        upper, lower = panels[0][column], panels[1][column]
        _reliability(upper, lower, run.diagrams[suite])
        numbers = {name: f"{number.value:.1f}" for name, number in run.calibration[suite].items()}
        facts = f"RMS {numbers['rms']}, floor {numbers['rms_floor']}, ECE {numbers['ece']}"
        upper.set_title(f"{run.name}\n", fontsize=9, color=INK, pad=5)
        upper.text(0.5, 1.035, facts, fontsize=7.5, color=FAINT, ha="center", transform=upper.transAxes)
        upper.set_ylim(0, 1)
        lower.set_ylim(0, share)
        for axes, ticks in ((upper, (0, 0.5, 1)), (lower, (0, share))):
            axes.set_xlim(0, 1)
            axes.set_xticks((0, 0.5, 1), ("0", "0.5", "1") if axes is lower else ("", "", ""))
            axes.set_yticks(ticks, [f"{tick:.2g}" for tick in ticks] if not column else [""] * len(ticks))
            _plain(axes)
    panels[0][0].set_ylabel("accuracy", fontsize=8, color=FAINT)
    panels[1][0].set_ylabel("share", fontsize=8, color=FAINT)
    _foot(figure, panels[-1], "confidence")
    _head(figure, f"Reliability on {TITLES[suite] if suite != 'clean' else 'clean images'}")
    _legend(figure, panels[0][0])
    return figure


def _reliability(upper: Axes, lower: Axes, diagram: Reliability) -> None:
    full, n = diagram.counts > 0, len(diagram.counts)
    centres, sure, right = (np.arange(n) + 0.5)[full] / n, diagram.confidences[full], diagram.accuracies[full]
    low, bar = np.minimum(sure, right), 0.9 / n
    upper.bar(centres, low, bar, color=RIGHT, label="accuracy", zorder=2)
    upper.bar(centres, np.maximum(sure - right, 0), bar, low, color=OVER, label="overconfident", zorder=2)
    upper.bar(centres, np.maximum(right - sure, 0), bar, low, color=UNDER, label="underconfident", zorder=2)
    upper.plot([0, 1], [0, 1], color=INK, linewidth=0.7, linestyle=(0, (3, 3)), zorder=3)
    lower.bar(centres, diagram.counts[full] / diagram.counts.sum(), bar, color=COLORS[0], zorder=2)


# --- style -----------------------------------------------------------------------------------------------------------


def _figure(
    width: float,
    height: float,
    rows: int,
    columns: int,
    *,
    left: float,
    right: float,
    top: float,
    bottom: float,
    gap: float = 0.0,
    ratios: tuple[int, ...] = (1,),
) -> tuple[Figure, list[list[Axes]]]:
    """A figure and its panels; all lengths in inches, so that text keeps its place whatever the number of panels."""
    figure = Figure(figsize=(width, height), facecolor="white")
    grid = figure.add_gridspec(
        rows,
        columns,
        left=left / width,
        right=1 - right / width,
        top=1 - top / height,
        bottom=bottom / height,
        wspace=gap,
        hspace=0.12,
        height_ratios=ratios,
    )
    return figure, [[figure.add_subplot(grid[row, column]) for column in range(columns)] for row in range(rows)]


def _head(figure: Figure, text: str) -> None:
    width, height = figure.get_size_inches()
    figure.text(0.12 / width, 1 - 0.12 / height, text, fontsize=10, color=INK, weight="bold", va="top")


def _foot(figure: Figure, panels: Sequence[Axes], text: str) -> None:
    """What the horizontal axes of a row of panels are."""
    middle = (panels[0].get_position().x0 + panels[-1].get_position().x1) / 2
    figure.text(middle, 0.11 / figure.get_size_inches()[1], text, fontsize=8, color=FAINT, ha="center")


def _legend(figure: Figure, axes: Axes) -> None:
    """Names of colors, in the line of the head, at its right end."""
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="upper right",
        bbox_to_anchor=(1, 1 - 0.04 / figure.get_size_inches()[1]),
        ncols=len(COLORS),
        fontsize=8,
        frameon=False,
        labelcolor=INK,
        handlelength=0.9,
        columnspacing=1.2,
        handletextpad=0.5,
    )


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(length=0, colors=FAINT, labelsize=8)
    axes.yaxis.grid(color=RULE, linewidth=0.7, zorder=0)


def _names(runs: Sequence[Measured], suite: str) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in mean_list(suite, run.signature.scale)))


def _label(name: str) -> str:
    return name.replace("_", " ").replace("transverse chromatic abberation", "chromatic abberation")


def _title(run: Measured, suite: str) -> str:
    mean = run.numbers.get(f"{suite}_error")
    if not mean:
        return run.name
    return f"{run.name}  {mean.value:.1f}" + ("" if mean.complete else f" ({mean.parts}/{mean.of})")
