"""A dataset built by this package as a test set: its clean plane, or a plane of variants where nothing was mixed."""

from collections.abc import Iterator
from pathlib import Path

from layermix_gen.dataset.dataset_files import LocalFiles
from layermix_gen.dataset.manifest import Manifest, read_manifest
from layermix_gen.dataset.names import CLEAN_PLANE, tar_path
from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.suites.base import Part
from layermix_gen.evaluate.suites.batching import Images
from layermix_gen.images.whole_images import SOURCE
from layermix_gen.mixing.methods import UNMIXED
from layermix_gen.support.text import as_text


def class_names(folder: Path) -> tuple[str, ...]:
    """The names of the classes by label."""
    return read_manifest(LocalFiles(folder)).source.classes


def files(folder: Path) -> list[Path]:
    """The tars of the unmixed images, and the indexes, which have their labels. Raises as `open_built` does."""
    manifest = read_manifest(LocalFiles(folder))
    plane = _plane(folder, manifest)
    tars = [tar_path(folder, plane, number) for number in range(manifest.shards)]
    return sorted([*tars, *(folder / name for name in manifest.index_names)])


def open_built(folder: Path) -> Part:
    """All unmixed images of a dataset. Raises `LayerMixError` where it has only mixed ones, or random views."""
    from layermix_gen.reading.reader import LayerMixDataset  # imported here, as nothing else in `suites` needs torch

    manifest = read_manifest(LocalFiles(folder))
    plane = _plane(folder, manifest)

    def opened(size: int) -> LayerMixDataset:
        return LayerMixDataset(folder, size, views=plane, order="sequential", remainder="exact", rank=0, world_size=1)

    def pieces(size: int) -> Iterator[Images]:
        for images, _ in opened(size):
            yield images.permute(0, 2, 3, 1).numpy()

    labels = opened(1).selection.labels[None]
    return Part(pieces, labels, labels.size, len(manifest.source.classes))


def _plane(folder: Path, manifest: Manifest) -> str:
    """The plane that shows the images as a test set does: whole or their centres, and unmixed."""
    if manifest.settings.view == SOURCE:
        raise LayerMixError(
            f"expected images of one size as a test set in {as_text(folder)}, found whole images (view source); build "
            "it with --view center"
        )
    if manifest.settings.view != "center":
        raise LayerMixError(
            f"expected whole images or their centres as a test set in {as_text(folder)}, found views drawn at random "
            f"({manifest.settings.view}); build it with --view center"
        )
    if CLEAN_PLANE in manifest.planes:
        return CLEAN_PLANE
    if manifest.settings.method != UNMIXED:
        raise LayerMixError(
            f"expected images before mixing in {as_text(folder)}, found variants of {manifest.settings.method} alone; "
            "build it with --clean"
        )
    return manifest.planes[0]
