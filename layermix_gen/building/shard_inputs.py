"""Read the inputs of a shard in batches, and as second images of each other without decoding each twice."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

from layermix_gen.dataset.samples import AHEAD, Partner, candidates
from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.sources import Item, Source

BATCH = 16  # inputs that are read, then drawn, then rendered and encoded, then written
BATCH_BYTES = 2**24  # of the images of a batch that are read at once, but for the last one
KEPT_BYTES = 2**27  # of the images that were read last


def batches(count: int) -> Iterator[range]:
    """The positions of the inputs of a shard of `count`, in batches."""
    return (range(first, min(first + BATCH, count)) for first in range(0, count, BATCH))


class ShardInputs:
    """The inputs of a shard. With `paired`, the images that were read last are kept: second images are read ahead.

    `left_out` has the reasons why some are not read, by their ids. `reading` is called with the position in the shard
    of each input before it is decoded, `check` with its pixels: it raises `BadImage` for what no sample can be made of.
    """

    def __init__(
        self,
        source: Source,
        items: Sequence[Item],
        left_out: Mapping[str, str] = MappingProxyType({}),
        reading: Callable[[int], None] = lambda position: None,
        check: Callable[[Image], object] = lambda pixels: None,
        *,
        paired: bool,
    ) -> None:
        self.items = items
        self._source, self._left_out, self._reading, self._check = source, left_out, reading, check
        self._most = AHEAD + BATCH if paired else 0
        self._kept: OrderedDict[int, Image] = OrderedDict()

    def read(self, position: int) -> Image:
        """The pixels of an input. Raises `BadImage` where it is left out or cannot be read."""
        if position not in self._kept:
            item = self.items[position]
            if why := self._left_out.get(item.id):
                raise BadImage(why)
            self._reading(position)
            self._check(pixels := self._source.read(item))
            self._keep(position, pixels)
            return pixels
        return self._kept[position]

    def _keep(self, position: int, pixels: Image) -> None:
        self._kept[position] = pixels
        while len(self._kept) > self._most or sum(one.nbytes for one in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)

    def partner(self, position: int) -> Partner:
        """The partner of an input: the first of its candidates that can be read."""

        def partner(place: float) -> tuple[Item, Image]:
            for other in candidates(len(self.items), position, place):
                with suppress(BadImage):
                    return self.items[other], self.read(other)
            raise LayerMixError(
                f"expected a second image to mix with {self.items[position].id}, found no other in its shard that can "
                "be read; mend them, or build into another folder with a larger --shard-size"
            )

        return partner
