"""Random numbers without shared state: a generator for each sample, keyed by the identity of the sample alone.

Neither the order of work, nor the number of workers, nor the other files of the source can change what is drawn.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from itertools import chain, count
from struct import Struct
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt


class Random(Protocol):
    """What recipes and views are drawn from: a `np.random.Generator`, or the `KeyedRandom` of a sample."""

    @property
    def random(self) -> Callable[[], float]: ...

    def beta(self, a: float, b: float, /) -> float: ...

    def dirichlet(self, alpha: Sequence[float], /) -> npt.NDArray[np.float64]: ...


class KeyedRandom:
    """The uniform numbers in [0, 1) of the `generator` of one variant of one image, at a fifth of its cost.

    Other distributions are drawn from numbers of the same key that are 2**64 blocks further on.
    """

    __slots__ = ("_key", "_others", "random")

    def __init__(self, seed: int, source_id: str, variant: int) -> None:
        self._begin(_key(_variant_text(seed, source_id, variant)))

    @classmethod
    def of_view(cls, seed: int, image: int, epoch: int, view: int) -> Self:
        """The numbers of a view of an image that an epoch mixes anew; `image` is a digest of the source id."""
        made = cls.__new__(cls)
        made._begin(view_keys(seed, np.array([image], np.uint64), epoch, view).tobytes())
        return made

    @classmethod
    def of_crop(cls, seed: int, image: int, epoch: int) -> Self:
        """The numbers of the crop that an epoch makes of a whole image; `image` is a digest of the source id."""
        made = cls.__new__(cls)
        made._begin(_key(f"{seed}\ncrop {epoch}\n{image}"))
        return made

    def _begin(self, key: bytes) -> None:
        self._key = key
        self._others: np.random.Generator | None = None
        self.random: Callable[[], float] = chain.from_iterable(_block(key, number) for number in count()).__next__

    def beta(self, a: float, b: float, /) -> float:
        """Draw from a beta distribution."""
        return self._further_on.beta(a, b)

    def dirichlet(self, alpha: Sequence[float], /) -> npt.NDArray[np.float64]:
        """Draw from a Dirichlet distribution."""
        return self._further_on.dirichlet(alpha)

    @property
    def _further_on(self) -> np.random.Generator:
        if self._others is None:
            self._others = np.random.Generator(np.random.Philox(counter=2**64, key=int.from_bytes(self._key, "little")))
        return self._others


BLOCK = 32  # numbers that are drawn at once: more than most variants take
_WORDS = Struct("<2Q")


class _Reused(threading.local):
    """A generator of each thread, whose state is set: to make one takes 15 µs. No lock could outlive a fork."""

    def __init__(self) -> None:
        self.generator = np.random.Generator(np.random.Philox(key=0))


_REUSED = _Reused()


def _block(key: bytes, number: int) -> list[float]:
    """The block of this number, from 0 on, of the uniform numbers of a key."""
    generator = _REUSED.generator
    generator.bit_generator.state = {
        "bit_generator": "Philox",
        "state": {"counter": (number * BLOCK // 4, 0, 0, 0), "key": _WORDS.unpack(key)},  # four numbers a count
        "buffer": (0, 0, 0, 0),
        "buffer_pos": 4,
        "has_uint32": 0,
        "uinteger": 0,
    }
    return generator.random(BLOCK).tolist()


def view_keys(seed: int, images: npt.NDArray[np.uint64], epoch: int, view: int) -> npt.NDArray[np.uint64]:
    """The keys (N, 2) of a view of images that an epoch mixes anew; `images` (N,) are digests of their source ids.

    Each is the digest of the image, and one of all else: nothing has to be hashed for an image.
    """
    keys = np.empty((len(images), 2), "<u8")
    keys[:, 0] = images
    keys[:, 1] = int.from_bytes(_key(f"{seed}\nfresh {epoch} {view}")[:8], "little")
    return keys


def generator(seed: int, source_id: str, variant: int) -> np.random.Generator:
    """The generator of one variant of one image: Philox, keyed by 128 bits of a digest of its three arguments."""
    return _keyed(_variant_text(seed, source_id, variant))


def corruption_generator(seed: int, source_id: str, corruption: str, severity: int) -> np.random.Generator:
    """The generator of one corruption of one image at one severity."""
    return _keyed(f"{seed}\n{corruption}\n{severity}\n{source_id}")


def perturbation_generator(seed: int, source_id: str, perturbation: str) -> np.random.Generator:
    """The generator of one perturbation of one image, from which all its frames are drawn."""
    return _keyed(f"{seed}\nsequence of {perturbation}\n{source_id}")


def _variant_text(seed: int, source_id: str, variant: int) -> str:
    return f"{seed}\n{variant}\n{source_id}"


def _keyed(text: str) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_key(text), "little")))


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def shuffled(count: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The numbers below `count` in an order that depends on `seed` alone."""
    return np.random.Generator(np.random.Philox(key=seed)).permutation(count)
