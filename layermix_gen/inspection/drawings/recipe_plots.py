"""Plot the distributions of a dataset's recipes as small multiples, each against the expected distribution.

The expected distribution is counted over recipes that the method itself draws with the settings of the dataset, so that
no formula is written twice.
"""

import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image as PillowImage

from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.queries import aggregate
from layermix_gen.errors import LayerMixError
from layermix_gen.figures.canvas import write_picture
from layermix_gen.figures.palette import FOUND, HAIRLINE, INK, PAPER, QUIET
from layermix_gen.inspection.drawings.steps import MASKED
from layermix_gen.inspection.opened_dataset import OpenedDataset
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import SIGNATURES
from layermix_gen.support.seeds import generator

DRAWS = 100_000  # recipes drawn to estimate the expected distribution
BINS, FEW = 26, 12  # bins of a histogram, about; up to FEW values have a bar each
COLUMNS = 4  # panels side by side
PANEL, HEAD, SCALE = (3.0, 1.72), 0.95, 160  # inches of a panel, of the heading; pixels per inch

Counts: TypeAlias = dict[str, Counter[Any]]
"""How often each value occurs, by panel: "layer", "operation", "blend", "add a", "rotate degrees"."""

UNITS_SQL = "SELECT {} AS value, count(*) AS count FROM samples WHERE layer > 0 GROUP BY ALL"
STRENGTHS_SQL = """
    SELECT op, value, count(*) AS count FROM (SELECT op, unnest(op_args[:layer]) AS value FROM samples) GROUP BY ALL
"""
BLENDS_SQL = f"""
    SELECT blend, place, value, count(*) AS count FROM (
        SELECT blends[i] AS blend, j AS place, blend_args[2 * i + j - 2] AS value
        FROM samples, (SELECT unnest([1, 2]) AS i), (SELECT unnest([1, 2]) AS j)
    ) WHERE blend <> '' AND NOT (place = 2 AND blend IN {MASKED}) GROUP BY ALL
"""  # the second argument of a mask is its seed


def plot(shards: OpenedDataset, out: str | Path) -> Path:
    """Plot layers, operations, blends, coefficients and strengths of all variants to `out` (.png, .jpg or .webp).

    Returns `out`. Raises `LayerMixError` where matplotlib is not installed, where the dataset has no variants with
    drawn recipes, and where `out` cannot be written.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise LayerMixError("expected matplotlib for plots; run: pip install 'layermix-gen[plots]'") from error
    found = observed(shards.index)
    if not found["operation"].total():
        raise LayerMixError(f"expected variants that were drawn in {shards.location}, found none; plot another dataset")
    return write_picture(draw(found, expected(shards.manifest, DRAWS), _headings(shards.manifest, found)), out)


def observed(index: Sequence[Path]) -> Counts:
    """Count the values of each panel in the index."""
    counts: Counts = defaultdict(Counter)
    for panel, column in (("layer", "layer"), ("operation", "op")):
        counts[panel] = Counter({row["value"]: row["count"] for row in aggregate(index, UNITS_SQL.format(column))})
    for row in aggregate(index, STRENGTHS_SQL):
        for panel in _strengths(row["op"]):
            counts[panel][row["value"]] += row["count"]
    for row in aggregate(index, BLENDS_SQL):
        counts["blend"][row["blend"]] += row["count"] * (row["place"] == 1)
        counts[_coefficient(row["blend"], row["place"])][row["value"]] += row["count"]
    return counts


def expected(manifest: Manifest, draws: int) -> Counts:
    """Count the values of each panel in `draws` recipes that the method draws with the settings of a dataset."""
    settings, pool = manifest.settings, manifest.mixing_set
    drawing = settings.drawing(pool.count if pool else 0, pool.size if pool else 0)
    rng, method = generator(settings.seed, "what is to be expected", 0), METHODS[settings.method].draw
    counts: Counts = defaultdict(Counter)
    for _ in range(draws):
        recipe = method(rng, drawing)
        counts["layer"][recipe.layer] += 1
        counts["operation"][recipe.op] += 1
        for panel in _strengths(recipe.op):
            counts[panel].update(recipe.op_args)
        for number, blend in enumerate(recipe.blends):
            counts["blend"][blend] += 1
            for place in (1,) if blend in MASKED else (1, 2):
                counts[_coefficient(blend, place)][recipe.blend_args[2 * number + place - 1]] += 1
    return counts


def _strengths(op: str) -> list[str]:
    """The panels of an operation's strength: one, or none where it has no strength."""
    name = OPERATIONS[op].renders_as or op
    return [f"{op} {parameter.name}" for parameter in SIGNATURES[name][1]]


def _coefficient(blend: str, place: int) -> str:
    return f"{blend} {SIGNATURES[blend][1][place - 1].name}"


def _headings(manifest: Manifest, found: Counts) -> tuple[str, str]:
    made = manifest.settings
    return (
        f"The recipes of {found['operation'].total():,} variants",
        f"{made.method}, preset {made.preset}, magnitude {made.magnitude:g}, blending ratio {made.blending_ratio:g}",
    )


# --- drawing -------------------------------------------------------------------------------------------------------


def draw(found: Counts, wanted: Counts, headings: tuple[str, str]) -> PillowImage.Image:
    """Draw the panels: bars for what was found, lines for what is expected."""
    from matplotlib.figure import Figure

    first = ("layer", "operation", "blend")
    numbers = sorted((found.keys() | wanted.keys()) - set(first), key=_order)
    cuts = [name for name in numbers if name.split()[0] in MASKED]
    others = [name for name in numbers if name not in cuts]
    rows = 2 + -(-len(others) // COLUMNS)
    width, height = COLUMNS * PANEL[0], rows * PANEL[1] + HEAD
    figure = Figure(figsize=(width, height), dpi=SCALE, facecolor=PAPER)
    grid = figure.add_gridspec(
        rows, COLUMNS, left=0.4 / width, right=1 - 0.4 / width, top=1 - (HEAD + 0.35) / height, bottom=0.45 / height,
        hspace=0.72, wspace=0.16,
    )  # fmt: skip
    places: dict[str, Any] = {"layer": grid[0, 0], "blend": grid[1, 0], "operation": grid[:2, 1:3]}
    places |= {name: grid[row, 3] for row, name in enumerate(cuts)}
    places |= {name: grid[2 + number // COLUMNS, number % COLUMNS] for number, name in enumerate(others)}
    for name, place in places.items():
        axes = figure.add_subplot(place)
        _panel(axes, name, found[name], wanted[name])
    _heading(figure, headings, width, height)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return PillowImage.open(file).convert("RGB")


def _order(panel: str) -> tuple[int, str]:
    """Blends before operations, each in the order of its table."""
    return [*BLENDS, *OPERATIONS].index(panel.split()[0]), panel


def _panel(axes: Any, name: str, found: Counter[Any], wanted: Counter[Any]) -> None:
    order = [*BLENDS, *OPERATIONS].index if name in ("blend", "operation") else None
    values = sorted(found.keys() | wanted.keys(), key=order)
    axes.set_title(name.replace(" ", " · "), loc="left", fontsize=9, fontweight="bold", color=INK, pad=7)
    axes.tick_params(length=0, labelsize=7.5, labelcolor=QUIET, pad=4)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom" and name != "operation")
        spine.set_color(HAIRLINE)
    if name == "operation":
        _ranks(axes, values, found, wanted)
    elif len(values) <= FEW:
        _bars(axes, values, found, wanted)
    else:
        _histogram(axes, values, found, wanted)


def _shares(values: Sequence[Any], counts: Counter[Any]) -> list[float]:
    total = max(counts.total(), 1)
    return [counts[value] / total for value in values]


def _ranks(axes: Any, values: Sequence[str], found: Counter[Any], wanted: Counter[Any]) -> None:
    """A horizontal bar for each operation, from top to bottom, with the name on it."""
    shares, lines = _shares(values, found), _shares(values, wanted)
    places = np.arange(len(values))
    axes.barh(places, shares, 0.72, color=FOUND)
    axes.vlines(lines, places - 0.42, places + 0.42, color=INK, linewidth=1.3)
    for place, value, share, line in zip(places, values, shares, lines, strict=True):
        at = max(share, line)
        axes.annotate(f"{share:.1%}", (at, place), (5, 0), textcoords="offset points", va="center", **_LABEL)
        axes.annotate(value, (0, place), (6, -0.5), textcoords="offset points", va="center", fontsize=8, color=INK)
    axes.set(yticks=[], xticks=[], ylim=(len(values) - 0.4, -0.6), xlim=(0, max(shares + lines) * 1.14))


def _bars(axes: Any, values: Sequence[Any], found: Counter[Any], wanted: Counter[Any]) -> None:
    """A vertical bar for each value."""
    shares, lines = _shares(values, found), _shares(values, wanted)
    places = np.arange(len(values))
    axes.bar(places, shares, 0.66, color=FOUND)
    axes.hlines(lines, places - 0.38, places + 0.38, color=INK, linewidth=1.3)
    for place, share, line in zip(places, shares, lines, strict=True):
        at = max(share, line)
        axes.annotate(f"{share:.1%}", (place, at), (0, 3), textcoords="offset points", ha="center", **_LABEL)
    names = [f"{value:g}" if isinstance(value, float) else value for value in values]
    axes.set(xticks=places, xticklabels=names, yticks=[], xlim=(-0.6, max(len(values), 3) - 0.4))
    axes.set_ylim(0, max(shares + lines) * 1.2)


def _histogram(axes: Any, values: Sequence[float], found: Counter[Any], wanted: Counter[Any]) -> None:
    """A histogram of densities in bins of equal width: a whole number where all values are whole."""
    edges = np.linspace(values[0], values[-1], BINS + 1)
    if all(value == int(value) for value in values):
        edges = np.arange(values[0], values[-1] + 1, max(1, round((values[-1] - values[0]) / BINS))) - 0.5
        edges[-1] = values[-1] + 0.5
    heights = [
        np.histogram(list(counts), edges, weights=_shares(list(counts), counts))[0] / np.diff(edges)
        for counts in (found, wanted)
    ]
    axes.stairs(heights[0], edges, fill=True, color=FOUND)
    axes.stairs(heights[1], edges, baseline=None, color=INK, linewidth=1.1)
    axes.set(yticks=[], ylim=(0, max(map(np.max, heights)) * 1.08), xlim=(edges[0], edges[-1]))
    axes.locator_params(axis="x", nbins=5)


_LABEL: Mapping[str, Any] = {"fontsize": 7, "color": QUIET}


def _heading(figure: Any, headings: tuple[str, str], width: float, height: float) -> None:
    """Write what is plotted, and the legend of bars and lines."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    left = 0.4 / width
    figure.text(left, 1 - 0.48 / height, headings[0], fontsize=15, fontweight="bold", color=INK)
    figure.text(left, 1 - 0.74 / height, headings[1], fontsize=9, color=QUIET)
    keys = [Patch(color=FOUND, label="this dataset"), Line2D([], [], color=INK, lw=1.3, label="what its settings draw")]
    figure.legend(
        handles=keys, loc="upper right", bbox_to_anchor=(1 - 0.3 / width, 1 - 0.28 / height), ncols=2, frameon=False,
        fontsize=9, labelcolor=INK, handlelength=1.6,
    )  # fmt: skip
