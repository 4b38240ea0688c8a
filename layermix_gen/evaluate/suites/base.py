"""What a suite is: parts by name, each of which is predicted, saved and resumed as one.

A part gives its images in pieces, in the order of its labels and never all at once. Nothing is listed or opened before
a part is needed, as ImageNet-C alone has 3.75 million files.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.results.predictions import NO_SEVERITY
from layermix_gen.support.threads import AHEAD, mapped_ahead

Images: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]
T = TypeVar("T")

MOST_AHEAD = 256 << 20  # bytes of what is decoded ahead by all threads, but for one image a thread


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One corruption at all of its severities, one perturbation, or a whole suite that has no such divisions.

    `pieces(size)` begins to read anew: uint8 arrays (n, H, W, 3), at most `size` images each, severity after severity;
    of videos, each piece is one video, as long as it is. `labels` are (S, N), or None of videos, whose consistency asks
    for none. `total` counts images, or videos. `classes` is how many outputs a model must have, 0 where any number
    above the labels will do. `among` are the outputs that count, where these are fewer; labels count these. `size` is
    (H, W) of all images where that is known before any is read.
    """

    pieces: Callable[[int], Iterator[Images]]
    labels: Ints | None
    total: int
    classes: int = 0
    severities: tuple[int, ...] = NO_SEVERITY
    among: Ints | None = None
    size: tuple[int, int] | None = None

    def batches(self, size: int) -> Iterator[Images]:
        """All images, `size` at a time; the last batch may be shorter. Raises `LayerMixError` as `rebatched` does."""
        return rebatched(self.pieces(size), size, self.size)


@dataclass(frozen=True, slots=True)
class SuiteSource:
    """A suite where it lies: its parts by name, in the order of the list, each opened by `open(name)`.

    `look(name)` finds what can be found wrong with a part in no time, by headers and names of folders; it returns the
    files that the part is made of, or the folders that they are in. `unknown` are what no list names, `missing` the
    parts that should be there and are not. `form` says what was found, `preprocessing` what is done to each image
    before the model sees it. `in_order` are suites of arrays, which have the images of a test set in its own order.
    """

    suite: str
    folder: Path
    open: Callable[[str], Part]
    form: str
    preprocessing: str
    parts: tuple[str, ...]
    look: Callable[[str], list[Path]]
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    in_order: bool = False


def differs(part: Part, usual: Part, where: str) -> str:
    """What is unlike in a part and in the usual one of its suite, as far as it is known before reading; "" for nothing.

    The text is for people, with a remedy; `where` is how it calls the part.
    """
    other, remedy = f"in {where} as in the other parts, found", "get the part again"
    noun = "videos" if part.labels is None else "images"
    if part.total != usual.total:
        return f"expected {usual.total} {noun} {other} {part.total}; {remedy}"
    if part.size and usual.size and part.size != usual.size:
        return f"expected {noun} of {as_size(usual.size)} pixels {other} {as_size(part.size)}; {remedy}"
    if part.labels is not None and usual.labels is not None and not np.array_equal(part.labels, usual.labels):
        return f"expected the labels {other} others; {remedy}"
    return ""


def contradiction(corrupted: Part, clean: Part, in_order: bool) -> str:
    """Why a part cannot be the corrupted images of the clean one, by its labels; "" where it can. With a remedy.

    Those of fewer or more images may be of a part of the test set, if it has all classes. `in_order` are parts whose
    images come in one order.
    """
    if corrupted.labels is None or clean.labels is None:
        return ""
    found, expected = corrupted.labels[0], clean.labels[0]
    if lacking := sorted(set(expected.tolist()) - set(found.tolist())):
        return (
            f"expected images of all classes of the clean suite, found none of class {lacking[0]}; get the suite again"
        )
    if len(found) != len(expected):
        return ""
    if not in_order:
        found, expected = np.sort(found), np.sort(expected)
    if np.array_equal(found, expected):
        return ""
    number = int(np.flatnonzero(found != expected)[0])
    if in_order:
        what = f"the labels of the clean images, found {found[number]} for {expected[number]} at image {number}"
    else:
        what = f"as many images of each class as in the clean suite, found others of class {expected[number]}"
    return f"expected {what}; get both of one test set"


def rebatched(pieces: Iterable[Images], size: int, shape: tuple[int, int] | None = None) -> Iterator[Images]:
    """Images in batches of `size`, the last one shorter, whatever pieces they come in.

    Raises `LayerMixError` where their heights and widths differ from each other, as no batch could hold them, or from
    `shape`.
    """
    waiting: list[Images] = []
    count = 0
    for piece in pieces:
        shape = shape or piece.shape[1:3]
        if piece.shape[1:3] != shape:
            raise LayerMixError(
                f"expected images of one size, found {as_size(shape)} and {as_size(piece.shape[1:3])}; "
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


def as_size(shape: tuple[int, ...]) -> str:
    """(H, W) as `WxH`."""
    return f"{shape[1]}x{shape[0]}"


def decoded_ahead(
    decode: Callable[[T], Images], values: Iterable[T], threads: int, ahead: int = AHEAD
) -> Iterator[Images]:
    """Images in the order of `values`, decoded by threads; those that wait take no more than `MOST_AHEAD` bytes."""
    return mapped_ahead(decode, values, threads, ahead=ahead, bytes_of=lambda one: one.nbytes, most_bytes=MOST_AHEAD)
