"""Virtual planes in batches: what the index says of their samples, and the variants that are rendered by it.

They go the way of fresh variants, but for their recipes, which are read instead of drawn.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import CLEAN_PLANE
from layermix_gen.dataset.querying.query_sandbox import sandbox
from layermix_gen.dataset.virtual.recorded_recipe import RecordedRecipe
from layermix_gen.dataset.virtual.virtual_samples import RECIPE, VirtualSamples
from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image
from layermix_gen.kernels.native import say_if_not_compiled
from layermix_gen.mixing.bulk import ImageRows
from layermix_gen.mixing_sets.mixed import render_all_mixed
from layermix_gen.reading.catalog import Catalog, id_digest
from layermix_gen.reading.fresh.draws import Draws
from layermix_gen.reading.order import Ints
from layermix_gen.support.database import quoted, rows

LINES = (
    "SELECT shard, string_agg(json_array({})::VARCHAR, chr(10) ORDER BY plane, file_row_number) AS text "
    "FROM samples WHERE plane IN ({}) GROUP BY shard"
)
AT_ONCE = 2**19  # samples whose texts are read from the index at once: about 100 MB


@dataclass(frozen=True, slots=True, eq=False)
class IndexTexts:
    """What the index says of the samples of some planes, a line of JSON for each: a text a shard, plane after plane.

    `ends` (planes x images of the shard) says where the lines of each text end. A line takes about 100 bytes.
    """

    planes: tuple[str, ...]
    texts: Sequence[bytes]
    ends: Sequence[npt.NDArray[np.uint32]]

    @classmethod
    def read(
        cls, files: Sequence[Path], manifest: Manifest, planes: Sequence[str], columns: Sequence[str]
    ) -> "IndexTexts":
        """Read some columns of the index `files` of a dataset. Raises `LayerMixError` where they have other rows."""
        counts, values = manifest.counts, ", ".join(f'"{name}"' for name in columns)
        sql = LINES.format(values, ", ".join(map(quoted, planes)))
        texts, ends = [b""] * len(counts), [np.zeros(0, np.uint32)] * len(counts)
        for part in _parts(counts, AT_ONCE // len(planes)):
            with sandbox(files[part]) as db:
                for row in rows(db, sql):
                    texts[row["shard"]] = row["text"].encode()
        for shard, text in enumerate(texts):
            places = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
            ends[shard] = np.append(places, len(text)).astype(np.uint32)
            if (len(ends[shard]) if text else 0) != len(planes) * counts[shard]:
                raise LayerMixError(f"expected other rows of {', '.join(planes)} in {files[shard]}; restore it")
        return cls(tuple(planes), texts, ends)

    def line(self, shard: int, plane: int, place: int) -> Any:
        """The values of the columns of the sample at a place of its shard, in a plane by its number here."""
        ends = self.ends[shard]
        number = plane * (len(ends) // len(self.planes)) + place
        begin = int(ends[number - 1]) + 1 if number else 0
        return json.loads(self.texts[shard][begin : ends[number]])


def _parts(counts: Sequence[int], most: int) -> Iterator[slice]:
    """The shards in parts of at most so many images, or of one shard."""
    begin = images = 0
    for number, count in enumerate(counts):
        if number > begin and images + count > most:
            yield slice(begin, number)
            begin, images = number, 0
        images += count
    yield slice(begin, len(counts))


@dataclass(slots=True, eq=False)
class VirtualDraws(Draws[RecordedRecipe | None]):
    """What is rendered of images: a recipe for each view, None for a clean one. Second images are named by the catalog.

    `facts` are the fields of each view that were asked for, None for a clean one.
    """

    facts: list[list[dict[str, Any] | None]]

    def put(self, i: int, one: Self) -> None:
        """Have what is drawn for a single image stand in place i."""
        Draws.put(self, i, one)
        self.facts[i] = one.facts[0]


@dataclass(eq=False)
class VirtualPlanes:
    """The virtual planes of a dataset, to be read as `views` planes of each image at a time.

    `clean` is the catalog of the clean plane; `planes` are the planes by their numbers in the catalog of the reader.
    `fields` are those of the metadata that are read.
    """

    planes: Sequence[str]
    clean: Catalog
    texts: IndexTexts
    samples: VirtualSamples
    fields: Sequence[str]
    paired: bool
    views: int = 1

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {plane: number for number, plane in enumerate(self.texts.planes)}

    @classmethod
    def of(
        cls, catalog: Catalog, samples: VirtualSamples, fields: Sequence[str], views: int, *, paired: bool
    ) -> "VirtualPlanes | None":
        """The virtual planes among those of a catalog, None where there are none; `paired`: they have second images."""
        manifest = samples.manifest
        virtual = [plane for plane in catalog.planes if plane in manifest.virtual_planes]
        if not virtual:
            return None
        say_if_not_compiled()
        _ = samples.mixing_set  # an error now, where it is gone
        texts = IndexTexts.read(catalog.files, manifest, virtual, (*RECIPE, *fields))
        return cls(catalog.planes, catalog.only(CLEAN_PLANE), texts, samples, fields, paired, views)

    @property
    def second_images(self) -> int:
        """How many second images an image may need."""
        return self.views if self.paired else 0

    @cached_property
    def _firsts(self) -> Ints:
        """The first image of each shard, and their number."""
        return np.searchsorted(self.clean.shards, np.arange(len(self.texts.texts) + 1))

    def draws(self, rows: Ints, images: Ints, planes: Ints) -> VirtualDraws:
        """What is rendered of the images (B,) in rows (B,) of the selection, each in planes (B, V) of the catalog."""
        shards, others = self.clean.shards[images], np.full((len(rows), self.second_images), -1, np.int64)
        places = images - self._firsts[shards]
        drawn = VirtualDraws(rows.copy(), [], others, [])
        for i, (shard, place) in enumerate(zip(shards.tolist(), places.tolist(), strict=True)):
            recipes, facts = zip(*(self._view(shard, place, self.planes[plane]) for plane in planes[i]), strict=True)
            drawn.recipes.append([*recipes])
            drawn.facts.append([*facts])
            if self.paired:
                others[i] = [self._image_of(shard, one.other) if one and one.other else -1 for one in recipes]
        return drawn

    def _view(self, shard: int, place: int, plane: str) -> tuple[RecordedRecipe | None, dict[str, Any] | None]:
        if plane not in self._numbers:
            return None, None
        line = self.texts.line(shard, self._numbers[plane], place)
        facts = dict(zip(self.fields, line[len(RECIPE) :], strict=True))
        return self._recipe(line[: len(RECIPE)], shard, plane, place), facts

    def _recipe(self, columns: Sequence[Any], shard: int, plane: str, place: int) -> RecordedRecipe:
        try:
            recipe = RecordedRecipe.of(*columns)
            if recipe.other and not self.paired:  # it would be rendered without that image
                raise ValueError("found a second image, of which the dataset's method makes no use")
            return recipe
        except (LayerMixError, TypeError, ValueError) as error:
            clean = self.clean.address(0, int(self._firsts[shard]) + place)
            where = f"{self.clean.files[shard]}, the sample in {plane} of {clean}"
            raise LayerMixError(f"{where} has no recipe to render: {error}; restore that file") from error

    def _image_of(self, shard: int, source: str) -> int:
        """The number of the image with this source id, which is in the same shard."""
        first, stop = self._firsts[shard : shard + 2]
        found = np.flatnonzero(self._ids[first:stop] == np.uint64(id_digest(source)))
        if not len(found):
            raise LayerMixError(f"expected {source!r} in {self.clean.files[shard]}, found none; restore it")
        return int(first + found[0])

    @property
    def _ids(self) -> npt.NDArray[np.uint64]:
        if self.clean.ids is None:
            raise ValueError("a catalog without ids")
        return self.clean.ids

    def render(self, draws: VirtualDraws, clean: ImageRows, others: Sequence[ImageRows], out: Image) -> None:
        """Render all views of clean images (H, W, 3) to `out` (n, V, H, W, 3), with their second images, one a view."""
        for view in range(self.views):
            recipes = {i: recipe for i, of_image in enumerate(draws.recipes) if (recipe := of_image[view])}
            for i in range(len(draws)):
                if i not in recipes:
                    out[i, view] = clean.images[clean.rows[i]]
            if recipes:
                mixed = np.array([*recipes])
                other = ImageRows(others[view].images, others[view].rows[mixed]) if others else None
                leaves = ImageRows(clean.images, clean.rows[mixed]), other
                found = [*recipes.values()]
                render_all_mixed(found, self.samples.mixing_set, *leaves, ImageRows(out[:, view], mixed))
