"""What a suite is: parts by name, each of which is predicted, saved and resumed as one.

A part gives its images in pieces, in the order of its labels and never all at once. Nothing is listed or opened before
a part is needed, as ImageNet-C alone has 3.75 million files.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.predictions import NO_SEVERITY

Images: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]
T = TypeVar("T")
R = TypeVar("R")

AHEAD = 32  # images that are decoded ahead, for each thread


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One corruption at all of its severities, one perturbation, or a whole suite that has no such divisions.

    `pieces(size)` begins to read anew: uint8 arrays (n, H, W, 3), at most `size` images each, severity after severity;
    of videos, each piece is one video, as long as it is. `labels` are (S, N), or None of videos, whose consistency asks
    for none. `total` counts images, or videos. `classes` is how many outputs a model must have, 0 where any number
    above the labels will do. `among` are the outputs that count, where these are fewer; labels count these.
    """

    pieces: Callable[[int], Iterator[Images]]
    labels: Ints | None
    total: int
    classes: int = 0
    severities: tuple[int, ...] = NO_SEVERITY
    among: Ints | None = None


@dataclass(frozen=True, slots=True)
class SuiteSource:
    """A suite where it lies: its parts by name, in the order of the list, each opened by `open(name)`.

    `look(name)` finds what can be found wrong with a part in no time, by headers and names of folders. `unknown` are
    what no list names, `missing` the parts of the mean that are not there. `form` says what was found, `preprocessing`
    what is done to each image before the model sees it.
    """

    suite: str
    folder: Path
    open: Callable[[str], Part]
    form: str
    preprocessing: str
    parts: tuple[str, ...]
    look: Callable[[str], object] = lambda _: None
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def rebatched(pieces: Iterable[Images], size: int) -> Iterator[Images]:
    """Images in batches of `size`, the last one shorter, whatever pieces they come in.

    Raises `LayerMixError` where their heights and widths differ, as no batch could hold them.
    """
    waiting: list[Images] = []
    count, shape = 0, None
    for piece in pieces:
        shape = shape or piece.shape[1:]
        if piece.shape[1:] != shape:
            raise LayerMixError(
                f"expected images of one size, found {_size(shape)} and {_size(piece.shape[1:])}; "
                "evaluate them with --preprocessing resize-256-center-224"
            )
        waiting.append(piece)
        count += len(piece)
        while count >= size:
            joined = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
            yield joined[:size]
            waiting, count = ([joined[size:]] if count > size else []), count - size
    if count:
        yield np.concatenate(waiting)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def mapped_ahead(function: Callable[[T], R], values: Iterable[T], threads: int, ahead: int = AHEAD) -> Iterator[R]:
    """The results of `function` in the order of `values`, computed by threads, each of them up to `ahead` ahead."""
    todo = iter(values)
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, "layermix-evaluate") as pool:
        try:
            while True:
                waiting.extend(pool.submit(function, value) for value in islice(todo, ahead * threads - len(waiting)))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
