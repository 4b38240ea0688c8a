"""What an epoch shows, as pure functions of integers: the image at each position, its variants, the rank that reads it.

An epoch is one sequence of positions over all ranks. `shuffled_order` and `windowed_order` say which image is at each
position; `RankShare` says which positions a rank reads, batch by batch. Ranks read in step, so the positions that they
have consumed together are a beginning of the sequence, which one number describes. That is why an epoch can be resumed
at any batch, by any number of ranks. `draw_variants` says which variants an image shows.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layermix_gen.support.seeds import generator

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

VERSION = 1  # of the rules here; raise it when one changes: states of another version are refused

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


def draw_variants(
    units: Ints, allowed: Mask, views: int, seed: int, epoch: int, *, without_replacement: bool = True
) -> Ints:
    """Draw the `views` variants that each of n images shows in an epoch: (n, views), different within each row.

    `allowed` (n, variants) says which variants an image may show, at least `views` of them. Without replacement, an
    image with v variants shows all of them in random order before it repeats one: over v / gcd(v, views) epochs each
    variant is shown equally often. `units` (n,) are the units that variants are drawn for: images of one unit with
    the same variants allowed show the same variants.
    """
    variants = allowed.sum(1)
    cycle = variants // np.gcd(variants, views) if without_replacement else np.ones_like(variants)
    keys = _hashed(seed, units, epoch // cycle)[:, None]
    keys = _mixed(np.add(keys, np.arange(allowed.shape[1]), dtype=np.uint64, casting="unsafe"))
    ranking = np.argsort(np.where(allowed, keys >> np.uint64(1), ~np.uint64(0)), axis=1, kind="stable")
    places = (epoch % cycle * views)[:, None] + np.arange(views)
    return np.take_along_axis(ranking, places % variants[:, None], axis=1)


def draw_image(image: int, attempt: int, count: int, seed: int) -> int:
    """Draw the image, a number below `count`, that stands in for the unreadable `image` at this attempt."""
    return int(_hashed(seed, np.array([image]), np.array([attempt]))[0] % np.uint64(count))


def _hashed(seed: int, *words: Ints) -> npt.NDArray[np.uint64]:
    """A 64-bit hash for each row of integers, whose columns are `words`."""
    state = np.full(1, seed, np.uint64)
    for word in words:
        state = _mixed(state + word.astype(np.uint64))
    return state


def _mixed(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """One step of SplitMix64 (Steele, Lea and Flood 2014) from each of `bits`: the finalizer of its next state."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
