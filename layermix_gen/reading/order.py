"""The order of an epoch, as pure functions of integers: the image at each position, and the rank that reads it.

An epoch is one sequence of positions over all ranks. `shuffled_order` and `windowed_order` say which image is at each
position; `RankShare` says which positions a rank reads, batch by batch. Ranks read in step, so the positions that they
have consumed together are a beginning of the sequence, which one number describes. That is why an epoch can be resumed
at any batch, by any number of ranks.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layermix_gen.support.seeds import generator

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

VERSION = 1  # of the rules here and in `variants`; raise it when one changes: states of another version are refused

REMAINDERS = ("drop", "pad", "exact")
"""What happens to the last images, which do not fill a batch on every rank: "drop" leaves them out, "pad" adds images
of the step before so that all batches are full, "exact" reads them in a last batch that is short, or missing on some
ranks."""


def shuffled_order(count: int, seed: int, epoch: int) -> Ints:
    """The numbers below `count`, shuffled."""
    return generator(seed, "order", epoch).permutation(count)


def windowed_order(shards: Ints, lanes: int, window: int, seed: int, epoch: int) -> Ints:
    """The numbers below `len(shards)`, ordered so that each of `lanes` lanes reads shard after shard, a few at a time.

    `shards` is the shard of each image, in ascending order. The shards are shuffled and laid end to end. Each lane
    takes a run of them, within which an image moves by at most `window` shards of mean size. Position p is image
    p // lanes of lane p % lanes, so that a rank that reads every lanes-th position reads exactly one lane.
    """
    rng = generator(seed, "order", epoch)
    starts = np.flatnonzero(np.diff(shards, prepend=-1))
    runs = np.split(np.arange(len(shards)), starts[1:])
    line = np.concatenate([runs[i] for i in rng.permutation(len(runs))]) if len(shards) else np.arange(0)
    reach = window * len(shards) / max(len(starts), 1)
    order, begin = np.empty_like(line), 0
    for lane in range(lanes):
        part = line[begin : begin + len(order[lane::lanes])]
        order[lane::lanes] = part[np.argsort(np.arange(len(part)) + reach * rng.random(len(part)))]
        begin += len(part)
    return order


@dataclass(frozen=True, slots=True)
class RankShare:
    """The share of one rank in an epoch of `count` images, from position `start` on, divided into batches.

    Rank r of w reads the positions start + r, start + r + w, ..., `batch_size` of them at a time; `remainder` is one of
    `REMAINDERS`.
    """

    count: int
    start: int
    batch_size: int
    remainder: str
    rank: int
    world_size: int

    @property
    def step(self) -> int:
        """How many positions all ranks together read for one batch each."""
        return self.batch_size * self.world_size

    @property
    def images(self) -> int:
        """How many images this rank reads."""
        left = max(self.count - self.start, 0)
        if self.remainder == "exact":
            return max(-(-(left - self.rank) // self.world_size), 0)
        steps = left // self.step if self.remainder == "drop" else -(-left // self.step)
        return steps * self.batch_size

    @property
    def batches(self) -> int:
        """How many batches this rank reads."""
        return -(-self.images // self.batch_size)

    def positions(self, batch: int) -> Ints:
        """The positions that batch number `batch` of this rank reads, all below `count`."""
        first, last = batch * self.batch_size, min((batch + 1) * self.batch_size, self.images)
        positions = self.start + self.rank + self.world_size * np.arange(first, last)
        return np.where(positions < self.count, positions, (positions - self.step) % self.count)

    def consumed(self, batches: int) -> int:
        """How many positions of the epoch are consumed once every rank has read `batches` batches."""
        return min(self.start + batches * self.step, self.count)
