"""Suites: the published layouts of the benchmarks, and shards built by us, read exactly and in pieces.

`locate` finds the folders, `find_suite` looks into one of them, and `complete` refuses it where it lacks a part or
holds what no list names: nothing slips into a mean.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.corruption_record import read_record
from layermix_gen.evaluate.lists import extra_list, mean_list
from layermix_gen.evaluate.suites import arrays, folders, shards, videos
from layermix_gen.evaluate.suites.base import Part, SuiteSource
from layermix_gen.evaluate.suites.locate import Data, locate
from layermix_gen.evaluate.suites.pixels import PREPROCESSINGS
from layermix_gen.evaluate.suites.shards import is_dataset
from layermix_gen.evaluate.suites.stamps import source_files
from layermix_gen.processes import available_cpus
from layermix_gen.sources import Source, cifar, open_source
from layermix_gen.sources.base import as_text

__all__ = ["Data", "Opening", "Part", "SuiteSource", "complete", "find_suite", "locate"]

PHOTOGRAPHS = "resize-256-center-224"  # of a validation set and of ImageNet-R, in every published protocol
NONE = "none"
ARRAYS, FILES, VIDEOS = "arrays", "image files", "videos"
CLASSES = {"cifar10": 10, "cifar100": 100}


@dataclass(frozen=True, slots=True)
class Opening:
    """How suites are opened.

    `preprocessing` is that of ImageNet-C, C-bar and P: "center-224", as their authors have it, or
    "resize-256-center-224", as AugMix and its successors; "none" leaves all images as they are, those of the validation
    set and of ImageNet-R too. `extras` adds the corruptions that are in no mean.
    """

    preprocessing: str = "center-224"
    extras: bool = False
    threads: int = 0  # 0: one for each CPU

    def __post_init__(self) -> None:
        if self.preprocessing not in PREPROCESSINGS:
            raise LayerMixError(
                f"expected a preprocessing of {', '.join(PREPROCESSINGS)}, got {self.preprocessing!r}; "
                "change --preprocessing"
            )
        if self.threads < 0:
            raise LayerMixError(f"threads must be at least 1, or 0 for the CPUs there are, got {self.threads}")

    @property
    def photographs(self) -> str:
        """The preprocessing of a validation set and of ImageNet-R."""
        return NONE if self.preprocessing == NONE else PHOTOGRAPHS

    @property
    def workers(self) -> int:
        """How many threads decode images."""
        return self.threads or available_cpus()


def find_suite(suite: str, data: Data, opening: Opening) -> SuiteSource:
    """Look for the parts of a suite in its folder. No image is read, and no list of images."""
    folder = data.folders[suite]
    if suite == "clean":
        return _clean(folder, data, opening)
    if suite == "r":
        prepare = PREPROCESSINGS[opening.photographs]

        def renditions(_: str) -> Part:
            return folders.open_renditions(folder, _class_order(data), prepare, opening.workers)

        return SuiteSource(
            suite, folder, renditions, FILES, opening.photographs, ("r",), lambda _: folders.class_folders(folder)
        )
    found = _divided(suite, folder, data, opening)
    known, mean = (*mean_list(suite, data.scale), *extra_list(suite)), mean_list(suite, data.scale)
    wanted = known if opening.extras else mean
    record = read_record(folder)
    needed = record.corruptions if record else mean  # what we made ourselves need not be all
    return SuiteSource(
        suite,
        folder,
        found.open,
        found.form,
        NONE if found.form == ARRAYS else opening.preprocessing,
        parts=tuple(name for name in wanted if name in found.names),
        look=found.look,
        missing=tuple(name for name in needed if name not in found.names),
        unknown=tuple(name for name in found.names if name not in known),
        in_order=found.form == ARRAYS,
    )


def complete(source: SuiteSource) -> SuiteSource:
    """Return a suite that has all of its parts and nothing else. Raises `LayerMixError` for any other."""
    where = as_text(source.folder)
    if source.unknown:
        raise LayerMixError(
            f"expected the parts of suite {source.suite} in {where}, found {as_text(source.unknown[0])!r}, which no "
            "list names; move it away, as it would not count"
        )
    if source.missing:
        raise LayerMixError(
            f"expected all parts of suite {source.suite} in {where}, which lacks {', '.join(source.missing)}; "
            "get them, or evaluate other --suites"
        )
    if not source.parts:
        raise LayerMixError(
            f"expected parts of suite {source.suite} in {where}, found none but extra ones; add --extras, or evaluate "
            "other --suites"
        )
    return source


class _Divided(NamedTuple):
    """The names of what is in a folder of C, C-bar or P, its form, and how a part is opened and looked at."""

    names: Sequence[str]
    form: str
    open: Callable[[str], Part]
    look: Callable[[str], list[Path]]


def _divided(suite: str, folder: Path, data: Data, opening: Opening) -> _Divided:
    classes = CLASSES.get(data.dataset, 0)
    if names := arrays.names(folder):
        opened = arrays.open_perturbation if suite == "p" else arrays.open_corruption

        def look_at_array(name: str) -> list[Path]:
            opened(folder, classes, name)
            return arrays.files(folder, name)

        return _Divided(names, ARRAYS, lambda name: opened(folder, classes, name), look_at_array)
    prepare, threads = PREPROCESSINGS[opening.preprocessing], opening.workers
    names = folders.folder_names(folder)
    order = _validation_classes(data)
    if suite == "p":
        return _Divided(
            names,
            VIDEOS,
            lambda name: videos.open_videos(folder / name, len(order), prepare, threads),
            lambda name: folders.class_folders(folder / name),
        )
    return _Divided(
        names,
        FILES,
        lambda name: folders.open_corruption(suite, folder / name, order, prepare, threads),
        lambda name: folders.look(suite, folder / name, order),
    )


def _clean(folder: Path, data: Data, opening: Opening) -> SuiteSource:
    """A test set: shards, or any source of labelled images; of CIFAR and MNIST the test split."""
    parts = ("clean",)
    if is_dataset(folder):
        return SuiteSource(
            "clean", folder, lambda _: shards.open_shards(folder), "shards", NONE, parts, lambda _: shards.files(folder)
        )
    source = _test_set(folder, data.dataset)
    is_array = source.kind.endswith(":test")
    preprocessing = NONE if is_array else opening.photographs
    prepare = PREPROCESSINGS[preprocessing]

    def opened(_: str) -> Part:
        return folders.open_source_part(source, prepare, opening.workers)

    return SuiteSource(
        "clean", folder, opened, source.kind, preprocessing, parts, lambda _: source_files(source), in_order=is_array
    )


def _test_set(folder: Path, dataset: str) -> Source:
    """The source of a test set: the test split where there are splits."""
    if dataset in cifar.VERSIONS and cifar.find(dataset, folder):
        return open_source(folder, f"{dataset}:test")
    source = open_source(folder)
    return open_source(folder, f"{source.kind}:test") if source.kind in (*cifar.VERSIONS, "idx") else source


def _validation_classes(data: Data) -> tuple[str, ...]:
    """The sorted WNIDs of the validation set; () without one."""
    folder = data.folders.get("clean")
    if folder is None or is_dataset(folder) or not folder.is_dir():
        return ()
    return tuple(folders.folder_names(folder))


def _class_order(data: Data) -> tuple[str, ...]:
    """The classes of a model, by the validation set or else by ImageNet-C. Raises `LayerMixError` without both."""
    order = _validation_classes(data)
    if not order and "c" in data.folders:
        there = [name for name in mean_list("c", data.scale) if (data.folders["c"] / name).is_dir()]
        for name in there[:1]:
            severity = next(iter(folders.severity_folders("c", data.folders["c"] / name).values()))
            order = tuple(folders.folder_names(severity))
    if not order:
        raise LayerMixError(
            "expected a validation set beside ImageNet-R, as its folders say which outputs of the model are the 200 "
            "classes, got none; give --data clean=DIR too"
        )
    return order
