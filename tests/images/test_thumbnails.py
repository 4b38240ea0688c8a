"""Thumbnails: the whole image in a few kilobytes, in its proportions."""

import base64
import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen.images.thumbnails import MOST, SIDE, thumbnail
from tests.helpers import elements


@pytest.mark.parametrize(
    ("height", "width", "stored", "shown"),
    [
        (32, 32, (32, 32), (SIDE, SIDE)),
        (20, 40, (20, 40), (SIDE // 2, SIDE)),
        (224, 224, (MOST, MOST), (SIDE, SIDE)),
        (1200, 400, (MOST, MOST // 3), (SIDE, SIDE // 3)),
    ],
)
def test_sizes(height: int, width: int, stored: tuple[int, int], shown: tuple[int, int]) -> None:
    ramp = np.linspace(0, 255, height * width * 3).reshape(height, width, 3).astype(np.uint8)
    (element,) = elements(thumbnail(ramp, "a title"))
    assert (element.get("height"), element.get("width")) == tuple(map(str, shown))
    data = base64.b64decode(element.get("src", "").partition(",")[2])
    with PillowImage.open(io.BytesIO(data)) as image:
        found = np.asarray(image.convert("RGB"))
    assert found.shape[:2] == stored
    assert abs(float(found.mean()) - float(ramp.mean())) < 3
    assert len(data) < 10_000
