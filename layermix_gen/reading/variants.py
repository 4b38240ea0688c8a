"""The variants that images show in an epoch, as pure functions of integers: no state, the same on every rank."""

import numpy as np
import numpy.typing as npt

from layermix_gen.reading.order import Ints, Mask


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
