"""Files that give the labels of the images beside them, in folders whose names do not.

`metadata.csv` and `metadata.jsonl` (the imagefolder convention of Hugging Face) have the fields `file_name` and
`label`; `val_annotations.txt` is that of TinyImageNet's validation set.
"""

import csv
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import MAX_LABEL, SPLITS, status
from layermix_gen.sources.labels import numbered
from layermix_gen.support.files import cannot_read, inside, reading, regular, with_retries
from layermix_gen.support.parsing import parse_object
from layermix_gen.support.text import as_text, message_of

_METADATA = ("metadata.csv", "metadata.jsonl")
_TINY, _TINY_IMAGES, _WNIDS = "val_annotations.txt", "images", "wnids.txt"
_LONGEST = 4096  # bytes of a path
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
        if found := [name for name in _METADATA if _is_file(home / name)]:
            if len(found) > 1:
                raise LayerMixError(f"expected one file of labels in {as_text(home)}, found two; take one of them out")
            path = _place(home, found[0], follow_links)
            texts = _texts(path)
            if texts and len(folders) > 1:
                _check_agreement(path, texts, prefix, folders)
                return None
            return _numbered(path, texts, prefix) if texts else None
    return None


def _is_file(path: Path) -> bool:
    found = status(path.stat, path)
    return found is not None and stat.S_ISREG(found.st_mode)


def _place(folder: Path, name: str, follow_links: bool) -> Path:
    return folder / name if follow_links else inside(folder, name)


def _numbered(path: Path, texts: dict[str, str], prefix: str) -> LabelFile:
    labels, classes = numbered(list(texts.values()))
    if max(labels, default=0) > MAX_LABEL:
        raise LayerMixError(f"expected labels up to {MAX_LABEL} in {as_text(path)}, got {max(labels)}; {REMEDY}")
    paths = dict(zip(texts, labels, strict=True))
    return LabelFile(
        {name.removeprefix(prefix): label for name, label in paths.items() if name.startswith(prefix)}, classes
    )


def _check_agreement(path: Path, texts: dict[str, str], prefix: str, folders: Sequence[str]) -> None:
    """Raise `LayerMixError` where the file gives an image another label than its class folder."""
    places = {name: str(place) for place, name in enumerate(folders)}
    for name, text in texts.items():
        folder, slash, _ = name.removeprefix(prefix).partition("/")
        if name.startswith(prefix) and text.strip() not in ("", *((folder, places.get(folder)) if slash else ())):
            raise LayerMixError(
                f"expected labels by class folders or by a file, found both: {as_text(path)} gives {name} the label "
                f"{text!r}; take the file out, or give a table of paths and labels instead of the folder"
            )


def _texts(path: Path) -> dict[str, str]:
    """The label of each file as text, "" for none, by its path; {} where the file gives no labels."""
    rows = _csv if path.suffix == ".csv" else _jsonl
    texts: dict[str, str] = {}
    try:
        with reading(path, REMEDY):
            for where, row in with_retries(lambda: list(rows(path)), path):
                if "file_name" not in row or "label" not in row:
                    continue
                name, label = row["file_name"], "" if row["label"] is None else row["label"]
                if not isinstance(name, str) or not name or "\0" in name:
                    raise ValueError(f"{where} has no file_name")
                if (length := len(name.encode())) > _LONGEST:
                    raise ValueError(f"{where} has a file_name of {length} bytes, more than a path can have")
                if type(label) not in (str, int, float):
                    raise ValueError(f"{where} has {label!r} as label, expected a number or a text")
                name = as_text(os.path.normpath(name))
                if name in texts:
                    raise ValueError(f"{where} names {name} again")
                texts[name] = str(label)
    except (ValueError, csv.Error) as fault:
        raise cannot_read(path, message_of(fault), REMEDY) from fault
    return texts


def _csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with regular(path).open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        yield from ((f"line {reader.line_num}", row) for row in reader)


def _jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with regular(path).open(encoding="utf-8-sig") as file:
        yield from ((f"line {number}", parse_object(line)) for number, line in enumerate(file, 1) if line.strip())


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
