"""Contact sheets of what a question finds."""

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen import LayerMixError, contact_sheet
from layermix_gen.figures import canvas
from layermix_gen.figures.canvas import shortened, text_width, wrapped
from layermix_gen.inspection.drawings import sheet
from layermix_gen.inspection.drawings.sheet import GAP, LINES, MARGIN, SIDE, SMALL, TITLE, Tile, draw


@pytest.fixture
def tiles(monkeypatch):
    """The pictures on a sheet, each with its left and top edge and its texts."""
    seen = []
    put = sheet._put

    def noted(paper, tile, left, top, side):
        seen.append((tile, left, top))
        put(paper, tile, left, top, side)

    monkeypatch.setattr(sheet, "_put", noted)
    return seen


@pytest.fixture
def texts(monkeypatch):
    """What is written onto a sheet, and how wide it is."""
    seen = []
    write = canvas.Canvas.text

    def noted(self, place, text, points, *rest, **options):
        seen.append((text, text_width(text, points)))
        write(self, place, text, points, *rest, **options)

    monkeypatch.setattr(canvas.Canvas, "text", noted)
    return seen


def test_variants_stand_after_the_view_of_their_source(squares, tmp_path, tiles):
    out = contact_sheet(squares, tmp_path / "sheet.png", limit=8)
    rows = squares.query(order_by="key", limit=10)
    assert [tile.text for tile, _, _ in tiles] == [
        row["source"] if row["layer"] == 0 else row["recipe"] for row in rows
    ]
    for (tile, _, _), row in zip(tiles, rows, strict=True):
        np.testing.assert_array_equal(tile.pixels, squares.pixels(row))
    lefts, tops = [left for _, left, _ in tiles], [top for _, _, top in tiles]
    assert lefts == 2 * [MARGIN + column * (SIDE + GAP) for column in range(5)]
    assert len(set(tops)) == 2
    with PillowImage.open(out) as drawn:
        assert drawn.format == "PNG"
        assert drawn.width == 2 * MARGIN + 5 * SIDE + 4 * GAP
        pixels = np.asarray(drawn.convert("RGB"))
    factor = SIDE // 28
    enlarged = tiles[0][0].pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    np.testing.assert_array_equal(pixels[MARGIN : MARGIN + SIDE, MARGIN : MARGIN + SIDE], enlarged)


def test_matches_of_a_question_share_rows(squares, tmp_path, tiles):
    where = "layer = 2 AND variant = 1"
    contact_sheet(squares, tmp_path / "sheet.png", where, order_by="key DESC", limit=5)
    keys = [row["key"][:9] for row in squares.query(where, order_by="key DESC", limit=5)]
    found = {row["key"]: row for row in squares.query()}
    assert [tile.text for tile, _, _ in tiles] == [
        text for key in keys for text in (found[f"{key}-clean"]["source"], found[f"{key}-v01"]["recipe"])
    ]
    assert [sum(top == other for _, _, other in tiles) for top in sorted({top for _, _, top in tiles})] == [6, 4]


def test_a_dataset_without_clean_views(scenes, tmp_path, tiles):
    contact_sheet(scenes, tmp_path / "sheet.jpg", "layer > 1", limit=3)
    assert {tile.note.split(" · ")[1] for tile, _, _ in tiles} <= {"layer 2", "layer 3"}
    assert len(tiles) == 3
    with PillowImage.open(tmp_path / "sheet.jpg") as drawn:
        assert drawn.format == "JPEG"


def test_clean_views_alone(squares, tmp_path, tiles):
    contact_sheet(squares, tmp_path / "sheet.png", "layer = 0", limit=2)
    assert [tile.note for tile, _, _ in tiles] == ["clean", "clean"]


def test_the_same_sheet_again(squares, tmp_path):
    first, second = (contact_sheet(squares, tmp_path / name, limit=4).read_bytes() for name in ("a.png", "b.png"))
    assert first == second


def test_questions_without_an_answer(squares, tmp_path):
    with pytest.raises(LayerMixError, match="none meets 'layer = 7'"):
        contact_sheet(squares, tmp_path / "sheet.png", "layer = 7")
    with pytest.raises(LayerMixError, match="the columns are plane"):
        contact_sheet(squares, tmp_path / "sheet.png", "nothing = 7")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("x" * 500, id="one long word"),
        pytest.param("a path/with spaces (and brackets)/" * 20, id="many words"),
        pytest.param("two\nlines", id="a line break"),
        pytest.param("Füße/猫/😀.png", id="other scripts"),
        pytest.param(" ( ( ( ", id="only separators"),
    ],
)
def test_any_caption_fits(text, texts):
    draw([[Tile(np.zeros((28, 28, 3), np.uint8), text, text, text)]])
    assert max(width for _, width in texts) <= SIDE
    assert 2 <= len(texts) <= 1 + LINES
    assert all("\n" not in line for line, _ in texts)


def test_texts_are_cut_only_where_they_have_to_be():
    recipe = "rotate(multiply(pixel(rotate(image, -3.1), rotate(image, 10.0), 77, 12345), picture, 0.83, 0.21), 4.2)"
    lines = wrapped(recipe, SIDE, SMALL)
    assert " ".join(lines).replace(" ", "") == recipe.replace(" ", "")
    assert len(lines) > 2
    assert shortened("layer 3", SIDE, TITLE) == "layer 3"
    cut = shortened("x" * 100, SIDE, TITLE)
    assert cut == "x" * (len(cut) - 1) + "…"
    assert text_width(cut, TITLE) <= SIDE < text_width("x" + cut, TITLE)


def test_samples_are_drawn_at_random_by_a_seed(squares, tmp_path, tiles):
    """The same ones of a seed, others of another, from all places; a comment in the condition ends nothing."""

    def drawn(where, number, seed):
        tiles.clear()
        contact_sheet(squares, tmp_path / "sheet.png", where, sample=number, seed=seed)
        return [tile.text for tile, _, _ in tiles if tile.note != "clean"]

    every = [row["recipe"] for row in squares.query("layer > 1", order_by="key, plane")]
    first, again, other = (drawn("layer > 1 -- all", 20, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert len(first) == len(other) == 20
    places = [every.index(recipe) for recipe in first]
    assert places == sorted(places)
    assert max(places) > len(every) // 2
    assert len(drawn(None, 3, 0)) == 3
    assert len(drawn("layer > 1", len(every) + 5, 0)) == len(every)
    with pytest.raises(LayerMixError, match=r"^sample must be a whole number from 1 on, got 0; "):
        drawn(None, 0, 0)
    with pytest.raises(LayerMixError, match=r"^seed must be"):
        drawn(None, 3, -1)
