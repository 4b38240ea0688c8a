"""Contact sheets: source images beside their variants, each captioned by its recipe."""

import re
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from layermix_gen.codec import decode
from layermix_gen.errors import LayerMixError
from layermix_gen.files import replacing
from layermix_gen.index import query
from layermix_gen.shards import tar_path

CELL = 224  # px; small samples are enlarged to about this, larger ones reduced
GAP, MARGIN = 14, 28
PAPER, INK, FAINT = "#ffffff", "#1c1c22", "#6a6a74"
TITLE_SIZE, TEXT_SIZE, LINE = 13, 11, 14
RECIPE_LINES = 4
FIRST_SOURCES = """
    SELECT * FROM samples WHERE source IN (SELECT source FROM samples GROUP BY source ORDER BY min(key) LIMIT ?)
    ORDER BY key
"""


def contact_sheet(root: str | Path, out: str | Path, sources: int = 6) -> Path:
    """Draw the first `sources` source images of a dataset, a row each, with all planes side by side, as a PNG.

    Returns `out`. Raises `LayerMixError` where the dataset has no samples.
    """
    root, out = Path(root), Path(out)
    rows = query(root, FIRST_SOURCES, [sources])
    if not rows:
        raise LayerMixError(f"expected a dataset with samples in {root}, found none; build one first")
    planes = sorted({row["plane"] for row in rows})
    grid = [[row for row in rows if row["source"] == source] for source in dict.fromkeys(row["source"] for row in rows)]
    sheet = _Sheet(columns=len(planes), rows=len(grid))
    for column, plane in enumerate(planes):
        sheet.head(column, "view" if plane == "clean" else f"variant {plane[1:].lstrip('0') or '0'}")
    for i, samples in enumerate(grid):
        for row in samples:
            sheet.cell(i, planes.index(row["plane"]), _read(root, row), _title(row), _caption(row))
    with replacing(out) as draft:
        sheet.picture.save(draft, format="PNG", optimize=True)
    return out


def _read(root: Path, row: dict[str, Any]) -> PillowImage.Image:
    with tar_path(root, row["plane"], row["shard"]).open("rb") as file:
        file.seek(row["offset"])
        image = PillowImage.fromarray(decode(file.read(row["size"])))
    factor = max(1, CELL // image.width)
    if factor > 1:
        return image.resize((image.width * factor, image.height * factor), PillowImage.Resampling.NEAREST)
    return image.resize((CELL, CELL), PillowImage.Resampling.LANCZOS)


def _title(row: dict[str, Any]) -> str:
    if row["layer"] == 0:
        return row["class_name"] or Path(row["source"]).name
    blends = [blend for blend in row["blends"] if blend]
    return " · ".join([f"layer {row['layer']}", row["op"], *blends])


def _caption(row: dict[str, Any]) -> str:
    return row["source"] if row["layer"] == 0 else row["recipe"]


class _Sheet:
    """A grid of captioned pictures being drawn."""

    def __init__(self, columns: int, rows: int) -> None:
        self._cell_height = CELL + 22 + RECIPE_LINES * LINE + 12
        width = 2 * MARGIN + columns * CELL + (columns - 1) * GAP
        height = 2 * MARGIN + 22 + rows * self._cell_height
        self.picture = PillowImage.new("RGB", (width, height), PAPER)
        self._draw = ImageDraw.Draw(self.picture)
        self._title, self._text = ImageFont.load_default(TITLE_SIZE), ImageFont.load_default(TEXT_SIZE)

    def head(self, column: int, text: str) -> None:
        self._draw.text((self._left(column), MARGIN - 8), text.upper(), FAINT, self._text)

    def cell(self, row: int, column: int, image: PillowImage.Image, title: str, caption: str) -> None:
        left, top = self._left(column), MARGIN + 14 + row * self._cell_height
        self.picture.paste(image, (left, top))
        self._draw.text((left, top + CELL + 6), self._cut(title, self._title), INK, self._title)
        for i, line in enumerate(self._wrapped(caption)):
            self._draw.text((left, top + CELL + 25 + i * LINE), line, FAINT, self._text)

    def _left(self, column: int) -> int:
        return MARGIN + column * (CELL + GAP)

    def _cut(self, text: str, font: Any) -> str:
        while font.getlength(text) > CELL:
            text = text[:-2] + "…"
        return text

    def _wrapped(self, text: str) -> list[str]:
        lines = [""]
        for word in re.findall(r"[^ (]*[ (]?", text):
            if self._text.getlength(lines[-1] + word.rstrip()) <= CELL:
                lines[-1] += word
            else:
                lines.append(word)
        kept = [self._cut(line.rstrip(), self._text) for line in lines[:RECIPE_LINES]]
        if len(lines) > RECIPE_LINES:
            kept[-1] = self._cut(kept[-1] + " …", self._text)
        return kept
