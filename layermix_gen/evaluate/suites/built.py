"""Shards built by us as a test set: the clean plane of a dataset, or a plane of variants where nothing was mixed."""

from collections.abc import Iterator
from pathlib import Path

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.suites.base import Images, Part
from layermix_gen.support.files import read_json
from layermix_gen.support.text import as_text

MANIFEST = "dataset.json"


def is_dataset(folder: Path) -> bool:
    """Whether this is a finished dataset."""
    return (folder / MANIFEST).is_file()


def classes(folder: Path) -> tuple[str, ...]:
    """The names of the classes by label."""
    try:
        return tuple(read_json(folder / MANIFEST)["source"]["classes"])
    except (KeyError, TypeError) as error:
        raise _damaged(folder) from error


def files(folder: Path) -> list[Path]:
    """The tars of the images before mixing, and the index, which has their labels. Raises as `open_shards` does."""
    return sorted([*(folder / _plane(folder)).glob("*.tar"), *(folder / "index").glob("*.parquet")])


def open_shards(folder: Path) -> Part:
    """All images of a dataset before mixing. Raises `LayerMixError` where they are mixed, or crops drawn at random."""
    from layermix_gen.reading.reader import LayerMixDataset  # here, as nothing else in a suite needs torch

    plane = _plane(folder)

    def opened(size: int) -> LayerMixDataset:
        return LayerMixDataset(folder, size, views=plane, order="sequential", remainder="exact", rank=0, world_size=1)

    def pieces(size: int) -> Iterator[Images]:
        for images, _ in opened(size):
            yield images.permute(0, 2, 3, 1).numpy()

    dataset = opened(1)
    labels = dataset.selection.labels[None]
    return Part(pieces, labels, labels.size, len(dataset.storage.description.classes))


def _plane(folder: Path) -> str:
    """The plane that shows the images as a test set has them."""
    manifest = read_json(folder / MANIFEST)
    try:
        planes, settings = manifest["planes"], manifest["settings"]
        view, method = settings["view"], settings["method"]
    except (KeyError, TypeError) as error:
        raise _damaged(folder) from error
    if view != "center":
        raise LayerMixError(
            f"expected whole images or their centres as a test set in {as_text(folder)}, found views drawn at random "
            f"({view}); build it with --view center"
        )
    if "clean" in planes:
        return "clean"
    if method != "none":
        raise LayerMixError(
            f"expected images before mixing in {as_text(folder)}, found variants of {method} alone; "
            "build it with --clean"
        )
    return str(planes[0])


def _damaged(folder: Path) -> LayerMixError:
    return LayerMixError(f"{as_text(folder / MANIFEST)} is damaged; run the build again to write it anew")
