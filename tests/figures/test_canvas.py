"""What every drawing has from the canvas: sizes that keep pixels square, and files that are whole or not there."""

import base64
import io
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen.errors import LayerMixError
from layermix_gen.figures.canvas import Canvas, fitted, scaled, text_width, wrapped, write_picture
from layermix_gen.figures.palette import HAIRLINE, IMAGE_INK, INK, PAPER, PICTURE_INK


@pytest.mark.parametrize(("size", "side", "expected"), [(32, 256, 256), (28, 256, 252), (28, 84, 84), (224, 256, 256)])
def test_small_pictures_are_shown_at_a_multiple_of_their_size(size: int, side: int, expected: int) -> None:
    assert fitted(size, side) == expected


def test_pixels_of_small_pictures_become_squares() -> None:
    pixels = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(np.asarray(scaled(pixels, 20)), pixels.repeat(5, 0).repeat(5, 1))


def test_text_is_measured_in_the_font_that_it_is_drawn_in() -> None:
    recipe = "add(rotate(image, 12.5), equalize(picture), 0.8, 0.3)"
    lines = wrapped(recipe, 200, 9)
    assert len(lines) > 1
    assert max(text_width(line.rstrip(), 9) for line in lines) <= 200


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "a.jpeg", "a.webp"])
def test_the_suffix_chooses_the_format(tmp_path: Path, name: str) -> None:
    picture = PillowImage.new("RGB", (5, 3), (200, 100, 50))
    with PillowImage.open(write_picture(picture, tmp_path / name)) as written:
        assert (written.format, written.size) == ({"a.png": "PNG", "a.webp": "WEBP"}.get(name, "JPEG"), (5, 3))


def test_another_suffix_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(
        LayerMixError, match=r"name ending in \.png, \.jpg, \.jpeg, \.webp, got .*a\.pdf; change the suffix$"
    ):
        write_picture(PillowImage.new("RGB", (5, 3)), tmp_path / "a.pdf")
    with pytest.raises(LayerMixError, match=r"name ending in .*\.webp, \.pdf, \.svg, got .*a\.gif; change the suffix$"):
        Canvas(5, 3).write(tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


# --- PDF and SVG -----------------------------------------------------------------------------------------------------


@pytest.fixture
def drawing() -> Canvas:
    """A drawing of every mark."""
    canvas = Canvas(400, 200)
    canvas.text((20, 40), "a $title$ of & <things>", 12, bold=True)
    canvas.text((20, 60), "plain", 9)
    canvas.image(PillowImage.new("RGB", (60, 60), (200, 30, 40)), 300, 20)
    canvas.rule(20, 380, 180)
    canvas.arrow(np.array([(20.0, 120.0), (200.0, 120.0)]), IMAGE_INK)
    canvas.disc((250, 120), 20, PAPER, PICTURE_INK)
    return canvas


def test_an_svg_is_the_same_drawing(drawing: Canvas, tmp_path: Path) -> None:
    root = ElementTree.fromstring(drawing.write(tmp_path / "a.svg").read_text())  # noqa: S314 - our own
    assert (root.get("width"), root.get("height")) == ("200pt", "100pt")
    (image,) = root.iter("{http://www.w3.org/2000/svg}image")
    data = base64.b64decode(str(image.get("{http://www.w3.org/1999/xlink}href")).partition(",")[2])
    with PillowImage.open(io.BytesIO(data)) as picture:
        assert picture.size == (60, 60)
        assert picture.convert("RGB").getcolors() == [(3600, (200, 30, 40))]
    fills = set(re.findall("(?:fill|stroke): (#[0-9a-f]{6})", (tmp_path / "a.svg").read_text()))
    assert {IMAGE_INK, PICTURE_INK, INK, HAIRLINE} <= fills


def test_a_pdf_embeds_the_font_and_the_picture(drawing: Canvas, tmp_path: Path) -> None:
    data = drawing.write(tmp_path / "a.PDF").read_bytes()
    assert data.startswith(b"%PDF")
    assert b"/MediaBox [ 0 0 200 100 ]" in data
    assert re.search(rb"/BaseFont /\w+\+Aileron-Regular", data)
    (image,) = re.findall(rb"<<[^<]*/Subtype /Image[^<]*(?:<<[^>]*>>)?[^>]*>>", data)
    assert re.search(rb"/Height 60\b", image)
    assert re.search(rb"/Width 60\b", image)


@pytest.mark.parametrize("suffix", [".pdf", ".svg"])
def test_a_drawing_gives_the_same_bytes_again(drawing: Canvas, tmp_path: Path, suffix: str) -> None:
    first, second = (drawing.write(tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
    assert first == second
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a{suffix}", f"b{suffix}"]


def test_letters_that_the_font_lacks_are_boxes(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    canvas = Canvas(100, 50)
    canvas.text((10, 30), "\u732b", 9)
    canvas.write(tmp_path / "a.pdf")
    canvas.write(tmp_path / "a.svg")
    assert len(recwarn) == 0


def test_without_matplotlib(drawing: Canvas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("layermix_gen.figures.style", "layermix_gen.figures.vector"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        LayerMixError, match=r"^expected Matplotlib for plots, found none; pip install 'layermix-gen\[pl"
    ):
        drawing.write(tmp_path / "a.pdf")
    assert drawing.write(tmp_path / "a.png").exists()
