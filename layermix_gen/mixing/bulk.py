"""Render the variants of many images by one call of the kernels, which renders each recipe as `renderer` does."""

import ctypes
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image, Pictures
from layermix_gen.images.views import PictureView
from layermix_gen.kernels.programs import CROP, NODE, VARIANT, Programs, render_all
from layermix_gen.mixing.recipe import Expression
from layermix_gen.mixing.renderer import nodes_of

NO_PICTURES: Pictures = np.zeros((1, 1, 1), np.uint8)  # of which no crop can be taken


class Mixed(Protocol):
    """A recipe as far as it is rendered."""

    @property
    def expression(self) -> Expression: ...

    @property
    def picture(self) -> PictureView | None: ...


class ImageRows(NamedTuple):
    """Images by their rows (n,) in an array, uint8 (m, H, W, 3); -1 for none."""

    images: Image
    rows: npt.NDArray[np.int64]

    @classmethod
    def all_of(cls, images: Image) -> "ImageRows":
        """All images of an array."""
        return cls(images, np.arange(len(images)))

    def image(self, number: int) -> Image | None:
        """The image of this number, from 0 to n - 1."""
        row = int(self.rows[number])
        return None if row < 0 else self.images[row]

    def addresses(self) -> npt.NDArray[np.uint64]:
        """Where the bytes of each image begin; 0 for none. Raises ValueError unless those of an image lie together."""
        if not self.images[:1].flags.c_contiguous:
            raise ValueError("expected images without gaps")
        found = self.images.ctypes.data + self.rows * self.images.strides[0]
        return np.where(self.rows < 0, 0, found).astype(np.uint64)


def programs_of(recipes: Sequence[Mixed]) -> Programs | None:
    """Recipes as the kernels read them; None where one has a call that they do not know."""
    nodes = [nodes_of(recipe.expression) for recipe in recipes]
    if not all(nodes):
        return None
    variants = np.zeros(len(recipes), VARIANT)
    variants["nodes"] = counts = np.array([len(one) // NODE.itemsize for one in nodes])
    variants["first"] = np.cumsum(counts) - counts
    crops = [recipe.picture for recipe in recipes]
    for name in CROP:
        of_view = "index" if name == "picture" else name
        variants[name] = [getattr(crop, of_view) if crop else -1 for crop in crops]
    return Programs(np.frombuffer(b"".join(nodes), NODE), variants)


def render_programs(
    library: ctypes.CDLL,
    programs: Programs,
    image: ImageRows,
    other: ImageRows | None,
    pictures: Pictures,
    out: ImageRows,
) -> None:
    """Render n variants to n images `out`, of n images of S pixels a side, and of second ones where they use them.

    Raises `LayerMixError` where the crop of a picture does not lie inside one of `pictures`, (N, P, P) or (N, P, P, 3).
    """
    variants, size = programs.variants, out.images.shape[1]
    used = variants[variants["picture"] >= 0]
    last = pictures.shape[1] - size
    outside = (used["picture"] >= len(pictures)) | (used["top"] < 0) | (used["top"] > last)
    outside |= (used["left"] < 0) | (used["left"] > last)
    if outside.any():
        raise LayerMixError(
            f"expected crops of {size} px inside {len(pictures)} pictures of {pictures.shape[1]} px, found picture "
            f"{used[outside][0]['picture']} at {used[outside][0]['top']}, {used[outside][0]['left']}; "
            "take the mixing set that it was drawn for"
        )
    variants["image"] = image.addresses()
    variants["other"] = other.addresses() if other else 0
    variants["out"] = out.addresses()
    render_all(library, programs, pictures, size)
