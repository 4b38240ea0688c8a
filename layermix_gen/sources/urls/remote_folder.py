"""A folder of images in an object store: `s3://bucket/train/CLASS/.../NAME.EXT`, listed class by class in pages.

Items are those of the same folder on a disk: ids, labels and sizes, so that a source may be moved to a store and back.
"""

import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS, decode, header_size
from layermix_gen.sources.base import DEFAULT_OPTIONS, SPLITS, Item, is_image_name
from layermix_gen.sources.label_files import METADATA, LabelFile, read_label_file
from layermix_gen.sources.urls.read_ahead import ReadAhead
from layermix_gen.sources.urls.source_store import SourceStore, StoredFile
from layermix_gen.support.checks import is_of_system
from layermix_gen.support.text import as_text, count


class RemoteFolderSource:
    """Image files in a folder at a URL, by class folders, or by a file `metadata.csv` in it."""

    kind = "folder"
    options = DEFAULT_OPTIONS

    def __init__(self, location: str, max_pixels: int = MAX_PIXELS) -> None:
        self._store = SourceStore(location)
        self.location = self._store.location
        self.ignored = 0
        self._max_pixels = max_pixels
        self._ahead = ReadAhead(self._data)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the folders directly under the root, sorted, or those of a file of labels; () if there is none.

        A store has no empty folders.
        """
        return self._label_file.classes if self._label_file else tuple(map(as_text, self._folders))

    @cached_property
    def _root(self) -> list[StoredFile]:
        return [one for one in self._store.listed() if not one.path.startswith(".") and not is_of_system(one.path)]

    @property
    def _folders(self) -> list[str]:
        return [one.path for one in self._root if one.is_folder]

    @cached_property
    def _label_file(self) -> LabelFile | None:
        names = [one.path for one in self._root if one.path in METADATA]
        if not names:
            return None
        with tempfile.TemporaryDirectory(prefix="layermix-gen-") as folder:
            for name in names:
                self._store.fetched(name, Path(folder))
            try:
                return read_label_file(Path(folder), [*map(as_text, self._folders)], follow_links=False)
            except LayerMixError as error:
                raise LayerMixError(str(error).replace(folder, self.location)) from error

    def items(self) -> list[Item]:
        """List the folder. Raises `LayerMixError` where no image is found, or where its folders are splits."""
        return sorted(self.found(), key=lambda item: item.id)

    def found(self) -> Iterator[Item]:
        """Yield the files, class by class; raises as `items` does."""
        given = dict(self._label_file.labels) if self._label_file else None
        self.ignored, is_empty = 0, True
        for label, file in self._labelled():
            names = file.path.split("/")
            if any(name.startswith(".") for name in names):
                continue
            if any(map(is_of_system, names)) or not is_image_name(names[-1]):
                self.ignored += 1
                continue
            is_empty, identity = False, as_text(file.path)
            at = () if identity == file.path else (file.path,)
            label = label if given is None else given.pop(identity, -1)
            yield Item(identity, label, file.size, at, file.version)
        if is_empty:
            found = count(self.ignored, "other file") if self.ignored else "no file"
            raise LayerMixError(f"expected images in {self.location}, found {found}; check the URL")
        yield from (Item(path, label, 0) for path, label in (given or {}).items())

    def _labelled(self) -> Iterator[tuple[int, StoredFile]]:
        """Yield all files with the labels of their class folders."""
        yield from ((-1, one) for one in self._root if not one.is_folder)
        for label, folder in enumerate(self._folders):
            yield from ((label, one) for one in self._store.below(folder))

    def expect(self, items: Sequence[Item]) -> None:
        """Begin to fetch the items that are read next."""
        self._ahead.expect(items)

    def read(self, item: Item) -> Image:
        """Read and decode one file, uint8 (H, W, 3). Raises `BadImage` with the reason."""
        return decode(self._ahead.read(item), self._max_pixels)

    def pixel_size(self, item: Item) -> tuple[int, int]:
        """The height and width of one image, by its header. Raises `BadImage` with the reason."""
        return header_size(self._data(item), self._max_pixels)

    def _data(self, item: Item) -> bytes:
        path = str(item.at[0]) if item.at else item.id
        if ".." in path.split("/"):
            raise BadImage("path out of the root")
        return self._store.content(path, item)


def refuse_remote_splits(location: str, folders: list[str]) -> None:
    """Raise `LayerMixError` where folders are splits: two of them are, and so is one without other folders."""
    splits = sorted(name for name in folders if name.lower() in SPLITS)
    if len(splits) > 1 or (splits and len(splits) == len(folders)):
        raise LayerMixError(
            f"expected class folders in {location}, found the splits {' and '.join(map(as_text, splits))}; give one, "
            f"such as {location}/{as_text(splits[-1])}, or --kind folder to take them as classes"
        )
