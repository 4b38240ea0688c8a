"""The interface of a source of labelled images: list its items, and read one of them.

A source is opened by its kind and location, which costs almost nothing: every worker process opens it again and calls
`read` in any order, on items that another process listed. Only `items` looks through the whole source.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.support.checks import as_path, is_remote
from layermix_gen.support.files import AS_IS, MISSING, reason, with_retries

EXTENSIONS = frozenset(
    {"jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff", "avif"}
    | {"ppm", "pgm", "pbm", "pnm", "jp2", "j2k", "j2c", "jpx"}
)
"""Lower-case extensions of the files that are taken as inputs. The format of a file is detected from its content."""

MAX_ID = 4096  # bytes of the id of an item
SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing", "dev", "eval"})
"""Lower-case names of folders that hold a split of a dataset, and no class."""
_MISSING, _BROKEN, UNREADABLE = "no such file", "broken link", "not readable"  # reasons that are not of the content
LINK_OUT = "link out of the root"
_MAX_BYTES = 1 << 30  # of one file: no image within the bound on pixels needs more


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a source, whether it can be read or not.

    `id` is its stable identity: the path relative to the source's root with "/" between the parts, or "train/00012" in
    an array; always valid Unicode. `label` is the index of its class, -1 for none. `size` is the number of bytes of the
    encoded file, or of the array, 0 if it is unknown; a plan's fingerprint covers it. `at` is a locator that JSON can
    hold and only the source understands, empty if the id is enough. `version` tells what the file was when it was
    listed, such as its time of change: `read` refuses one that was replaced since. "" for what may have changed.
    """

    id: str
    label: int
    size: int
    at: tuple[int | str, ...] = ()
    version: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How sources of some kinds are read; the defaults suit every kind."""

    follow_links: bool = False  # folder: also to folders, wherever they lead
    root: str = ""  # manifest: the folder, or URL, that the paths of the table are relative to; "": the table's own

    def __post_init__(self) -> None:
        if type(self.follow_links) is not bool:
            raise LayerMixError(f"follow-links must be True or False, got {self.follow_links!r}")
        if self.root and not is_remote(self.root):
            object.__setattr__(self, "root", str(as_path(self.root, "root").absolute()))

    def given(self) -> dict[str, bool | str]:
        """The options that are not left at their default, by name."""
        return {name: value for name, value in asdict(self).items() if value != getattr(DEFAULT_OPTIONS, name)}


DEFAULT_OPTIONS = SourceOptions()


class Source(Protocol):
    """A source of labelled images, listed as items and read one by one."""

    @property
    def kind(self) -> str:
        """The kind that, with the location, opens this source again: "folder", "cifar10:test"."""

    @property
    def location(self) -> str:
        """The absolute path (or pattern of paths) of the source."""

    @property
    def options(self) -> SourceOptions:
        """The options that, with location and kind, open this source again."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names by label; () where the source names none. May have to read the labels."""

    @property
    def ignored(self) -> int:
        """The number of files besides the images that the last call of `items` did not take as inputs."""

    def items(self) -> list[Item]:
        """List every image in a stable order, sorted by id. Raises `LayerMixError` if there is nothing to list."""

    def found(self) -> Iterator[Item]:
        """Yield what `items` lists, in any order, without keeping it in memory where the kind allows that."""

    def read(self, item: Item) -> Image:
        """Read one image, uint8 (H, W, 3). Raises `BadImage` with a reason of one line.

        Where the machine is at fault and not the image, or where it was replaced since it was listed, raises
        `LayerMixError`, which ends what needs the image.
        """

    def pixel_size(self, item: Item) -> tuple[int, int]:
        """The height and width of one image in pixels, without decoding it. Raises as `read` does."""


@runtime_checkable
class ForeseeingSource(Protocol):
    """A source that reads faster if it knows what it will be asked for."""

    def expect(self, items: Sequence[Item]) -> None:
        """Say which items will be read next, each once, in this order or nearly so."""


def parsed_kind(kind: str) -> tuple[str, str]:
    """The name and the split of a kind, such as "cifar10" and "test"; the split is "" where none is given."""
    name, _, split = kind.partition(":")
    return name, split


def is_image_name(name: str) -> bool:
    """Tell by its extension whether the file is meant to be an image."""
    stem, dot, extension = name.rpartition(".")
    return bool(stem and dot) and extension.lower() in EXTENSIONS


def class_names(labels: Iterable[int]) -> tuple[str, ...]:
    """Name classes that have no names by their numbers: "0", "1", ... up to the largest label."""
    return tuple(str(label) for label in range(max(labels, default=-1) + 1))


def class_name(classes: Sequence[str], label: int) -> str:
    """The name of the class `label`, "" where it has none."""
    return classes[label] if 0 <= label < len(classes) else ""


def version_of(status: os.stat_result) -> str:
    """What tells a file from one of the same size that it may be replaced by: its time of change in nanoseconds."""
    return str(status.st_mtime_ns)


def version_of_files(paths: Iterable[Path]) -> str:
    """What tells files from those that they may be replaced by: a digest of their names, sizes and times of change."""
    found = ((path.name, status(path.stat, path)) for path in paths)
    facts = [(name, one and (one.st_size, one.st_mtime_ns)) for name, one in found]
    return hashlib.blake2b(repr(facts).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def replaced(item: Item) -> LayerMixError:
    """The error for an item whose file is no longer the one that was listed."""
    return LayerMixError(
        f"expected {item.id} as it was when the source was listed, found it replaced or changed since; run the same "
        "command again to list it anew, or before build-planned its plan"
    )


def read_inside(root: str, path: str, item: Item, follow_links: bool = False) -> bytes:
    """Read the regular file of an item, at `path` under the folder `root`, an absolute path without links.

    Raises `BadImage` with the reason where the file is outside of `root` once all links are resolved (with
    `follow_links`: before they are), or where it cannot be read, and `LayerMixError` where that is the machine's fault,
    or where the file is not the one that was listed.
    """
    full = f"{root}/{path}"
    try:
        data, found = with_retries(lambda: _read_inside(root, full, follow_links), full)
    except OSError as fault:
        raise unread(fault, full) from fault
    if item.version and (found.st_size, version_of(found)) != (item.size, item.version):
        raise replaced(item)
    return data


def _read_inside(root: str, full: str, follow_links: bool) -> tuple[bytes, os.stat_result]:
    """The content of a file, and what it was once that was read."""
    resolved = os.path.realpath(full, strict=True)
    if os.path.commonpath((root, os.path.normpath(full) if follow_links else resolved)) != root:
        raise BadImage(LINK_OUT)
    descriptor = os.open(resolved, os.O_RDONLY | AS_IS)  # links are resolved by now
    try:
        _check_status(os.fstat(descriptor), full)
        with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
            data = file.read()
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if len(data) < found.st_size:
        raise OSError(errno.EIO, f"{len(data)} of {found.st_size} bytes came")
    return data, found


def _check_status(status: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise BadImage("link to a folder, which is not followed" if Path(path).is_symlink() else "a folder")
    if not stat.S_ISREG(status.st_mode):
        raise BadImage("not a regular file")
    check_bytes(status.st_size)


def check_bytes(size: int) -> None:
    """Raise `BadImage` for an encoded image of so many bytes that it is not read."""
    if size > _MAX_BYTES:
        raise BadImage(f"too large: {size} bytes exceed the bound of {_MAX_BYTES}")


def unread(fault: OSError, path: str) -> BadImage:
    """The error for an image whose file at `path` is at fault: the reason is one that `is_unread` knows."""
    if fault.errno in MISSING:
        is_link = fault.errno != errno.ENAMETOOLONG and Path(path).is_symlink()
        return BadImage(_BROKEN if is_link else _MISSING)
    return BadImage(f"{UNREADABLE}: {reason(fault)}")


def is_unread(why: str) -> bool:
    """Whether a reason, as `BadImage` gives it, says that a file could not be read, and nothing of its content."""
    return why.partition(":")[0] in (_MISSING, _BROKEN, UNREADABLE)


def status(look: Callable[[], os.stat_result], path: str | Path) -> os.stat_result | None:
    """What `look()` finds out of the file at `path`, None if it is missing or forbidden: `read` then gives the reason.

    Raises `LayerMixError` where that is the machine's fault.
    """
    try:
        return with_retries(look, path)
    except OSError:
        return None
