"""The columns of a table by the names that they usually have, and the paths in its rows."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import TypeAlias

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import MAX_ID, is_image_name
from layermix_gen.support.text import is_storable

ColumnNames: TypeAlias = Sequence[Sequence[str]]  # those that columns of paths, labels and class names may have

PATHS = ("path", "file_path", "file", "file_name", "image", "image_path", "img", "img_path")
LABELS = ("label", "label_id", "class", "target", "category", "fine_label")
COLUMNS = (PATHS, LABELS, ("class_name",))


@dataclass(frozen=True, slots=True)
class Cells:
    """A row as it is in the file. `where` names it in messages to the user."""

    where: str
    path: object
    label: object
    class_name: object


def has_column(columns: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether a column has one of the `wanted` names, without regard to case, spaces, "_" and "-"."""
    return not set(map(_key, wanted)).isdisjoint(map(_key, columns))


def find_column(columns: Sequence[str], wanted: Sequence[str], place: str) -> int | None:
    """The number of the column that `has_column` means, from 0; None if there is none.

    Raises `LayerMixError` if there are two. `place` is the table, for the message.
    """
    found = [number for number, name in enumerate(columns) if has_column([name], wanted)]
    if len(found) > 1:
        names = " and ".join(shortened(columns[number]) for number in found)
        raise LayerMixError(f"expected one column {wanted[0]} in {place}, found {names}; rename or remove all but one")
    return found[0] if found else None


def _key(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def places_of(columns: Sequence[str], names: ColumnNames, table: str) -> list[int | None]:
    """The numbers of the columns of paths, labels and class names, by the names that they may have.

    Raises `LayerMixError` where there are no paths or no labels, or two columns of one meaning; `table` is for it.
    """
    places = [find_column(columns, one, table) for one in names]
    missing = [name for name, place in zip(("path", "label"), places[:2], strict=True) if place is None]
    if missing:
        found = ", ".join(columns)[:200] or "none"
        is_row = any(map(is_image_name, columns))
        remedy = "put a line with the names of the columns first" if is_row else f"add {' and '.join(missing)}"
        raise LayerMixError(f"expected the columns path and label in {table}, found {found}; {remedy}")
    return places


def paths_of(rows: Sequence[Cells], roots: Sequence[str]) -> list[str]:
    """The paths in rows: relative to the folder where they lead into it, else absolute.

    `roots` are the absolute paths of the folder, the first as it is given. Raises `LayerMixError` for a cell that is no
    path, and for one that is there twice.
    """
    paths: dict[str, None] = {}
    for row in rows:
        path = relative_path(row, roots)
        if path in paths:
            raise LayerMixError(f"expected each path once, got {path} in {row.where} again; take one row out")
        paths[path] = None
    return list(paths)


def path_in(row: Cells) -> str:
    """The path in a row. Raises `LayerMixError` for a cell that is none."""
    path = row.path
    if not isinstance(path, str) or not path.strip() or not is_storable(path):
        raise LayerMixError(f"expected a path in {row.where}, got {shortened(path)}; mend the table")
    if (length := len(path.encode())) > MAX_ID:
        raise LayerMixError(f"expected paths of at most {MAX_ID} bytes, got {length} in {row.where}; mend the table")
    return path


def relative_path(row: Cells, roots: Sequence[str]) -> str:
    """The path in a row: relative to the folder with the names `roots` where it leads into it, else absolute."""
    path = path_in(row)
    plain = path.strip().replace("\\", "/")  # as on Windows; here a name may hold both
    if plain != path and not os.path.lexists(f"{roots[0]}/{path}"):
        path = plain
    absolute = os.path.normpath(path if path.startswith("/") else f"{roots[0]}/{path}")
    for root in roots:  # as text, because a `PurePath` takes 25 µs a row
        prefix = root.rstrip("/") + "/"
        if f"{absolute}/".startswith(prefix):
            return absolute[len(prefix) :] or "."
    return absolute
