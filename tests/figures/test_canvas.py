"""What every drawing has from the canvas: sizes that keep pixels square, and files that are whole or not there."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen.errors import LayerMixError
from layermix_gen.figures.canvas import fitted, scaled, text_width, wrapped, write_picture


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
        LayerMixError, match=r"^expected a picture's name ending in .*, got .*a\.pdf; change the suffix$"
    ):
        write_picture(PillowImage.new("RGB", (5, 3)), tmp_path / "a.pdf")
    assert list(tmp_path.iterdir()) == []
