"""The figure of recipes: bars, lines and texts are those of the counts, and nothing overlaps or is cut."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from layermix_gen.figures.style import DPI, PEN
from layermix_gen.inspection.drawings.recipe_figure import compose, pictured
from layermix_gen.inspection.drawings.recipe_plots import expected
from layermix_gen.mixing.operations import OPERATIONS

HEADINGS = ("The recipes of 1,200,000,000 variants", "layermix, preset released, magnitude 7.25, blending ratio 3.125")


@pytest.fixture(scope="module")
def figure(squares: Any) -> Figure:
    """Of as many operations as there are."""
    settings = replace(squares.settings, options={"ops": [row.name for row in OPERATIONS.values() if row.paper]})
    manifest = replace(squares.manifest, settings=settings)
    return compose(expected(manifest, draws=2000), expected(manifest, draws=4000), HEADINGS)


def shown(figure: Figure) -> Iterator[Text]:
    """All texts of a figure: beside its panels, on them, and below their axes."""
    yield from figure.texts
    for axes in figure.axes:
        yield from axes.texts
        low, high = axes.get_xlim()
        yield from (text for text in axes.get_xticklabels() if low <= text.get_position()[0] <= high)


def apart(boxes: list[Bbox]) -> bool:
    overlaps = [Bbox.intersection(one, other) for one, other in itertools.combinations(boxes, 2)]
    return all(overlap is None or min(overlap.width, overlap.height) < 1.5 for overlap in overlaps)


def test_nothing_overlaps_or_is_cut(figure: Figure) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # which places the ticks
    texts = [text.get_window_extent(canvas.get_renderer()) for text in shown(figure)]
    panels = [axes.get_window_extent() for axes in figure.axes]
    outside = [text.get_window_extent(canvas.get_renderer()) for text in figure.texts]
    assert apart(texts)
    assert apart([*panels, *outside])
    width, height = figure.get_size_inches() * DPI
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in (*texts, *panels))


def test_head_legend_and_names_of_panels(figure: Figure) -> None:
    texts = [text.get_text() for text in figure.texts]
    assert texts[:4] == [*HEADINGS, "this dataset", "what its settings draw"]
    assert texts[4:13] == [
        *("layer", "blend", "operation", "pixel · cut", "element · cut"),
        *("add · a", "add · b", "multiply · a", "multiply · b"),
    ]
    assert len(texts) == 4 + len(figure.axes)
    bar, line = (key.get_height() * figure.get_size_inches()[1] * 72 for key in figure.artists)  # type: ignore[attr-defined]
    assert bar > 5 * PEN
    assert line == pytest.approx(PEN)


def test_bars_are_what_was_found_and_lines_what_was_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    bars, lines = [], []
    upright = Axes.bar

    def bar(self: Axes, *values: Any, **options: Any) -> Any:
        if values:  # by name they come from `barh`
            bars.append(list(values[1]))
        return upright(self, *values, **options)

    monkeypatch.setattr(Axes, "bar", bar)
    monkeypatch.setattr(Axes, "hlines", lambda self, shares, *rest, **options: lines.append(list(shares)))
    others = {"operation": Counter(rotate=1), "blend": Counter(add=3, pixel=1)}
    found = {"layer": Counter({1: 30, 3: 10})} | others
    pictured(compose(found, {"layer": Counter({1: 1, 2: 1, 3: 2})} | others, ("", "")))
    assert bars == [[0.75, 0.0, 0.25], [0.75, 0.25]]
    assert lines == [[0.25, 0.25, 0.5], [0.75, 0.25]]


def test_what_nobody_expected_is_drawn_too() -> None:
    found: dict[str, Any] = {"layer": Counter({4: 1}), "operation": Counter(invert=2), "blend": Counter(add=1)}
    found |= {"add a": Counter({0.5: 1}), "brightness factor": Counter({float(i): i for i in range(1, 30)})}
    wanted: dict[str, Any] = {
        "layer": Counter({1: 1}),
        "operation": Counter(rotate=1),
        "blend": Counter(),
        "add a": Counter(),
    }
    assert pictured(compose(found, wanted | {"brightness factor": Counter()}, ("heading", "subtitle"))).width == 1920
