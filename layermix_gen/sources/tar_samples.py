"""The samples of one tar: its members read header by header, and grouped by their names up to the first dot.

Python's tarfile takes a damaged header, or a file cut between two members, for the end of the tar. What follows the
last member is therefore read here, and anything but the zeros that end a tar is an error.
"""

import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import EXTENSIONS
from layermix_gen.sources.tar_labels import CAPTION, LABELS
from layermix_gen.support.text import as_text

NOWHERE = -1  # the offset of a member that holds no bytes of its own: a link or a sparse file
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")  # how gzip, bzip2, xz and zstd files begin
_MAX_LABEL_BYTES = 1 << 20  # of a member with a label: no valid one is longer
_META = re.compile(r"__[^/]*__($|/)")  # names of members that are about the tar, which webdataset skips, too
_NUMBERED = re.compile(r"\d[^.]*\.")  # extensions as of 22.01.png, which is a name with a dot and no view of 22.png


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


def group_samples(path: Path) -> tuple[dict[str, TarSample], Counter[str]]:
    """Group the members of one tar by key, and count those of no use by the end of their extension.

    Raises `LayerMixError` where a label stands twice, and OSError if the tar cannot be read.
    """
    samples: dict[str, TarSample] = {}
    others: Counter[str] = Counter()
    for member, file in _members(path):
        key, extension = _split(member.name)
        if not key or member.isdir() or _META.match(member.name):
            continue
        kind = kind_of(extension)
        if kind in EXTENSIONS:
            held = member.isreg() and not member.issparse()
            place = TarMember(member.name, member.offset_data if held else NOWHERE, member.size)
            samples.setdefault(key, TarSample()).images += (place,)
        elif (kind in LABELS or extension == CAPTION) and member.isreg() and member.size <= _MAX_LABEL_BYTES:
            labels = samples.setdefault(key, TarSample()).labels
            if extension in labels:
                raise LayerMixError(
                    f"expected each member once in {as_text(path)}, found {as_text(member.name)} again; take one out"
                )
            file.seek(member.offset_data)
            labels[extension] = file.read(member.size)
        else:
            others[kind] += 1
    return samples, others


def image_of(sample: TarSample, identity: str) -> TarMember | None:
    """The image of a sample, None if it has none: of several the one whose name ends with the extension of a file.

    Raises `LayerMixError` where that is not clear.
    """
    if len(sample.images) < 2:
        return sample.images[0] if sample.images else None
    plain = [place for place in sample.images if "." not in _split(place.name)[1]]
    dotted = [place for place in sample.images if _NUMBERED.match(_split(place.name)[1])]
    if len(plain) == 1 and not dotted:
        return plain[0]
    first, second = [as_text(place.name) for place in (*plain, *dotted, *sample.images)][:2]
    raise LayerMixError(
        f"expected one image in the sample {identity}, found {first} and {second}: the name of a sample ends at the "
        "first dot; rename its images (a_1.jpg, not a.1.jpg), or leave only one in"
    )


def kind_of(name: str) -> str:
    """The last part of a name or an extension, which says what the content is."""
    return name.rpartition(".")[2].lower()


def _split(name: str) -> tuple[str, str]:
    """Split a member's name into its key (the folder, and the base name to its first dot) and the extension."""
    folder, slash, base = name.removeprefix("./").rpartition("/")
    stem, _, extension = base.partition(".")
    return (folder + slash + stem if stem else ""), extension.lower()


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
        return file.read(6).startswith(_COMPRESSED)


def _check_end(file: BinaryIO, offset: int, path: Path) -> None:
    file.seek(offset)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        raise LayerMixError(f"{as_text(path)} is truncated: it ends at byte {offset} without an end mark; get it again")
    while block:
        if block.count(0) != len(block):
            raise LayerMixError(f"{as_text(path)} is corrupt: no member can be read at byte {offset}; get it again")
        block = file.read(1 << 20)
