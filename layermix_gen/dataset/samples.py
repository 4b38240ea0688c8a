"""Make samples, pixels and metadata, from a decoded source image: the pure functions that build and replay share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from layermix_gen.dataset.settings import CLEAN, BuildSettings
from layermix_gen.images import Image
from layermix_gen.images.views import VIEWS, PictureView, View, render_view
from layermix_gen.mixing.methods import METHODS, UNMIXED, DrawSettings, Recipe
from layermix_gen.mixing.renderer import render
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.support.seeds import generator

USES, BLENDS = 3, 2  # how often a recipe uses its operation and blends, at most
LENGTHS = {"op_args": USES, "blends": BLENDS, "blend_args": 2 * BLENDS, "picture_view": 4, "view": 5}  # in metadata


@dataclass(frozen=True, slots=True)
class Sample:
    """One rendered variant of one source image."""

    variant: int
    view: View
    recipe: Recipe
    pixels: Image


@dataclass(frozen=True, slots=True)
class SampleMaker:
    """A maker of samples, by resolved settings (see `BuildSettings.resolve`) and with one mixing set."""

    settings: BuildSettings
    mixing_set: MixingSet | None
    drawing: DrawSettings = field(init=False)

    def __post_init__(self) -> None:
        pictures = (len(self.mixing_set), self.mixing_set.size) if self.mixing_set else (0, 0)
        object.__setattr__(self, "drawing", self.settings.drawing(*pictures))

    def make(self, source: Image, source_id: str, variants: Iterable[int]) -> Iterator[Sample]:
        """Draw and render variants of one source image (H, W, 3).

        Each depends only on the seed, the image's id and its own number. In the view mode `shared`, all of them show
        the view of the clean one.
        """
        settings, size = self.settings, self.drawing.size
        draw_view, (height, width, _) = VIEWS[settings.view or "rrc"], source.shape
        shared, seen, pixels = None, None, source
        if settings.view_mode == "shared":
            shared = draw_view(generator(settings.seed, source_id, CLEAN), height, width, size)
        for variant in variants:
            rng = generator(settings.seed, source_id, variant)
            view = shared or draw_view(rng, height, width, size)
            if view != seen:
                seen, pixels = view, render_view(source, view, size)
            recipe = METHODS[UNMIXED if variant == CLEAN else settings.method].draw(rng, self.drawing)
            yield Sample(variant, view, recipe, self.render(recipe, pixels))

    def render(self, recipe: Recipe, view: Image) -> Image:
        """Render a recipe on a view (size, size, 3), with the crop of the picture that it names."""
        picture = None
        if self.mixing_set and recipe.picture:
            picture = self.mixing_set.view(recipe.picture, self.drawing.size)
        return render(recipe.expression, view, picture)


NO_PICTURE = PictureView(-1, 0, 0, False, False)


def metadata(sample: Sample, source_id: str, label: int, class_name: str) -> dict[str, Any]:
    """The metadata stored with a sample: one flat object with the same fields, types and list lengths in every sample.

    Lists are filled up with 0.0 and "", never empty: readers that infer a schema from the first few samples take an
    empty list for one of nulls, and then fail on the first that is not empty.
    """
    recipe, view = sample.recipe, sample.view
    picture = recipe.picture or NO_PICTURE
    return {
        "source": source_id,
        "label": label,
        "class_name": class_name,
        "method": recipe.method,
        "variant": sample.variant,
        "layer": recipe.layer,
        "op": recipe.op,
        "op_args": _filled(recipe.op_args, USES),
        "blends": [*recipe.blends, *[""] * (BLENDS - len(recipe.blends))],
        "blend_args": _filled(recipe.blend_args, 2 * BLENDS),
        "picture": picture.index,
        "picture_view": [picture.top, picture.left, int(picture.flip_h), int(picture.flip_v)],
        "view": _filled((view.top, view.left, view.height, view.width, view.flip), 5),
        "recipe": str(recipe.expression),
    }


def _filled(numbers: tuple[float, ...], length: int) -> list[float]:
    return [float(number) for number in numbers] + [0.0] * (length - len(numbers))
