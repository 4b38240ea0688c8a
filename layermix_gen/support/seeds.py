"""Random numbers without shared state: a generator for each sample, keyed by the identity of the sample alone.

Neither the order of work, nor the number of workers, nor the other files of the source can change what is drawn.
"""

import hashlib

import numpy as np


def generator(seed: int, source_id: str, variant: int) -> np.random.Generator:
    """The generator of one variant of one image: Philox, keyed by 128 bits of a digest of its three arguments."""
    return _keyed(f"{seed}\n{variant}\n{source_id}")


def corruption_generator(seed: int, source_id: str, corruption: str, severity: int) -> np.random.Generator:
    """The generator of one corruption of one image at one severity."""
    return _keyed(f"{seed}\n{corruption}\n{severity}\n{source_id}")


def _keyed(text: str) -> np.random.Generator:
    key = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def shuffled(count: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The numbers below `count` in an order that depends on `seed` alone."""
    return np.random.Generator(np.random.Philox(key=seed)).permutation(count)
