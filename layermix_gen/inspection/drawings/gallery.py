"""The gallery: one HTML page to filter, view and explain the samples that a query finds.

The page needs no other file: thumbnails and the pictures of the steps are in it, and its content security policy
forbids every request. Metadata enters as JSON with every `<` escaped, and is shown as text, never as markup.
"""

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from layermix_gen.dataset.names import address
from layermix_gen.dataset.querying.queries import drawn
from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.figures.canvas import scaled
from layermix_gen.figures.palette import HAIRLINE, IMAGE_INK, INK, PAPER, PICTURE_INK, QUIET
from layermix_gen.images import Image
from layermix_gen.inspection.drawings.explain import replayed
from layermix_gen.inspection.drawings.steps import MASKED, NUMBERS, steps_of
from layermix_gen.inspection.drawings.tree_layout import Node, laid_out, view_row
from layermix_gen.inspection.opened_dataset import OpenedDataset
from layermix_gen.mixing.recipe import IMAGE, Call, Expression, parse
from layermix_gen.support.checks import as_path
from layermix_gen.support.files import replacing, writing
from layermix_gen.support.processes import available_cpus
from layermix_gen.support.progress import progress_bar
from layermix_gen.support.text import count
from layermix_gen.support.threads import mapped_ahead

LIMIT = 5000  # samples, by default
BUDGET = 56_000_000  # bytes of pictures in a page; steps beyond it are drawn as text
SMALL = 64  # px; samples up to this size are shown at full size, lossless
THUMBNAIL = 144  # px, of larger samples
FRAMES = (224, 160, 112, 80)  # px, of the steps of larger samples: the largest that fits the budget
TRIED = 24  # samples to estimate from which of them fits
CORNER = 20  # px of a mask that are shown along each side, for larger samples
CHUNK = 200  # samples whose pictures are in one block of the page; a block is read when one of them is shown
COLORS = {
    "paper": PAPER,
    "ink": INK,
    "quiet": QUIET,
    "line": HAIRLINE,
    "accent": IMAGE_INK,
    "picture": PICTURE_INK,
}  # of the light page; its style has those of the dark one
TITLES = {"layermix": "LayerMix samples", "none": "Samples"}
COLUMNS = ("source", "class_name", "other", "plane", "method", "layer", "picture", "recipe")


def write_gallery(
    shards: OpenedDataset,
    out: str | Path,
    where: str | None = None,
    order_by: str | None = None,
    limit: int | None = None,
    *,
    sample: int | None = None,
    seed: int = 0,
    budget: int = BUDGET,
    progress: bool = True,
) -> Path:
    """Write the first samples that meet `where`, by default 5,000, to the page `out`, and return its path.

    With `sample`, that many are drawn at random by the seed, instead of the first ones.
    Thumbnails and steps together take at most `budget` bytes: the more samples there are, the smaller the steps, and
    they are drawn as text where the budget is spent or the source images are gone. Raises `LayerMixError` for a wrong
    query or one that finds nothing, for more thumbnails than fit the budget, and where `out` cannot be written.
    """
    out = as_path(out, "gallery")
    limit = (sample or LIMIT) if limit is None else limit
    asked = where if sample is None else drawn(where, sample, seed)
    rows = shards.query(asked, order_by=order_by, limit=limit)
    if not rows:
        raise LayerMixError(
            f"expected samples for the gallery, but none meets {where or 'the limit'!r}; ask for others"
        )
    thumbnails, steps, reason = _pictures(shards, rows, budget, progress)
    facts = {
        "found": shards.count(where),
        "first": sample is None,
        "question": where or "",
        "small": shards.settings.side <= SMALL,
        "size": shards.settings.side,
        "method": shards.settings.method,
        "chunk": CHUNK,
        "numbers": NUMBERS,
        "masked": MASKED,
        "unillustrated": reason,
        "columns": _columns(rows),
        "trees": _trees(rows),
    }
    with writing(out), replacing(out) as draft:
        draft.write_text(page(facts, {"thumbnails": thumbnails, "steps": steps}), encoding="utf-8")
    return out


def _pictures(
    shards: OpenedDataset, rows: Sequence[Mapping[str, Any]], budget: int, progress: bool
) -> tuple[list[str], list[str], str]:
    """The thumbnail and the steps of each row, and the reason why some rows have no steps, or ""."""
    try:
        with progress_bar(2 * len(rows), "picture", progress, "drawing") as bar:
            pictures = _Pictures(shards, bar)
            thumbnails = pictures.thumbnails(rows, budget)
            return thumbnails, *pictures.steps(rows, budget - sum(map(len, thumbnails)))
    except KeyboardInterrupt:
        raise Interrupted("the gallery was not written; run the same command to make it") from None


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    columns = {"key": list(map(address, rows))} | {name: [row[name] for row in rows] for name in COLUMNS}
    chosen = {name: [[one for one in row[name] if one] for row in rows] for name in ("ops", "blends")}
    return columns | {"ops": [list(dict.fromkeys(ops)) for ops in chosen["ops"]], "blends": chosen["blends"]}


def _trees(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The tree of each sample: what samples have in common once, and for each its shape and its numbers.

    A shape is an arrangement and the names of the steps, operands first. The numbers stand as in the recipe, with a
    comma between those of two steps; they are 0.7% of a page of 2,000 samples of Fashion-MNIST.
    """
    arrangements: dict[Any, int] = {}
    shapes: dict[tuple[int, str], int] = {}
    chosen, numbers = [], []
    for row in rows:
        root = laid_out(parse(row["recipe"]))
        arrangement = arrangements.setdefault(_arrangement(root), len(arrangements))
        names = " ".join(node.expression.name for node in root.walk())
        chosen.append(shapes.setdefault((arrangement, names), len(shapes)))
        numbers.append(",".join(_numbers(node.expression) for node in root.walk()))
    return {"arrangements": list(arrangements), "shapes": list(shapes), "chosen": chosen, "numbers": numbers}


def _arrangement(root: Node) -> tuple[Any, ...]:
    """The operands (as indices of steps), column and row of every step, and the row of the view."""
    nodes = list(root.walk())
    steps = tuple((tuple(map(nodes.index, node.operands)), node.column, node.row) for node in nodes)
    return steps, view_row(root)


def _numbers(expression: Expression) -> str:
    return " ".join(map(repr, expression.arguments)) if isinstance(expression, Call) else ""


# --- pictures ------------------------------------------------------------------------------------------------------


class _Pictures:
    """Makes the pictures of a page, each the base64 of a WebP file, on several threads."""

    def __init__(self, shards: OpenedDataset, bar: Any) -> None:
        self.shards, self.bar = shards, bar
        self.small = shards.settings.side <= SMALL

    def thumbnails(self, rows: Sequence[Mapping[str, Any]], budget: int) -> list[str]:
        """The thumbnail of each row. Raises `LayerMixError` where they take more than `budget` bytes."""
        made: list[str] = []
        spent = 0
        for one in mapped_ahead(self._thumbnail, rows, available_cpus()):
            made.append(one)
            spent += len(one)
            self.bar.update()
            if spent > budget:
                raise LayerMixError(
                    f"expected thumbnails of at most {budget / 1e6:g} MB, got more from {count(len(rows), 'sample')}; "
                    f"set --limit to {len(made) - 1} or less"
                )
        return made

    def _thumbnail(self, row: Mapping[str, Any]) -> str:
        pixels = self.shards.pixels(row)
        return _encoded([pixels], max(pixels.shape) if self.small else THUMBNAIL, self.small)

    def steps(self, rows: Sequence[Mapping[str, Any]], room: int) -> tuple[list[str], str]:
        """The steps of each row as one strip, "" for a row without, and the reason why some have none, or ""."""
        side = self._side(rows, room)
        made: list[str] = []
        reason = ""
        for first in range(0, len(rows), CHUNK):
            for one, failure in self._strips(rows[first : first + CHUNK], side):
                reason = reason or failure
                if len(one) > room:
                    room = 0
                    reason = reason or f"the pictures in this page end with the first {count(len(made), 'sample')}"
                made.append(one if room else "")
                room -= len(made[-1])
                self.bar.update()
            if not room or not any(made):
                break
        self.bar.update(len(rows) - len(made))
        return made + [""] * (len(rows) - len(made)), f"Steps as text: {reason}." if reason else ""

    def _side(self, rows: Sequence[Mapping[str, Any]], room: int) -> int:
        """The side of each step's picture: the largest at which all should fit in `room`, estimated from a few."""
        if self.small:
            return self.shards.settings.side
        tried = rows[:: -(-len(rows) // TRIED)]
        sides = [side for side in FRAMES if side <= self.shards.settings.side] or [FRAMES[-1]]
        for side in sides[:-1]:
            sizes = [len(one) for one, _ in self._strips(tried, side)]
            if sum(sizes) / len(sizes) * len(rows) < 0.9 * room:
                return side
        return sides[-1]

    def _strips(self, rows: Sequence[Mapping[str, Any]], side: int) -> Iterator[tuple[str, str]]:
        return mapped_ahead(lambda row: self._strip(row, side), rows, available_cpus())

    def _strip(self, row: Mapping[str, Any], side: int) -> tuple[str, str]:
        """A strip of the view and every step of a sample, each mask after its blend; or "" and the reason."""
        try:
            replay = replayed(self.shards, row)
        except LayerMixError as error:
            return "", str(error)
        pictures = [replay.view]
        for step in steps_of(replay.recipe.expression, replay.view, replay.picture, replay.other).walk():
            if step.expression != IMAGE:
                pictures.append(step.pixels)
            if step.mask is not None:
                pictures.append(step.mask if self.small else step.mask_shown(CORNER))
        return _encoded(pictures, side, self.small), ""


def _encoded(pictures: Sequence[Image], side: int, lossless: bool) -> str:
    """Encode pictures side by side, all scaled to one square size, as base64 of a WebP file."""
    strip = np.hstack([_squared(np.asarray(scaled(picture, side)), side) for picture in pictures])
    file = io.BytesIO()
    options: dict[str, Any] = {"lossless": True, "quality": 50} if lossless else {"quality": 72}
    PillowImage.fromarray(strip).save(file, "WEBP", method=4, **options)
    return base64.b64encode(file.getvalue()).decode()


def _squared(picture: Image, side: int) -> Image:
    """A picture (H, W, 3); one that is no square in the middle of a transparent one, (side, side, 4)."""
    height, width, _ = picture.shape
    if height == width:
        return picture
    square, top, left = np.zeros((side, side, 4), np.uint8), (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = np.dstack([picture, np.full((height, width), 255, np.uint8)])
    return square


# --- the page ------------------------------------------------------------------------------------------------------


def page(facts: Mapping[str, Any], pictures: Mapping[str, Sequence[str]]) -> str:
    """The HTML of a page: its template, style and scripts put together with the data that they show."""
    style, script = _filled(_part("gallery.css"), COLORS), _part("tree.js") + _part("gallery.js")
    blocks = [
        f'<script type="text/plain" data-pictures="{name}">\n' + "\n".join(one or "-" for one in lines) + "\n</script>"
        for name, all_lines in pictures.items()
        for lines in (all_lines[first : first + CHUNK] for first in range(0, len(all_lines), CHUNK))
    ]
    policy = {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": _hash(style),
        "script-src": _hash(script),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    parts = {
        "title": TITLES.get(facts["method"], f"{facts['method']} samples"),
        "policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "style": style,
        "script": script,
        "data": json.dumps(facts, separators=(",", ":")).replace("<", "\\u003c"),
        "pictures": "\n".join(blocks),
    }
    return _filled(_part("gallery.html"), parts)


def _part(name: str) -> str:
    return (files("layermix_gen.inspection.drawings") / name).read_text(encoding="utf-8")


def _filled(template: str, parts: Mapping[str, str]) -> str:
    """A template with each `{{name}}` in it replaced; what replaces it is left as it is."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
