"""Parquet files that hold images themselves, as the library `datasets` writes them: one file, or a folder of them.

A row has the bytes of an encoded image, and a label. Files are parts of splits by their names, such as
`test-00000-of-00002.parquet`. No path in a file is followed.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layermix_gen.errors import LayerMixError
from layermix_gen.images.codec import MAX_PIXELS
from layermix_gen.sources.base import is_image_name
from layermix_gen.sources.columnar.features import (
    OTHER,
    ListedFile,
    class_names_in,
    features_of,
    find_columns,
    image_columns,
)
from layermix_gen.sources.columnar.row_images import RowImages
from layermix_gen.sources.columns import PATHS, has_column
from layermix_gen.sources.folder import leads_to_folder, scan
from layermix_gen.support.files import reading, with_retries
from layermix_gen.support.text import as_text, count

if TYPE_CHECKING:
    from layermix_gen.sources.columnar.parquet_files import OpenedParquet, ParquetRows

SUFFIX = ".parquet"
REMEDY = "get it again"
_PART = re.compile(r"(.+)-(\d+)-of-(\d+)(?:-[0-9a-f]+)?")  # how `datasets` names the parts of a split
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval"),
}
"""The splits that words in the names of other files mean."""


class ParquetImagesSource(RowImages):
    """The images in Parquet files. Raises `LayerMixError` if there are none, or several splits and none is chosen."""

    def __init__(self, location: str, split: str = "", max_pixels: int = MAX_PIXELS) -> None:
        self.files = split_files(Path(location), split)
        super().__init__(location, "parquet", split, self.files, max_pixels)

    def _list(self, paths: Sequence[Path]) -> Sequence[ListedFile]:
        from layermix_gen.sources.columnar.parquet_files import read_each  # here, because DuckDB takes a while to load

        return read_each(paths, REMEDY, _listed_file)

    def _bytes_at(self, path: Path, row: int) -> bytes | None:
        return self._rows.bytes_at(path, row)

    @cached_property
    def _rows(self) -> "ParquetRows":
        from layermix_gen.sources.columnar.parquet_files import ParquetRows

        return ParquetRows(lambda file, place: file.columns[_columns(file, place)[0]].bytes_sql, REMEDY)


def find_parquet(location: Path) -> list[Path]:
    """The Parquet files at a path, in a folder, in its folder `data` or in that of its only configuration, sorted.

    [] if there are none. Raises `LayerMixError` where several folders have some, as configurations on the Hub do.
    """
    if not location.is_dir():
        return [location] if location.is_file() else []
    if found := _parquet_in(location) or _parquet_in(location / "data"):
        return found
    folders = sorted(Path(entry.path) for entry in scan(location) if leads_to_folder(entry))
    if not folders or not all(map(_is_configuration, folders)):
        return []
    if len(folders) > 1:
        names = " and ".join(as_text(folder.name) for folder in folders[:2])
        more = f" and {len(folders) - 2} more" if folders[2:] else ""
        raise LayerMixError(
            f"expected Parquet files of one set in {as_text(location)}, found some in {names}{more}; give one, such as "
            f"{as_text(folders[0])}"
        )
    return _parquet_in(folders[0])


def _parquet_in(folder: Path) -> list[Path]:
    entries = scan(folder) if folder.is_dir() else []
    return sorted(Path(entry.path) for entry in entries if entry.name.lower().endswith(SUFFIX))


def _is_configuration(folder: Path) -> bool:
    """Whether this may be a folder of one configuration on the Hub: a class folder has images, not Parquet files."""
    return bool(_parquet_in(folder)) and not any(is_image_name(entry.name) for entry in scan(folder))


def is_parquet(path: Path) -> bool:
    """Tell by the content whether a file is Parquet."""
    with reading(path, REMEDY):
        return with_retries(lambda: _mark(path), path) == b"PAR1"


def _mark(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def fitting_kinds(path: Path) -> list[str]:
    """The kinds of sources that a Parquet file may be: with the bytes of images, with paths, or with both."""
    from layermix_gen.sources.columnar.parquet_files import opened_parquet  # here, because DuckDB takes a while to load

    with opened_parquet(path, REMEDY) as file:
        images = image_columns([(column.name, column.form) for column in file.columns])
        paths = has_column([column.name for column in file.columns if column.form == OTHER], PATHS)
    return ["parquet"] * bool(images) + ["manifest"] * (paths or not images)


def split_files(location: Path, split: str) -> list[Path]:
    """The files of a split, "" for the only one. Raises `LayerMixError` if there is none, or if a part is missing."""
    splits: dict[str, list[Path]] = {}
    for path in find_parquet(location):
        splits.setdefault(_split_of(path.stem), []).append(path)
    if not splits:
        raise LayerMixError(f"expected Parquet files with images, found none at {as_text(location)}; check the path")
    if split not in splits and (split or len(splits) > 1):
        names = " and ".join(as_text(name or "files without a split") for name in sorted(splits))
        wanted = f"the split {split}" if split else "one split"
        remedy = f"choose by --kind parquet:{as_text(max(splits))}" if any(splits) else "leave the split out"
        raise LayerMixError(f"expected {wanted} in {as_text(location)}, found {names}; {remedy}")
    chosen = splits[split] if split in splits else next(iter(splits.values()))
    if location.is_dir():
        _check_parts(chosen, location)
    return chosen


def _split_of(stem: str) -> str:
    if part := _PART.fullmatch(stem):
        return part[1]
    words = re.split(r"[^a-z]+", stem.lower())
    return next((split for split, names in _SPLITS.items() if set(names) & set(words)), "")


def _check_parts(paths: list[Path], location: Path) -> None:
    parts = [part for path in paths if (part := _PART.fullmatch(path.stem))]
    if parts and sorted(int(part[2]) for part in parts) != list(range(int(parts[0][3]))):
        raise LayerMixError(
            f"expected {count(int(parts[0][3]), 'file')} {as_text(parts[0][1])}-*{SUFFIX} in {as_text(location)}, "
            f"found {len(parts)}; get the others, and remove files of another version"
        )


def _columns(file: "OpenedParquet", path: Path) -> tuple[int, int]:
    return find_columns([(column.name, column.form) for column in file.columns], as_text(path))


def _listed_file(file: "OpenedParquet", path: Path) -> ListedFile:
    image, label = (file.columns[number] for number in _columns(file, path))
    every = range(sum(rows for rows, _ in file.groups))  # by number, as they are read later
    cells: list[tuple[Any, Any]] = file.fetched(f"octet_length({image.bytes_sql})", label.sql, rows=every)
    names = class_names_in(features_of(file.metadata), label.name)
    return ListedFile(path.name, names, [size for size, _ in cells], [value for _, value in cells])
