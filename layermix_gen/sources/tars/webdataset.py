"""WebDataset tars: members that share a name up to the first dot are one sample.

The location is one tar, a pattern (`shards/{000..012}.tar`, `shards/*.tar`) or a folder of tars. One pass over the
headers tells where each image lies, and reads the labels; reading an image is then a seek. Nothing is extracted.
"""

import json
import tempfile
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.codec import MAX_PIXELS, decode, header_size
from layermix_gen.sources.base import (
    DEFAULT_OPTIONS,
    MAX_ID,
    UNREADABLE,
    Item,
    check_bytes,
    replaced,
    unread,
)
from layermix_gen.sources.tars.tar_files import LocalTars, TarFiles
from layermix_gen.sources.tars.tar_labels import CAPTION, TarLabel, classified, label_of
from layermix_gen.sources.tars.tar_samples import LINK, SPARSE, image_of, kind_of
from layermix_gen.support.files import cannot_read, reason, writing
from layermix_gen.support.text import as_text


class WebDatasetSource:
    """The images in a set of tars. `items` looks for the tars, `__init__` does not."""

    kind = "webdataset"
    options = DEFAULT_OPTIONS

    def __init__(
        self, location: str, split: str = "", max_pixels: int = MAX_PIXELS, tars: TarFiles | None = None
    ) -> None:
        self.location = location
        self._tars = tars or LocalTars(location)
        self.ignored = 0
        self._classes: tuple[str, ...] | None = None
        self._max_pixels = max_pixels

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, () if the tars say none. Lists the tars if `items` has not."""
        if self._classes is None:
            deque(self.found(), 0)
        return self._classes or ()

    def items(self) -> list[Item]:
        """List every sample with an image. Raises `LayerMixError` that names a missing or damaged tar or label."""
        return sorted(self.found(), key=lambda item: item.id)

    def found(self) -> Iterator[Item]:
        """Yield the samples of all tars; raises as `items` does.

        What the samples say is known when all are listed, so they go through a temporary file, a line for each tar.
        """
        others: Counter[str] = Counter()
        said: dict[TarLabel, tuple[int, str]] = {}  # the place of each label among them, and the id of a sample
        names = self._tars.names()
        with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
            for name in names:
                version, rows = "", []
                for item, label in self._items_of(name, others):
                    number, _ = said.setdefault(label, (len(said), item.id))
                    version = item.version
                    rows.append((item.id, item.size, item.at[1], number))
                with writing(tempfile.gettempdir(), "make room, or set TMPDIR to another folder"):
                    spool.write(json.dumps([name, version, rows]) + "\n")
            self.ignored = others.total()
            if not said:
                raise LayerMixError(
                    f"expected samples with an image in {as_text(self.location)}, found {_described(others)}"
                )
            classes, labels = classified({label: one for label, (_, one) in said.items()}, names), list(said)
            self._classes = classes.names
            spool.seek(0)
            for line in spool:
                name, version, rows = json.loads(line)
                for identity, size, offset, number in rows:
                    yield Item(identity, classes.label_of(labels[number], name), size, (name, offset), version)

    def read(self, item: Item) -> Image:
        """Read and decode one image, uint8 (H, W, 3). Raises `BadImage` with the reason."""
        return decode(self._data(item), self._max_pixels)

    def pixel_size(self, item: Item) -> tuple[int, int]:
        """The height and width of one image, by its header. Raises `BadImage` with the reason."""
        return header_size(self._data(item), self._max_pixels)

    def _data(self, item: Item) -> bytes:
        if list(map(type, item.at)) != [str, int]:
            raise BadImage("no place in a tar is known of it")
        name, offset = str(item.at[0]), int(item.at[1])
        if "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise BadImage("a tar out of the root")
        if offset == LINK:
            raise BadImage("a link in a tar, which is not followed")
        if offset == SPARSE:
            raise BadImage("a sparse file in a tar; write the tar without --sparse")
        check_bytes(item.size)
        try:
            data, version = self._tars.part(name, offset, item.size)
        except OSError as fault:
            raise unread(fault, self._tars.place(name)) from fault
        if item.version not in ("", version):
            raise replaced(item)
        if len(data) < item.size:
            raise BadImage(f"{UNREADABLE}: its tar is shorter than when it was listed")
        return data

    def _items_of(self, name: str, others: Counter[str]) -> Iterator[tuple[Item, TarLabel]]:
        """Yield the samples of one tar that have an image; the members of no use are added to `others`."""
        path = self._tars.place(name)
        if not _is_unicode(name):
            raise LayerMixError(f"expected a tar's name in UTF-8, got {as_text(path)}; rename it")
        try:
            version, samples, unused = self._tars.grouped(name)
        except OSError as fault:
            raise cannot_read(path, reason(fault), "get it again") from fault
        others.update(unused)
        for key, sample in samples.items():
            identity = f"{name}/{as_text(key)}"
            if len(identity.encode()) > MAX_ID or "\0" in identity:
                raise LayerMixError(
                    f"expected names of at most {MAX_ID} bytes without a zero byte in {as_text(path)}, "
                    f"got {identity[:100]}; rename it"
                )
            image = image_of(sample, identity)
            if image:
                others.update(kind_of(place.name) for place in sample.images if place is not image)
                others.update(sample.labels.keys() & {CAPTION})
                label = label_of(sample.labels, identity)
                yield Item(identity, -1, image.size, (name, image.offset), version), label
            else:
                others.update(map(kind_of, sample.labels))


def _described(others: Counter[str]) -> str:
    """The members of tars that have no image, and what to do where they are tars themselves."""
    if not others:
        return "no files"
    kinds = ", ".join(as_text(kind)[:20] for kind, _ in others.most_common(3))
    remedy = "; extract it first (tar -xf), and give the folder of its tars" if others["tar"] else ""
    return f"{others.total()} other members ({kinds}){remedy}"


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
