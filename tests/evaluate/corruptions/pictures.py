"""Photographs for the tests of corruptions, and generators that draw what the reference implementations draw."""

from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from PIL import Image as PillowImage

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


@cache
def photographs(side: int) -> tuple[np.ndarray, ...]:
    """Four photographs, the centre square of each, reduced to `side` px. Not to be written to."""
    return tuple(cv2.resize(_square(name), (side, side), interpolation=cv2.INTER_AREA) for name in NAMES)


@cache
def _square(name: str) -> np.ndarray:
    with PillowImage.open(str(files("skimage") / "data" / name)) as photograph:
        pixels = np.asarray(photograph.convert("RGB"))
    height, width = pixels.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    return pixels[top : top + short, left : left + short]


class Legacy:
    """NumPy's old generator under the names of the new one's methods: the stream that global seeds give."""

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(seed)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """That of the new one, which is asked for."""
        return np.random.Generator

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)

    def integers(self, low: int, high: int | None = None, size: Any = None) -> Any:
        return self._state.randint(low, high, size)
