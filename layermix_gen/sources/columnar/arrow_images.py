"""Images in the Arrow files of `save_to_disk`: the folder of a data set of the library `datasets`, or of its splits.

`state.json` names the files, whose rows have the bytes of an encoded image, and a label. Files are mapped into memory:
reading a row is as fast as reading a file. No path in a file is followed.
"""

import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from layermix_gen.errors import BadImage, LayerMixError, extras_explained
from layermix_gen.images.codec import MAX_PIXELS
from layermix_gen.sources.columnar.features import (
    BINARY,
    OTHER,
    STRUCT,
    ListedFile,
    class_names_in,
    features_of,
    find_columns,
)
from layermix_gen.sources.columnar.row_images import RowImages
from layermix_gen.support.files import cannot_read, read_json, reading, with_retries
from layermix_gen.support.text import as_text, count, message_of

STATE, INFO, SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
REMEDY = "save the data set again"
_END = b"\xff\xff\xff\xff\0\0\0\0"  # what a whole stream of Arrow ends with


class ArrowSource(RowImages):
    """The images of a saved data set. Raises `LayerMixError` if there is none, or several splits and none is chosen."""

    def __init__(self, location: str, split: str = "", max_pixels: int = MAX_PIXELS) -> None:
        super().__init__(location, "arrow", split, saved_files(Path(location), split), max_pixels)
        self._images: dict[Path, Any] = {}

    def _list(self, paths: Sequence[Path]) -> list[ListedFile]:
        return [_listed_file(path) for path in paths]

    def _bytes_at(self, path: Path, row: int) -> bytes | None:
        if path not in self._images:
            self._images[path], _, _ = _columns(path)
        images = self._images[path]
        if row >= len(images):
            raise BadImage(f"its Arrow file has only {count(len(images), 'row')}")
        data: bytes | None = images[row].as_py()
        return data


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` has written a folder."""
    return (folder / SPLITS).is_file() or ((folder / STATE).is_file() and (folder / INFO).is_file())


def saved_files(folder: Path, split: str) -> list[Path]:
    """The files of a data set, or of a split of it, "" for the only one. Raises `LayerMixError` if there is none."""
    if (folder / SPLITS).is_file():
        names = _names(read_json(folder / SPLITS, REMEDY).get("splits"), folder / SPLITS)
        if split not in names and (split or len(names) != 1):
            wanted = f"the split {split}" if split else "one split"
            remedy = f"choose by --kind arrow:{names[0]}" if names else REMEDY
            found = " and ".join(names) or "none"
            raise LayerMixError(f"expected {wanted} in {as_text(folder)}, found {found}; {remedy}")
        folder /= split or names[0]
    elif split:
        raise LayerMixError(f"expected the split {split} in {as_text(folder)}, found no splits; use --kind arrow")
    state = folder / STATE
    if not state.is_file():
        raise LayerMixError(f"expected a folder of save_to_disk, found no {STATE} in {as_text(folder)}; check the path")
    files = read_json(state, REMEDY).get("_data_files")
    if isinstance(files, list):
        files = [file.get("filename") if isinstance(file, dict) else None for file in files]
    return [folder / name for name in _names(files, state)]


def _names(found: Any, path: Path) -> list[str]:
    """Names of files that JSON lists. Raises `LayerMixError` where one may lead out of its folder."""
    if not isinstance(found, list) or not found or not all(isinstance(name, str) and _is_plain(name) for name in found):
        raise cannot_read(path, "it does not list names of files", REMEDY)
    return found


def _is_plain(name: str) -> bool:
    return name not in ("", ".", "..") and "\0" not in name and PurePath(name).name == name


def _listed_file(path: Path) -> ListedFile:
    images, labels, names = _columns(path)
    from pyarrow.compute import binary_length

    return ListedFile(path.name, names, binary_length(images).to_pylist(), labels.to_pylist())


def _columns(path: Path) -> tuple[Any, Any, tuple[str, ...]]:
    """The bytes of images and the labels in a file, as chunked arrays of Arrow, and the names of classes."""
    pyarrow = _pyarrow()
    try:
        with reading(path, REMEDY):
            with_retries(lambda: _check_end(path), path)
            table = with_retries(lambda: pyarrow.ipc.open_stream(pyarrow.memory_map(str(path))).read_all(), path)
        columns = [(field.name, _form(field.type)) for field in table.schema]
        image, label = find_columns(columns, as_text(path))
        images = table.column(image)
        if columns[image][1] == STRUCT:
            images.validate()
            images = pyarrow.compute.struct_field(images, "bytes")
        images.validate(full=True)  # or places in the file that are none would be read
        table.column(label).validate(full=True)
    except pyarrow.ArrowException as fault:
        raise cannot_read(path, f"it is no sound Arrow file ({message_of(fault)})", REMEDY) from fault
    return images, table.column(label), class_names_in(features_of(table.schema.metadata or {}), columns[label][0])


def _pyarrow() -> Any:
    with extras_explained():
        import pyarrow.compute
        import pyarrow.ipc
    return pyarrow


def _check_end(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(-min(len(_END), file.seek(0, os.SEEK_END)), os.SEEK_END)
        if file.read() != _END:
            raise cannot_read(path, "it is no Arrow file, or it is cut off", REMEDY)


def _form(kind: Any) -> str:
    from pyarrow import types

    if types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return STRUCT if place >= 0 and _form(kind.field(place).type) == BINARY else OTHER
    return BINARY if types.is_binary(kind) or types.is_large_binary(kind) else OTHER
