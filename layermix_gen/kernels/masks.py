"""The random masks by which blends choose between two images at each place; a seed determines them for ever."""

import numpy as np
import numpy.typing as npt


def random_bytes(seed: int, count: int) -> npt.NDArray[np.uint8]:
    """The first `count` bytes of Philox(key=seed), as little-endian words; stored recipes depend on these bytes."""
    words = np.random.Philox(key=seed).random_raw(-(-count // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[:count]


def mask(shape: tuple[int, ...], cut: float, seed: int) -> npt.NDArray[np.uint8]:
    """A mask: 255 where the random byte is below `cut`, so in a share cut/256 of all places, else 0."""
    below = random_bytes(seed, int(np.prod(shape))) < cut
    return (below.view(np.uint8) * np.uint8(255)).reshape(shape)
