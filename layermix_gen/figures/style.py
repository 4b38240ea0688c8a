"""How plots look: colors, places in inches, sizes of text, and names that are made to fit their place."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from layermix_gen.errors import extras_explained, printable
from layermix_gen.figures.palette import HAIRLINE, HATCHES, HEAT, INK, PAPER, QUIET, SERIES
from layermix_gen.figures.text_fitting import in_two_lines, shortened_inside

with extras_explained():
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import Rectangle
    from matplotlib.textpath import text_to_path

HEAT_MAP = LinearSegmentedColormap.from_list("error", HEAT)
DPI = 160
MARGIN, HEAD, LINE = 0.12, 0.4, 0.19  # inches: at the edges, of the head, of a line of small text
BOX, GAP = 0.11, 0.24  # inches: of a color in a legend, and between its entries
TITLE, NAME, LABEL, SMALL = 10, 9, 8, 7.5  # points: of the head, of a panel's name, of labels, of single values
PEN = 1.3  # points: the width of lines


def run_look(number: int) -> dict[str, Any]:
    """The color and hatching of the run with this number; the first 48 all differ."""
    hatch = HATCHES[number // len(SERIES) % len(HATCHES)]
    return {"facecolor": SERIES[number % len(SERIES)], "edgecolor": "white", "linewidth": 0, "hatch": hatch}


def bar_look(color: str) -> dict[str, Any]:
    """The look of bars, in a plot and in its legend."""
    return {"facecolor": color, "linewidth": 0}


def line_look(color: str) -> dict[str, Any]:
    """The look of a line in a legend: a bar as high as the line is wide."""
    return bar_look(color) | {"height": PEN / 72}


def figure_of(width: float, height: float, text: str, fact: str = "") -> Figure:
    """A figure of this size in inches, with `text` as its head, and `fact` at the head's right end."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER)
    write(figure, MARGIN, height - MARGIN, text, TITLE, INK, weight="bold", va="top")
    if fact:
        write(figure, width - MARGIN, height - MARGIN, fact, LABEL, ha="right", va="top")
    return figure


def panel(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """A panel at a place in inches, so that text keeps its place for any number of panels."""
    full_width, full_height = figure.get_size_inches()
    return figure.add_axes((left / full_width, bottom / full_height, width / full_width, height / full_height))


def name_panel(figure: Figure, middle: float, bottom: float, lines: Sequence[str]) -> None:
    """Write the name of a panel, of one line or several, centred at `middle` and from `bottom` upwards, in inches."""
    for up, text in enumerate(reversed(lines)):
        write(figure, middle, bottom + up * LINE, text, NAME, INK, ha="center")


def write(figure: Figure, left: float, bottom: float, text: str, size: float, color: str = QUIET, **more: Any) -> None:
    """Write text at a place in inches, literally: a dollar sign starts no formula."""
    width, height = figure.get_size_inches()
    figure.text(left / width, bottom / height, printable(text), fontsize=size, color=color, parse_math=False, **more)


def legend_height(width: float, names: Sequence[str]) -> float:
    """The height of a legend of these names, in a figure `width` inches wide."""
    return LINE * (1 + max(line for line, _, _ in _entries(width, names)))


def legend(figure: Figure, looks: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Draw a legend below the head: colors with their names, from left to right; long names are shortened to fit."""
    width, height = figure.get_size_inches()
    for (line, left, room), look, name in zip(_entries(width, names), looks, names, strict=True):
        middle = height - HEAD - (line + 0.5) * LINE
        tall = look.get("height", BOX)
        place = (left / width, (middle - tall / 2) / height)
        shape = look | {"width": BOX / width, "height": tall / height}
        figure.add_artist(Rectangle(place, transform=figure.transFigure, **shape))
        write(figure, left + 1.5 * BOX, middle, shortened(name, room, LABEL), LABEL, INK, va="center_baseline")


def _entries(width: float, names: Sequence[str]) -> list[tuple[int, float, float]]:
    """The line, left end and room for the name of each legend entry: all on one line if they fit, else in columns."""
    room, mark = width - 2 * MARGIN + GAP, 1.5 * BOX + GAP
    each = [min(room, text_width(name, LABEL) + 0.02 + mark) for name in names]
    if sum(each) <= room:
        return [(0, MARGIN + sum(each[:number]), wide - mark) for number, wide in enumerate(each)]
    widest = max(each)
    places = [divmod(number, int(room / widest)) for number in range(len(names))]
    return [(line, MARGIN + column * widest, widest - mark) for line, column in places]


def text_width(text: str, size: float) -> float:
    """The width, in inches, of text of this size in points."""
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)
    return float(width) / 72


def shortened(text: str, width: float, size: float) -> str:
    """The text, with an ellipsis in its middle if wider than `width`, because names tend to differ at an end."""
    return shortened_inside(text, width, partial(text_width, size=size))


def wrapped(text: str, width: float, size: float) -> list[str]:
    """The text on one or two lines of at most `width`, divided between words if possible, else shortened."""
    return in_two_lines(text, width, partial(text_width, size=size))


def plain(axes: Axes) -> None:
    """Leave only horizontal rules and a base line on the axes."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(HAIRLINE)
    axes.tick_params(length=0, colors=QUIET, labelsize=LABEL)
    axes.yaxis.grid(color=HAIRLINE, linewidth=0.7, zorder=0)


def save(figure: Figure, file: Path | IO[bytes], form: str = "png") -> None:
    """Write a figure as "png", "pdf" or "svg", with no time and no version in it: the same figure, the same bytes."""
    told = {"png": ["Software"], "pdf": ["Creator", "Producer", "CreationDate"], "svg": ["Creator", "Date"]}[form]
    with rc_context({"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "layermix-gen"}):
        figure.savefig(file, format=form, metadata=dict.fromkeys(told))
