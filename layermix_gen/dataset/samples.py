"""Make samples, pixels and metadata, from a decoded source image: the pure functions that build and replay share."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import Any, NamedTuple, TypeAlias

from layermix_gen.dataset.settings import CLEAN, BuildSettings
from layermix_gen.images import Image
from layermix_gen.images.views import VIEWS, PictureView, View, render_view
from layermix_gen.images.whole_images import SOURCE, whole_image, whole_shape
from layermix_gen.mixing.methods import METHODS, UNMIXED, DrawSettings, MethodOptions, Recipe
from layermix_gen.mixing.renderer import rendered
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.sources import Item
from layermix_gen.support.seeds import KeyedRandom, Random

AHEAD = 32  # images among which the second one is drawn: few enough to keep them decoded until their own turn
Partner: TypeAlias = Callable[[float], tuple[Item, Image]]
"""Finds a second source image (H, W, 3), and its item, from a number in [0, 1) that a recipe draws."""


class Drawn(NamedTuple):
    """A variant that is drawn: its number, its view and its recipe; and, once it is rendered, its second image."""

    variant: int
    view: View
    recipe: Recipe
    other: Item | None = None


class Sample(NamedTuple):
    """A variant that is rendered: uint8 (size, size, 3), from a view of a second image where the recipe uses one.

    A whole image is (H, W, 3).
    """

    drawn: Drawn
    pixels: Image
    other: Image | None = None


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
        return self.render(self.draw(source, item, variants), source, item, partner)

    def check(self, source: Image) -> None:
        """Raise `BadImage` for a source image that no view can be cut out of, also as a second image."""
        self._draw_view(KeyedRandom(0, "", CLEAN), source)

    def draw(self, source: Image, item: Item, variants: Iterable[int]) -> list[Drawn]:
        """Draw variants of one source image (H, W, 3), of which only the size matters. Raises `BadImage`."""
        settings, drawing = self.settings, self.drawing
        shared = self._view(source, item, CLEAN) if settings.view_mode == "shared" else None
        drawn = []
        for variant in variants:
            rng = KeyedRandom(settings.seed, item.id, variant)
            view = shared or self._draw_view(rng, source)
            method = METHODS[UNMIXED if variant == CLEAN else settings.method]
            drawn.append(Drawn(variant, view, method.draw(rng, drawing)))
        return drawn

    def render(
        self, drawn: Iterable[Drawn], source: Image, item: Item, partner: Partner | None = None
    ) -> Iterator[Sample]:
        """Render what was drawn of a source image; see `make`."""
        seen, pixels = None, source
        for one in drawn:
            if one.view != seen:
                seen, pixels = one.view, self.cut(source, one.view)
            other = None
            if one.recipe.other is not None:
                other_item, other_source = partner(one.recipe.other) if partner else (item, source)
                one, other = one._replace(other=other_item), self._view_of_other(other_source, other_item, one.variant)
            yield Sample(one, self.mixed(one.recipe, pixels, other), other)

    def _view_of_other(self, source: Image, item: Item, variant: int) -> Image:
        view = self._view(source, item, CLEAN if self.settings.view_mode == "shared" else variant)
        return self.cut(source, view)

    def _view(self, source: Image, item: Item, variant: int) -> View:
        return self._draw_view(KeyedRandom(self.settings.seed, item.id, variant), source)

    def _draw_view(self, rng: Random, source: Image) -> View:
        height, width, _ = source.shape
        if self.settings.view == SOURCE:
            whole_shape(height, width, self.settings.size, self.settings.encoding.format)
            return View(0, 0, height, width, False)
        return VIEWS[self.settings.view or "rrc"](rng, height, width, self.drawing.size)

    def cut(self, source: Image, view: View) -> Image:
        """Cut a view out of a source image (H, W, 3): (size, size, 3), or the whole image. Raises `BadImage`."""
        if self.settings.view == SOURCE:
            return whole_image(source, self.settings.size, self.settings.encoding.format)
        return render_view(source, view, self.drawing.size)

    def mixed(self, recipe: Recipe, view: Image, other: Image | None = None) -> Image:
        """Render a recipe on a view (size, size, 3), with the crop of the picture and the second image that it uses."""
        picture = None
        if self.mixing_set and recipe.picture:
            picture = self.mixing_set.view(recipe.picture, self.drawing.size)
        return rendered(recipe.expression, view, picture, other)


def lengths_of(options: MethodOptions) -> dict[str, int]:
    """The length of each list in a sample's metadata, the same for all samples of a method, and never 0."""
    ops, blends = (max(most, 1) for most in options.most)
    return {"ops": ops, "op_args": ops, "blends": blends, "blend_args": 2 * blends, "picture_view": 4, "view": 5}


NO_PICTURE = PictureView(-1, 0, 0, False, False)


def metadata(drawn: Drawn, item: Item, class_name: str, lengths: Mapping[str, int]) -> dict[str, Any]:
    """The metadata stored with a sample: one flat object with the same fields, types and list lengths in every sample.

    Lists are filled up with 0.0 and "" to their `lengths`, never empty: readers that infer a schema from the first few
    samples take an empty list for one of nulls, and then fail on the first that is not empty.
    """
    recipe, view, other = drawn.recipe, drawn.view, drawn.other
    picture = recipe.picture or NO_PICTURE
    facts: dict[str, Any] = {
        "source": item.id,
        "label": item.label,
        "class_name": class_name,
        "other": other.id if other else "",
        "label2": other.label if other else -1,
        "label_weight": float(recipe.label_weight),
        "method": recipe.method,
        "variant": drawn.variant,
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


def metadata_json(drawn: Drawn, item: Item, class_name: str, lengths: Mapping[str, int]) -> str:
    """The text that `json.dumps(metadata(...), ensure_ascii=False)` gives, at two thirds of its cost."""
    recipe, view, other = drawn.recipe, drawn.view, drawn.other
    picture = recipe.picture or NO_PICTURE
    ops, blends = lengths["ops"], lengths["blends"]
    return (
        f'{{"source": {encode_basestring(item.id)}, "label": {item.label}, '
        f'"class_name": {encode_basestring(class_name)}, '
        f'"other": {encode_basestring(other.id) if other else EMPTY}, '
        f'"label2": {other.label if other else -1}, "label_weight": {float(recipe.label_weight)!r}, '
        f'"method": "{recipe.method}", "variant": {drawn.variant}, "layer": {recipe.layer}, "op": "{recipe.op}", '
        f'"ops": {_names(recipe.ops, ops)}, "op_args": {_numbers(recipe.op_args, ops)}, '
        f'"blends": {_names(recipe.blends, blends)}, "blend_args": {_numbers(recipe.blend_args, 2 * blends)}, '
        f'"picture": {picture.index}, '
        f'"picture_view": [{picture.top}, {picture.left}, {picture.flip_h:d}, {picture.flip_v:d}], '
        f'"view": {_numbers(view)}, "recipe": "{recipe.expression}"}}'
    )


EMPTY = '""'


def _names(names: Sequence[str], length: int) -> str:
    """Names, which have no character that JSON escapes, as a list of strings, filled up to its length."""
    inside = '", "'.join((*names, *[""] * (length - len(names))))
    return f'["{inside}"]'


def _numbers(numbers: Sequence[float], length: int = 0) -> str:
    """Numbers as a list of floats, filled up to its length. Most are whole, and these cost a fifth as int."""
    texts = [f"{+number}.0" if number.__class__ in (int, bool) else repr(float(number)) for number in numbers]
    return f"[{', '.join((*texts, *['0.0'] * (length - len(numbers))))}]"
