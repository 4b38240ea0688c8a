"""Contact sheets: the samples that a query finds, each clean view next to its variants, captioned by recipe."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layermix_gen.dataset.names import CLEAN_PLANE, address, ordinal_of, sample_key
from layermix_gen.dataset.querying.queries import drawn
from layermix_gen.errors import LayerMixError
from layermix_gen.figures import canvas
from layermix_gen.figures.canvas import DENSITY, Canvas
from layermix_gen.figures.file_formats import drawing_path
from layermix_gen.figures.palette import QUIET
from layermix_gen.images import Image
from layermix_gen.inspection.drawings.explain import chosen
from layermix_gen.inspection.opened_dataset import OpenedDataset
from layermix_gen.support.database import quoted

LIMIT = 24  # samples, by default
# Lengths are in device pixels, font sizes in points.
SIDE, GAP, MARGIN = 168 * DENSITY, 12 * DENSITY, 32 * DENSITY
APART = 36 * DENSITY  # between the pictures of two source images in a row
COLUMNS = 6  # pictures in a row, unless one source image has more
TITLE, SMALL, LINE, LINES = 10, 8.5, 12 * DENSITY, 5
CAPTION, BELOW = 24 * DENSITY + LINES * LINE, 18 * DENSITY


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A picture (H, W, 3) and its caption: a title, its plane and layer, and its recipe or source image."""

    pixels: Image
    title: str
    note: str
    text: str


def contact_sheet(
    shards: OpenedDataset,
    out: str | Path,
    where: str | None = None,
    order_by: str | None = None,
    limit: int | None = None,
    *,
    sample: int | None = None,
    seed: int = 0,
) -> Path:
    """Draw the first samples that meet `where`, by default 24, to `out`, in the format of its suffix.

    With `sample`, that many are drawn at random by the seed, instead of the first ones.

    Samples of one source image are side by side, after its clean view where the dataset has one. Returns `out`. Raises
    `LayerMixError` for a wrong query or one that finds nothing, and where `out` cannot be written.
    """
    out = drawing_path(out)
    shown = f"plane <> '{CLEAN_PLANE}'" if where is None and shards.settings.variants else where
    limit = (sample or LIMIT) if limit is None else limit
    if sample is not None:
        shown = drawn(shown, sample, seed)
    rows = shards.query(shown, order_by=order_by or "key, plane", limit=limit)
    if not rows:
        raise LayerMixError(f"expected samples to draw, but none meets {where or 'the limit'!r}; ask for others")
    groups: dict[int, dict[str, dict[str, Any]]] = {ordinal_of(row["key"]): {} for row in rows}
    for row in [*_clean_views(shards, groups), *rows]:
        groups[ordinal_of(row["key"])][address(row)] = row
    return draw([[_tile(shards, row) for row in group.values()] for group in groups.values()]).write(out)


def _clean_views(shards: OpenedDataset, ordinals: Iterable[int]) -> list[dict[str, Any]]:
    """The rows of the clean views of source images, where the dataset has them."""
    keys = ", ".join(quoted(sample_key(ordinal, CLEAN_PLANE, shards.settings.keys)) for ordinal in ordinals)
    return shards.query(f"plane = '{CLEAN_PLANE}' AND key IN ({keys})")


def _tile(shards: OpenedDataset, row: Mapping[str, Any]) -> Tile:
    if row["plane"] == CLEAN_PLANE:
        return Tile(shards.pixels(row), row["class_name"] or Path(row["source"]).name, row["plane"], row["source"])
    note = " · ".join([row["plane"], *[f"layer {row['layer']}"] * bool(row["layer"])])
    return Tile(shards.pixels(row), " · ".join(chosen(row)) or row["method"], note, row["recipe"])


def draw(groups: Sequence[Sequence[Tile]]) -> Canvas:
    """Draw groups of pictures, several groups in a row where they fit."""
    side = canvas.fitted(max(max(tile.pixels.shape) for group in groups for tile in group), SIDE)
    rows: list[list[Sequence[Tile]]] = [[]]
    for group in groups:
        if sum(map(len, rows[-1])) + len(group) > max(COLUMNS, len(group)):
            rows.append([])
        rows[-1].append(group)
    places = [list(_places(row, side)) for row in rows]
    width = max(left for row in places for left, _ in row) + side
    sheet = Canvas(width + 2 * MARGIN, len(rows) * (side + CAPTION + BELOW) - BELOW + 2 * MARGIN)
    for number, row in enumerate(places):
        for left, tile in row:
            _put(sheet, tile, MARGIN + left, MARGIN + number * (side + CAPTION + BELOW), side)
    return sheet


def _places(row: Sequence[Sequence[Tile]], side: int) -> Iterator[tuple[int, Tile]]:
    """The left edge of each picture in a row, and the picture's tile."""
    left = 0
    for group in row:
        for tile in group:
            yield left, tile
            left += side + GAP
        left += APART - GAP


def _put(sheet: Canvas, tile: Tile, left: float, top: float, side: int) -> None:
    image = canvas.scaled(tile.pixels, side)
    sheet.image(image, left + (side - image.width) / 2, top + (side - image.height) / 2)
    base = top + side + 17 * DENSITY
    sheet.text((left, base), canvas.shortened(tile.title, side, TITLE), TITLE, bold=True)
    lines = [canvas.shortened(tile.note, side, SMALL), *canvas.wrapped(tile.text, side, SMALL)]
    if len(lines) > LINES:
        lines[LINES - 1] = canvas.shortened(" ".join([*lines[LINES - 1 :], "…"]), side, SMALL)
    for number, line in enumerate(lines[:LINES], 1):
        sheet.text((left, base + 4 * DENSITY + number * LINE), line, SMALL, QUIET)
