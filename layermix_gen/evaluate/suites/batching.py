"""Put images into batches of one size, and decode images ahead in threads."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.benchmarks import RESIZE_AND_CENTER
from layermix_gen.support.threads import AHEAD, mapped_ahead

Images: TypeAlias = npt.NDArray[np.uint8]  # (N, H, W, 3)
T = TypeVar("T")

MOST_AHEAD = 256 << 20  # bytes of images decoded ahead by all threads; one image per thread may always wait


def rebatched(pieces: Iterable[Images], size: int, shape: tuple[int, int] | None = None) -> Iterator[Images]:
    """Images in batches of `size`, the last one perhaps shorter, from pieces of any length.

    Raises `LayerMixError` where their heights and widths differ from each other, as one batch cannot hold them, or from
    `shape`.
    """
    waiting: list[Images] = []
    count = 0
    for piece in pieces:
        shape = shape or piece.shape[1:3]
        if piece.shape[1:3] != shape:
            raise LayerMixError(
                f"expected images of one size, found {as_size(shape)} and {as_size(piece.shape[1:3])}; "
                f"evaluate them with --preprocessing {RESIZE_AND_CENTER}"
            )
        waiting.append(piece)
        count += len(piece)
        while count >= size:
            joined = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
            yield joined[:size]
            waiting, count = ([joined[size:]] if count > size else []), count - size
    if count:
        yield np.concatenate(waiting)


def decoded_ahead(
    decode: Callable[[T], Images], values: Iterable[T], threads: int, ahead: int = AHEAD
) -> Iterator[Images]:
    """Images in the order of `values`, decoded by threads; images that wait take no more than `MOST_AHEAD` bytes."""
    return mapped_ahead(decode, values, threads, ahead=ahead, bytes_of=lambda one: one.nbytes, most_bytes=MOST_AHEAD)


def as_size(shape: tuple[int, ...]) -> str:
    """(H, W) as `WxH`."""
    return f"{shape[1]}x{shape[0]}"
