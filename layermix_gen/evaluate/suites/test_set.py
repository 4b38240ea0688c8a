"""The clean suite: a test set as published, image files, or shards built by this package."""

from pathlib import Path

from layermix_gen.dataset.manifest import is_dataset
from layermix_gen.evaluate.benchmarks import NONE
from layermix_gen.evaluate.preprocessing import PREPROCESSINGS
from layermix_gen.evaluate.suites import arrays, built_dataset, folders
from layermix_gen.evaluate.suites.base import Part, SuiteSource
from layermix_gen.evaluate.suites.suite_folders import Data
from layermix_gen.evaluate.suites.suite_options import SuiteOptions
from layermix_gen.images import SMALL, Image
from layermix_gen.sources import Source, open_source, open_test_set, source_files
from layermix_gen.sources.array_files import cifar

PARTS = ("clean",)


def find_test_set(data: Data, options: SuiteOptions) -> SuiteSource:
    """The clean suite: shards, or any source of labelled images; for CIFAR and MNIST the test split.

    Image files are preprocessed as photographs, except small squares and a test set whose corrupted suites are arrays:
    these stay as they are. Raises `LayerMixError` where no image is found, or the first cannot be read.
    """
    folder = data.folders["clean"]
    if is_dataset(folder):
        return SuiteSource(
            suite="clean",
            folder=folder,
            open=lambda _: built_dataset.open_built(folder),
            form="shards",
            preprocessing=NONE,
            parts=PARTS,
            look=lambda _: built_dataset.files(folder),
        )
    source = _source(folder, data.dataset)
    items = source.items()
    is_array = source.kind.endswith(":test")
    as_is = is_array or _is_small(folders.read_item(source, items[0])) or _has_arrays(data)
    preprocessing = NONE if as_is else options.photographs

    def opened(_: str) -> Part:
        return folders.open_source_part(source, items, PREPROCESSINGS[preprocessing], options.workers)

    return SuiteSource(
        suite="clean",
        folder=folder,
        open=opened,
        form=source.kind,
        preprocessing=preprocessing,
        parts=PARTS,
        look=lambda _: source_files(source),
        in_order=is_array,
    )


def validation_classes(data: Data) -> tuple[str, ...]:
    """The sorted classes of a test set of class folders; () for any other test set, and without one."""
    folder = data.folders.get("clean")
    if folder is None or is_dataset(folder):
        return ()
    source = _source(folder, data.dataset)
    return source.classes if source.kind == "folder" else ()


def _source(folder: Path, dataset: str) -> Source:
    is_named = dataset in cifar.VERSIONS and cifar.find(dataset, folder)  # the folder may hold another CIFAR, too
    return open_source(folder, f"{dataset}:test") if is_named else open_test_set(folder)


def _is_small(image: Image) -> bool:
    height, width, _ = image.shape
    return height == width <= SMALL


def _has_arrays(data: Data) -> bool:
    return any(arrays.names(data.folders[suite]) for suite in ("c", "cbar", "p") if suite in data.folders)
