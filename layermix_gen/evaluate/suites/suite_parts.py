"""Find what is in the folder of a suite: its parts by name, and how each of them is opened."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from layermix_gen.dataset.manifest import is_dataset
from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.benchmarks import NONE, extra_list, mean_list
from layermix_gen.evaluate.corruptions.record import read_record
from layermix_gen.evaluate.preprocessing import PREPROCESSINGS
from layermix_gen.evaluate.suites import arrays, built_dataset, folders, videos
from layermix_gen.evaluate.suites.base import Part, SuiteSource
from layermix_gen.evaluate.suites.suite_folders import Data
from layermix_gen.evaluate.suites.suite_options import SuiteOptions
from layermix_gen.evaluate.suites.test_set import find_test_set, validation_classes
from layermix_gen.support.checks import check_choice
from layermix_gen.support.text import as_text

ARRAYS, FILES, VIDEOS = "arrays", "image files", "videos"


def find_suite(suite: str, data: Data, options: SuiteOptions) -> SuiteSource:
    """Find the parts of a suite in its folder. Images are listed for the clean suite only.

    Raises `LayerMixError` for a suite that is not in `data`, which is what `locate` returns.
    """
    check_type("data", data, Data, "give what locate returns")
    check_type("options", options, SuiteOptions)
    check_choice("suite", suite, data.folders, change="suite=, or add its folder to data")
    if suite == "clean":
        return find_test_set(data, options)
    if suite == "r":
        return _find_renditions(data, options)
    folder = data.folders[suite]
    found = _folder_parts(suite, folder, data, options)
    known, mean = (*mean_list(suite, data.scale), *extra_list(suite)), mean_list(suite, data.scale)
    wanted = known if options.extras else mean
    record = read_record(folder)
    needed = record.corruptions if record else mean  # suites that `corrupt` made need not have all
    return SuiteSource(
        suite=suite,
        folder=folder,
        open=found.open,
        form=found.form,
        preprocessing=NONE if found.form == ARRAYS else options.preprocessing,
        parts=tuple(name for name in wanted if name in found.names),
        look=found.look,
        missing=tuple(name for name in needed if name not in found.names),
        unknown=tuple(name for name in found.names if name not in known and not _is_harder(suite, name, known)),
        in_order=found.form == ARRAYS,
    )


def complete(source: SuiteSource) -> SuiteSource:
    """Return `source` if it has all parts of its suite and nothing else. Raises `LayerMixError` otherwise."""
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


@dataclass(frozen=True, slots=True)
class _FolderParts:
    """What a folder of C, C-bar or P has: the names of its parts, their form, and how one is opened and looked at."""

    names: Sequence[str]
    form: str
    open: Callable[[str], Part]
    look: Callable[[str], list[Path]]


def _folder_parts(suite: str, folder: Path, data: Data, options: SuiteOptions) -> _FolderParts:
    if names := arrays.names(folder):
        return _of_arrays(suite, folder, arrays.CLASSES.get(data.dataset, 0), names)
    prepare, threads = PREPROCESSINGS[options.preprocessing], options.workers
    names, order = folders.folder_names(folder), validation_classes(data)
    if suite == "p":
        order = order or tuple(name for first in names[:1] for name in folders.folder_names(folder / first))
        return _FolderParts(
            names,
            VIDEOS,
            open=lambda name: videos.open_videos(folder / name, order, prepare, threads),
            look=lambda name: videos.look(folder / name, order),
        )
    return _FolderParts(
        names,
        FILES,
        open=lambda name: folders.open_corruption(suite, folder / name, order, prepare, threads),
        look=lambda name: folders.look(suite, folder / name, order),
    )


def _of_arrays(suite: str, folder: Path, classes: int, names: Sequence[str]) -> _FolderParts:
    open_array = arrays.open_perturbation if suite == "p" else arrays.open_corruption

    def opened(name: str) -> Part:
        return open_array(folder, classes, name)

    def look(name: str) -> list[Path]:
        opened(name)
        return arrays.files(folder, name)

    return _FolderParts(names, ARRAYS, opened, look)


def _is_harder(suite: str, name: str, known: Sequence[str]) -> bool:
    """Whether this is a perturbation of P at difficulty 2 or 3, as its authors call them; no mean is over these."""
    stem, _, difficulty = name.rpartition("_")
    return suite == "p" and difficulty in ("2", "3") and stem in known


def _find_renditions(data: Data, options: SuiteOptions) -> SuiteSource:
    folder, prepare = data.folders["r"], PREPROCESSINGS[options.photographs]
    return SuiteSource(
        suite="r",
        folder=folder,
        open=lambda _: folders.open_renditions(folder, _class_order(data), prepare, options.workers),
        form=FILES,
        preprocessing=options.photographs,
        parts=("r",),
        look=lambda _: folders.class_folders(folder),
    )


def _class_order(data: Data) -> tuple[str, ...]:
    """A model's classes in order, by the validation set or else by ImageNet-C. Raises `LayerMixError` without both."""
    clean = data.folders.get("clean")
    order = built_dataset.class_names(clean) if clean and is_dataset(clean) else validation_classes(data)
    if not order and "c" in data.folders:
        there = [name for name in mean_list("c", data.scale) if (data.folders["c"] / name).is_dir()]
        for name in there[:1]:
            severity = next(iter(folders.severity_folders("c", data.folders["c"] / name).values()))
            order = tuple(folders.folder_names(severity))
    if not order:
        raise LayerMixError(
            "expected a validation set of class folders next to ImageNet-R, as their names say which outputs of the "
            "model are the 200 classes, got none; give --data clean=DIR too"
        )
    return order
