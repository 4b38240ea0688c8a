"""LayerMix without shards: the same drawing and rendering, called on one image at a time inside any data loader."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image, as_image
from layermix_gen.mixing.methods import METHODS, DrawSettings, Recipe
from layermix_gen.mixing.renderer import render
from layermix_gen.mixing_sets.mixing_set import MixingSet, open_mixing_set


class LayerMix:
    """A callable that mixes images as a build does: `mixed, recipe = LayerMix(mixing_set)(image, rng)`."""

    def __init__(
        self,
        mixing_set: MixingSet | str | Path,
        preset: str = "paper",
        magnitude: float = 8,
        blending_ratio: float = 3,
        ops: tuple[str, ...] = (),
    ) -> None:
        """`mixing_set` is an open mixing set or the path of one; the others are as in `BuildSettings`."""
        self.mixing_set = mixing_set if isinstance(mixing_set, MixingSet) else open_mixing_set(mixing_set)
        self.preset, self.magnitude, self.blending_ratio, self.ops = preset, magnitude, blending_ratio, ops
        self._drawing(self.mixing_set.size)  # refuses wrong settings now, not at the first image

    def __call__(self, image: Image, rng: np.random.Generator) -> tuple[Image, Recipe]:
        """Return a mixed copy of `image`, a square uint8 (S, S, 3) no larger than the set's pictures, and its recipe.

        All randomness comes from `rng`. Raises `LayerMixError` for any other image.
        """
        image = as_image(image)
        size, width = image.shape[:2]
        if size != width or size > self.mixing_set.size:
            raise LayerMixError(
                f"expected a square image of at most {self.mixing_set.size} px, got {width}x{size}; crop it first, "
                "or use a mixing set of larger pictures"
            )
        recipe = METHODS["layermix"].draw(rng, self._drawing(size))
        picture = self.mixing_set.view(recipe.picture, size) if recipe.picture else None
        return render(recipe.expression, image, picture), recipe

    @lru_cache(maxsize=8)  # noqa: B019 - a few sizes, for as long as the mixing set lives
    def _drawing(self, size: int) -> DrawSettings:
        count, pictures = len(self.mixing_set), self.mixing_set.size
        return DrawSettings(size, count, pictures, self.preset, self.magnitude, self.blending_ratio, self.ops)
