"""What plots share: a head, a legend, names of panels, sizes of text, and one message where Matplotlib is missing."""

import importlib
import io
import sys

import pytest
from matplotlib.figure import Figure

from layermix_gen.errors import LayerMixError
from layermix_gen.figures import style
from layermix_gen.figures.palette import FOUND, INK
from layermix_gen.figures.style import (
    BOX,
    LABEL,
    LINE,
    MARGIN,
    NAME,
    PEN,
    TITLE,
    bar_look,
    figure_of,
    legend,
    line_look,
    name_panel,
    panel,
    plain,
    save,
)


def texts(figure: Figure) -> list[tuple[str, float, float, float]]:
    """Each text with its size in points and its place in inches."""
    width, height = figure.get_size_inches()
    return [
        (one.get_text(), float(one.get_fontsize()), one.get_position()[0] * width, one.get_position()[1] * height)
        for one in figure.texts
    ]


def test_the_head_stands_left_and_its_fact_right() -> None:
    place = pytest.approx(3 - MARGIN)
    assert texts(figure_of(4, 3, "head")) == [("head", TITLE, pytest.approx(MARGIN), place)]
    (_, (text, size, right, top)) = texts(figure_of(4, 3, "head", "fact"))
    assert (text, size, right, top) == ("fact", LABEL, pytest.approx(4 - MARGIN), place)


def test_a_legend_has_boxes_for_bars_and_strokes_for_lines() -> None:
    figure = figure_of(4, 3, "head")
    looks = [bar_look(FOUND), line_look(INK)]
    legend(figure, looks, ["bars", "lines"])
    height = figure.get_size_inches()[1]
    box, stroke = figure.artists
    assert box.get_height() * height == pytest.approx(BOX)  # type: ignore[attr-defined]
    assert stroke.get_height() * height == pytest.approx(PEN / 72)  # type: ignore[attr-defined]
    middles = [one.get_y() + one.get_height() / 2 for one in (box, stroke)]  # type: ignore[attr-defined]
    assert middles[0] == pytest.approx(middles[1])
    assert [text for text, *_ in texts(figure)] == ["head", "bars", "lines"]
    assert looks == [bar_look(FOUND), line_look(INK)]


def test_the_last_line_of_a_panels_name_is_the_lowest() -> None:
    figure = Figure(figsize=(4, 3))
    name_panel(figure, 2, 1, ["wrn-40-4", "layermix"])
    assert texts(figure) == [
        ("layermix", NAME, pytest.approx(2), pytest.approx(1)),
        ("wrn-40-4", NAME, pytest.approx(2), pytest.approx(1 + LINE)),
    ]


def test_panels_stand_where_they_are_put() -> None:
    figure = figure_of(4, 2, "head")
    axes = panel(figure, 1, 0.5, 2, 1)
    plain(axes)
    assert axes.get_position().bounds == pytest.approx((0.25, 0.25, 0.5, 0.5))
    assert [name for name, spine in axes.spines.items() if spine.get_visible()] == ["bottom"]


def test_the_same_figure_gives_the_same_bytes_without_a_version() -> None:
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        save(figure_of(1, 1, "head"), file)
    first, second = (file.getvalue() for file in files)
    assert first == second
    assert b"atplotlib" not in first


def test_without_matplotlib_there_is_one_remedy_for_all_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    monkeypatch.delitem(sys.modules, style.__name__)
    with pytest.raises(
        LayerMixError, match=r"^expected Matplotlib for plots, found none; pip install 'layermix-gen\[plots\]'$"
    ):
        importlib.import_module(style.__name__)
