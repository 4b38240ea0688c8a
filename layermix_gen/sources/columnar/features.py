"""What Parquet and Arrow files of images share: their columns, the names of classes as features, and the listing."""

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.sources.base import Item
from layermix_gen.sources.columns import LABELS, find_column, has_column
from layermix_gen.sources.labels import labels_of
from layermix_gen.support.text import as_text, count

IMAGES = ("image", "img", "picture", "bytes", "image_bytes", "jpg", "jpeg", "png", "webp")
"""Names of columns of bytes that are images. A struct that has a field `bytes` is one under any name."""
STRUCT, BINARY, OTHER = "struct", "binary", "other"  # the forms of columns
METADATA = b"huggingface"  # the key in a file's metadata under which its features are


@dataclass(frozen=True, slots=True)
class ListedFile:
    """The rows of one file: the sizes of their images, None where there are no bytes, and the cells of their labels."""

    name: str
    class_names: tuple[str, ...]
    sizes: Sequence[int | None]
    labels: Sequence[object]


def image_columns(columns: Sequence[tuple[str, str]]) -> list[int]:
    """The numbers of the columns that hold the bytes of images, by the names and forms of all columns."""
    return [
        number
        for number, (name, form) in enumerate(columns)
        if form == STRUCT or (form == BINARY and has_column([name], IMAGES))
    ]


def find_columns(columns: Sequence[tuple[str, str]], place: str) -> tuple[int, int]:
    """The numbers of the columns of images and of labels, by the names and forms of all columns.

    Raises `LayerMixError` if there is not one of each; `place` is the file, for the message.
    """
    images = image_columns(columns)
    names = [name for name, _ in columns]
    if len(images) != 1:
        found = " and ".join(names[number] for number in images) or f"none among {', '.join(names)[:200]}"
        raise LayerMixError(f"expected one column with the bytes of images in {place}, found {found}; keep one")
    label = find_column(["" if number in images else name for number, name in enumerate(names)], LABELS, place)
    if label is None:
        raise LayerMixError(
            f"expected a column label in {place}, found {', '.join(names)[:200]}; name the one label that holds the "
            "labels, or add it (-1 means none)"
        )
    return images[0], label


def class_names_in(features: Any, column: str) -> tuple[str, ...]:
    """The class names that features, as JSON has them, give the labels of a column; () for none."""
    feature = features.get(column) if isinstance(features, Mapping) else None
    names = feature.get("names") if isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel" else None
    return tuple(map(str, names)) if isinstance(names, list) else ()


def features_of(metadata: Mapping[bytes, bytes]) -> Any:
    """The features that the metadata of a file describes, as JSON has them; None if it describes none."""
    try:
        return json.loads(metadata[METADATA])["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def list_rows(files: Sequence[ListedFile], location: str, version: str) -> tuple[list[Item], tuple[str, ...]]:
    """All rows as items, sorted by id, and the class names. An item's locator is the file's name and the row's number.

    Raises `LayerMixError` where no row has an image, a label is none, or files differ in the names of classes.
    """
    names = files[0].class_names
    for file in files:
        if file.class_names != names:
            raise LayerMixError(
                f"expected the class names of {as_text(files[0].name)} in all files of {as_text(location)}, found "
                f"others in {as_text(file.name)}; keep the files of one data set"
            )
    rows = [(file.name, number, size) for file in files for number, size in enumerate(file.sizes)]
    if not any(size for _, _, size in rows):
        raise LayerMixError(
            f"expected rows with the bytes of images in {as_text(location)}, found {count(len(rows), 'row')} without; "
            "save it with the images in it"
        )

    def where(place: int) -> str:
        name, number, _ = rows[place]
        return f"row {number + 1} of {as_text(name)}"

    labels, found = labels_of([label for file in files for label in file.labels], where)
    for place, label in enumerate(labels if names else ()):
        if label >= len(names):
            raise LayerMixError(
                f"expected a label below {len(names)}, the number of class names, in {where(place)}, got {label}; "
                "save the data set again"
            )
    items = [
        Item(f"{as_text(name)}/{number:09d}", label, size or 0, (name, number), version)
        for (name, number, size), label in zip(rows, labels, strict=True)
    ]
    return sorted(items, key=lambda item: item.id), names or found


def place_of(item: Item, names: Container[str]) -> tuple[str, int]:
    """The file and the row of an item, the file one of `names`. Raises `BadImage` where its locator is none."""
    if list(map(type, item.at)) != [str, int] or item.at[0] not in names or int(item.at[1]) < 0:
        raise BadImage("no row of a file is known of it")
    return str(item.at[0]), int(item.at[1])
