"""The random bytes of masks, for many seeds at once: those of NumPy's Philox4x64-10, as `kernels.masks` takes them.

Words of 64 bits are int64, whose sums and products keep the low 64 bits, as those of unsigned words do.
"""

from functools import cache

import torch
from torch import Tensor

BLOCK = 32  # bytes that a count gives: four words
ROUNDS = 10
FACTORS = (0xCA5A826395121157, 0xD2E7470EE14C6C93)
STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)  # that the two words of the key grow by
LOW = 0xFFFFFFFF


def random_bytes(seeds: Tensor, blocks: Tensor, total: int) -> Tensor:
    """The first bytes of each of `seeds` (n,), as many as its `blocks` (n,) have, one after the other: uint8.

    `total` is the sum of `blocks`, which a GPU would have to be waited for.
    """
    before = (blocks.cumsum(0) - blocks).repeat_interleave(blocks, output_size=total)
    counts = torch.arange(1, total + 1, device=seeds.device) - before
    keys = torch.stack((seeds.repeat_interleave(blocks, output_size=total), torch.zeros_like(counts)))
    factors, steps = (_words(pair, seeds.device) for pair in (FACTORS, STEPS))
    changing, kept = torch.stack((torch.zeros_like(counts), counts)), torch.zeros_like(keys)  # words 2, 0; and 1, 3
    for _ in range(ROUNDS):
        changing, kept = (_high(changing, factors) ^ kept ^ keys).flip(0), changing * factors
        keys = keys + steps
    words = torch.stack((changing[1], kept[0], changing[0], kept[1]), 1)
    return words.view(torch.uint8).flatten()


@cache
def _words(pair: tuple[int, int], device: torch.device) -> Tensor:
    """Two unsigned words as int64 (2, 1), copied to a device once: a GPU is waited for."""
    return torch.tensor([[word - (1 << 64 if word >> 63 else 0)] for word in pair], device=device)


def _high(x: Tensor, factors: Tensor) -> Tensor:
    """The high 64 bits of the products of unsigned words, from products of their halves."""
    x_low, x_high, low, high = x & LOW, _upper(x), factors & LOW, _upper(factors)
    middle = x_high * low + _upper(x_low * low)
    other = x_low * high + (middle & LOW)
    return x_high * high + _upper(middle) + _upper(other)


def _upper(words: Tensor) -> Tensor:
    """The upper half of each word."""
    return (words >> 32) & LOW
