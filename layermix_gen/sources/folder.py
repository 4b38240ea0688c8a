"""A folder of image files: `ROOT/CLASS/.../NAME.EXT`, or a flat folder without classes.

The class of a file is the folder directly under ROOT that it lies in; labels number the class folders by sorted name,
empty ones too, so they agree with torchvision's `ImageFolder(allow_empty=True)`. Files directly in ROOT have the label
-1. Hidden files and folders are skipped. Links to folders are never followed: each is one item that cannot be read,
so that it is reported and not silently left out. Links to files are followed inside of ROOT only.
"""

import os
import stat
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS, decode
from layermix_gen.sources.base import Item, SourceOptions, is_image_name, read_inside, status
from layermix_gen.support.files import reading, reason, with_retries
from layermix_gen.support.text import as_text


class FolderSource:
    """Image files in a folder tree. Raises `LayerMixError` where `location` is not a folder."""

    kind = "folder"
    native_size = None

    def __init__(
        self, location: str, split: str = "", max_pixels: int = MAX_PIXELS, *, follow_links: bool = False
    ) -> None:
        self.options = SourceOptions(follow_links=follow_links)
        self._root = Path(location)
        if not self._root.is_dir():
            raise LayerMixError(f"expected a folder of images, found none at {as_text(location)}; check the path")
        self.location = location
        self.ignored = 0
        with reading(location):
            self._resolved = with_retries(lambda: os.path.realpath(location, strict=True), location)
        self._max_pixels = max_pixels

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the folders directly under the root, sorted; () if there is none."""
        return tuple(sorted(as_text(entry.name) for entry in scan(self._root) if _is_folder(entry)))

    def items(self) -> list[Item]:
        """List the tree. Raises `LayerMixError` where no image is found or a folder cannot be listed."""
        self.ignored = 0
        labels = {name: label for label, name in enumerate(self.classes)}
        # The first part of a path is its class folder; for a file in the root it is the file's name, which is no class.
        found = [_item(path, entry, labels.get(as_text(path.split("/", 1)[0]), -1)) for path, entry in self._walk()]
        if not found:
            raise LayerMixError(
                f"expected images in {as_text(self.location)}, found {self.ignored} other files; check the path"
            )
        return sorted(found, key=lambda item: item.id)

    def read(self, item: Item) -> Image:
        """Read and decode one file, uint8 (H, W, 3). Raises `BadImage` with the reason."""
        try:
            data = read_inside(self._resolved, self._relative(item))
        except ValueError as fault:  # of a locator that is none
            raise BadImage(f"no path of a file: {fault}") from fault
        return decode(data, self._max_pixels)

    def changed(self, item: Item) -> int:
        """The time of change of one file, or of a link's target, in nanoseconds; 0 if it is gone."""
        path = self._root / self._relative(item)
        found = status(path.stat, path)
        return found.st_mtime_ns if found else 0

    @staticmethod
    def _relative(item: Item) -> str:
        """The path of an item below the root, as the file system has it."""
        return os.fsdecode(bytes.fromhex(str(item.at[0]))) if item.at else item.id

    def _walk(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Yield each input with its path relative to the root, and count the other files."""
        pending = [""]
        while pending:
            prefix = pending.pop()
            for entry in scan(self._root / prefix):
                if _is_folder(entry):
                    pending.append(f"{prefix}{entry.name}/")
                elif is_image_name(entry.name) or _is_dead_end(entry):
                    yield prefix + entry.name, entry
                else:
                    self.ignored += 1


def scan(folder: Path) -> list[os.DirEntry[str]]:
    """Return all entries of one folder that are not hidden."""
    try:
        return with_retries(lambda: _scan(folder), folder)
    except OSError as fault:
        raise LayerMixError(f"cannot list {as_text(folder)}: {reason(fault)}; give access to it or move it") from fault


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return with_retries(lambda: entry.is_dir(follow_symlinks=False), entry.path)


def leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether this is a folder or a link to one; a link in a circle is none."""
    return Path(entry.path).is_dir()


def _is_dead_end(entry: os.DirEntry[str]) -> bool:
    """Tell whether this is a link to a folder or to nothing, which may stand for images under any name."""
    if not with_retries(entry.is_symlink, entry.path):
        return False
    found = status(entry.stat, entry.path)
    return found is None or stat.S_ISDIR(found.st_mode)


def _item(path: str, entry: os.DirEntry[str], label: int) -> Item:
    found = status(entry.stat, entry.path)
    size = found.st_size if found and stat.S_ISREG(found.st_mode) else 0
    identity = as_text(path)
    return Item(identity, label, size, () if identity == path else (os.fsencode(path).hex(),))
