"""The files of a shard while it is built: samples are encoded, appended to tars and listed in the index.

Of virtual planes there is only what the index has: nothing is encoded, and there is no tar.

Every tar is written under a temporary name, synced and renamed, then the index, which marks the shard as finished.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from isal import isal_zlib

from layermix_gen.dataset.index import ShardSummary, json_checksum, write_index
from layermix_gen.dataset.names import INDEX, index_name, index_path, sample_key, tar_name, tar_path
from layermix_gen.dataset.plan import Plan
from layermix_gen.dataset.samples import Drawn, Sample, lengths_of, metadata_json
from layermix_gen.dataset.skipped import Skipped
from layermix_gen.dataset.tar import TarSummary, TarWriter
from layermix_gen.images.codec import encode
from layermix_gen.sources import Item
from layermix_gen.sources.base import class_name
from layermix_gen.support.files import sync, temporary

WAITING_BYTES = 2**23  # of encoded images that are not yet in tars


class _Encoded(NamedTuple):
    """The samples of a source image, encoded: each as it was drawn, with its file and the checksum of its pixels.

    The file is None where the plane is virtual.
    """

    ordinal: int
    item: Item
    checksum: int
    samples: list[tuple[Drawn, bytes | None, int]]


class ShardDraft:
    """The files of a shard while they are written. Leaving the context removes what was not committed."""

    def __init__(self, plan: Plan, number: int, variants: Mapping[str, int]) -> None:
        self._plan, self._number = plan, number
        self._lengths = lengths_of(plan.settings.options)
        self._waiting: list[_Encoded] = []
        self._waiting_bytes = 0
        self._written = 0
        self._index = index_path(plan.root, number)
        self._listing = temporary(self._index.with_suffix(".jsonl"))  # the rows of the index, as they come
        stored = [plane for plane in variants if plane in plan.settings.stored_planes]
        self._paths = {plane: tar_path(plan.root, plane, number) for plane in stored}
        self._drafts = {plane: temporary(path) for plane, path in self._paths.items()}
        self._planes = {variant: plane for plane, variant in variants.items()}
        self._tars: dict[str, TarWriter] = {}

    def __enter__(self) -> Self:
        for folder in (*(path.parent for path in self._paths.values()), self._plan.root / INDEX):
            folder.mkdir(exist_ok=True)  # without parents: a dataset that was removed is not begun anew
        try:
            self._listing.touch()
            for plane, path in self._drafts.items():
                self._tars[plane] = TarWriter(path)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for plane, tar in self._tars.items():
            tar.abandon()
            self._drafts[plane].unlink(missing_ok=True)
        self._listing.unlink(missing_ok=True)

    def encode(self, ordinal: int, item: Item, checksum: int, samples: Iterable[Sample]) -> None:
        """Encode the samples of one source image, with the checksum of its pixels. They wait for `write`.

        Samples of several images are written at once, so that the code stays in the caches of the processor.
        """
        made = [(one.drawn, self._encoded(one), isal_zlib.crc32(one.pixels)) for one in samples]
        self._waiting.append(_Encoded(ordinal, item, checksum, made))
        self._waiting_bytes += sum(len(image) for _, image, _ in made if image)
        if self._waiting_bytes > WAITING_BYTES:
            self.write()

    def _encoded(self, sample: Sample) -> bytes | None:
        is_stored = self._planes[sample.drawn.variant] in self._tars
        return encode(sample.pixels, self._plan.settings.encoding) if is_stored else None

    def write(self) -> None:
        """Append all samples that wait, each to the tar of its plane, and make their rows of the index."""
        settings = self._plan.settings
        extension = settings.encoding.extension
        rows = []
        for ordinal, item, checksum, samples in self._waiting:
            name = class_name(self._plan.inputs.classes, item.label)
            for drawn, image, pixels_checksum in samples:
                plane = self._planes[drawn.variant]
                key = sample_key(ordinal, plane, settings.keys)
                facts = metadata_json(drawn, item, name, self._lengths)
                where = ""
                if image is not None:
                    text, tar = facts.encode(), self._tars[plane]
                    offset = tar.add(f"{key}.{extension}", image)
                    tar.add(f"{key}.cls", b"%d" % item.label)
                    tar.add(f"{key}.json", text)
                    where = (
                        f'"offset": {offset}, "size": {len(image)}, "image_crc32": {isal_zlib.crc32(image)}, '
                        f'"json_crc32": {json_checksum(key.encode(), text)}, '
                    )
                rows.append(
                    f'{{"plane": "{plane}", "shard": {self._number}, "key": "{key}", {where}'
                    f'"pixels_crc32": {pixels_checksum}, "source_crc32": {checksum}, {facts[1:]}\n'
                )
        with self._listing.open("a", encoding="utf-8") as file:
            file.writelines(rows)
        self._written += len(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0

    def commit(self, kept: Mapping[str, TarSummary | None], skipped: tuple[Skipped, ...]) -> ShardSummary:
        """Complete all tars and give them their final names, then write the index; the plan's outlet takes all."""
        finished = {plane: tar.close() for plane, tar in self._tars.items()}
        for plane, path in self._paths.items():
            self._drafts[plane].replace(path)
            sync(path.parent)
        planes = {**dict.fromkeys(self._planes.values()), **kept, **finished}
        tars = {plane: tar for plane, tar in sorted(planes.items()) if tar}
        virtual = tuple(sorted(planes.keys() - tars.keys()))
        inputs = self._written + len(skipped)
        summary = ShardSummary(self._number, inputs, self._written, skipped, tars, virtual)
        write_index(self._index, self._listing, summary, kept)
        names = [tar_name(plane, self._number) for plane in finished]
        self._plan.outlet.take_shard(self._plan.root, names, index_name(self._number))
        return summary
