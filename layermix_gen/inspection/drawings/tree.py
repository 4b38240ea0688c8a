"""Draw a recipe as a tree from left to right, with the image at every step and the result at the end."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from layermix_gen.figures import canvas
from layermix_gen.figures.canvas import DENSITY, Canvas
from layermix_gen.figures.marks import Line, Point
from layermix_gen.figures.palette import IMAGE_INK, PAPER, PICTURE_INK, QUIET
from layermix_gen.images import Image, as_image
from layermix_gen.images.views import View
from layermix_gen.inspection.drawings.steps import Step, steps_of
from layermix_gen.inspection.drawings.tree_layout import Node, laid_out, view_row
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.recipe import IMAGE, OTHER, PICTURE, Call, Expression, parse

# Lengths are in device pixels, font sizes in points.
SIDE, HERO, MASK = 168 * DENSITY, 256 * DENSITY, 64 * DENSITY  # sides of a step, of the result, of a mask
NARROW, WIDE = 68 * DENSITY, 136 * DENSITY  # between columns, and where two operands meet
MARGIN, HEAD, CAPTION, BETWEEN = 44 * DENSITY, 76 * DENSITY, 44 * DENSITY, 32 * DENSITY
TITLE, NAME, SMALL, LINE = 22, 15, 13, 20 * DENSITY
RADIUS, SPACE = 14 * DENSITY, 7 * DENSITY  # of the sign of a blend; between a connector and what it leads to
SIGNS = {"multiply": 45.0}  # degrees by which the cross of a blend is turned, 0 for others
FADED = 0.62  # share of white that is mixed into the source image outside of the view
SHOWN = 32  # pixels of a mask that are shown along each side: a large one shown whole would look gray
LEAF_NAMES = {PICTURE.name: "picture", OTHER.name: "second image"}


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where a recipe's image comes from: the whole source image (H, W, 3), and the box of the view in it."""

    source: Image
    box: View


def recipe_tree(
    recipe: Expression | str,
    image: Image,
    picture: Image | None = None,
    other: Image | None = None,
    *,
    origin: Origin | None = None,
    title: str = "",
    subtitle: str = "",
    captions: Mapping[str, str] | None = None,
) -> PillowImage.Image:
    """Draw the tree of a recipe on white, for screens of twice the usual pixel density.

    `image`, `picture` and `other` are the recipe's leaves, as for `render`. With `origin`, the source image is drawn
    before the view, which is marked in it. `captions` are second lines for "source", "view", "picture" and "other".
    Small images are enlarged so that each pixel is a square. Raises `LayerMixError` as `render` does.
    """
    return tree_canvas(
        recipe, image, picture, other, origin=origin, title=title, subtitle=subtitle, captions=captions
    ).picture


def tree_canvas(
    recipe: Expression | str,
    image: Image,
    picture: Image | None = None,
    other: Image | None = None,
    *,
    origin: Origin | None = None,
    title: str = "",
    subtitle: str = "",
    captions: Mapping[str, str] | None = None,
) -> Canvas:
    """The canvas of `recipe_tree`, which can be written in any format."""
    expression = parse(recipe) if isinstance(recipe, str) else recipe
    drawing = _Drawing(
        steps_of(expression, as_image(image), picture, other), Step(IMAGE, image), origin, captions or {}
    )
    return drawing.draw(title, subtitle, str(expression))


class _Drawing:
    """The tree of one recipe, laid out and drawn on a canvas."""

    def __init__(self, result: Step, view: Step, origin: Origin | None, captions: Mapping[str, str]) -> None:
        self.root, self.captions = laid_out(result.expression), captions
        self.steps = dict(zip(self.root.walk(), result.walk(), strict=True))
        self.side, self.hero = (canvas.fitted(max(view.pixels.shape), side) for side in (SIDE, HERO))
        self.view = self._view(view)
        self.cards = [node for node in self.root.walk() if not node.is_view] + ([self.view] if self.view else [])
        if self.root.is_view:
            self.root = self.cards[0]
        self.origin = origin if self.view else None
        self.lefts = self._columns()
        self.pitch = self.side + CAPTION + BETWEEN

    def _view(self, view: Step) -> Node | None:
        """The node of the view, which is drawn once; None where it is not used."""
        row = view_row(self.root)
        if row is None:
            return None
        node = Node(IMAGE, 0, row=row)
        self.steps[node] = view
        return node

    def _columns(self) -> list[float]:
        """The left edge of each column."""
        meetings = {node.column for node in self.cards if len(node.operands) == 2}
        lefts = [MARGIN + (self.side + NARROW if self.origin else 0.0)]
        for column in range(1, self.root.column + 1):
            lefts.append(lefts[-1] + self.side + (WIDE if column in meetings else NARROW))
        return lefts

    def draw(self, title: str, subtitle: str, recipe: str) -> Canvas:
        """Draw the heading, the tree and the recipe's text."""
        edges = [(node.row * self.pitch, self._side(node) / 2) for node in self.cards]
        edges += [(node.row * self.pitch, BETWEEN) for node in self.root.walk() if node.is_view]  # its connectors
        self.top = MARGIN + (HEAD if title else 0) - min(y - half for y, half in edges)
        bottom = self.top + max(y + half for y, half in edges) + CAPTION + BETWEEN / 2
        width = self.lefts[self.root.column] + self.hero + MARGIN
        room = width - 2 * MARGIN
        lines = canvas.wrapped(recipe, room, SMALL)
        self.canvas = Canvas(width, bottom + (len(lines) + 0.7) * LINE + MARGIN)
        if title:
            self.canvas.text((MARGIN, MARGIN + 16 * DENSITY), canvas.shortened(title, room, TITLE), TITLE, bold=True)
            line = canvas.shortened(subtitle, room, SMALL)
            self.canvas.text((MARGIN, MARGIN + 41 * DENSITY), line, SMALL, QUIET)
        for node in self.cards:
            self._connect(node)
            self._card(node)
        if self.origin and self.view:
            self._source(self.origin, self._y(self.view))
        self.canvas.rule(MARGIN, width - MARGIN, bottom)
        for number, text in enumerate(lines, 1):
            self.canvas.text((MARGIN, bottom + (number + 0.6) * LINE), text, SMALL, QUIET)
        return self.canvas

    def _side(self, node: Node) -> int:
        return self.hero if node is self.root else self.side

    def _y(self, node: Node) -> float:
        return self.top + node.row * self.pitch

    # --- pictures

    def _card(self, node: Node) -> None:
        step, side = self.steps[node], self._side(node)
        left, y = self.lefts[node.column], self._y(node)
        image = canvas.scaled(step.pixels, side)
        self.canvas.image(image, left + (side - image.width) / 2, y - image.height / 2)
        name = LEAF_NAMES.get(step.name, step.name)
        numbers = step.numbers[2 * _is_sum(step) :]  # coefficients stand where the operands meet
        self._caption(left, y + side / 2, side, name, ", ".join(numbers) or self.captions.get(step.name, ""))

    def _caption(self, left: float, bottom: float, side: float, name: str, second: str) -> None:
        self.canvas.text((left, bottom + 20 * DENSITY), name, NAME, bold=True)
        self.canvas.text((left, bottom + 38 * DENSITY), canvas.shortened(second, side, SMALL), SMALL, QUIET)

    def _source(self, origin: Origin, y: float) -> None:
        image = marked(origin, self.side)
        left = MARGIN + max(0, self.side - image.width) / 2
        self.canvas.image(image, left, y - image.height / 2)
        self._caption(left, y + image.height / 2, self.side, "source", self.captions.get("source", ""))
        start, end = (left + image.width + SPACE, y), (self.lefts[0] - SPACE, y)
        self.canvas.arrow(np.array([start, end]), IMAGE_INK)

    # --- connectors

    def _connect(self, node: Node) -> None:
        """Draw the connectors from a step's operands to the step; two operands meet at the sign of the blend."""
        end = (self.lefts[node.column] - SPACE, self._y(node))
        if len(node.operands) == 1:
            self.canvas.arrow(self._led(node.operands[0], node, end), _ink(node.operands[0].expression))
        elif node.operands:
            step = self.steps[node]
            joint = (self.lefts[node.column] - WIDE / 2, self._y(node))
            half = RADIUS if step.mask is None else _shown(step)[1] / 2
            for operand, side, text in zip(node.operands, (-1, 1), _parts(step), strict=True):
                meeting = (joint[0], joint[1] + side * (half + SPACE / 2))
                self.canvas.line(self._led(operand, node, meeting), _ink(operand.expression))
                place = (joint[0] + SPACE, meeting[1] + side * 9 * DENSITY)
                self.canvas.text(place, text, SMALL, _ink(operand.expression), "lm")
            self.canvas.arrow(np.array([(joint[0] + half + SPACE / 2, joint[1]), end]), _ink(step.expression))
            self._joint(step, joint)

    def _led(self, operand: Node, node: Node, end: Point) -> Line:
        """The line from an operand along its row to `end`: straight into an operation, round a corner into a blend."""
        y, is_blend = self._y(operand), len(node.operands) == 2
        corner = (end[0], y)
        if not operand.is_view or not self.view:
            line = np.array([(self.lefts[operand.column] + self.side + SPACE, y)])
        else:  # from the view, which may stand in another row
            start = (self.lefts[0] + self.side + SPACE, self._y(self.view))
            if node.column == 1:
                middle = ((start[0] + end[0]) / 2, y)
                return canvas.curve(start, middle, corner, end) if is_blend else canvas.swing(start, end)
            line = canvas.swing(start, (self.lefts[1] - SPACE, y))
        if is_blend:
            gap = (self.lefts[node.column] - WIDE + SPACE, y)
            return np.vstack([line, canvas.curve(gap, corner, corner, end)])
        return np.vstack([line, [end]])

    def _joint(self, step: Step, centre: Point) -> None:
        """Draw the sign of a blend: a cross for `add` (upright) and `multiply` (turned), or the mask."""
        if step.mask is not None:
            mask, side = _shown(step)
            self.canvas.image(canvas.scaled(mask, side), centre[0] - side / 2, centre[1] - side / 2, edge=QUIET)
            return
        ink = _ink(step.expression)
        self.canvas.disc(centre, RADIUS, PAPER, ink)
        turn = np.radians(SIGNS.get(step.name, 0.0) + np.array([0, 90]))
        for arm in np.stack([np.cos(turn), np.sin(turn)], axis=1) * RADIUS * 0.46:
            self.canvas.line(np.array([centre - arm, centre + arm]), ink)


def _ink(expression: Expression) -> str:
    """The colour of the connector that leaves a step: the picture's where the step has no other leaf."""
    return IMAGE_INK if _has_image(expression) else PICTURE_INK


def _has_image(expression: Expression) -> bool:
    return any(map(_has_image, expression.operands)) if isinstance(expression, Call) else expression == IMAGE


def _is_sum(step: Step) -> bool:
    """Whether a step mixes two images by coefficients, and not by a mask."""
    return len(step.operands) == 2 and step.mask is None


def _parts(step: Step) -> tuple[str, str]:
    """The weights of a blend's two operands, as text: shares of a mask or of a mean, or coefficients."""
    first = BLENDS[step.name].parameters[0].name
    if step.mask is not None:
        share = float(step.mask.mean()) / 255
    elif first in ("weight", "cut"):  # of a mean, or of a mask within a box
        share = step.arguments[0] / (1 if first == "weight" else 256)
    else:
        x, y = step.numbers[:2]
        return x, y
    return f"{100 * share:.0f}%", f"{100 - 100 * share:.0f}%"


def _shown(step: Step) -> tuple[Image, int]:
    """The part of a step's mask to show, a corner of a large one, and its side on the canvas."""
    side = max(step.pixels.shape)
    part = step.mask_shown(side if side * canvas.ENLARGED <= MASK else SHOWN)
    return part, canvas.fitted(max(part.shape), MASK)


def marked(origin: Origin, side: int) -> PillowImage.Image:
    """The source image at about `side` pixels, faded outside the box of the view, which may extend beyond the image."""
    height, width, _ = origin.source.shape
    box = origin.box
    top, left, bottom, right = (round(v) for v in (box.top, box.left, box.top + box.height, box.left + box.width))
    above, before, below, after = max(-top, 0), max(-left, 0), max(bottom - height, 0), max(right - width, 0)
    whole = cv2.copyMakeBorder(origin.source, above, below, before, after, cv2.BORDER_CONSTANT)
    shown = canvas.scaled(whole, canvas.fitted(max(whole.shape), side))
    factor = shown.width / whole.shape[1]
    place = tuple(round(v * factor) for v in (left + before, top + above, right + before, bottom + above))
    faded = PillowImage.blend(shown, PillowImage.new("RGB", shown.size, PAPER), FADED)
    faded.paste(shown.crop(place), place[:2])
    outline = (place[0], place[1], place[2] - 1, place[3] - 1)
    ImageDraw.Draw(faded).rectangle(outline, outline=IMAGE_INK, width=2 * DENSITY)
    return faded
