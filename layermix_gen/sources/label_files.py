"""Files that give the labels of the images beside them, in folders whose names do not.

`metadata.csv` and `metadata.jsonl` (the imagefolder convention of Hugging Face) have the fields `file_name` and
`label`; `val_annotations.txt` is that of TinyImageNet's validation set.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import SPLITS, status
from layermix_gen.sources.columns import LABELS, PATHS, Cells, ColumnNames, has_column, paths_of, places_of
from layermix_gen.sources.csv_tables import csv_rows, opened_text
from layermix_gen.sources.labels import labels_of
from layermix_gen.support.files import cannot_read, inside, reading, regular, with_retries
from layermix_gen.support.parsing import parse_object
from layermix_gen.support.text import as_text, message_of

METADATA = ("metadata.csv", "metadata.jsonl")
_PATH, _LABEL = ("file_name",), ("label",)
_TINY, _TINY_IMAGES, _WNIDS = "val_annotations.txt", "images", "wnids.txt"
REMEDY = "mend it, or take it out to have labels by class folders"


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The labels of images by their paths relative to the source's root, and the class names."""

    labels: dict[str, int]
    classes: tuple[str, ...]


def read_label_file(root: Path, folders: Sequence[str], follow_links: bool) -> LabelFile | None:
    """The labels that a file in `root` gives, None where there is none, or where the class folders say the same.

    `folders` are the folders in `root`. The metadata of a split may also lie in the folder above, for all splits.
    Raises `LayerMixError` where a file is damaged or says something else than the class folders.
    """
    if list(folders) == [_TINY_IMAGES] and _is_file(root / _TINY):
        return _tiny(root, follow_links)
    homes = [(root, "")] + [(root.parent, f"{root.name}/")] * (root.name.lower() in SPLITS)
    for home, prefix in homes:
        if found := [name for name in METADATA if _is_file(home / name)]:
            if len(found) > 1:
                raise LayerMixError(f"expected one file of labels in {as_text(home)}, found two; take one of them out")
            return _metadata(_place(home, found[0], follow_links), home, prefix, folders)
    return None


def _metadata(path: Path, home: Path, prefix: str, folders: Sequence[str]) -> LabelFile | None:
    """The labels that a file of metadata gives the images whose paths in `home` begin with `prefix`."""
    rows = _rows(path)
    paths = map(as_text, paths_of(rows, (str(home), os.path.realpath(home))))
    given = {name.removeprefix(prefix): place for place, name in enumerate(paths) if name.startswith(prefix)}
    if len(folders) > 1:
        _check_agreement(path, {name: rows[place] for name, place in given.items()}, folders)
        return None
    labels, classes = labels_of([row.label for row in rows], lambda place: rows[place].where, gaps=True)
    return LabelFile({name: labels[place] for name, place in given.items()}, classes) if rows else None


def _is_file(path: Path) -> bool:
    found = status(path.stat, path)
    return found is not None and stat.S_ISREG(found.st_mode)


def _place(folder: Path, name: str, follow_links: bool) -> Path:
    return folder / name if follow_links else inside(folder, name)


def _check_agreement(path: Path, rows: Mapping[str, Cells], folders: Sequence[str]) -> None:
    """Raise `LayerMixError` where the file gives an image another label than its class folder."""
    places = {name: str(place) for place, name in enumerate(folders)}
    for name, row in rows.items():
        folder = name.partition("/")[0]  # of a file in the root its own name, which is no class
        label = "" if row.label is None else str(row.label).strip()
        if label and not (folder in places and label in (folder, places[folder])):
            raise LayerMixError(
                f"expected labels by class folders or by a file, found both: {as_text(path)} gives {name} the label "
                f"{shortened(row.label)}; take the file out, or give a table of paths and labels instead of the folder"
            )


def _rows(path: Path) -> list[Cells]:
    """The rows of a file; none where it has no column of paths, or none of labels."""
    rows = _jsonl if path.suffix == ".jsonl" else csv_rows
    with reading(path, REMEDY):
        return with_retries(lambda: list(rows(regular(path), _wanted)), path)


def _wanted(columns: Sequence[str]) -> ColumnNames:
    """The names of the columns that give paths and labels: those of Hugging Face before others that tables have."""
    names = [first if has_column(columns, first) else usual for first, usual in ((_PATH, PATHS), (_LABEL, LABELS))]
    return (*names, ()) if all(has_column(columns, one) for one in names) else ()


def _jsonl(path: Path, wanted: Callable[[Sequence[str]], ColumnNames]) -> Iterator[Cells]:
    """Yield the objects of a file, one a line, as rows of a table. Raises `LayerMixError` for a faulty line."""
    objects: dict[str, dict[str, Any]] = {}
    where = name = as_text(path)
    try:
        with opened_text(path) as file:
            for number, line in enumerate(file, 1):
                where = f"line {number} of {name}"
                if line.strip():
                    objects[where] = parse_object(line, unique=True)
    except UnicodeError as fault:
        raise cannot_read(path, f"it is not JSON in UTF-8 ({message_of(fault)})", REMEDY) from fault
    except ValueError as fault:
        raise cannot_read(where, message_of(fault), REMEDY) from fault
    columns = list(dict.fromkeys(key for one in objects.values() for key in one))
    if names := wanted(columns):
        path_at, label_at = (columns[place] for place in places_of(columns, names, name) if place is not None)
        for where, one in objects.items():
            label = one.get(label_at)
            if type(label) is bool:
                raise LayerMixError(f"expected a name or an integer as label in {where}, got {label}; {REMEDY}")
            yield Cells(where, one.get(path_at), label, None)


def _tiny(root: Path, follow_links: bool) -> LabelFile:
    """The labels of TinyImageNet's validation set: those of its training set, whose folders are the sorted WNIDs."""
    path, wnids = (_place(folder, name, follow_links) for folder, name in ((root, _TINY), (root.parent, _WNIDS)))
    given = [line.split("\t") for line in _lines(path)]
    if wrong := next((number for number, parts in enumerate(given, 1) if len(parts) < 2), None):
        raise cannot_read(path, f"line {wrong} is not a file and a WNID with a tab between them", REMEDY)
    known = _lines(wnids) if _is_file(wnids) else []
    classes = tuple(sorted({*known, *(wnid for _, wnid, *_ in given)}))
    places = {wnid: place for place, wnid in enumerate(classes)}
    return LabelFile({f"{_TINY_IMAGES}/{name}": places[wnid] for name, wnid, *_ in given}, classes)


def _lines(path: Path) -> list[str]:
    """The lines of a text that are not empty."""
    try:
        with reading(path, REMEDY):
            text = with_retries(lambda: regular(path).read_text("utf-8"), path)
    except ValueError as fault:
        raise cannot_read(path, message_of(fault), REMEDY) from fault
    return [line.strip() for line in text.splitlines() if line.strip()]
