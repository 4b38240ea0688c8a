"""What can be done with a finished dataset: summarize, draw, extract, verify and repair it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layermix_gen.dataset.hub.dataset_card import card, write_card
from layermix_gen.dataset.names import CARD, MANIFEST, address
from layermix_gen.dataset.virtual.virtual_samples import IMAGE_COLUMNS
from layermix_gen.errors import LayerMixError
from layermix_gen.images.thumbnails import thumbnail
from layermix_gen.inspection.drawings.explain import explain
from layermix_gen.inspection.drawings.gallery import write_gallery
from layermix_gen.inspection.drawings.recipe_plots import plot
from layermix_gen.inspection.drawings.sheet import contact_sheet
from layermix_gen.inspection.extraction import extract
from layermix_gen.inspection.opened_dataset import OpenedDataset
from layermix_gen.inspection.summary import Summary, summarize
from layermix_gen.inspection.unfinished import BuildState, added_planes, build_state
from layermix_gen.inspection.verification.findings import VerificationReport
from layermix_gen.inspection.verification.repair import Repair, repair
from layermix_gen.inspection.verification.verify import verify
from layermix_gen.support.checks import as_path, check_output, is_remote
from layermix_gen.support.files import disk_errors, replacing, writing
from layermix_gen.support.notebooks import panels

SHOWN = 6  # samples in a notebook


def open_shards(location: str | Path, storage_options: Mapping[str, Any] | None = None) -> "Shards":
    """Open the dataset in a folder or at a URL (by fsspec with `storage_options`) to find and see its samples.

    Raises `LayerMixError` where there is no folder or no file system for the URL.
    """
    return Shards(location, storage_options)


class Shards(OpenedDataset):
    """A finished dataset, opened to find its samples, and to see, check and repair them."""

    @property
    def is_finished(self) -> bool:
        """Whether there is a manifest, which is written last."""
        return self._files.has(MANIFEST)

    def build_state(self, jobs: int | None = None) -> BuildState:
        """How far the build is of a dataset that is not finished, and what each of so many `jobs` of an array lacks.

        Raises `LayerMixError` where no build was begun, and where a web server does not say which files there are.
        """
        return build_state(self._files, jobs)

    def _repr_html_(self) -> str:
        return panels.described("Dataset", lambda: self.summary().facts, lambda: map(self._thumbnail, self._few()))

    def _few(self) -> list[dict[str, Any]]:
        """The rows of one source image in the first few planes."""
        columns = [*IMAGE_COLUMNS, "class_name"]
        return self.query("shard = 0", columns, "key, plane", min(len(self.manifest.planes), SHOWN))

    def _thumbnail(self, row: Mapping[str, Any]) -> str:
        return thumbnail(self.pixels(row), "\n".join([address(row), row["class_name"], row["recipe"]]))

    def summary(self) -> Summary:
        """Summarize the dataset in numbers; as text, the summary fits on one screen."""
        index = self.index
        return summarize(self.location, self.manifest, index, added_planes(self._files, self.manifest))

    def extract(
        self,
        folder: str | Path,
        where: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        *,
        progress: bool = True,
    ) -> int:
        """Write the images that meet a condition, and their JSON, as files to a new or empty `folder`; return how many.

        The folder appears only when it is complete. Raises `LayerMixError` as `query` and `image` do.
        """
        folder, source = (
            as_path(folder, "folder of the images"),
            None if is_remote(self.location) else Path(self.location),
        )
        check_output(folder, source=source, hidden=True)  # not even hidden files: the draft replaces it
        rows = self.query(where, None, order_by, limit)
        if not rows:
            raise LayerMixError(f"no sample meets {where!r}; nothing was extracted")
        extract(rows, self.image, self.settings.encoding.extension, folder, progress=progress)
        return len(rows)

    def explain(self, key: str, out: str | Path) -> Path:
        """Draw the recipe of a sample as a tree, with the image at every step, to `out`; return `out`.

        Its suffix is .png, .jpg or .webp, or, with Matplotlib, .pdf or .svg. Raises `LayerMixError` where there is no
        such sample, and as `replay` does.
        """
        return explain(self, key, as_path(out, "picture"))

    def sheet(
        self,
        out: str | Path,
        where: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        *,
        sample: int | None = None,
        seed: int = 0,
    ) -> Path:
        """Draw samples that meet a condition, by default 24, next to their clean views, to `out`, as `explain` does.

        These are the first ones or, with `sample`, so many that are drawn at random by the seed. Returns `out`. Raises
        `LayerMixError` as `query` does, and where no sample meets the condition.
        """
        return contact_sheet(self, as_path(out, "picture"), where, order_by, limit, sample=sample, seed=seed)

    def gallery(
        self,
        out: str | Path,
        where: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        *,
        sample: int | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> Path:
        """Write samples that meet a condition, by default 5,000, to `out` (.html): one page that needs no other file.

        These are the first ones or, with `sample`, so many that are drawn at random by the seed. Returns `out`. Raises
        `LayerMixError` as `query` does, and where no sample meets the condition.
        """
        return write_gallery(self, out, where, order_by, limit, sample=sample, seed=seed, progress=progress)

    def plot(self, out: str | Path) -> Path:
        """Plot how often layers, operations, blends and strengths occur, against what the settings draw, to `out`.

        `out` is a name as of `explain`, and is returned. Raises `LayerMixError` where nothing was drawn, and without
        matplotlib.
        """
        return plot(self, as_path(out, "picture"))

    def card(self, out: str | Path | None = None) -> Path:
        """Write the dataset card of Hugging Face to `out`, by default the README.md of the dataset; return its path.

        Raises `LayerMixError` where that is a text that layermix-gen did not write, or was edited since, and without
        `out` for a dataset at a URL.
        """
        if out is not None:
            path = as_path(out, "card")
            with writing(path), replacing(path) as draft:
                draft.write_text(card(self.manifest), encoding="utf-8")
            return path
        if is_remote(self.location):
            raise LayerMixError(f"expected a file to write the card of {self.location} to, got none; give --out")
        with disk_errors(self._files.folder):
            if write_card(self._files.folder, self.manifest):
                return self._files.folder / CARD
        raise LayerMixError(
            f"expected no {CARD} in {self.location} but one that layermix-gen wrote, found another; write the card to "
            "another file by --out, and take from it what you need"
        )

    def verify(self, *, replay: float = 0.0, workers: int | None = None, progress: bool = True) -> VerificationReport:
        """Check every byte: index, structure and members of each tar, manifest and the small files next to the shards.

        A share `replay` of the source images (0.01; 1.0 for all), the same ones each time, is rendered again, and the
        pixels of all their samples are compared bit for bit. `workers` is the number of processes, by default the
        CPUs that may be used. Raises `LayerMixError` where there is no dataset, and where samples cannot be rendered
        again, for instance because the source is gone.
        """
        return verify(self._files, replay=replay, workers=workers, progress=progress).report

    def repair(self, *, replay: float = 0.0, workers: int | None = None, progress: bool = True) -> Repair:
        """Verify, then build again exactly the shards that are damaged or missing; repair the files next to them, too.

        A rebuilt file replaces the old one only if it has the recorded sha256. Raises `LayerMixError` for a dataset at
        a URL that cannot be written to, and where rebuilt shards differ from what is recorded: the source, the mixing
        set or the versions of the libraries have changed.
        """
        try:
            return repair(self._files, replay=replay, workers=workers, progress=progress)
        finally:
            self._forget()
