"""Drawings as PDF and SVG, by Matplotlib: text and lines stay sharp at any size, pictures are embedded as they are."""

import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image as PillowImage

from layermix_gen.errors import extras_explained
from layermix_gen.figures.marks import AreaMark, Mark, PictureMark, StrokeMark, TextMark
from layermix_gen.figures.palette import PAPER
from layermix_gen.figures.style import save

with extras_explained():
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import Polygon
    from matplotlib.patheffects import Normal, Stroke

PER_INCH = 144  # device pixels
POINT = PER_INCH / 72  # device pixels
BOLD = 0.02  # of the size: the width of the outline of bold text


def write_vector(
    picture: PillowImage.Image, marks: Iterable[Mark], font: bytes, file: Path | IO[bytes], form: str
) -> None:
    """Write a drawing as "pdf" or "svg", its text in the font of a TrueType file; `picture` is the same drawing."""
    with tempfile.NamedTemporaryFile(suffix=".ttf") as letters, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # shown as a box, as in the picture
        letters.write(font)
        letters.flush()
        save(_figure(picture, marks, FontProperties(fname=letters.name)), file, form)


def _figure(picture: PillowImage.Image, marks: Iterable[Mark], font: FontProperties) -> Figure:
    """The drawing as a figure with one pair of axes, whose units are device pixels."""
    width, height = picture.size
    figure = Figure(figsize=(width / PER_INCH, height / PER_INCH), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for order, mark in enumerate(marks):
        _artist(axes, mark, picture, font).set_zorder(order)
    axes.set(xlim=(0, width), ylim=(height, 0))
    return figure


def _artist(axes: Axes, mark: Mark, picture: PillowImage.Image, font: FontProperties) -> Artist:
    """A mark, put on the axes."""
    match mark:
        case TextMark(place, text, points, fill, anchor, bold):
            look = font.copy()
            look.set_size(points)
            aligned = "baseline" if anchor == "ls" else "center"
            shown = axes.text(*place, text, color=fill, font=look, va=aligned, parse_math=False)
            if bold:
                shown.set_path_effects([Stroke(linewidth=points * BOLD, foreground=fill), Normal()])
            return shown
        case PictureMark(left, top, right, bottom):
            pixels = np.asarray(picture.crop(mark))
            return axes.imshow(pixels, extent=(left, right, bottom, top), interpolation="none", aspect="auto")
        case AreaMark(line, fill):
            return axes.add_patch(Polygon(line, facecolor=fill, linewidth=0))
        case StrokeMark(line, fill, width):
            return axes.plot(*line.T, color=fill, linewidth=width / POINT, solid_capstyle="butt")[0]
