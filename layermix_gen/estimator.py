"""What a build will take, from a timed sample: how large a sample is, how long one takes, what that makes in all."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from layermix_gen.codec import encode
from layermix_gen.errors import BadImage
from layermix_gen.plan import shard_count
from layermix_gen.samples import SampleMaker, metadata
from layermix_gen.settings import parse_size
from layermix_gen.sources import Item, Source
from layermix_gen.tar import member_bytes
from layermix_gen.text import count, facts

SAMPLE = 32  # source images: always the same first ones, so that what follows from their size is always the same


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a build would make and take."""

    inputs: int
    planes: int
    images: int
    shards: int
    bytes: int
    core_seconds: float
    workers: int

    def summary(self) -> str:
        """The estimate for people, one fact a line."""
        hours, seconds = self.core_seconds / 3600, self.core_seconds / self.workers
        rate = self.images / seconds
        rows = {
            "samples": f"{self.inputs} inputs x {self.planes} planes = {self.images} images",
            "shards": f"{self.shards}, each of about {self.inputs / self.shards:.0f} samples a plane",
            "size": f"{self.bytes / 1e6:.1f} MB, {self.bytes / self.images:.0f} bytes an image",
            "time": f"{seconds / 60:.1f} minutes on {count(self.workers, 'worker')}, {rate:.0f} images/s",
            "core hours": f"{hours:.2f}" if hours >= 0.01 else f"{hours:.4f}",
        }
        return facts(rows)


def estimate_build(source: Source, items: Sequence[Item], maker: SampleMaker, workers: int) -> Estimate:
    """Time a few source images through all planes and extrapolate. Writes nothing."""
    planes = list(maker.settings.planes.values())
    _measure(source, items[:1], maker, planes)  # the first image pays for imports and caches
    size, seconds = _measure(source, items[:SAMPLE], maker, planes)
    images = len(items) * len(planes)
    shards = planned_shards(source, items, maker)
    return Estimate(len(items), len(planes), images, shards, int(size * images), seconds * len(items), workers)


def planned_shards(source: Source, items: Sequence[Item], maker: SampleMaker) -> int:
    """How many shards the items make: by number where the settings give one, else by the size of a sample of them."""
    bound, is_bytes = parse_size(maker.settings.shard_size)
    if not is_bytes:
        return max(1, -(-len(items) // bound))
    size, _ = _measure(source, items[:SAMPLE], maker, list(maker.settings.planes.values())[-1:])
    return shard_count(len(items), max(1, int(bound / size)))


def _measure(source: Source, items: Sequence[Item], maker: SampleMaker, variants: list[int]) -> tuple[float, float]:
    """The mean bytes of a sample in a tar, and the seconds that one source image takes through all `variants`."""
    sizes = []
    begin = time.perf_counter()
    for item in items:
        try:
            for sample in maker.make(source.read(item), item.id, variants):
                facts = json.dumps(metadata(sample, item.id, item.label, ""), ensure_ascii=False).encode()
                image = encode(sample.pixels, maker.settings.encoding)
                sizes.append(sum(member_bytes(size) for size in (len(image), 1, len(facts))))
        except BadImage:
            continue  # the build will record it
    return mean(sizes or [4096]), (time.perf_counter() - begin) / len(items)
