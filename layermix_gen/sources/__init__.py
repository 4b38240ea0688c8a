"""Sources of labelled images: `open_source` opens one of any kind, and `KINDS` is the table of all kinds.

The kind can be detected from the content. A file is tried as NumPy's arrays, IDX, a tar, then a table. A folder is
searched for published sets and Arrow files, which win over anything next to them, then for tars, Parquet files, class
folders or images. A location that fits two kinds is refused, so that no guess decides what is trained on.
"""

import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from layermix_gen.errors import LayerMixError
from layermix_gen.images.codec import MAX_PIXELS
from layermix_gen.sources.array_files import cifar, idx, npz, stl10, svhn
from layermix_gen.sources.array_files.base import ArraySource
from layermix_gen.sources.array_files.cifar import CifarSource
from layermix_gen.sources.array_files.idx import IdxSource
from layermix_gen.sources.array_files.npy_format import is_arrays
from layermix_gen.sources.array_files.npz import NpzSource
from layermix_gen.sources.array_files.stl10 import Stl10Source
from layermix_gen.sources.array_files.svhn import SvhnSource
from layermix_gen.sources.base import (
    DEFAULT_OPTIONS,
    Item,
    Source,
    SourceOptions,
    is_image_name,
    parsed_kind,
    version_of_files,
)
from layermix_gen.sources.columnar.arrow_images import ArrowSource, is_saved, saved_files
from layermix_gen.sources.columnar.parquet_images import (
    ParquetImagesSource,
    find_parquet,
    fitting_kinds,
    is_parquet,
    split_files,
)
from layermix_gen.sources.columnar.row_images import RowImages
from layermix_gen.sources.folder import FolderSource, leads_to_folder, scan
from layermix_gen.sources.splits import refuse_splits
from layermix_gen.sources.table import TableSource
from layermix_gen.sources.table_files import is_table
from layermix_gen.sources.tars.tar_paths import expand, is_packed_name, is_pattern, is_tar_name
from layermix_gen.sources.tars.webdataset import WebDatasetSource
from layermix_gen.sources.urls.remote_kinds import open_remote
from layermix_gen.support.checks import as_path, check_choice, is_remote
from layermix_gen.support.files import reason, with_retries
from layermix_gen.support.text import as_text, count

TABLES = (".csv", ".tsv")  # extensions of files that are meant as tables of paths and labels
_SINGLE = (".npz", ".npy", ".csv", ".tsv", ".zip")  # of which one is given, not its folder
_SEE = "check the path, or see docs/sources.md for what is read"
_EXTRACT, _ARRAYS = "extract it and give the folder", "save its arrays by np.savez(FILE, images=..., labels=...)"
_KNOWN = (  # how files begin that are no sources, what they are, and what to do
    (b"PK", "a ZIP archive of other files, or one that is cut off", f"{_EXTRACT}, or get it again"),
    (b"7z\xbc\xaf", "a 7-Zip archive", _EXTRACT),
    (b"Rar!", "a RAR archive", _EXTRACT),
    (b"\x1f\x8b", "a gzipped file", "decompress it"),
    (b"MATLAB", "a MATLAB file", _ARRAYS),
    (b"\x89HDF", "an HDF5 file", _ARRAYS),
    (b"\xff\xff\xff\xff", "an Arrow file", "give its folder"),
    (b"ARROW1", "an Arrow file", "save the data set by save_to_disk, or as Parquet"),
    (b"\0\0\x08\x01", "labels as IDX", "give the file of the images"),
)

__all__ = ["KINDS", "Item", "Source", "SourceKind", "SourceOptions", "open_source", "open_test_set", "source_files"]


def _entries(source: Source) -> list[Path]:
    """The file at a source's location, or all files and folders directly in the folder there."""
    location = Path(source.location)
    return [location] if location.is_file() else sorted(Path(entry.path) for entry in scan(location))


def _class_folders(source: Source) -> list[Path]:
    followed = source.options.follow_links
    return [path for path in _entries(source) if path.is_dir() and (followed or not path.is_symlink())]


def _arrow_files(source: Source) -> list[Path]:
    return saved_files(Path(source.location), parsed_kind(source.kind)[1])


def _parquet_files(source: Source) -> list[Path]:
    return split_files(Path(source.location), parsed_kind(source.kind)[1])


@dataclass(frozen=True, slots=True)
class SourceKind:
    """One kind of source: a row of the table `KINDS`."""

    open: Callable[..., Source]  # (location, split, max_pixels), and its `options` by name
    splits: tuple[str, ...] = ()  # the first is the default
    files: Callable[[Source], list[Path]] = _entries  # see `source_files`
    named_splits: bool = False  # what is there names the splits, and the source knows them
    options: tuple[str, ...] = ()  # the fields of `SourceOptions` that it takes


KINDS: dict[str, SourceKind] = {
    "folder": SourceKind(FolderSource, files=_class_folders, options=("follow_links",)),
    "cifar10": SourceKind(partial(CifarSource, "cifar10"), cifar.SPLITS, cifar.files),
    "cifar100": SourceKind(partial(CifarSource, "cifar100"), cifar.SPLITS, cifar.files),
    "idx": SourceKind(IdxSource, idx.SPLITS, idx.files),
    "stl10": SourceKind(Stl10Source, stl10.SPLITS, stl10.files),
    "svhn": SourceKind(SvhnSource, svhn.SPLITS, svhn.files),
    "npz": SourceKind(NpzSource, npz.SPLITS, npz.files),
    "webdataset": SourceKind(WebDatasetSource, files=lambda source: expand(source.location)),
    "manifest": SourceKind(TableSource, options=("root",)),
    "parquet": SourceKind(ParquetImagesSource, files=_parquet_files, named_splits=True),
    "arrow": SourceKind(ArrowSource, files=_arrow_files, named_splits=True),
}


def open_source(
    location: str | Path, kind: str = "auto", max_pixels: int = MAX_PIXELS, options: SourceOptions = DEFAULT_OPTIONS
) -> Source:
    """Open a source of labelled images; nothing is listed yet.

    The location is a path, or a URL for fsspec. `kind` is a name in `KINDS`, alone or with a split ("cifar10:test"), or
    "auto". `max_pixels` bounds the height x width of an image. Raises `LayerMixError` if nothing of the kind is found,
    or if an option is given that the kind does not take.
    """
    return _opened(location, kind, "", max_pixels, options)


def open_test_set(
    location: str | Path, kind: str = "auto", max_pixels: int = MAX_PIXELS, options: SourceOptions = DEFAULT_OPTIONS
) -> Source:
    """Open a source as `open_source` does, but its test split if `kind` is "auto" and it has splits."""
    return _opened(location, kind, "test" if kind == "auto" else "", max_pixels, options)


def _opened(location: str | Path, kind: str, preferred: str, max_pixels: int, options: SourceOptions) -> Source:
    if is_remote(location) and not preferred:
        return open_remote(str(location), kind, max_pixels, options)
    try:
        # Links are not resolved: the location itself may be one.
        path = os.path.normpath(Path.cwd() / as_path(location, "source"))
        return with_retries(lambda: _open(path, kind, preferred, max_pixels, options), path)
    except OSError as fault:
        raise LayerMixError(f"cannot open {as_text(location)}: {reason(fault)}; check the path") from fault


def source_files(source: Source) -> list[Path]:
    """The files that hold the images and labels of a source or, for image files, the class folders."""
    return KINDS[parsed_kind(source.kind)[0]].files(source)


def _open(location: str, kind: str, preferred: str, max_pixels: int, options: SourceOptions) -> Source:
    """Open a source; of the kinds that have it, the split `preferred` unless `kind` names another."""
    name, split = parsed_kind(kind)
    if name == "auto":
        name = _detect(location)
    check_choice("kind", name, ("auto", *KINDS))
    splits = KINDS[name].splits
    if split and split not in splits and not KINDS[name].named_splits:
        remedy = f"expected {' or '.join(splits)}" if splits else "it has none"
        raise LayerMixError(f"unknown split {split!r} of {name}: {remedy}; change --kind")
    split = split or (preferred if preferred in splits else "")
    if is_remote(options.root) and name == "manifest":
        return open_remote(location, name, max_pixels, options)
    given = options.given()
    for option in given.keys() - set(KINDS[name].options):
        flag, takers = "--" + option.replace("_", "-"), [other for other in KINDS if option in KINDS[other].options]
        found = f"{as_text(location)} is {name}"
        raise LayerMixError(f"{flag} is for a source of the kind {' or '.join(takers)}, {found}; leave it out")
    source = KINDS[name].open(location, split, max_pixels, **given)
    if isinstance(source, ArraySource | RowImages):
        source.version = version_of_files(KINDS[name].files(source))
    return source


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
        raise LayerMixError(f"expected a source of images at {as_text(path)}, found {_found(path)}")
    if fits == ["folder"]:
        refuse_splits(path)
    return fits[0]


def _published(folder: Path) -> list[str]:
    """Return the kinds whose files are in this folder under the names that their authors gave them."""
    fits = [name for name in cifar.VERSIONS if cifar.find(name, folder)]
    others = {"idx": idx.find, "stl10": stl10.find, "svhn": svhn.find, "arrow": is_saved}
    return fits + [name for name, find in others.items() if find(folder)]


def _general(folder: Path) -> list[str]:
    entries = scan(folder)
    tars = any(is_tar_name(entry.name) for entry in entries)
    parquet = [path for path in find_parquet(folder)[:1] if is_parquet(path) and "parquet" in fitting_kinds(path)]
    homes = [path.parent.name for path in parquet if path.parent != folder]
    images = any(is_image_name(one.name) or (leads_to_folder(one) and one.name not in homes) for one in entries)
    packed = not images and any(is_packed_name(entry.name) for entry in entries)
    return ["webdataset"] * (tars or packed) + ["folder"] * images + ["parquet"] * len(parquet)


def _file(path: Path) -> list[str]:
    if is_parquet(path):
        return fitting_kinds(path)
    tests = {
        "svhn": svhn.is_svhn,
        "idx": idx.is_idx,
        "npz": is_arrays,
        "webdataset": tarfile.is_tarfile,
        "manifest": is_table,
    }
    fits = [name for name, fits in tests.items() if fits(path)][:1]
    if is_tar_name(path.name) or is_packed_name(path.name):
        fits = fits or ["webdataset"]  # which says what is wrong with the tar
    return fits or ["manifest"] * (path.suffix.lower() in TABLES)  # which says what is wrong with its columns


def _found(path: Path) -> str:
    """What is at a path that is no source, and what to do."""
    if path.is_file():
        start, name = _start(path), path.name.lower()
        named = next((row for begin, *row in _KNOWN if start.startswith(begin)), None)
        if named is None and is_image_name(name):
            named = ["a single file with an image's extension", "give its folder"]
        what, remedy = named or [f"another file, of {count(path.stat().st_size, 'byte')}", _SEE]
        return f"{what}; {remedy}"
    names = sorted(entry.name for entry in scan(path))
    inside = next((name for name in names if name.lower().endswith(_SINGLE)), None)
    remedy = f"give one file, such as {as_text(path / inside)}" if inside else _SEE
    few = as_text(", ".join(names[:3])) + ", ..." * (len(names) > 3)
    return f"{'a folder with ' + few if names else 'an empty folder'}; {remedy}"


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)
