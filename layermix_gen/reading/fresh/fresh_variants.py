"""Fresh variants, as pure functions: which recipe an epoch draws for a view of an image, its pixels and its metadata.

A recipe is drawn from the seed, the image's source id, the epoch and the number of the fresh view, and from nothing
else: not from the batch, the rank, the thread or the process that reads the image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from layermix_gen.dataset.names import CLEAN_PLANE, ordinal_of
from layermix_gen.dataset.samples import Drawn, candidates, lengths_of, metadata
from layermix_gen.dataset.settings import CLEAN
from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.views import View
from layermix_gen.kernels.laws import Law
from layermix_gen.kernels.native import library
from layermix_gen.kernels.programs import Programs
from layermix_gen.mixing.bulk import NO_PICTURES, ImageRows, programs_of, render_programs
from layermix_gen.mixing.methods import UNMIXED, Recipe
from layermix_gen.mixing.recipe import IMAGE
from layermix_gen.mixing.renderer import rendered
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.fresh.fresh_mix import Mix
from layermix_gen.reading.order import Ints
from layermix_gen.reading.selection import FRESH, Selection
from layermix_gen.sources import Item
from layermix_gen.support.seeds import KeyedRandom, view_keys

UNCHANGED = Recipe(UNMIXED, IMAGE)


class FreshDraw(NamedTuple):
    """What an epoch draws for an image, a row of the selection: a recipe for each fresh view.

    There are none where the kernels draw them as they render. `others` are the rows of the second images, -1 where a
    recipe uses none; empty for a method that never does.
    """

    row: int
    recipes: list[Recipe]
    others: list[int]


@dataclass(frozen=True, slots=True, eq=False)
class FreshVariants:
    """The fresh variants of the images of a selection, whose views are `names`: "clean" at most once, else "fresh".

    By rows of the selection: `ids` are digests of the source ids, `labels` the labels; `starts` and `counts` say where
    the rows of the same shard begin, and how many they are. With a `law`, kernels can draw the recipes.
    """

    names: tuple[str, ...]
    mix: Mix
    seed: int
    ids: npt.NDArray[np.uint64]
    labels: Ints
    starts: Ints
    counts: Ints
    law: Law | None = None

    @classmethod
    def of(cls, names: Sequence[str], mix: Mix, catalog: Catalog, selection: Selection) -> "FreshVariants":
        """The fresh variants of a selection. Raises `LayerMixError` where an image lacks a second one to mix with."""
        shards, ids = catalog.shards[selection.images], catalog.source_ids
        starts = np.searchsorted(shards, shards)
        counts = np.searchsorted(shards, shards, side="right") - starts
        if mix.method.mixes_labels and counts.min() < 2:
            raise LayerMixError(
                f"expected at least 2 selected images in each shard for the method {mix.method.name}, which mixes each "
                f"with another, found 1 in shard {shards[counts.argmin()]}; loosen where= or classes="
            )
        law = mix.method.law(mix.drawing) if mix.method.law and library() else None
        return cls(tuple(names), mix, selection.seed, ids[selection.images], selection.labels, starts, counts, law)

    @property
    def views(self) -> range:
        """The numbers of the fresh views."""
        return range(self.names.count(FRESH))

    @property
    def second_images(self) -> int:
        """How many second images an image may need."""
        return len(self.views) if self.mix.method.mixes_labels else 0

    def draws(self, rows: Ints, epoch: int, *, with_recipes: bool = True) -> list[FreshDraw]:
        """What an epoch draws for the images in `rows`; without the recipes where the kernels can draw them."""
        if self.law and not with_recipes:
            return [FreshDraw(row, [], []) for row in rows.tolist()]
        draw, drawing, of_view = self.mix.method.draw, self.mix.drawing, KeyedRandom.of_view
        drawn = []
        for row, image in zip(rows.tolist(), self.ids[rows].tolist(), strict=True):
            recipes = [draw(of_view(self.seed, image, epoch, view), drawing) for view in self.views]
            others = [self._other(row, recipe.other) for recipe in recipes] if self.second_images else []
            drawn.append(FreshDraw(row, recipes, others))
        return drawn

    def _other(self, row: int, place: float | None) -> int:
        """The row of the second image that a recipe draws: one of the next 32 selected ones in the shard's order."""
        if place is None:
            return -1
        start = int(self.starts[row])
        return start + next(candidates(int(self.counts[row]), row - start, place))

    def render(
        self, draws: Sequence[FreshDraw], epoch: int, clean: ImageRows, others: Sequence[ImageRows], out: Image
    ) -> None:
        """Render all views of clean images (H, W, 3) to `out` (n, V, H, W, 3).

        `others` are their second images for each fresh view, where the method uses any.
        """
        number = 0
        for column, name in enumerate(self.names):
            if name == CLEAN_PLANE:
                out[:, column] = clean.images[clean.rows]
                continue
            other = others[number] if others else None
            compiled, programs = library(), self._programs(draws, epoch, number)
            if compiled and programs:
                pictures = self.mix.mixing_set.pictures if self.mix.mixing_set else NO_PICTURES
                render_programs(compiled, programs, clean, other, pictures, ImageRows.all_of(out[:, column]))
            else:
                self._render_by_one(draws, number, clean, other, out[:, column])
            number += 1

    def _programs(self, draws: Sequence[FreshDraw], epoch: int, number: int) -> Programs | None:
        """The recipes of a fresh view as the kernels read them, which draw them if they were not drawn yet."""
        compiled = library()
        if compiled and self.law and not draws[0].recipes:
            images = self.ids[[draw.row for draw in draws]]
            return self.law.draw(compiled, view_keys(self.seed, images, epoch, number))
        return programs_of([draw.recipes[number] for draw in draws])

    def _render_by_one(
        self, draws: Sequence[FreshDraw], number: int, clean: ImageRows, other: ImageRows | None, out: Image
    ) -> None:
        """Render a fresh view of one image after the other."""
        mixing_set, size = self.mix.mixing_set, self.mix.drawing.size
        for i, draw in enumerate(draws):
            recipe = draw.recipes[number]
            picture = mixing_set.view(recipe.picture, size) if mixing_set and recipe.picture else None
            rendered(recipe.expression, clean.image(i), picture, other.image(i) if other else None, out[i])

    def label_columns(self, draws: Sequence[FreshDraw]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """The labels of the second images, -1 where there are none, and the weights of the images' own: (n,) each.

        They are those of the first fresh view.
        """
        rows = np.array([draw.others[0] if draw.others else -1 for draw in draws])
        second = np.where(rows < 0, -1, self.labels[rows]).astype(np.int32)
        return second, np.array([draw.recipes[0].label_weight for draw in draws], np.float32)

    def metadata(
        self, draw: FreshDraw, clean: Mapping[str, Any], others: Sequence[Mapping[str, Any] | None], epoch: int
    ) -> list[dict[str, Any]]:
        """The metadata of all views, from those of the clean image and of the second images, one a fresh view.

        The lists of the clean view are as long as those of the fresh ones. A key is `000000123-fresh-EPOCH-VIEW`.
        """
        item, view, lengths = _item(clean), View(*clean["view"]), lengths_of(self.mix.drawing.options)
        shown, number = [], 0
        for name in self.names:
            if name == CLEAN_PLANE:
                drawn, key = Drawn(CLEAN, view, UNCHANGED), clean["key"]
            else:
                other = others[number] if others else None
                drawn = Drawn(number, view, draw.recipes[number], _item(other) if other else None)
                key = f"{ordinal_of(clean['key']):09d}-{FRESH}-{epoch}-{number}"
                number += 1
            shown.append(metadata(drawn, item, clean["class_name"], lengths) | {"plane": name, "key": key})
        return shown


def _item(facts: Mapping[str, Any]) -> Item:
    return Item(facts["source"], facts["label"], 0)
