"""Contact sheets and the demo: pictures for people, of whatever a dataset holds."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from layermix_gen.gallery import CELL, GAP, MARGIN, RECIPE_LINES, _Sheet
from PIL import Image as PillowImage

import layermix_gen.demo
from layermix_gen import BuildSettings, LayerMixError, build, contact_sheet, gallery
from layermix_gen.text import count, facts, table

CELL_HEIGHT = CELL + 22 + RECIPE_LINES * 14 + 12


def sheet_size(columns, rows):
    return 2 * MARGIN + columns * CELL + (columns - 1) * GAP, 2 * MARGIN + 22 + rows * CELL_HEIGHT


def opened(path):
    with PillowImage.open(path) as image:
        image.verify()
    with PillowImage.open(path) as image:
        assert image.format == "PNG"
        return image.convert("RGB")


def dataset(root, source, pool, **settings):
    build(source, root, BuildSettings(**settings), mixing_set=pool, workers=1, progress=False)
    return root


@pytest.fixture(scope="module")
def large_pool(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "pool.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (3, 256, 256), np.uint8))
    return path


@pytest.fixture
def texts(monkeypatch):
    """What is written onto a sheet, and how wide it is."""
    seen = []
    write = gallery.ImageDraw.ImageDraw.text

    def noted(self, place, text, fill, font):
        seen.append((text, font.getlength(text)))
        write(self, place, text, fill, font)

    monkeypatch.setattr(gallery.ImageDraw.ImageDraw, "text", noted)
    return seen


def test_a_sheet_of_small_images(tmp_path, digits, pool, texts):
    root = dataset(tmp_path / "shards", digits, pool, variants=2)
    out = contact_sheet(root, tmp_path / "sheet.png", sources=4)
    image = opened(out)
    assert image.size == sheet_size(columns=3, rows=4)
    assert [text for text, _ in texts[:3]] == ["VIEW", "VARIANT 0", "VARIANT 1"]
    assert sum(text.startswith("layer ") for text, _ in texts) == 8
    left, top = MARGIN, MARGIN + 14
    enlarged = np.asarray(image)[top : top + CELL, left : left + CELL]  # 28 px, each 8 px wide
    np.testing.assert_array_equal(enlarged, enlarged[::8, ::8].repeat(8, axis=0).repeat(8, axis=1))


def test_a_sheet_of_large_images(tmp_path, photographs, large_pool, texts):
    root = dataset(tmp_path / "shards", photographs, large_pool, variants=1, size=224, clean=False, shard_size="10")
    image = opened(contact_sheet(root, tmp_path / "sheet.png"))
    assert image.size == sheet_size(columns=1, rows=6)
    assert "VIEW" not in [text for text, _ in texts]


@pytest.mark.parametrize("size", [8, 100, 300])
def test_a_sheet_of_other_sizes(tmp_path, photographs, size):
    root = dataset(tmp_path / "shards", photographs, None, variants=0, size=size, method="none")
    assert opened(contact_sheet(root, tmp_path / "sheet.png", sources=2)).size == sheet_size(columns=1, rows=2)


def test_more_sources_than_there_are(tmp_path, digits):
    root = dataset(tmp_path / "shards", digits, None, variants=1, method="none")
    assert opened(contact_sheet(root, tmp_path / "sheet.png", sources=1000)).size == sheet_size(columns=2, rows=40)


def test_the_same_sheet_again(tmp_path, digits, pool):
    root = dataset(tmp_path / "shards", digits, pool, variants=1)
    first, second = (contact_sheet(str(root), str(tmp_path / name), sources=2) for name in ("a.png", "b.png"))
    assert isinstance(first, Path)
    assert first.read_bytes() == second.read_bytes()
    assert contact_sheet(root, first, sources=1) == first  # over the one that is there
    assert opened(first).size == sheet_size(columns=2, rows=1)


def test_long_recipes_fit(tmp_path, digits, pool, texts):
    root = dataset(tmp_path / "shards", digits, pool, variants=8, ops=("translate_x",))
    contact_sheet(root, tmp_path / "sheet.png", sources=12)
    assert max(width for _, width in texts) <= CELL
    assert not any(text.endswith("…") for text, _ in texts)


@pytest.mark.parametrize(
    "caption",
    [
        pytest.param("", id="nothing"),
        pytest.param("x" * 500, id="one long word"),
        pytest.param("a path/with spaces (and brackets)/" * 20, id="many words"),
        pytest.param("two\nlines", id="a line break"),
        pytest.param("Füße/猫/😀.png", id="other scripts"),
        pytest.param("caf\udce9.png", id="a name that is no UTF-8"),
        pytest.param(" ( ( ( ", id="only separators"),
    ],
)
def test_any_caption_fits(caption, texts):
    sheet = _Sheet(columns=1, rows=1)
    sheet.cell(0, 0, PillowImage.new("RGB", (CELL, CELL)), title=caption, caption=caption)
    assert max(width for _, width in texts) <= CELL
    assert len(texts) <= 1 + RECIPE_LINES


def test_no_samples(tmp_path):
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "nowhere", tmp_path / "empty"):
        with pytest.raises(LayerMixError, match=f"expected a dataset with samples in {root}, found none"):
            contact_sheet(root, tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


# --- the demo ------------------------------------------------------------------------------------------------------


def test_the_demo(tmp_path, large_pool, monkeypatch):
    opened_pool = layermix_gen.open_mixing_set(large_pool)
    monkeypatch.setattr("layermix_gen.builder.resolve_mixing_set", lambda *_, **__: opened_pool)
    manifest, samples, sheet = layermix_gen.demo.demo(tmp_path / "demo", progress=False)
    photographs = [name for names in layermix_gen.demo.PHOTOGRAPHS.values() for name in names]
    assert manifest.complete
    assert sorted(path.name for path in (tmp_path / "demo" / "photographs").rglob("*.*")) == sorted(photographs)
    lines = samples.splitlines()
    assert lines[0].split() == ["key", "class", "layer", "op", "blends"]
    assert len(lines) == 13
    assert opened(sheet).size == sheet_size(columns=5, rows=len(photographs))
    again, _, _ = layermix_gen.demo.demo(tmp_path / "demo", progress=False)  # which finds all of it done
    assert again.complete


def test_the_demo_in_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LayerMixError, match=r"^cannot write to .*/file/demo: not a directory; "):
        layermix_gen.demo.demo(tmp_path / "file" / "demo", progress=False)


def test_the_demo_without_its_photographs(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(layermix_gen.demo, "find_spec", lambda name: None if name == "skimage" else find(name))
    with pytest.raises(LayerMixError, match=r"run: pip install 'layermix-gen\[demo\]'"):
        layermix_gen.demo.demo(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


# --- plain text ----------------------------------------------------------------------------------------------------


def test_facts():
    assert facts({"images": "12", "errors": "", "time": "3 s"}) == "images  12\ntime    3 s"
    assert facts({}) == ""


def test_table():
    rows = [{"key": "a", "layer": 3}, {"key": "long", "layer": 12}]
    assert table(rows) == "key   layer\na         3\nlong     12"
    assert table([]) == "no rows"


def test_count():
    assert [count(number, "image") for number in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
