"""Make samples, pixels and metadata, from a decoded source image: the pure functions that build and replay share."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from layermix_gen.dataset.settings import CLEAN, BuildSettings
from layermix_gen.images import Image
from layermix_gen.images.views import VIEWS, PictureView, View, render_view
from layermix_gen.mixing.methods import METHODS, UNMIXED, DrawSettings, Recipe
from layermix_gen.mixing.renderer import render
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.sources import Item
from layermix_gen.support.seeds import KeyedRandom, Random

AHEAD = 32  # images among which the second one is drawn: few enough to keep them decoded until their own turn
Partner: TypeAlias = Callable[[float], tuple[Item, Image]]
"""Finds a second source image (H, W, 3), and its item, from a number in [0, 1) that a recipe draws."""


@dataclass(frozen=True, slots=True)
class Other:
    """The second training image of a sample: its item, and its view (size, size, 3), which is its own in that plane."""

    item: Item
    pixels: Image


@dataclass(frozen=True, slots=True)
class Sample:
    """One rendered variant of one source image."""

    variant: int
    view: View
    recipe: Recipe
    pixels: Image
    other: Other | None = None


def candidates(count: int, position: int, place: float) -> Iterator[int]:
    """The positions of the images of a shard of `count` in the order in which they are tried as second images.

    With `place` uniform in [0, 1), each of the `AHEAD` images that follow, in the shard's random order, is as likely to
    be the first. The next is tried where that cannot be read.
    """
    others = count - 1
    first = int(place * min(others, AHEAD))
    return ((position + 1 + (first + step) % others) % count for step in range(others))


@dataclass(frozen=True, slots=True)
class SampleMaker:
    """A maker of samples, by resolved settings (see `BuildSettings.resolve`) and with one mixing set."""

    settings: BuildSettings
    mixing_set: MixingSet | None
    drawing: DrawSettings = field(init=False)

    def __post_init__(self) -> None:
        pictures = (len(self.mixing_set), self.mixing_set.size) if self.mixing_set else (0, 0)
        object.__setattr__(self, "drawing", self.settings.drawing(*pictures))

    def make(
        self, source: Image, item: Item, variants: Iterable[int], partner: Partner | None = None
    ) -> Iterator[Sample]:
        """Draw and render variants of one source image (H, W, 3).

        Each depends only on the seed, the image's id, its own number and, where the recipe uses one, the second image,
        which is the image itself without a `partner`. In the view mode `shared`, all show the view of the clean one.
        """
        settings, seen, pixels = self.settings, None, source
        shared = self._view(source, item, CLEAN) if settings.view_mode == "shared" else None
        for variant in variants:
            rng = KeyedRandom(settings.seed, item.id, variant)
            view = shared or self._draw_view(rng, source)
            if view != seen:
                seen, pixels = view, render_view(source, view, self.drawing.size)
            recipe = METHODS[UNMIXED if variant == CLEAN else settings.method].draw(rng, self.drawing)
            other = None
            if recipe.other is not None:
                other = self._other(*(partner(recipe.other) if partner else (item, source)), variant)
            yield Sample(variant, view, recipe, self.render(recipe, pixels, other), other)

    def _other(self, item: Item, source: Image, variant: int) -> Other:
        view = self._view(source, item, CLEAN if self.settings.view_mode == "shared" else variant)
        return Other(item, render_view(source, view, self.drawing.size))

    def _view(self, source: Image, item: Item, variant: int) -> View:
        return self._draw_view(KeyedRandom(self.settings.seed, item.id, variant), source)

    def _draw_view(self, rng: Random, source: Image) -> View:
        height, width, _ = source.shape
        return VIEWS[self.settings.view or "rrc"](rng, height, width, self.drawing.size)

    def render(self, recipe: Recipe, view: Image, other: Other | None = None) -> Image:
        """Render a recipe on a view (size, size, 3), with the crop of the picture and the second image that it uses."""
        picture = None
        if self.mixing_set and recipe.picture:
            picture = self.mixing_set.view(recipe.picture, self.drawing.size)
        return render(recipe.expression, view, picture, other.pixels if other else None)


def lengths_of(settings: BuildSettings) -> dict[str, int]:
    """The length of each list in a sample's metadata, the same in all samples of a dataset, and never 0."""
    ops, blends = (max(most, 1) for most in settings.options.most)
    return {"ops": ops, "op_args": ops, "blends": blends, "blend_args": 2 * blends, "picture_view": 4, "view": 5}


NO_PICTURE = PictureView(-1, 0, 0, False, False)


def metadata(sample: Sample, item: Item, class_name: str, lengths: Mapping[str, int]) -> dict[str, Any]:
    """The metadata stored with a sample: one flat object with the same fields, types and list lengths in every sample.

    Lists are filled up with 0.0 and "" to their `lengths`, never empty: readers that infer a schema from the first few
    samples take an empty list for one of nulls, and then fail on the first that is not empty.
    """
    recipe, view, other = sample.recipe, sample.view, sample.other
    picture = recipe.picture or NO_PICTURE
    facts: dict[str, Any] = {
        "source": item.id,
        "label": item.label,
        "class_name": class_name,
        "other": other.item.id if other else "",
        "label2": other.item.label if other else -1,
        "label_weight": float(recipe.label_weight),
        "method": recipe.method,
        "variant": sample.variant,
        "layer": recipe.layer,
        "op": recipe.op,
        "ops": [*recipe.ops],
        "op_args": [*map(float, recipe.op_args)],
        "blends": [*recipe.blends],
        "blend_args": [*map(float, recipe.blend_args)],
        "picture": picture.index,
        "picture_view": [picture.top, picture.left, int(picture.flip_h), int(picture.flip_v)],
        "view": [*map(float, (view.top, view.left, view.height, view.width, view.flip))],
        "recipe": str(recipe.expression),
    }
    for name, length in lengths.items():
        empty: Any = "" if name in ("ops", "blends") else 0.0
        facts[name] += [empty] * (length - len(facts[name]))
    return facts
