"""WebDataset tars: members that share a name up to the first dot are one sample.

The location is one tar, a pattern (`shards/{000..012}.tar`, `shards/*.tar`) or a folder of tars. A sample holds one
image, known by its extension, and a label in `cls` (an ASCII integer) or in the `label` or `cls` of its `json`. One
pass over the headers tells where each image lies; reading is then a seek. Nothing is extracted and no link is followed.
Python's tarfile takes a damaged header, or a file cut between two members, for the end of the tar. What follows the
last member is therefore read here, and anything but the zeros that end a tar is an error.
"""

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from braceexpand import braceexpand

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS, decode
from layermix_gen.sources.base import DEFAULT_OPTIONS, EXTENSIONS, UNREADABLE, Item, check_bytes, unread
from layermix_gen.support.files import cannot_read, reason, with_retries
from layermix_gen.support.text import as_text

MAGIC = re.compile(r"[*?\[{]")  # what makes a location a pattern
COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")  # how gzip, bzip2, xz and zstd files begin
_MAX_LABEL = 999_999_999  # in both cls and json
_MAX_LABEL_BYTES = 1 << 20  # of a cls or json member: no valid one is longer
_LABELS = ("cls", "json")
_MAX_TARS = 1_000_000  # that braces may name
_BRACES = re.compile(r"\\.|\{(-?\w+)\.\.(-?\w+)(?:\.\.-?\d+)?\}|[{},]")  # an escape, a range, or a list's parts
_NOWHERE = -1  # the offset of a member that holds no bytes of its own: a link or a sparse file


@dataclass(slots=True)
class _Sample:
    """The image and labels of one sample, as the pass over a tar finds them."""

    image: tuple[int, int] | None = None  # offset and size
    labels: dict[str, bytes] = field(default_factory=dict)  # extension -> content


class WebDatasetSource:
    """The images in a set of tars. `items` looks for the tars, `__init__` does not."""

    kind = "webdataset"
    options = DEFAULT_OPTIONS
    classes = ()
    native_size = None

    def __init__(self, location: str, split: str = "", max_pixels: int = MAX_PIXELS) -> None:
        self.location = location
        self.ignored = 0
        self._max_pixels = max_pixels
        self._root = _root_of(location)

    def items(self) -> list[Item]:
        """List every sample with an image. Raises `LayerMixError` that names a missing or damaged tar or label."""
        self.ignored = 0
        found = [item for path in self._tars() for item in self._items_of(path)]
        if not found:
            raise LayerMixError(
                f"expected samples with an image in {as_text(self.location)}, found {self.ignored} other members"
            )
        return sorted(found, key=lambda item: item.id)

    def read(self, item: Item) -> Image:
        """Read and decode one image, uint8 (H, W, 3). Raises `BadImage` with the reason."""
        if list(map(type, item.at)) != [str, int]:
            raise BadImage("no place in a tar is known of it")
        name, offset = str(item.at[0]), int(item.at[1])
        if "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise BadImage("a tar out of the root")
        path = self._root / name
        if offset == _NOWHERE:
            raise BadImage("a link in a tar, which is not followed")
        check_bytes(item.size)
        try:
            data = with_retries(lambda: _part(path, offset, item.size), path)
        except OSError as fault:
            raise unread(fault, str(path)) from fault
        if len(data) < item.size:
            raise BadImage(f"{UNREADABLE}: its tar is shorter than when it was listed")
        return decode(data, self._max_pixels)

    def _tars(self) -> list[Path]:
        try:
            return with_retries(lambda: expand(self.location), self.location)
        except OSError as fault:
            raise LayerMixError(f"cannot look for {as_text(self.location)}: {reason(fault)}; check the path") from fault

    def _items_of(self, path: Path) -> Iterator[Item]:
        name = path.relative_to(self._root).as_posix()
        if not _is_unicode(name):
            raise LayerMixError(f"expected a tar's name in UTF-8, got {as_text(path)}; rename it")
        try:
            samples, others = with_retries(lambda: _samples(path), path)
        except OSError as fault:
            raise cannot_read(path, reason(fault), "get it again") from fault
        self.ignored += others
        for key, sample in samples.items():
            identity = f"{name}/{as_text(key)}"
            if sample.image is None:
                self.ignored += 1
                continue
            offset, size = sample.image
            yield Item(identity, _label(sample.labels, identity), size, (name, offset))


def _part(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)


def _samples(path: Path) -> tuple[dict[str, _Sample], int]:
    """Group the members of one tar by key, and count those of no use. Raises OSError if the tar cannot be read."""
    samples: dict[str, _Sample] = {}
    others = 0
    for member, file in _members(path):
        key, extension = _split(member.name)
        if not key or member.isdir():
            continue
        if extension in EXTENSIONS:
            sample = samples.setdefault(key, _Sample())
            if sample.image is not None:
                raise LayerMixError(
                    f"expected one image of the name {as_text(key)} in {as_text(path)}, found two; rename one"
                )
            held = member.isreg() and not member.issparse()
            sample.image = (member.offset_data if held else _NOWHERE, member.size)
        elif extension in _LABELS and member.isreg() and member.size <= _MAX_LABEL_BYTES:
            file.seek(member.offset_data)
            samples.setdefault(key, _Sample()).labels[extension] = file.read(member.size)
        else:
            others += 1
    return samples, others


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_pattern(location: str) -> bool:
    """Tell whether this is a pattern of tars and not a path."""
    return not Path(location).exists() and bool(MAGIC.search(_split_pattern(location)[1]))


def expand(location: str) -> list[Path]:
    """Return the tars that a path, a pattern or a folder names, sorted. Raises `LayerMixError` if one is missing."""
    if Path(location).is_dir():
        found = {path for path in Path(location).glob("*.tar") if not path.name.startswith(".")}
    elif is_pattern(location):
        folder, pattern = _split_pattern(location)
        found = {path for name in _expand_braces(pattern) for path in _expand_glob(folder, name)}
    else:
        found = {Path(location)}
    missing = sorted(path for path in found if not path.is_file())
    if missing or not found:
        raise LayerMixError(
            f"expected tars, found none at {as_text(missing[0] if missing else location)}; check the path"
        )
    return sorted(found)


def _root_of(location: str) -> Path:
    """Return the folder that the tars' names are relative to: all of the location before the first wildcard."""
    if Path(location).is_dir():
        return Path(location)
    if not is_pattern(location):
        return Path(location).parent
    folder, pattern = _split_pattern(location)
    return folder / MAGIC.split(pattern)[0].rpartition("/")[0]


def _split_pattern(location: str) -> tuple[Path, str]:
    """Split a pattern into the longest leading folder that exists as it is written, and the pattern below it."""
    folder = Path(location).parent
    while not folder.is_dir():
        folder = folder.parent
    return folder, Path(location).relative_to(folder).as_posix()


def _expand_braces(pattern: str) -> list[str]:
    try:
        if _count_names(pattern) > _MAX_TARS:
            raise LayerMixError(
                f"expected at most {_MAX_TARS} tars, got more by {as_text(pattern)}; narrow the braces, or use *"
            )
        return [name.lstrip("/") for name in braceexpand(pattern)]
    except ValueError as fault:
        raise LayerMixError(f"expected balanced braces, got {as_text(pattern)}; mend the pattern") from fault


def _count_names(pattern: str) -> int:
    """At least the names that braces expand to: a range counts without its step. Raises ValueError for absurd ends."""
    lists = [(0, 1)]  # of each list that is open: the names of its members so far, and of the member at hand
    for part in _BRACES.finditer(pattern):
        names, member = lists[-1]
        if part[1]:
            first, last = (int(end) if end.lstrip("-").isdigit() else ord(end[0]) for end in part.groups())
            lists[-1] = names, member * (abs(last - first) + 1)
        elif part[0] == "{":
            lists.append((0, 1))
        elif part[0] == "," and len(lists) > 1:
            lists[-1] = names + member, 1
        elif part[0] == "}" and len(lists) > 1:
            lists.pop()
            lists[-1] = lists[-1][0], lists[-1][1] * (names + member)
    return lists[0][1]


def _expand_glob(folder: Path, pattern: str) -> list[Path]:
    if not MAGIC.search(pattern):
        return [folder / pattern]
    return list(folder.glob(pattern))


def _members(path: Path) -> Iterator[tuple[tarfile.TarInfo, BinaryIO]]:
    """Yield the members of a tar and the file to read them from.

    Raises `LayerMixError` where the tar is damaged, and OSError where it cannot be read.
    """
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            while (member := tar.next()) is not None:
                yield member, file
                tar.members.clear()  # type: ignore[attr-defined]  # or all headers of the tar would stay in memory
            _check_end(file, tar.offset, path)
    except (tarfile.TarError, ValueError, OverflowError, MemoryError) as fault:  # the last three for absurd sizes
        if _is_compressed(path):
            raise LayerMixError(f"{as_text(path)} is compressed; decompress it first") from fault
        raise LayerMixError(f"{as_text(path)} is truncated or not a tar: {fault}; get it again") from fault


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6).startswith(COMPRESSED)


def _check_end(file: BinaryIO, offset: int, path: Path) -> None:
    file.seek(offset)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        raise LayerMixError(f"{as_text(path)} is truncated: it ends at byte {offset} without an end mark; get it again")
    while block:
        if block.count(0) != len(block):
            raise LayerMixError(f"{as_text(path)} is corrupt: no member can be read at byte {offset}; get it again")
        block = file.read(1 << 20)


def _split(name: str) -> tuple[str, str]:
    """Split a member's name into its key (the folder, and the base name to its first dot) and the extension."""
    folder, slash, base = name.removeprefix("./").rpartition("/")
    stem, _, extension = base.partition(".")
    return (folder + slash + stem if stem else ""), extension.lower()


def _label(labels: dict[str, bytes], identity: str) -> int:
    """Return the label that a sample's members give, -1 if they give none."""
    if "cls" in labels:
        text = labels["cls"].strip()
        if not re.fullmatch(rb"-1|\d{1,9}", text):
            raise LayerMixError(f"expected an integer as the cls of {identity}, got {text[:40]!r}; mend the tar")
        return int(text)
    fields = _fields(labels.get("json", b"{}"), identity)
    label = fields.get("label", fields.get("cls", -1))
    if type(label) is not int or not -1 <= label <= _MAX_LABEL:
        found = repr(label)[:40]
        raise LayerMixError(f"expected an integer as the label in the json of {identity}, got {found}; mend the tar")
    return label


def _fields(text: bytes, identity: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise LayerMixError(f"expected an object as the json of {identity}, got no JSON; mend the tar") from fault
    if not isinstance(fields, dict):
        raise LayerMixError(f"expected an object as the json of {identity}, got {type(fields).__name__}; mend the tar")
    return fields
