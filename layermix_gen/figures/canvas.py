"""A white canvas for pictures, text and connectors, all sharp on a screen of twice the usual density.

Lengths and places are in device pixels; a typographic point is two of them.
"""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from layermix_gen.errors import printable
from layermix_gen.figures import text_fitting
from layermix_gen.figures.file_formats import OPTIONS, SUFFIXES, VECTORS, drawing_path, picture_path
from layermix_gen.figures.marks import AreaMark, Line, Mark, PictureMark, Point, StrokeMark, TextMark, box, circle
from layermix_gen.figures.palette import HAIRLINE, INK, PAPER
from layermix_gen.images import Image
from layermix_gen.support.files import replacing, writing

DENSITY = 2  # device pixels per point
BOLD = 0.013  # of the size: how far the outline of bold text grows, because Pillow's own font has one weight
ENLARGED = 3  # from this factor on, pixels are shown as squares
FRACTION = 4  # fractional bits of the coordinates that OpenCV gets
PIECES = 40  # points of a curve
PEN, HEAD = 3, 15  # width of lines, length of arrow heads
INKED = 5.4  # device pixels that OpenCV inks for a smooth line of that width


def fitted(size: int, side: int) -> int:
    """The side, near `side`, at which to show a picture of `size` pixels: a multiple of `size` if that is small."""
    return size * round(side / size) if side >= ENLARGED * size else side


def scaled(pixels: Image, side: int) -> PillowImage.Image:
    """A picture (H, W, 3) scaled to the long side `side`: its pixels become squares if it is small, else smoothly."""
    height, width, _ = pixels.shape
    factor = side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    method = PillowImage.Resampling.NEAREST if factor >= ENLARGED else PillowImage.Resampling.LANCZOS
    return PillowImage.fromarray(pixels).resize(size, method)


@lru_cache(maxsize=16)
def _font(points: float) -> Any:
    return ImageFont.load_default(points * DENSITY)


def text_width(text: str, points: float) -> float:
    """The width of a text."""
    return float(_font(points).getlength(text))


def shortened(text: str, width: float, points: float) -> str:
    """A text on one line, cut off where it is wider than `width`."""
    return text_fitting.shortened(text, width, partial(text_width, points=points))


def wrapped(text: str, width: float, points: float) -> list[str]:
    """A recipe or a path on as many lines as it needs, broken where a name, a number or a word begins."""
    return text_fitting.wrapped(text, width, partial(text_width, points=points))


def write_picture(picture: PillowImage.Image, out: str | Path) -> Path:
    """Write a picture to `out`, a file of one of the `SUFFIXES`, completely or not at all; return its path.

    Raises `LayerMixError` for another suffix, and where the file cannot be written.
    """
    out = picture_path(out)
    form = SUFFIXES[out.suffix.lower()]
    with writing(out), replacing(out) as draft:
        picture.save(draft, form, **OPTIONS.get(form, {}))
    return out


class Canvas:
    """A picture being drawn, and the marks that it consists of."""

    def __init__(self, width: float, height: float) -> None:
        self.picture = PillowImage.new("RGB", (math.ceil(width), math.ceil(height)), PAPER)
        self.marks: list[Mark] = []
        self._draw = ImageDraw.Draw(self.picture)

    def write(self, out: str | Path) -> Path:
        """Write the drawing to `out`, completely or not at all; return its path.

        Raises `LayerMixError` for another suffix than those of `drawing_path`, for PDF and SVG without Matplotlib, and
        where the file cannot be written.
        """
        out = drawing_path(out)
        form = VECTORS.get(out.suffix.lower())
        if form is None:
            return write_picture(self.picture, out)
        from layermix_gen.figures.vector import write_vector  # Matplotlib is an extra

        with writing(out), replacing(out) as draft:
            write_vector(self.picture, self.marks, _font(1).font_bytes, draft, form)
        return out

    def text(
        self, place: Point, text: str, points: float, fill: str = INK, anchor: str = "ls", bold: bool = False
    ) -> None:
        """Write one line; `anchor` is Pillow's: with `ls`, `place` is the left end of the base line."""
        stroke, text = points * DENSITY * BOLD if bold else 0, printable(text)
        self.marks.append(TextMark(place, text, points, fill, anchor, bold))
        self._draw.text(place, text, fill, _font(points), anchor, stroke_width=stroke)

    def image(self, image: PillowImage.Image, left: float, top: float, edge: str = HAIRLINE) -> None:
        """Paste a picture, with a fine edge around it, because it may be as white as the canvas."""
        x, y = round(left), round(top)
        right, bottom = x + image.width, y + image.height
        self.marks += [AreaMark(box(x - 2, y - 2, right + 2, bottom + 2), edge), PictureMark(x, y, right, bottom)]
        self._draw.rectangle((x - 2, y - 2, x + image.width + 1, y + image.height + 1), outline=edge, width=2)
        self.picture.paste(image, (x, y))

    def rule(self, left: float, right: float, y: float) -> None:
        """Draw a fine horizontal line."""
        self.marks.append(AreaMark(box(left, y, right, y + 2), HAIRLINE))
        self._draw.rectangle((round(left), round(y), round(right), round(y) + 1), fill=HAIRLINE)

    def line(self, line: Line, fill: str) -> None:
        """Draw a line through points."""
        fixed = _fixed(line)
        self.marks.append(StrokeMark(line, fill, INKED))
        self._ink(
            fill, line, lambda mask, at: cv2.polylines(mask, [fixed - at], False, 255, PEN, cv2.LINE_AA, FRACTION)
        )

    def arrow(self, line: Line, fill: str) -> None:
        """Draw a line through points with an arrow head at its end, where it must run to the right."""
        x, y = line[-1]
        self.line(np.vstack([line[line[:, 0] < x - HEAD], [(x - HEAD / 2, y)]]), fill)
        head = np.array([(x, y), (x - HEAD, y - HEAD * 0.45), (x - HEAD, y + HEAD * 0.45)])
        self.marks.append(AreaMark(head, fill))
        fixed = _fixed(head)
        self._ink(fill, head, lambda mask, at: cv2.fillPoly(mask, [fixed - at], 255, cv2.LINE_AA, FRACTION))

    def disc(self, centre: Point, radius: float, fill: str, edge: str) -> None:
        """Draw a filled circle with an edge."""
        around = circle(centre, radius)
        self.marks += [AreaMark(around, fill), StrokeMark(around, edge, INKED)]
        r = round(radius * 2**FRACTION)
        for ink, pen in ((fill, -1), (edge, PEN)):
            self._ink(
                ink,
                around,
                lambda mask, at, pen=pen: cv2.circle(
                    mask, _fixed(np.array(centre)) - at, r, 255, pen, cv2.LINE_AA, FRACTION
                ),
            )

    def _ink(self, fill: str, points: Line, draw: Callable[..., Any]) -> None:
        """Let `draw` make a mask around `points` with OpenCV, and paint the color `fill` through it."""
        left, top = np.floor(points.min(axis=0)).astype(int) - 2 * PEN
        right, bottom = np.ceil(points.max(axis=0)).astype(int) + 2 * PEN
        mask = np.zeros((bottom - top, right - left), np.uint8)
        draw(mask, np.array([left, top]) * 2**FRACTION)
        self.picture.paste(fill, (int(left), int(top)), PillowImage.fromarray(mask))


def curve(a: Point, b: Point, c: Point, d: Point) -> Line:
    """A cubic Bézier curve from a to d."""
    t = np.linspace(0, 1, PIECES)[:, None]
    start, first, second, end = map(np.asarray, (a, b, c, d))
    return (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * first + 3 * (1 - t) * t**2 * second + t**3 * end


def swing(start: Point, end: Point) -> Line:
    """A curve that leaves and arrives horizontally."""
    reach = (end[0] - start[0]) * 0.6
    return curve(start, (start[0] + reach, start[1]), (end[0] - reach, end[1]), end)


def _fixed(points: Line) -> Any:
    return np.rint(points * 2**FRACTION).astype(np.int32)
