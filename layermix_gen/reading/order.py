"""The order of an epoch, as pure functions of integers: which image is at which position, who reads it, which variant.

An epoch is one sequence of positions over all ranks. `shuffled_order` and `windowed_order` say which image is at each
position; `RankShare` says which positions a rank reads, batch by batch; `draw_variants` says which variant an image
shows. Ranks read in step, so what all of them have consumed is a beginning of the sequence, and one number holds it:
that is why an epoch can be resumed at any batch, by any number of ranks.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layermix_gen.support.seeds import generator

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

VERSION = 1  # of all that is decided here, to be raised with any change of it: states of another one are refused

REMAINDERS = ("drop", "pad", "exact")
"""What becomes of the images that do not fill a batch on every rank: left out, filled up with images of the step
before so that all batches are full, or read as they are, in a last batch that is short and that some ranks lack."""


def shuffled_order(count: int, seed: int, epoch: int) -> Ints:
    """The numbers below `count`, shuffled."""
    return generator(seed, "order", epoch).permutation(count)


def windowed_order(shards: Ints, lanes: int, window: int, seed: int, epoch: int) -> Ints:
    """The numbers below `len(shards)` so that each of `lanes` reads whole shards, a few at a time.

    `shards` is the shard of each image, in ascending order. The shards are shuffled and laid end to end, each lane
    takes a run of them, and in it an image moves by at most `window` shards of mean size. Position p is image
    p // lanes of lane p % lanes, so that a rank that reads every lanes-th position reads one lane.
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
    """How the positions of an epoch of `count` images, from `start` on, are dealt out to ranks and batches.

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
        """How many positions of the epoch are consumed once every rank has read so many batches."""
        return min(self.start + batches * self.step, self.count)


def draw_variants(
    units: Ints, allowed: Mask, views: int, seed: int, epoch: int, *, without_replacement: bool = True
) -> Ints:
    """Which `views` variants each of n images shows in an epoch: (n, views), all different in a row.

    `allowed` (n, variants) says which variants an image has to choose from, at least `views` of them. Without
    replacement an image of v variants goes through all of them in random order before it shows one again: over
    v / gcd(v, views) epochs each is shown equally often. `units` are what the choice is drawn for, (n,): images of one
    unit with the same variants allowed show the same.
    """
    variants = allowed.sum(1)
    cycle = variants // np.gcd(variants, views) if without_replacement else np.ones_like(variants)
    keys = _hashed(seed, units, epoch // cycle)[:, None]
    keys = _mixed(np.add(keys, np.arange(allowed.shape[1]), dtype=np.uint64, casting="unsafe"))
    ranking = np.argsort(np.where(allowed, keys >> np.uint64(1), ~np.uint64(0)), axis=1, kind="stable")
    places = (epoch % cycle * views)[:, None] + np.arange(views)
    return np.take_along_axis(ranking, places % variants[:, None], axis=1)


def draw_image(image: int, attempt: int, count: int, seed: int) -> int:
    """The image below `count` that stands in for one that cannot be read, at the first or a later attempt."""
    return int(_hashed(seed, np.array([image]), np.array([attempt]))[0] % np.uint64(count))


def _hashed(seed: int, *words: Ints) -> npt.NDArray[np.uint64]:
    """64 well mixed bits for each row of integers."""
    state = np.full(1, seed, np.uint64)
    for word in words:
        state = _mixed(state + word.astype(np.uint64))
    return state


def _mixed(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014), over the next state of each of `bits`."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
