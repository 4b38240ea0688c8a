"""Single samples of virtual planes, rendered from what is stored: their clean images, found by their source ids."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from layermix_gen.dataset.dataset_files import DatasetFiles
from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import CLEAN_PLANE, address
from layermix_gen.dataset.querying.queries import select
from layermix_gen.dataset.querying.row_access import PLACE, check_row, stored_image
from layermix_gen.dataset.virtual.found_mixing_set import found_mixing_set
from layermix_gen.dataset.virtual.recorded_recipe import RecordedRecipe
from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import decode
from layermix_gen.mixing_sets.mixed import render_mixed
from layermix_gen.mixing_sets.mixing_set import MixingSet

RECIPE = ("recipe", "picture", "picture_view", "other")  # the columns that a variant is rendered by
IMAGE_COLUMNS = (*PLACE, "source", *RECIPE)  # the columns that the image of any row needs
REMEDY = "restore it, or run the build again with --mixing-set its new path, which puts it into the dataset"


class VirtualSamples:
    """Renders the samples of the virtual planes of a dataset, of which `index` are the files of the index."""

    def __init__(self, files: DatasetFiles, manifest: Manifest, index: Sequence[Path]) -> None:
        self.files, self.manifest, self.index = files, manifest, index
        self._mixing_set: MixingSet | None = None

    @property
    def mixing_set(self) -> MixingSet | None:
        """The mixing set of the build, None where it had none. Raises `LayerMixError` where it is gone."""
        if self._mixing_set is None and (facts := self.manifest.mixing_set):
            self._mixing_set = found_mixing_set(self.files, self.manifest.settings, facts, REMEDY)
        return self._mixing_set

    def pixels(self, row: Mapping[str, Any]) -> Image:
        """The pixels (H, W, 3) of a row's sample. The row needs the columns of `IMAGE_COLUMNS`.

        Raises `LayerMixError` where the clean image or the mixing set is not as it was built.
        """
        check_row(self.manifest, row, IMAGE_COLUMNS)
        try:
            recipe = RecordedRecipe.of(*(row[name] for name in RECIPE))
        except (LayerMixError, TypeError, ValueError) as error:
            raise LayerMixError(f"{address(row)} has no recipe to render: {error}; restore the index") from error
        image = self._clean(row, row["source"])
        other = self._clean(row, recipe.other) if recipe.other else None
        return render_mixed(recipe, self.mixing_set, image, other)

    def _clean(self, row: Mapping[str, Any], source: str) -> Image:
        """The clean image of a source image in a row's shard."""
        path = self.index[row["shard"]]
        facts = path.stat()
        clean = _clean_rows(path, (facts.st_size, facts.st_mtime_ns), self.manifest.planes).get(source)
        if clean is None:
            raise LayerMixError(
                f"expected {source!r} in the clean plane of shard {row['shard']} for {address(row)}, found none; "
                "restore the index"
            )
        return decode(stored_image(self.files, self.manifest, clean))


@lru_cache(maxsize=16)  # shards, whose samples mostly come one after the other: each takes some 50 ms
def _clean_rows(path: Path, stamp: tuple[int, int], planes: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The rows of the clean plane in one index, by source id; `stamp` are the size and time of that file."""
    rows = select([path], f"plane = '{CLEAN_PLANE}'", [*PLACE, "source"], planes=planes)
    return {row["source"]: row for row in rows}
