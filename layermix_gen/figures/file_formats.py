"""The formats of figures, which the suffix of a file's name chooses."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.support.checks import as_path
from layermix_gen.support.text import as_text

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}  # of pictures, with Pillow's names
VECTORS = {".pdf": "pdf", ".svg": "svg"}  # of drawings besides, with Matplotlib's
OPTIONS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 92, "subsampling": 0}, "WEBP": {"quality": 92}}
PLOTS = ("png", "pdf", "svg")  # the formats of plots whose names are given


def picture_path(out: str | Path) -> Path:
    """The path of a picture, whose suffix is one of `SUFFIXES`. Raises `LayerMixError` for another."""
    return _checked(out, SUFFIXES)


def drawing_path(out: str | Path) -> Path:
    """The path of a drawing, whose suffix is one of `SUFFIXES` or `VECTORS`. Raises `LayerMixError` for another."""
    return _checked(out, (*SUFFIXES, *VECTORS))


def _checked(out: str | Path, suffixes: Collection[str]) -> Path:
    path = as_path(out, "picture")
    if path.suffix.lower() not in suffixes:
        found = f"got {as_text(path)}; change the suffix"
        raise LayerMixError(f"expected a picture's name ending in {', '.join(suffixes)}, {found}")
    return path
