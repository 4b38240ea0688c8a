"""Sources of labelled images: `open_source` opens one of any kind, and `KINDS` is the table of all kinds.

The kind can be detected from the content. A file is tried as IDX, a tar, then a table. A folder is searched for
CIFAR-10, CIFAR-100 and IDX files, which win over anything next to them, then for tars, class folders or images. A
location that fits two kinds is refused, so that no guess decides what is trained on.
"""

import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from layermix_gen.errors import LayerMixError
from layermix_gen.images.codec import MAX_PIXELS
from layermix_gen.sources import cifar, idx
from layermix_gen.sources.base import DEFAULT_OPTIONS, Item, Source, SourceOptions, is_image_name
from layermix_gen.sources.cifar import CifarSource
from layermix_gen.sources.folder import FolderSource, leads_to_folder, scan
from layermix_gen.sources.idx import IdxSource
from layermix_gen.sources.splits import refuse_splits
from layermix_gen.sources.table import TableSource, is_table
from layermix_gen.sources.webdataset import WebDatasetSource, expand, is_pattern
from layermix_gen.support.checks import check_choice
from layermix_gen.support.files import reason, with_retries
from layermix_gen.support.text import as_text

TABLES = (".csv", ".tsv")  # extensions of files that are meant as tables of paths and labels

__all__ = ["KINDS", "Item", "Source", "SourceKind", "SourceOptions", "open_source", "open_test_set", "source_files"]


def _entries(source: Source) -> list[Path]:
    """The file at a source's location, or all files and folders directly in the folder there."""
    location = Path(source.location)
    return [location] if location.is_file() else sorted(Path(entry.path) for entry in scan(location))


def _class_folders(source: Source) -> list[Path]:
    followed = source.options.follow_links
    return [path for path in _entries(source) if path.is_dir() and (followed or not path.is_symlink())]


def _idx_files(source: Source) -> list[Path]:
    return [path for path in _entries(source) if path == Path(source.location) or "ubyte" in path.name]


@dataclass(frozen=True, slots=True)
class SourceKind:
    """One kind of source: a row of the table `KINDS`."""

    open: Callable[..., Source]  # (location, split, max_pixels), and its `options` by name
    form: str  # what it looks like, for messages to users
    splits: tuple[str, ...] = ()  # the first is the default
    files: Callable[[Source], list[Path]] = _entries  # see `source_files`
    options: tuple[str, ...] = ()  # the fields of `SourceOptions` that it takes


KINDS: dict[str, SourceKind] = {
    "folder": SourceKind(
        FolderSource, "a folder of class folders or images", files=_class_folders, options=("follow_links",)
    ),
    "cifar10": SourceKind(partial(CifarSource, "cifar10"), "the files of CIFAR-10", cifar.SPLITS, cifar.files),
    "cifar100": SourceKind(partial(CifarSource, "cifar100"), "the files of CIFAR-100", cifar.SPLITS, cifar.files),
    "idx": SourceKind(IdxSource, "IDX files (MNIST)", idx.SPLITS, _idx_files),
    "webdataset": SourceKind(WebDatasetSource, "WebDataset tars", files=lambda source: expand(source.location)),
    "manifest": SourceKind(TableSource, "a CSV or Parquet table with the columns path and label", options=("root",)),
}


def open_source(
    location: str | Path, kind: str = "auto", max_pixels: int = MAX_PIXELS, options: SourceOptions = DEFAULT_OPTIONS
) -> Source:
    """Open a source of labelled images; nothing is listed yet.

    `kind` is a name in `KINDS`, alone or with a split ("cifar10:test"), or "auto". `max_pixels` bounds the
    height x width of an image. Raises `LayerMixError` if nothing of the kind is found, or if an option is given that
    the kind does not take.
    """
    try:
        path = os.path.normpath(Path.cwd() / location)  # links are not resolved: the location itself may be one
        return with_retries(lambda: _open(path, kind, max_pixels, options), path)
    except OSError as fault:
        raise LayerMixError(f"cannot open {as_text(location)}: {reason(fault)}; check the path") from fault


def open_test_set(
    location: str | Path, kind: str = "auto", max_pixels: int = MAX_PIXELS, options: SourceOptions = DEFAULT_OPTIONS
) -> Source:
    """Open a source as `open_source` does, but its test split if `kind` is "auto" and it has splits."""
    source = open_source(location, kind, max_pixels, options)
    if kind != "auto" or not KINDS[source.kind].splits:
        return source
    return open_source(location, f"{source.kind}:test", max_pixels, options)


def source_files(source: Source) -> list[Path]:
    """The files that hold the images and labels of a source or, for image files, the class folders."""
    return KINDS[source.kind.partition(":")[0]].files(source)


def _open(location: str, kind: str, max_pixels: int, options: SourceOptions) -> Source:
    name, _, split = kind.partition(":")
    if name == "auto":
        name = _detect(location)
    check_choice("kind", name, ("auto", *KINDS))
    splits = KINDS[name].splits
    if split and split not in splits:
        remedy = f"expected {' or '.join(splits)}" if splits else "it has none"
        raise LayerMixError(f"unknown split {split!r} of {name}: {remedy}; change --kind")
    given = options.given()
    for option in given.keys() - set(KINDS[name].options):
        flag, takers = "--" + option.replace("_", "-"), [other for other in KINDS if option in KINDS[other].options]
        found = f"{as_text(location)} is {name}"
        raise LayerMixError(f"{flag} is for a source of the kind {' or '.join(takers)}, {found}; leave it out")
    return KINDS[name].open(location, "" if split in splits[:1] else split, max_pixels, **given)


def _detect(location: str) -> str:
    """Return the kind that fits. Raises `LayerMixError` if none does, or more than one."""
    path = Path(location)
    if path.is_dir():
        fits = _published(path) or _general(path)
    elif path.is_file():
        fits = _file(path)
    elif is_pattern(location):
        fits = ["webdataset"]
    else:
        raise LayerMixError(f"expected a source of images, found nothing at {as_text(location)}; check the path")
    if len(fits) > 1:
        raise LayerMixError(f"expected one source in {as_text(location)}, found {' and '.join(fits)}; give --kind")
    if not fits:
        forms = "; ".join(f"{name}: {kind.form}" for name, kind in KINDS.items())
        raise LayerMixError(f"looked in {as_text(location)} for one of ({forms}), found {_contents(path)}")
    if fits == ["folder"]:
        refuse_splits(path)
    return fits[0]


def _published(folder: Path) -> list[str]:
    """Return the kinds whose files are in this folder under the names that their authors gave them."""
    fits = [name for name in cifar.VERSIONS if cifar.find(name, folder)]
    return fits + (["idx"] if idx.find(folder) else [])


def _general(folder: Path) -> list[str]:
    entries = scan(folder)
    tars = any(entry.name.endswith(".tar") for entry in entries)
    images = any(is_image_name(entry.name) or leads_to_folder(entry) for entry in entries)
    return ["webdataset"] * tars + ["folder"] * images


def _file(path: Path) -> list[str]:
    tests = {"idx": idx.is_idx, "webdataset": tarfile.is_tarfile, "manifest": is_table}
    fits = [name for name, fits in tests.items() if fits(path)][:1]
    return fits or ["manifest"] * (path.suffix.lower() in TABLES)  # which says what is wrong with its columns


def _contents(path: Path) -> str:
    """Describe in a few words what is at this path."""
    if path.is_file():
        return f"a file of {path.stat().st_size} bytes that is none of them"
    names = sorted(as_text(entry.name) for entry in scan(path))
    return f"{len(names)} entries ({', '.join(names[:3])}, ...)" if names else "an empty folder"
