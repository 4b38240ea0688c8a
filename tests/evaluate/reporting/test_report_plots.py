"""Plots of reports: names fit and are all there, colors tell runs apart, and no mean is shown that does not compare."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from layermix_gen.evaluate.metrics.measuring import Measured, measure
from layermix_gen.evaluate.reporting import report_plots
from layermix_gen.evaluate.reporting.in_common import in_common
from layermix_gen.evaluate.reporting.report_plots import bars, draw_plots, heat_map, reliability_diagrams
from layermix_gen.figures.palette import HATCHES, SERIES
from layermix_gen.figures.style import run_look, save, shortened, text_width, wrapped
from layermix_gen.figures.text_fitting import ELLIPSIS
from tests.evaluate.made_results import make_results

LONG = "wrn-40-4 m{} beta3 JSD with rather a long name"
DRAWN = (bars, heat_map, reliability_diagrams)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results") / "run"
    make_results(root, suites=("clean", "c"))
    return root


@pytest.fixture(scope="module")
def run(folder: Path) -> Measured:
    return measure(folder)


def texts(figure: Figure) -> list[str]:
    """What stands in a figure beside its panels, from the top line down, each from left to right."""
    shown = sorted(figure.texts, key=lambda text: (-round(text.get_position()[1], 3), text.get_position()[0]))
    return [text.get_text() for text in shown]


def boxes(figure: Figure) -> list[Bbox]:
    """Where each text and each panel of a figure lies, in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    return [one.get_window_extent(renderer) for one in (*figure.texts, *figure.axes)]


@pytest.mark.parametrize("draw", DRAWN)
@pytest.mark.parametrize("number", [1, 2, 3, 8, 12])
def test_long_names_run_into_nothing(run: Measured, draw: Any, number: int) -> None:
    """No text of any of the plots lies on another, on a panel, or beyond the edge."""
    named = [LONG.format(i) for i in range(number)]
    named[-1] = "a_name_without_a_gap_that_is_far_too_long_for_any_panel" * 3
    figure = draw([_called(run, name) for name in named], "c")
    found = boxes(figure)
    for one, other in itertools.combinations(found, 2):
        overlap = Bbox.intersection(one, other)
        assert overlap is None or min(overlap.width, overlap.height) < 1.5
    width, height = figure.get_size_inches() * figure.dpi
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in found)


def _called(run: Measured, name: str) -> Measured:
    """The same run by another name."""
    copy = Measured(name, run.signature, run.parts)
    copy.numbers, copy.errors, copy.calibration, copy.diagrams = run.numbers, run.errors, run.calibration, run.diagrams
    return copy


@pytest.mark.parametrize("names", [["_x", "b"], [f"{i} run" for i in range(13)], ["$x", "cost $\\foo$", "$^$ {"]])
def test_every_name_is_there_as_it_is_in_its_order(
    run: Measured, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an underscore in front, more of them than there are colors, and with what would be a formula."""
    drawn: list[Figure] = []

    def noted(figure: Figure, file: Path, form: str) -> None:
        drawn.append(figure)
        save(figure, file)

    monkeypatch.setattr(report_plots, "save", noted)
    paths = draw_plots([_called(run, name) for name in names], tmp_path)
    assert len(paths) == len(drawn) == 4
    for figure in drawn:
        assert [text for text in texts(figure) if text in names] == names


def test_runs_look_unlike() -> None:
    looks = [tuple(run_look(number).items()) for number in range(len(SERIES) * len(HATCHES))]
    assert len(set(looks)) == len(looks) == 48
    assert [run_look(number)["hatch"] for number in (0, 11, 12)] == ["", "", "////"]


def test_the_legend_has_the_colors_of_the_bars(run: Measured) -> None:
    figure = bars([_called(run, str(number)) for number in range(14)], "c")
    shown = [(box.get_facecolor(), box.get_hatch()) for box in figure.artists]  # type: ignore[attr-defined]
    drawn = [(group[0].get_facecolor(), group[0].get_hatch()) for group in figure.axes[0].containers]
    assert len(drawn) == 14
    assert shown == drawn


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"severities": (1, 3)}, "severities 1 3"), ({"images": 60}, "N 60"), ({"dataset": "mine"}, "mine")],
)
def test_a_mean_that_does_not_compare_has_no_bar(
    folder: Path, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    make_results(tmp_path, suites=("c",), **change)
    runs = [measure(folder, "one"), measure(tmp_path, "few"), measure(folder, "two")]
    figure = bars(runs, "c")
    one, few, two = (container.patches for container in figure.axes[0].containers)  # type: ignore[attr-defined]
    assert np.isnan(few[0].get_height())
    assert few[1].get_height() == pytest.approx(runs[1].mean_error("c", "gaussian_noise"))
    assert one[0].get_height() == two[0].get_height() == pytest.approx(runs[0].numbers["c_error"].value)
    assert texts(figure)[1:] == ["one", f"few ({reason})", "two"]
    mean = f"mean {runs[0].numbers['c_error'].value:.1f}"
    assert [text for text in texts(heat_map(runs, "c")) if text.startswith(("mean", reason))] == [mean, reason, mean]


def test_partial_runs_have_means_over_what_they_have_in_common(folder: Path, tmp_path: Path) -> None:
    make_results(tmp_path, suites=("clean", "c"), without=("c/fog", "c/snow"))
    runs = [measure(folder, "whole"), measure(tmp_path, "part")]
    (found,) = in_common(runs, "c")
    assert len(found.parts) == 13
    figure = bars(runs, "c")
    heights = [container.patches[0].get_height() for container in figure.axes[0].containers]  # type: ignore[attr-defined]
    assert heights == [pytest.approx(found.means[0]), pytest.approx(found.means[1])]
    assert figure.axes[0].get_xticklabels()[0].get_text() == "mean of 13 of 15"
    shown = [text for text in texts(heat_map(runs, "c")) if text.startswith("mean")]
    assert shown == [f"mean {found.means[number]:.1f} over 13 of 15" for number in range(2)]
    assert any(text.endswith(" (13/15)") for text in texts(reliability_diagrams(runs, "c")))
    assert not any("/" in text for text in texts(reliability_diagrams(runs, "clean")))


def test_alone_a_run_has_its_mean(tmp_path: Path) -> None:
    make_results(tmp_path, suites=("c",), severities=(1, 3))
    run = measure(tmp_path, "few")
    assert bars([run], "c").axes[0].containers[0].patches[0].get_height() == pytest.approx(run.numbers["c_error"].value)  # type: ignore[attr-defined]


def test_what_is_shortened_keeps_both_ends() -> None:
    name = LONG.format(7)
    assert shortened(name, 9, 8) == name
    for width in (0.3, 1, 2):
        text = shortened(name, width, 8)
        assert text_width(text, 8) <= width
        first, last = text.split(ELLIPSIS)
        assert name.startswith(first)
        assert name.endswith(last)
    assert shortened(name, 0, 8) == ELLIPSIS


def test_what_is_wrapped_is_divided_between_words() -> None:
    assert wrapped("short", 2, 9) == ["short"]
    assert wrapped("wrn-40-4 m0 beta3 JSD, and gray", 2, 9) == ["wrn-40-4 m0 beta3", "JSD, and gray"]
    lines = wrapped("x" * 99, 2, 9)
    assert len(lines) == 2
    assert all(text_width(line, 9) <= 2 for line in lines)
    assert "".join(lines).count(ELLIPSIS) == 1
    assert len("".join(lines)) > 30
