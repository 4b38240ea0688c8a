"""A folder of image files: `ROOT/CLASS/.../NAME.EXT`, or a flat folder without classes.

The class of a file is the folder directly under ROOT that it lies in; labels number the class folders by sorted name,
empty ones too, so they agree with torchvision's `ImageFolder(allow_empty=True)`. Files directly in ROOT have the label
-1, unless a file such as `metadata.csv` gives the labels (see `label_files`). Hidden files and folders are skipped, and
those that operating systems add, such as `__MACOSX`.
Links to files are followed inside of ROOT only. A link to a folder ends the listing, because it may stand for a whole
class. With `follow_links`, all links are followed, wherever they lead.
"""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS, decode, header_size
from layermix_gen.sources.base import Item, SourceOptions, is_image_name, read_inside, status, version_of
from layermix_gen.sources.label_files import LabelFile, read_label_file
from layermix_gen.support.checks import is_of_system
from layermix_gen.support.files import reading, reason, with_retries
from layermix_gen.support.text import as_text, count

MAX_LINKS = 100_000  # to folders that are followed: links that branch give more paths than there are files
NAMED = 3  # paths in a message
_TINY_IMAGES, _TINY_NAME = "images", re.compile(r"(test|val)_\d+\.\w+")  # in TinyImageNet's splits without classes


class FolderSource:
    """Image files in a folder tree. Raises `LayerMixError` where `location` is not a folder."""

    kind = "folder"

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
        """The names of the folders directly under the root, sorted, or those of a file of labels; () if there is none.

        Raises `LayerMixError` where a file of labels is damaged, or does not fit the folders.
        """
        return self._label_file.classes if self._label_file else self._folders

    @cached_property
    def _folders(self) -> tuple[str, ...]:
        return tuple(sorted(as_text(entry.name) for entry in scan(self._root) if self._enters(entry)))

    @cached_property
    def _label_file(self) -> LabelFile | None:
        found = read_label_file(self._root, self._folders, self.options.follow_links)
        return LabelFile({}, ()) if found is None and self._is_unlabelled_split() else found

    def items(self) -> list[Item]:
        """List the tree.

        Raises `LayerMixError` where no image is found, a folder cannot be listed, or a link may stand for a folder that
        is not entered.
        """
        return sorted(self.found(), key=lambda item: item.id)

    def found(self) -> Iterator[Item]:
        """Yield the files of the tree, as they are found; raises as `items` does, at the end."""
        given = dict(self._label_file.labels) if self._label_file else None
        links = []
        labels = {name: label for label, name in enumerate(self._folders)}
        label_of = lru_cache(lambda top: labels.get(as_text(top), -1))
        for path, entry in self._inputs():
            if not _is_plain(entry) and _is_dead_end(entry):
                links.append((path, entry))
            # The first part of a path is its class folder; for a file in the root it is its name, which is no class.
            item = _item(path, entry, label_of(path.partition("/")[0]))
            yield item if given is None else replace(item, label=given.pop(item.id, -1))
        self._refuse_links(links)
        yield from (Item(path, label, 0) for path, label in (given or {}).items())

    def pictures(self) -> list[Item]:
        """List the tree as `items` does, but without labels: then a link to a folder is an item that cannot be read."""
        return sorted((_item(path, entry, -1) for path, entry in self._inputs()), key=lambda item: item.id)

    def read(self, item: Item) -> Image:
        """Read and decode one file, uint8 (H, W, 3). Raises `BadImage` with the reason."""
        return decode(self._data(item), self._max_pixels)

    def pixel_size(self, item: Item) -> tuple[int, int]:
        """The height and width of one image, by its header. Raises `BadImage` with the reason."""
        return header_size(self._data(item), self._max_pixels)

    def _data(self, item: Item) -> bytes:
        try:
            return read_inside(self._resolved, self._relative(item), item, self.options.follow_links)
        except ValueError as fault:  # of a locator that is none
            raise BadImage(f"no path of a file: {fault}") from fault

    def changed(self, item: Item) -> int:
        """The time of change of one file, or of a link's target, in nanoseconds; 0 if it is gone."""
        path = self._root / self._relative(item)
        found = status(path.stat, path)
        return found.st_mtime_ns if found else 0

    @staticmethod
    def _relative(item: Item) -> str:
        """The path of an item below the root, as the file system has it."""
        return os.fsdecode(bytes.fromhex(str(item.at[0]))) if item.at else item.id

    def _is_unlabelled_split(self) -> bool:
        """Whether this is TinyImageNet's test set, or its validation set without the file of labels."""
        if self._folders != (_TINY_IMAGES,):
            return False
        names = [entry.name for entry in scan(self._root / _TINY_IMAGES)]
        return bool(names) and all(map(_TINY_NAME.fullmatch, names))

    def _enters(self, entry: os.DirEntry[str]) -> bool:
        """Whether this is a folder whose files are listed."""
        return leads_to_folder(entry) if self.options.follow_links else _is_folder(entry)

    def _inputs(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        self.ignored = 0
        inputs = self._walk()
        if (first := next(inputs, None)) is None:
            found = count(self.ignored, "other file") if self.ignored else "no file"
            raise LayerMixError(f"expected images in {as_text(self.location)}, found {found}; check the path")
        yield first
        yield from inputs

    def _walk(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Yield each input with its path relative to the root, and count the other files."""
        follows, followed = self.options.follow_links, 0
        above = {_identity(folder) for folder in (self._root, *self._root.parents)} if follows else set()
        pending = [("", above)]
        while pending:
            prefix, above = pending.pop()  # a folder, and the identities of those on the path to it, itself among them
            for entry in _visible(self._root / prefix):
                path = prefix + entry.name
                if _is_plain(entry):
                    if is_image_name(entry.name):  # as no file of a system is named
                        yield path, entry
                    else:
                        self.ignored += 1
                elif is_of_system(entry.name):
                    self.ignored += 1
                elif self._enters(entry):
                    inner = {_identity(Path(entry.path))} if follows else set()
                    if _is_link(entry):
                        followed += 1
                        self._check_followed(path, not inner.isdisjoint(above), followed)
                    pending.append((f"{path}/", above | inner))
                elif is_image_name(entry.name) or _is_dead_end(entry):
                    yield path, entry
                else:
                    self.ignored += 1

    def _check_followed(self, path: str, is_circle: bool, number: int) -> None:
        """Raise `LayerMixError` where the link at `path` leads to a folder that it lies in, and for too many links."""
        where = as_text(self.location)
        if number > MAX_LINKS:
            raise LayerMixError(f"expected at most {MAX_LINKS} links to folders in {where}, found more; copy them")
        if is_circle:
            raise LayerMixError(
                f"expected no links in a circle in {where}, found {as_text(path)}, which leads to a folder that it "
                "lies in; remove it"
            )

    def _refuse_links(self, links: Sequence[tuple[str, os.DirEntry[str]]]) -> None:
        """Raise `LayerMixError` for links to folders, and links to nothing where a class folder could be."""
        where = as_text(self.location)
        if folders := sorted(path for path, entry in links if leads_to_folder(entry)):
            raise LayerMixError(
                f"expected no links to folders in {where}, found {_named(folders)}; if this is the source of build or "
                "evaluate corrupt, give --follow-links, else put the folders there"
            )
        broken = sorted(path for path, _ in links if "/" not in path and not is_image_name(path))
        if broken and self._folders:
            raise LayerMixError(
                f"expected class folders in {where}, found links to nothing that may stand for some, {_named(broken)}; "
                "mend or remove them"
            )


def scan(folder: Path) -> list[os.DirEntry[str]]:
    """Return all entries of one folder, without hidden ones and those that operating systems put there."""
    return [entry for entry in _visible(folder) if not is_of_system(entry.name)]


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """All entries of one folder that are not hidden."""
    try:
        return with_retries(lambda: _scan(folder), folder)
    except OSError as fault:
        raise LayerMixError(f"cannot list {as_text(folder)}: {reason(fault)}; give access to it or move it") from fault


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _is_plain(entry: os.DirEntry[str]) -> bool:
    """Whether this is certainly a file, and no link: as the most are, for which nothing else need be found out."""
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return with_retries(lambda: entry.is_dir(follow_symlinks=False), entry.path)


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from all others, whatever the path to it."""
    found = status(folder.stat, folder)
    return (found.st_dev, found.st_ino) if found else None


def _is_link(entry: os.DirEntry[str]) -> bool:
    return with_retries(entry.is_symlink, entry.path)


def leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether this is a folder or a link to one; a link in a circle, or into a closed folder, is none."""
    if not _is_link(entry):
        return _is_folder(entry)
    found = status(entry.stat, entry.path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def _is_dead_end(entry: os.DirEntry[str]) -> bool:
    """Whether this is a link to a folder or to nothing, which may stand for images under any name."""
    return _is_link(entry) and (leads_to_folder(entry) or status(entry.stat, entry.path) is None)


def _named(paths: Sequence[str]) -> str:
    """The first few of some paths, and how many more there are."""
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(map(as_text, paths[:NAMED])) + more


def _item(path: str, entry: os.DirEntry[str], label: int) -> Item:
    try:
        found: os.stat_result | None = entry.stat()
    except OSError:
        found = status(entry.stat, entry.path)  # which tries again
    size, version = (found.st_size, version_of(found)) if found and stat.S_ISREG(found.st_mode) else (0, "")
    identity = as_text(path)
    return Item(identity, label, size, () if identity == path else (os.fsencode(path).hex(),), version)
