"""Mixing without shards: the same drawing and rendering, called on one image at a time inside any data loader."""

import multiprocessing
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image, as_image
from layermix_gen.kernels.native import say_if_not_compiled
from layermix_gen.mixing.methods import METHODS, DrawSettings, Recipe
from layermix_gen.mixing.renderer import as_leaf, rendered
from layermix_gen.mixing_sets.mixing_set import MixingSet, open_mixing_set
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from layermix_gen.support.checks import check_choice


class Mixer:
    """A callable that mixes images as a build does: `mixed, recipe = Mixer("layermix", mixing_set)(image, rng)`.

    `Mixer("mixup")(image, rng, other)` also takes a second training image. `recipe.label_weight` is the weight of the
    label of `image`, in [0, 1]; the rest is that of the label of `other`.
    """

    def __init__(self, method: str, mixing_set: MixingSet | str | Path | None = None, **options: Any) -> None:
        """`mixing_set` is an open mixing set or the path of one, for a method that mixes pictures.

        `options` are the method's. Raises `LayerMixError` for other options, and without a mixing set that is needed.
        """
        check_choice("method", method, METHODS, change="the name")
        self.method = METHODS[method]
        if self.method.mixes_pictures != (mixing_set is not None):
            expected, remedy = ("a", "give one") if self.method.mixes_pictures else ("no", "leave it out")
            raise LayerMixError(f"expected {expected} mixing set with the method {method}; {remedy}")
        if not isinstance(mixing_set, MixingSet | str | Path | None):
            remedy = "give its path, or MixingSet(pictures) of an array"
            raise LayerMixError(f"expected a mixing set or its path, got {mixing_set!r:.80}; {remedy}")
        self.options = self.method.options_of(options)
        say_if_not_compiled()
        self.mixing_set = open_mixing_set(mixing_set) if isinstance(mixing_set, str | Path) else mixing_set

    def __call__(self, image: Image, rng: np.random.Generator, other: Image | None = None) -> tuple[Image, Recipe]:
        """Return a mixed copy of `image`, a square uint8 (S, S, 3) no larger than the set's pictures, and its recipe.

        `other` is a second training image of the same shape, for a method that mixes two. All randomness comes from
        `rng`. Raises `LayerMixError` for any other image or generator, and without a second one that is needed.
        """
        if not isinstance(rng, np.random.Generator):
            raise LayerMixError(f"expected a NumPy generator, got {rng!r:.80}; give np.random.default_rng(seed)")
        image = _square(as_image(image))
        size = image.shape[0]
        if self.mixing_set and size > self.mixing_set.size:
            raise LayerMixError(
                f"expected an image of at most {self.mixing_set.size} px, got {size}; crop it first, or use a mixing "
                "set of larger pictures"
            )
        if self.method.mixes_labels != (other is not None):
            expected, remedy = ("a", "give other=") if self.method.mixes_labels else ("no", "leave out other=")
            raise LayerMixError(f"expected {expected} second image with the method {self.method.name}; {remedy}")
        if other is not None:
            other = as_leaf("other", other, image)
        recipe = self.method.draw(rng, self._drawing(size))
        picture = self.mixing_set.view(recipe.picture, size) if self.mixing_set and recipe.picture else None
        return rendered(recipe.expression, image, picture, other), recipe

    @lru_cache(maxsize=8)  # noqa: B019 - a few sizes, for as long as the mixer lives
    def _drawing(self, size: int) -> DrawSettings:
        pictures = (len(self.mixing_set), self.mixing_set.size) if self.mixing_set else (0, 0)
        return DrawSettings(size, *pictures, self.options)


class LayerMix(Mixer):
    """The mixer of the method `layermix`: `mixed, recipe = LayerMix(mixing_set)(image, rng)`."""

    def __init__(self, mixing_set: MixingSet | str | Path, **options: Any) -> None:
        """`mixing_set` is an open mixing set or the path of one, `options` are those of `LayerMixOptions`."""
        super().__init__("layermix", mixing_set, **options)


class LayerMixTransform:
    """LayerMix as a transform among others: `LayerMixTransform()(image)` returns a mixed copy of the same type.

    An image is square: a PIL image in RGB, a uint8 tensor (3, S, S), or a uint8 array (S, S, 3). Put it behind the
    crop and before the conversion to floats. The randomness is PyTorch's, which a DataLoader seeds anew in each worker
    and epoch; where PyTorch is not imported, it is the system's, which nothing repeats.
    """

    def __init__(self, mixing_set: MixingSet | str | Path | None = None, **options: Any) -> None:
        """`mixing_set` is an open mixing set or the path of one; `options` are those of `LayerMixOptions`.

        Without one, fractals are rendered when an image of a new size comes, and kept in the cache that builds use.
        Raises `LayerMixError` for other options.
        """
        METHODS["layermix"].options_of(options)
        self._arguments = (mixing_set, options)
        self._mixer = None if mixing_set is None else LayerMix(mixing_set, **options)

    def __call__(self, image: Any, **unused: Any) -> Any:
        """Mix one image. Raises `LayerMixError` for what is not one of those that the class names.

        `unused` are ignored: albumentations' `Lambda` passes what it knows of the image, such as its `shape`.
        """
        pixels = _square(_pixels_of(image))  # before fractals are rendered for its size
        mixed, _ = (self._mixer or self._mixer_for(pixels.shape[0]))(pixels, _generator())
        return _like(image, mixed)

    @lru_cache(maxsize=8)  # noqa: B019 - a few sizes, for as long as the transform lives
    def _mixer_for(self, size: int) -> LayerMix:
        _, options = self._arguments
        is_worker = multiprocessing.current_process().daemon  # a DataLoader's, which can have no children
        return LayerMix(resolve_mixing_set(None, size, workers=1 if is_worker else None), **options)

    def __repr__(self) -> str:
        mixing_set, options = self._arguments
        where = mixing_set.path if isinstance(mixing_set, MixingSet) else mixing_set
        given = ({} if where is None else {"mixing_set": str(where)}) | options
        return f"LayerMixTransform({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def _square(image: Image) -> Image:
    height, width = image.shape[:2]
    if height != width:
        raise LayerMixError(f"expected a square image, got {width}x{height}; crop it first")
    return image


def _pixels_of(image: Any) -> Image:
    torch = sys.modules.get("torch")
    if isinstance(image, PillowImage.Image):
        if image.mode != "RGB":
            raise LayerMixError(f"expected an image in RGB, got one in {image.mode}; convert it first")
        return np.asarray(image)
    if torch and isinstance(image, torch.Tensor):
        if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3 or image.device.type != "cpu":
            found = f"{image.dtype} {tuple(image.shape)} on {image.device}"
            raise LayerMixError(f"expected a tensor of uint8 (3, S, S) on the CPU, got {found}; mix before ToDtype")
        return np.ascontiguousarray(image.numpy(force=True).transpose(1, 2, 0))
    return as_image(image)


def _like(image: Any, mixed: Image) -> Any:
    """The mixed pixels as an object of the type of `image`."""
    if isinstance(image, PillowImage.Image):
        return PillowImage.fromarray(mixed)
    if isinstance(image, np.ndarray):
        return mixed
    torch = sys.modules["torch"]
    return torch.from_numpy(np.ascontiguousarray(mixed.transpose(2, 0, 1))).as_subclass(type(image))


def _generator() -> np.random.Generator:
    torch = sys.modules.get("torch")
    return np.random.default_rng(torch.randint(2**63 - 1, ()).item() if torch else None)
