"""Suites of image files: ImageNet's validation set, ImageNet-C and C-bar (CORRUPTION/SEVERITY/WNID/*.JPEG), ImageNet-R.

The order of the classes is that of the sorted WNIDs of the validation set; where there is none, of the corruption that
is read. ImageNet-R has 200 of them: its labels count those, and the outputs for the others are left out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.evaluate.lists import SEVERITIES
from layermix_gen.evaluate.predictions import class_columns
from layermix_gen.evaluate.suites.base import Images, Ints, Part, mapped_ahead
from layermix_gen.images import Image
from layermix_gen.sources.base import Item, Source, as_text
from layermix_gen.sources.folder import FolderSource, scan

Prepare = Callable[[Image], Image]


def severity_folders(corruption: Path) -> list[Path]:
    """The five folders of one corruption by rising severity, named 1 to 5 or, as C-bar's generator does, like 2.35.

    Raises `LayerMixError` where there are more, fewer or others.
    """
    found = [entry.name for entry in scan(corruption) if entry.is_dir(follow_symlinks=False)]
    if len(found) != len(SEVERITIES) or not all(_is_number(name) for name in found):
        listed = ", ".join(sorted(map(as_text, found))[:6]) or "none"
        raise LayerMixError(
            f"expected five folders of severities, 1 to 5 or decimals, in {as_text(corruption)}, found {listed}; "
            "get the corruption again"
        )
    return [corruption / name for name in sorted(found, key=float)]


def severities(corruption: Path, order: tuple[str, ...]) -> list[FolderSource]:
    """The sources of one corruption by rising severity, all of the classes `order`, or else of those of the first.

    Raises `LayerMixError` where severities or classes are missing. No image is looked for.
    """
    sources = [FolderSource(str(folder)) for folder in severity_folders(corruption)]
    for source in sources:
        check_classes(source.location, source.classes, order or sources[0].classes)
    return sources


def _is_number(name: str) -> bool:
    whole, _, part = name.partition(".")
    return whole.isdecimal() and (part.isdecimal() or "." not in name)


def folder_names(root: Path) -> list[str]:
    """The folders directly in `root`, sorted."""
    return sorted(entry.name for entry in scan(root) if entry.is_dir(follow_symlinks=False))


def open_corruption(corruption: Path, order: tuple[str, ...], prepare: Prepare, threads: int) -> Part:
    """One corruption at five severities. Raises `LayerMixError` where severities, classes or images are missing."""
    sources = severities(corruption, order)
    listed = [source.items() for source in sources]
    if len({len(items) for items in listed}) > 1:
        raise LayerMixError(
            f"expected as many images at each severity of {as_text(corruption)}, found "
            f"{', '.join(str(len(items)) for items in listed)}; get the corruption again"
        )
    labels = np.array([[item.label for item in items] for items in listed], np.int64)
    pairs = [(source, item) for source, items in zip(sources, listed, strict=True) for item in items]
    return Part(
        pieces=lambda _: read_all(pairs, prepare, threads),
        labels=_checked(labels, str(corruption)),
        total=labels.size,
        classes=len(sources[0].classes),
        severities=SEVERITIES,
    )


def open_source_part(source: Source, prepare: Prepare, threads: int) -> Part:
    """All images of a source: a validation set, or the test set of CIFAR or MNIST."""
    items = source.items()
    labels = np.array([[item.label for item in items]], np.int64)
    pairs = [(source, item) for item in items]
    return Part(
        pieces=lambda _: read_all(pairs, prepare, threads),
        labels=_checked(labels, source.location),
        total=labels.size,
        classes=len(source.classes),
    )


def open_renditions(folder: Path, order: tuple[str, ...], prepare: Prepare, threads: int) -> Part:
    """ImageNet-R, whose classes are some of `order`. Raises `LayerMixError` where one is not."""
    source = FolderSource(str(folder))
    part = open_source_part(source, prepare, threads)
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
    return mapped_ahead(lambda pair: _read(*pair, prepare)[None], pairs, threads)


def _read(source: Source, item: Item, prepare: Prepare) -> Image:
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
