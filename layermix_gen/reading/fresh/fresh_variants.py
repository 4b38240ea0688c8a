"""Fresh variants, as pure functions: which recipe an epoch draws for a view of an image, its pixels and its metadata.

A recipe is drawn from the seed, the image's source id, the epoch and the number of the fresh view, and from nothing
else: not from the batch, the rank, the thread or the process that reads the image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

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
from layermix_gen.mixing.bulk import ImageRows
from layermix_gen.mixing.methods import UNMIXED, Recipe
from layermix_gen.mixing.recipe import IMAGE
from layermix_gen.mixing_sets.mixed import render_all_mixed, render_drawn
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.fresh.draws import Draws
from layermix_gen.reading.fresh.fresh_mix import Mix
from layermix_gen.reading.order import Ints
from layermix_gen.reading.selection import FRESH, Selection
from layermix_gen.sources import Item
from layermix_gen.support.seeds import KeyedRandom, view_keys

UNCHANGED = Recipe(UNMIXED, IMAGE)


FreshDraws: TypeAlias = Draws[Recipe]
"""What an epoch draws for images; second images are named by their rows of the selection."""


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
                f"with another, found 1 in shard {shards[counts.argmin()]}; loosen where= or classes=, or add images"
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

    def draws(self, rows: Ints, epoch: int, *, with_recipes: bool = True) -> FreshDraws:
        """What an epoch draws for the images in `rows`; without the recipes where the kernels can draw them."""
        if self.law and not with_recipes:
            return Draws(rows.copy(), [], self._others(rows, []))
        draw, drawing, of_view = self.mix.method.draw, self.mix.drawing, KeyedRandom.of_view
        images = self.ids[rows].tolist()
        recipes = [[draw(of_view(self.seed, image, epoch, view), drawing) for view in self.views] for image in images]
        return Draws(rows.copy(), recipes, self._others(rows, recipes))

    def _others(self, rows: Ints, recipes: Sequence[Sequence[Recipe]]) -> Ints:
        """The rows of second images (n, most second images), -1 where a recipe draws none."""
        others = np.full((len(rows), self.second_images), -1, np.int64)
        if self.second_images:
            for i, row in enumerate(rows.tolist()):
                others[i] = [self._other(row, recipe.other) for recipe in recipes[i]]
        return others

    def _other(self, row: int, place: float | None) -> int:
        """The row of the second image that a recipe draws: one of the next 32 selected ones in the shard's order."""
        if place is None:
            return -1
        start = int(self.starts[row])
        return start + next(candidates(int(self.counts[row]), row - start, place))

    def render(self, draws: FreshDraws, epoch: int, clean: ImageRows, others: Sequence[ImageRows], out: Image) -> None:
        """Render all views of clean images (H, W, 3) to `out` (n, V, H, W, 3).

        `others` are their second images for each fresh view, where the method uses any.
        """
        compiled, mixing_set, number = library(), self.mix.mixing_set, 0
        for column, name in enumerate(self.names):
            if name == CLEAN_PLANE:
                out[:, column] = clean.images[clean.rows]
                continue
            other, views = others[number] if others else None, ImageRows.all_of(out[:, column])
            if compiled and self.law and not draws.recipes:
                programs = self.law.draw(compiled, view_keys(self.seed, self.ids[draws.rows], epoch, number))
                render_drawn(compiled, programs, mixing_set, clean, other, views)
            else:
                render_all_mixed([one[number] for one in draws.recipes], mixing_set, clean, other, views)
            number += 1

    def label_columns(self, draws: FreshDraws) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """The labels of the second images, -1 where there are none, and the weights of the images' own: (n,) each.

        They are those of the first fresh view.
        """
        rows = draws.others[:, 0]
        second = np.where(rows < 0, -1, self.labels[rows]).astype(np.int32)
        return second, np.array([recipe.label_weight for recipe, *_ in draws.recipes], np.float32)

    def metadata(
        self,
        draws: FreshDraws,
        i: int,
        clean: Mapping[str, Any],
        others: Sequence[Mapping[str, Any] | None],
        epoch: int,
    ) -> list[dict[str, Any]]:
        """The metadata of all views of image i, from its clean image's and those of the second images, one a view.

        The lists of the clean view are as long as those of the fresh ones. A key is `000000123-fresh-EPOCH-VIEW`, or
        the clean image's where all planes share one.
        """
        item, view, lengths = _item(clean), View(*clean["view"]), lengths_of(self.mix.drawing.options)
        shown, number = [], 0
        for name in self.names:
            if name == CLEAN_PLANE:
                drawn, key = Drawn(CLEAN, view, UNCHANGED), clean["key"]
            else:
                other = others[number] if others else None
                drawn = Drawn(number, view, draws.recipes[i][number], _item(other) if other else None)
                image = f"{ordinal_of(clean['key']):09d}"
                key = image if image == clean["key"] else f"{image}-{FRESH}-{epoch}-{number}"  # one for all planes
                number += 1
            shown.append(metadata(drawn, item, clean["class_name"], lengths) | {"plane": name, "key": key})
        return shown


def _item(facts: Mapping[str, Any]) -> Item:
    return Item(facts["source"], facts["label"], 0)
