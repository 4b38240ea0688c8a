"""The figure of recipes as small multiples: bars for what was found, lines for what is expected."""

import io
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PillowImage

from layermix_gen.figures.canvas import write_picture
from layermix_gen.figures.file_formats import VECTORS
from layermix_gen.figures.palette import FOUND, INK, QUIET
from layermix_gen.figures.style import (
    HEAD,
    LABEL,
    LINE,
    PEN,
    SMALL,
    bar_look,
    figure_of,
    legend,
    line_look,
    name_panel,
    panel,
    plain,
    save,
)
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.support.files import replacing, writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS, FEW = 26, 12  # bins of a histogram, about; up to FEW values have a bar each
COLUMNS = 4  # panels side by side
WIDTH, HEIGHT = 2.55, 0.98  # inches: of a panel
BETWEEN, BELOW, SIDE, FOOT = 0.4, 0.62, 0.3, 0.42  # inches: between panels, at the sides, at the foot
TOP = HEAD + 2 * LINE + 0.3  # inches: of the head, the legend and the names of the first panels
KEY = {"this dataset": bar_look(FOUND), "what its settings draw": line_look(INK)}


def write_figure(figure: "Figure", out: Path) -> Path:
    """Write what `compose` makes to `out`, in the format of its suffix, completely or not at all; return `out`."""
    form = VECTORS.get(out.suffix.lower())
    if form is None:
        return write_picture(pictured(figure), out)
    with writing(out), replacing(out) as draft:
        save(figure, draft, form)
    return out


def pictured(figure: "Figure") -> PillowImage.Image:
    """A figure as a picture."""
    file = io.BytesIO()
    save(figure, file)
    return PillowImage.open(file).convert("RGB")


def compose(
    found: Mapping[str, Counter[Any]], wanted: Mapping[str, Counter[Any]], headings: tuple[str, str]
) -> "Figure":
    """Make the figure. `found` and `wanted` count each panel's values; `headings` are the head and a fact."""
    places = _places(found.keys() | wanted.keys())
    rows = max(row + tall for row, _, tall, _ in places.values())
    width = COLUMNS * (WIDTH + BETWEEN) - BETWEEN + 2 * SIDE
    height = TOP + rows * (HEIGHT + BELOW) - BELOW + FOOT
    figure = figure_of(width, height, *headings)
    legend(figure, [*KEY.values()], [*KEY])
    for name, (row, column, tall, wide) in places.items():
        left, top = SIDE + column * (WIDTH + BETWEEN), height - TOP - row * (HEIGHT + BELOW)
        across, down = wide * (WIDTH + BETWEEN) - BETWEEN, tall * (HEIGHT + BELOW) - BELOW
        name_panel(figure, left + across / 2, top + 0.1, [name.replace(" ", " · ")])
        _fill(panel(figure, left, top - down, across, down), name, found[name], wanted[name])
    return figure


def _places(names: Collection[str]) -> dict[str, tuple[int, int, int, int]]:
    """Row, column, rows and columns of each panel: choices first, then numbers, those of masks before others."""
    places = {name: (row, 0, 1, 1) for row, name in enumerate(one for one in ("layer", "blend") if one in names)}
    if "operation" in names:
        places["operation"] = (0, 1 if places else 0, 2, 2)
    taken = {(top + i, left + j) for top, left, tall, wide in places.values() for i in range(tall) for j in range(wide)}
    free = (cell for cell in product(range(len(names)), range(COLUMNS)) if cell not in taken)
    numbers = sorted(set(names) - set(places), key=lambda name: (not name.endswith(" cut"), *_order(name)))
    return places | {name: (row, column, 1, 1) for name, (row, column) in zip(numbers, free, strict=False)}


def _order(name: str) -> tuple[int, str]:
    """Blends before operations, each in the order of its table."""
    return [*BLENDS, *OPERATIONS].index(name.split()[0]), name


def _fill(axes: "Axes", name: str, found: Counter[Any], wanted: Counter[Any]) -> None:
    order = [*BLENDS, *OPERATIONS].index if name in ("blend", "operation") else None
    values = sorted(found.keys() | wanted.keys(), key=order)
    plain(axes)
    if name == "operation":
        _ranks(axes, values, found, wanted)
    elif len(values) <= FEW:
        _bars(axes, values, found, wanted)
    else:
        _histogram(axes, values, found, wanted)


def _shares(values: Sequence[Any], counts: Counter[Any]) -> list[float]:
    total = max(counts.total(), 1)
    return [counts[value] / total for value in values]


def _ranks(axes: "Axes", values: Sequence[str], found: Counter[Any], wanted: Counter[Any]) -> None:
    """A horizontal bar for each operation, from top to bottom, with the name on it."""
    shares, lines = _shares(values, found), _shares(values, wanted)
    places = np.arange(len(values))
    axes.barh(places, shares, 0.72, **bar_look(FOUND))
    axes.vlines(lines, places - 0.42, places + 0.42, color=INK, linewidth=PEN)
    for place, value, share, line in zip(places, values, shares, lines, strict=True):
        _annotate(axes, f"{share:.1%}", (max(share, line), place), (5, 0), va="center")
        _annotate(axes, value, (0, place), (6, -0.5), LABEL, INK, va="center")
    axes.spines["bottom"].set_visible(False)
    axes.set(yticks=[], xticks=[], ylim=(len(values) - 0.4, -0.6), xlim=(0, max(shares + lines) * 1.14))


def _bars(axes: "Axes", values: Sequence[Any], found: Counter[Any], wanted: Counter[Any]) -> None:
    """A vertical bar for each value."""
    shares, lines = _shares(values, found), _shares(values, wanted)
    places = np.arange(len(values))
    axes.bar(places, shares, 0.66, **bar_look(FOUND))
    axes.hlines(lines, places - 0.38, places + 0.38, color=INK, linewidth=PEN)
    for place, share, line in zip(places, shares, lines, strict=True):
        _annotate(axes, f"{share:.1%}", (place, max(share, line)), (0, 3), ha="center")
    names = [f"{value:g}" if isinstance(value, float) else str(value).replace("_", "\n") for value in values]
    axes.set(xticks=places, xticklabels=names, yticks=[], xlim=(-0.6, max(len(values), 3) - 0.4))
    axes.set_ylim(0, max(shares + lines) * 1.2)


def _annotate(
    axes: "Axes", text: str, place: Any, offset: Any, size: float = SMALL, color: str = QUIET, **more: Any
) -> None:
    """Write text at an `offset` in points from a place of the plot."""
    axes.annotate(text, place, offset, textcoords="offset points", fontsize=size, color=color, **more)


def _histogram(axes: "Axes", values: Sequence[float], found: Counter[Any], wanted: Counter[Any]) -> None:
    """A histogram of densities in bins of equal width: a whole number where all values are whole."""
    edges = np.linspace(values[0], values[-1], BINS + 1)
    if all(value == int(value) for value in values):
        edges = np.arange(values[0], values[-1] + 1, max(1, round((values[-1] - values[0]) / BINS))) - 0.5
        edges[-1] = values[-1] + 0.5
    heights = [
        np.histogram(list(counts), edges, weights=_shares(list(counts), counts))[0] / np.diff(edges)
        for counts in (found, wanted)
    ]
    axes.stairs(heights[0], edges, fill=True, **bar_look(FOUND))
    axes.stairs(heights[1], edges, baseline=None, color=INK, linewidth=PEN)
    axes.set(yticks=[], ylim=(0, max(map(np.max, heights)) * 1.08), xlim=(edges[0], edges[-1]))
    axes.locator_params(axis="x", nbins=5)
