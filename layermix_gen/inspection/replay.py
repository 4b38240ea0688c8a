"""Replay: make a stored sample again, pixel for pixel, from its source image, mixing set and seed."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from layermix_gen.dataset.dataset_files import DatasetFiles, LocalFiles
from layermix_gen.dataset.index import source_checksum
from layermix_gen.dataset.names import ABOUT_MIXING_SET, LISTING, MIXING_SET, ordinal_of
from layermix_gen.dataset.plan import Plan
from layermix_gen.dataset.samples import Partner, SampleMaker, candidates
from layermix_gen.dataset.virtual.found_mixing_set import found_mixing_set
from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.views import View
from layermix_gen.mixing.methods import Recipe
from layermix_gen.mixing_sets.mixing_set import MixingSet, open_mixing_set
from layermix_gen.sources import Item, Source


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """A sample and all that it was made from: uint8 arrays (H, W, 3), all but `source` of the sample's size."""

    source: Image  # the whole source image
    box: View  # which part of it
    view: Image  # that part: the recipe's leaf `image`
    picture: Image | None  # the recipe's leaf `picture`, where it uses one
    other: Image | None  # the recipe's leaf `other`, where it uses one
    recipe: Recipe
    pixels: Image  # the sample, before encoding


def fetch_needed(files: DatasetFiles, plan: Plan) -> None:
    """Bring the files that replays need, beside the plan: the listing, and the mixing set, if it is in the dataset.

    Raises `LayerMixError` where the listing is not there.
    """
    files.fetch([LISTING])
    if plan.mixing_set and plan.mixing_set.location == MIXING_SET:
        for name in (ABOUT_MIXING_SET, MIXING_SET):
            with suppress(LayerMixError):  # fractals are rendered again
                files.fetch([name])


class Replayer:
    """Makes a plan's samples again. Raises `LayerMixError` where source or mixing set is gone or a different one.

    `checked` is where another process has found the mixing set, and has made sure that it is the right one.
    """

    def __init__(self, plan: Plan, *, checked: Path | None = None) -> None:
        self.plan, self._checked = plan, checked

    @cached_property
    def source(self) -> Source:
        """The source of the images."""
        try:
            return self.plan.inputs.open(self.plan.settings.max_pixels)
        except LayerMixError as error:
            raise LayerMixError(
                f"samples cannot be rendered again without their source: {error}; where it was moved, run the build "
                "again with its new path, which is then known"
            ) from error

    @cached_property
    def maker(self) -> SampleMaker:
        """The maker of samples, which draws recipes and renders them."""
        return SampleMaker(self.plan.settings, self._mixing_set())

    def _mixing_set(self) -> MixingSet | None:
        facts = self.plan.mixing_set
        if facts is None or not self.plan.settings.variants:
            return None
        if self._checked:
            return open_mixing_set(self._checked)
        remedy = "restore it, or run the build again with its new path, which is then known"
        return found_mixing_set(LocalFiles(self.plan.root), self.plan.settings, facts, remedy)

    def read(self, item: Item, checksum: int) -> Image:
        """Read a source image. Raises `BadImage` where it cannot be read now, or is another one than in the build."""
        try:
            pixels = self.source.read(item)
        except BadImage as error:
            raise BadImage(f"{item.id} in {self.source.location} cannot be read now: {error}; restore it") from error
        if source_checksum(pixels) != checksum:
            raise BadImage(f"{item.id} in {self.source.location} is another image than in the build; restore it")
        return pixels

    def partner(self, items: Sequence[Item], position: int, checksums: Mapping[str, int]) -> Partner:
        """The partner of the image at `position` of its shard; `checksums` has all that the shard has, by their ids.

        It raises `BadImage` as `read` does.
        """

        def partner(place: float) -> tuple[Item, Image]:
            others = (items[other] for other in candidates(len(items), position, place))
            if (item := next((item for item in others if item.id in checksums), None)) is None:
                raise BadImage(
                    f"{items[position].id} has no other image in its shard to be mixed with; restore the index"
                )
            return item, self.read(item, checksums[item.id])

        return partner

    def replay(self, row: Mapping[str, Any], checksums: Mapping[str, int]) -> Replay:
        """Make the sample of a row of the index again; `checksums` has those of its shard's source images, by id."""
        items, position = self._listed(row)
        item = items[position]
        source = self.read(item, row["source_crc32"])
        (sample,) = self.maker.make(source, item, [row["variant"]], self.partner(items, position, checksums))
        size, (_, box, recipe, _) = self.maker.drawing.size, sample.drawn
        picture = self.maker.mixing_set.view(recipe.picture, size) if self.maker.mixing_set and recipe.picture else None
        view = self.maker.cut(source, box)
        return Replay(source, box, view, picture, sample.other, recipe, sample.pixels)

    def _listed(self, row: Mapping[str, Any]) -> tuple[Sequence[Item], int]:
        """The items of a row's shard, and where among them is that of the row.

        Raises `LayerMixError` where the listing names another there.
        """
        ordinal, number = ordinal_of(row["key"]), row["shard"]
        try:
            items = self._items(number)
        except OSError as error:
            raise LayerMixError(
                f"expected the list of inputs at {self.plan.root}/{LISTING}, found none; run the build again to "
                "write a new one"
            ) from error
        position = ordinal - self.plan.bounds(number)[0]
        found = items[position].id if 0 <= position < len(items) else "nothing"
        if found != row["source"]:
            raise LayerMixError(
                f"expected {row['source']!r} as input {ordinal} in {self.plan.root}/{LISTING}, found {found!r}; "
                "delete the file and run the build again to write a new one"
            )
        return items, position

    @lru_cache(maxsize=4)  # noqa: B019 - a few shards, for as long as the replayer lives: each takes up to 100 ms
    def _items(self, number: int) -> Sequence[Item]:
        return [item for _, item in self.plan.items(number)]
