"""How many shards a dataset gets: a bound on the bytes of a tar, turned into a number of samples before the build.

The number depends only on the settings and, where it matters, on some of the images, which are measured. It does not
depend on the planes that are requested or on the mixing set, so that planes added later fit the existing ones.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import ceil
from statistics import fmean, pstdev

import numpy as np

from layermix_gen.building.shard_inputs import ShardInputs
from layermix_gen.dataset.plan import shard_count
from layermix_gen.dataset.samples import SampleMaker, lengths_of, metadata_json
from layermix_gen.dataset.settings import CLEAN, BuildSettings, parse_size
from layermix_gen.dataset.tar import END, member_bytes
from layermix_gen.errors import BadImage
from layermix_gen.images.codec import encode
from layermix_gen.images.whole_images import SOURCE
from layermix_gen.mixing.methods import UNMIXED
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.mixing_sets.provision import picture_size_for
from layermix_gen.sources import Item, Source, SourceOptions, open_source
from layermix_gen.sources.base import class_name
from layermix_gen.support.processes import CPU_SECONDS, limit_cpu, worker_processes
from layermix_gen.support.progress import progress_bar
from layermix_gen.support.worker_pool import DeadWorkerError

SAMPLE, FEWEST, PIXELS = 256, 32, 2**26  # images that are measured; down to FEWEST if PIXELS would be exceeded
ERRORS, DEVIATIONS = 3, 5  # safety margins: standard errors of the mean, standard deviations of a sum
LARGEST_VALUE = 4  # bytes of a value of a pixel, in a JPEG of quality 100
LARGEST_TEXT = 2**16  # bytes of all else of a sample
UNREADABLE = 4096  # bytes assumed for a sample if none of the measured images can be read


def planned_shards(
    source: Source, items: Sequence[Item], settings: BuildSettings, workers: int = 1, progress: bool = False
) -> int:
    """How many shards the items make with resolved settings, whose `shard_size` is a number of samples or of bytes.

    None are measured where samples as large as can be would fit as well. With more than one worker, images are measured
    in a process of their own, which they may kill.
    """
    bound, is_bytes = parse_size(settings.shard_size)
    if not is_bytes:
        return max(1, -(-len(items) // bound))
    if settings.view != SOURCE:  # of whole images, nothing bounds the long side
        largest = LARGEST_VALUE * 3 * settings.side**2 + LARGEST_TEXT
        fewest, most = (shard_count(len(items), max(1, within)) for within in (len(items), (bound - END) // largest))
        if fewest == most:
            return fewest
    sizes = _sizes_of_planes(source, items, settings, workers, progress)
    return shard_count(len(items), min(samples_within(bound, of_plane) for of_plane in sizes))


def samples_within(bound: int, sizes: Sequence[int]) -> int:
    """How many samples fit, almost surely, into a tar of `bound` bytes, given the `sizes` of some; at least one.

    The true mean is assumed to be 3 standard errors above the mean of `sizes`. Sizes are positive and skewed, so a sum
    of n sizes is assumed to have a gamma distribution. Its upper bound is the quantile at 5 standard deviations of a
    normal distribution (exceeded once in 3 million), by the approximation of Wilson and Hilferty (1931), or n times the
    largest size if that is less.
    """
    mean, deviation = fmean(sizes), pstdev(sizes)
    mean += ERRORS * deviation / len(sizes) ** 0.5
    variation = (deviation / mean) ** 2

    def at_most(number: int) -> int:
        ninth = variation / (9 * number)
        return ceil(number * min(max(sizes), mean * (1 - ninth + DEVIATIONS * ninth**0.5) ** 3))

    return max(1, bisect_right(range(1, int(bound / mean) + 2), bound - END, key=at_most))


def sample_bytes(
    source: Source,
    items: Sequence[Item],
    classes: Sequence[str],
    maker: SampleMaker,
    variants: Sequence[int],
    *,
    virtual: Sequence[int] = (),
    partners: bool = False,
) -> Iterator[list[int]]:
    """Yield for each image the bytes that its samples take in a tar, by variant; [] for one that cannot be read.

    `classes` are the source's, which a worker process would have to list all of it for. Samples of the variants
    `virtual` are made, too, and not stored. With `partners`, a second image is another of the `items`, as in a build;
    without, it is the image itself.
    """
    inputs = ShardInputs(source, items, check=maker.check, paired=partners)
    for position, item in enumerate(items):
        try:
            pixels, partner = inputs.read(position), inputs.partner(position) if partners else None
            samples = list(maker.make(pixels, item, [*variants, *virtual], partner))[: len(variants)]
        except BadImage:  # the build will record it
            yield []
            continue
        name, lengths = class_name(classes, item.label), lengths_of(maker.settings.options)
        texts = [metadata_json(sample.drawn, item, name, lengths).encode() for sample in samples]
        images = [encode(sample.pixels, maker.settings.encoding) for sample in samples]
        members = [(len(image), len(b"%d" % item.label), len(text)) for image, text in zip(images, texts, strict=True)]
        yield [sum(map(member_bytes, sizes)) for sizes in members]


def _sizes_of_planes(
    source: Source, items: Sequence[Item], settings: BuildSettings, workers: int, progress: bool
) -> list[tuple[int, ...]]:
    """The sizes of some samples of the clean plane and of a mixed plane, whose samples may be larger or smaller."""
    sample = items[: max(FEWEST, min(SAMPLE, PIXELS // settings.side**2))]
    with progress_bar(len(sample), "image", progress, desc="measuring samples", leave=False) as bar:
        sizes = []
        measure = _in_a_process if workers > 1 else _measured
        for one in measure(source, sample, source.classes, settings):
            sizes.append(one)
            bar.update()
    return list(zip(*filter(None, sizes), strict=True)) or [(UNREADABLE,)]


def _measured(
    source: Source, items: Sequence[Item], classes: tuple[str, ...], settings: BuildSettings
) -> Iterator[list[int]]:
    # Noise is the mixing set: no picture takes more bytes, and the number of shards does not depend on the real set.
    side = picture_size_for(settings.side)
    noise = np.random.Generator(np.random.Philox(key=settings.seed)).integers(0, 256, (1, side, side), np.uint8)
    variants = [CLEAN] if settings.method == UNMIXED or settings.view == SOURCE else [CLEAN, 0]
    return sample_bytes(source, items, classes, SampleMaker(settings, MixingSet(noise)), variants)


def _in_a_process(
    source: Source, items: Sequence[Item], classes: tuple[str, ...], settings: BuildSettings
) -> Iterator[list[int]]:
    """As `_measured`, in a worker process; an image that kills it twice gives [], as one that cannot be read."""
    todo, died = deque(items), set[Item]()
    with worker_processes((source.location, source.kind, source.options, classes, settings), 1) as pool:
        for ended in pool.ended(_measure, todo):
            if ended and not isinstance(ended.error, DeadWorkerError):
                yield ended.result()
            elif ended and ended.task in died:
                yield []
            elif ended:
                died.add(ended.task)
                todo.append(ended.task)


def _measure(state: tuple[str, str, SourceOptions, tuple[str, ...], BuildSettings], item: Item) -> list[int]:
    location, kind, options, classes, settings = state
    limit_cpu(3 * CPU_SECONDS)
    (sizes,) = _measured(_opened(location, kind, settings.max_pixels, options), [item], classes, settings)
    limit_cpu(0)
    return sizes


@lru_cache(maxsize=1)
def _opened(location: str, kind: str, max_pixels: int, options: SourceOptions) -> Source:
    return open_source(location, kind, max_pixels, options)
