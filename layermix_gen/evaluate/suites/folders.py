"""Suites of image files: ImageNet's validation set, ImageNet-C and C-bar (CORRUPTION/SEVERITY/WNID/*.JPEG), ImageNet-R.

Classes are in the order of the sorted WNIDs of the validation set or, without one, of the corruption that is read.
ImageNet-R has 200 of them: its labels number only these, and the outputs for the others are left out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.evaluate.benchmarks import SEVERITIES
from layermix_gen.evaluate.corruptions.record import read_record
from layermix_gen.evaluate.results.predictions import class_columns
from layermix_gen.evaluate.suites.base import Ints, Part
from layermix_gen.evaluate.suites.batching import Images, decoded_ahead
from layermix_gen.images import Image
from layermix_gen.sources.base import Item, Source
from layermix_gen.sources.folder import FolderSource, leads_to_folder, scan
from layermix_gen.support.text import as_text

Prepare = Callable[[Image], Image]


def severity_folders(suite: str, corruption: Path) -> dict[int, Path]:
    """The folders of one corruption by severity: 1 to 5, or as the record of a suite that `corrupt` made says.

    Folders of C-bar may be named by difficulty, such as 2.35, as its authors' generator names them: in rising order
    they are severities 1 to 5. Raises `LayerMixError` where there are more, fewer or others.
    """
    record = read_record(corruption.parent)
    expected = record.severities if record else SEVERITIES
    found = folder_names(corruption)
    if sorted(found) == [str(severity) for severity in expected]:
        return {severity: corruption / str(severity) for severity in expected}
    difficulties = {float(name): name for name in found if _is_number(name)}
    if suite == "cbar" and not record and len(found) == len(difficulties) == len(SEVERITIES):
        ordered = [corruption / difficulties[number] for number in sorted(difficulties)]
        return dict(zip(SEVERITIES, ordered, strict=True))
    wanted = ", ".join(map(str, expected)) + (" or five difficulties" if suite == "cbar" and not record else "")
    listed = ", ".join(map(as_text, found[:6])) or "none"
    raise LayerMixError(
        f"expected the severities {wanted} as folders in {as_text(corruption)}, found {listed}; "
        "get the corruption again"
    )


def severities(suite: str, corruption: Path, order: tuple[str, ...]) -> dict[int, FolderSource]:
    """The sources of one corruption by severity, all with the classes `order` or, if empty, the classes of the first.

    Raises `LayerMixError` where severities or classes are missing. Images are not listed.
    """
    sources = {number: FolderSource(str(folder)) for number, folder in severity_folders(suite, corruption).items()}
    first = next(iter(sources.values()))
    for source in sources.values():
        check_classes(source.location, source.classes, order or first.classes)
    return sources


def look(suite: str, corruption: Path, order: tuple[str, ...]) -> list[Path]:
    """The class folders of one corruption. Raises `LayerMixError` as `severities` does."""
    sources = severities(suite, corruption, order)
    return [folder for source in sources.values() for folder in class_folders(Path(source.location))]


def _is_number(name: str) -> bool:
    whole, _, part = name.partition(".")
    return name.isascii() and whole.isdecimal() and (part.isdecimal() or "." not in name)


def folder_names(root: Path) -> list[str]:
    """The names of folders in `root`, sorted. Raises `LayerMixError` for a link to one, which could lead anywhere."""
    entries = [entry for entry in scan(root) if leads_to_folder(entry)]
    if linked := next((entry.path for entry in entries if entry.is_symlink()), None):
        raise LayerMixError(f"expected a folder, found the link {as_text(linked)}, which is not followed; move it here")
    return sorted(entry.name for entry in entries)


def class_folders(root: Path) -> list[Path]:
    """The paths of the folders directly in `root`, sorted."""
    return [root / name for name in folder_names(root)]


def open_corruption(suite: str, corruption: Path, order: tuple[str, ...], prepare: Prepare, threads: int) -> Part:
    """One corruption at its severities. Raises `LayerMixError` where severities, classes or images are missing."""
    found = severities(suite, corruption, order)
    sources = list(found.values())
    listed = [source.items() for source in sources]
    if len({len(items) for items in listed}) > 1:
        raise LayerMixError(
            f"expected as many images at each severity of {as_text(corruption)}, found "
            f"{', '.join(str(len(items)) for items in listed)}; get the corruption again"
        )
    labels = np.array([[item.label for item in items] for items in listed], np.int64)
    if (labels != labels[0]).any():
        other = sources[int(np.flatnonzero((labels != labels[0]).any(1))[0])]
        raise LayerMixError(
            f"expected the same images of each class at each severity of {as_text(corruption)}, found others in "
            f"{as_text(other.location)}; get the corruption again"
        )
    pairs = [(source, item) for source, items in zip(sources, listed, strict=True) for item in items]
    return Part(
        pieces=lambda _: read_all(pairs, prepare, threads),
        labels=_checked(labels, str(corruption)),
        total=labels.size,
        classes=len(sources[0].classes),
        severities=tuple(found),
    )


def open_source_part(source: Source, items: list[Item], prepare: Prepare, threads: int) -> Part:
    """All `items` of a source as one part: a validation set, or the test set of CIFAR or MNIST."""
    labels = np.array([[item.label for item in items]], np.int64)
    pairs = [(source, item) for item in items]
    return Part(
        pieces=lambda _: read_all(pairs, prepare, threads),
        labels=_checked(labels, source.location),
        total=labels.size,
        classes=len(source.classes),
    )


def open_renditions(folder: Path, order: tuple[str, ...], prepare: Prepare, threads: int) -> Part:
    """ImageNet-R, whose classes are some of `order`. Raises `LayerMixError` for a class that is not."""
    source = FolderSource(str(folder))
    part = open_source_part(source, source.items(), prepare, threads)
    return replace(part, classes=len(order), among=class_columns(order, source.classes))


def check_classes(where: str, found: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Raise `LayerMixError` where a folder lacks a class or has another one."""
    missing, unknown = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or unknown:
        what = f"lacks {missing[0]!r}" if missing else f"has {unknown[0]!r}"
        raise LayerMixError(
            f"expected the {len(expected)} classes of the validation set in {as_text(where)}, which {what}; "
            "get the folder again"
        )


def read_all(pairs: Sequence[tuple[Source, Item]], prepare: Prepare, threads: int) -> Iterator[Images]:
    """The images one by one, (1, H, W, 3), decoded by threads. Raises `LayerMixError` for one that cannot be read."""
    return decoded_ahead(lambda pair: read_item(*pair, prepare)[None], pairs, threads)


def read_item(source: Source, item: Item, prepare: Prepare = lambda image: image) -> Image:
    """One image, prepared for the model. Raises `LayerMixError` where it cannot be read."""
    try:
        return prepare(source.read(item))
    except BadImage as fault:
        where = f"{as_text(source.location)}/{item.id}"
        raise LayerMixError(f"cannot evaluate {where}: {fault}; every image counts: get it again") from fault


def _checked(labels: Ints, where: str) -> Ints:
    if (labels < 0).any():
        raise LayerMixError(
            f"expected a class for each image in {as_text(where)}, found {int((labels < 0).sum())} without; "
            "put them into class folders"
        )
    return labels
