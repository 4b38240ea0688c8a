"""The samples of one tar: its members read header by header, and grouped by their names up to the first dot.

Python's tarfile takes a damaged header, or a file cut between two members, for the end of the tar. What follows the
last member is therefore read here, and anything but the zeros that end a tar is an error.
"""

import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, NamedTuple, NoReturn, Protocol

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import EXTENSIONS
from layermix_gen.sources.tars.tar_labels import CAPTION, LABELS
from layermix_gen.support.text import as_text

LINK, SPARSE = -1, -2  # the offsets of members that hold no bytes of their own, or not all
_PACKED = {  # how compressed files begin, and what decompresses them
    b"\x1f\x8b": "gunzip",
    b"BZh": "bunzip2",
    b"\xfd7zXZ\0": "unxz",
    b"\x28\xb5\x2f\xfd": "unzstd",
    b"PK": "unzip",
}
_MAX_LABEL_BYTES = 1 << 20  # of a member with a label: no valid one is longer
_META = re.compile(r"__[^/]*__($|/)|(.*/)?__MACOSX/")  # about the tar, as webdataset has it, and what macOS adds
_NUMBERED = re.compile(r"\d[^.]*\.")  # extensions as of 22.01.png, which is a name with a dot and no view of 22.png


class Openable(Protocol):
    """A path, or a URL, of a file."""

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """The file, to be read."""

    def __fspath__(self) -> str: ...


class TarMember(NamedTuple):
    """Where a member lies in its tar."""

    name: str
    offset: int
    size: int


@dataclass(slots=True)
class TarSample:
    """The images and labels of one sample, as the pass over a tar finds them."""

    images: tuple[TarMember, ...] = ()
    labels: dict[str, bytes] = field(default_factory=dict)  # extension -> content


def group_samples(path: Openable) -> tuple[dict[str, TarSample], Counter[str]]:
    """Group the members of one tar by key, and count those of no use by the end of their extension.

    Raises `LayerMixError` where a label stands twice or is a link, and OSError if the tar cannot be read.
    """
    samples: dict[str, TarSample] = {}
    others: Counter[str] = Counter()
    for member, file in _members_and_links(path):
        key, extension = _split(member.name)
        if not key or member.isdir() or _META.match(member.name):
            continue
        kind = kind_of(extension)
        if kind in EXTENSIONS:
            offset = (SPARSE if member.issparse() else member.offset_data) if member.isreg() else LINK
            samples.setdefault(key, TarSample()).images += (TarMember(member.name, offset, member.size),)
        elif (kind in LABELS or extension == CAPTION) and member.size <= _MAX_LABEL_BYTES:
            labels = samples.setdefault(key, TarSample()).labels
            if extension in labels or not member.isreg() or member.issparse():
                raise _no_label_in(member, extension in labels, path)
            file.seek(member.offset_data)
            labels[extension] = file.read(member.size)
        else:
            others[kind or "no extension"] += 1
    return samples, others


def _no_label_in(member: tarfile.TarInfo, is_known: bool, path: Openable) -> LayerMixError:
    """The error for a label that stands in a tar already, or that is no plain file."""
    name = as_text(member.name)
    if is_known:
        return LayerMixError(f"expected each member once in {as_text(path)}, found {name} again; take one out")
    found = f"a link to {as_text(member.linkname)}" if member.linkname else "a sparse or special one"
    return LayerMixError(
        f"expected a plain file as {name} in {as_text(path)}, found {found}; write the tar with the files that its "
        "links lead to (tar --dereference --hard-dereference)"
    )


def image_of(sample: TarSample, identity: str) -> TarMember | None:
    """The image of a sample, None if it has none: of `x.jpg` and `x.mask.jpg` it is the first.

    Raises `LayerMixError` where that is not clear.
    """
    if len(sample.images) < 2:
        return sample.images[0] if sample.images else None
    plain = [place for place in sample.images if "." not in _split(place.name)[1]]
    dotted = [place for place in sample.images if _NUMBERED.match(_split(place.name)[1])]
    if len(plain) == 1 and not dotted:
        return plain[0]
    first, second = [as_text(place.name) for place in (*plain, *dotted, *sample.images)][:2]
    found = f"{first} twice" if first == second else f"{first} and {second}"
    remedy = "leave only one in"
    if len(plain) < 2:
        found += ": the name of a sample ends at the first dot"
        remedy = f"rename its images (a_1.jpg, not a.1.jpg), or {remedy}"
    raise LayerMixError(f"expected one image in the sample {identity}, found {found}; {remedy}")


def kind_of(name: str) -> str:
    """The last part of a name or an extension, which says what the content is."""
    return name.rpartition(".")[2].lower()


def _split(name: str) -> tuple[str, str]:
    """Split a member's name into its key (the folder, and the base name to its first dot) and the extension."""
    folder, slash, base = name.removeprefix("./").rpartition("/")
    stem, _, extension = base.partition(".")
    return (folder + slash + stem if stem else ""), extension.lower()


def _members_and_links(path: Openable) -> Iterator[tuple[tarfile.TarInfo, BinaryIO]]:
    """Yield what `_members` does, and at the end, under its own name, the member that each hard link stands for."""
    links: dict[str, list[tarfile.TarInfo]] = {}
    for member, file in _members(path):
        if member.islnk():
            links.setdefault(member.linkname, []).append(member)
        else:
            yield member, file
    if links:
        for member, file in _members(path):
            if member.isreg():
                for link in links.pop(member.name, ()):
                    named = copy(member)
                    named.name = link.name
                    yield named, file
        for lost in links.values():
            yield from ((link, file) for link in lost)


def _members(path: Openable) -> Iterator[tuple[tarfile.TarInfo, BinaryIO]]:
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
        begin, size = _begin_and_size(path)
        for mark, program in _PACKED.items():
            if begin.startswith(mark):
                raise LayerMixError(f"{as_text(path)} is compressed; decompress it first ({program})") from fault
        why = f"{fault}, it ends at byte {size}"
        raise LayerMixError(f"{as_text(path)} is truncated or not a tar: {why}; get it again") from fault


def _begin_and_size(path: Openable) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return file.read(8), file.seek(0, os.SEEK_END)


def _check_end(file: BinaryIO, offset: int, path: Openable) -> None:
    file.seek(offset)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        raise LayerMixError(f"{as_text(path)} is truncated: it ends at byte {offset} without an end mark; get it again")
    end = offset
    while block and block.count(0) == len(block):
        end += len(block)
        block = file.read(1 << 20)
    if block:
        end += (len(block) - len(block.lstrip(b"\0"))) // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
        _refuse_rest(file, offset, end, path)


def _refuse_rest(file: BinaryIO, offset: int, start: int, path: Openable) -> NoReturn:
    """Say what follows the end mark of a tar at `offset`: from the byte `start` on, there are not only zeros."""
    file.seek(start)
    try:
        if start < offset + 2 * tarfile.BLOCKSIZE:  # no end mark is so short
            raise tarfile.HeaderError
        tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        raise LayerMixError(
            f"{as_text(path)} is corrupt: no member can be read at byte {offset}; get it again"
        ) from None
    raise LayerMixError(
        f"expected one tar in {as_text(path)}, found another behind its end mark, at byte {start}, where readers stop; "
        f"split it there (head -c {start}, tail -c +{start + 1})"
    )
