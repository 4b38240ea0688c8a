"""Define a suite: parts by name, each predicted, saved and resumed as a whole.

A part gives its images in pieces, in the order of its labels and never all at once. Nothing is listed or opened before
a part is needed, as ImageNet-C alone has 3.75 million files.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.results.predictions import NO_SEVERITY
from layermix_gen.evaluate.suites.batching import Images, rebatched
from layermix_gen.support.checks import check_whole

Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One corruption at all of its severities, one perturbation, or a whole suite that has no such divisions.

    `pieces(size)` reads from the start: uint8 arrays (n, H, W, 3), at most `size` images each, severity after severity;
    for videos, each piece is one whole video. `labels` are (S, N), or None for videos, whose consistency needs none.
    `total` counts images, or videos. `classes` is the number of outputs that a model must have, 0 where any number
    above the labels will do. `among` are the outputs that count, where not all do; labels are positions in it. `size`
    is (H, W) of all images where that is known before any is read.
    """

    pieces: Callable[[int], Iterator[Images]]
    labels: Ints | None
    total: int
    classes: int = 0
    severities: tuple[int, ...] = NO_SEVERITY
    among: Ints | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not callable(self.pieces):
            raise LayerMixError(f"expected pieces as a function, got {self.pieces!r}; give one that yields images")
        for name, low in (("total", 1), ("classes", 0)):
            check_whole(name, getattr(self, name), low, change=f"{name}=")
        check_type("severities", self.severities, tuple)
        for name, dimensions in (("labels", 2), ("among", 1)):
            _check_numbers(name, getattr(self, name), dimensions)

    def batches(self, size: int) -> Iterator[Images]:
        """All images, `size` at a time; the last batch may be shorter. Raises `LayerMixError` as `rebatched` does."""
        check_whole("batch size", size, 1)
        return rebatched(self.pieces(size), size, self.size)


def _check_numbers(name: str, values: Ints | None, dimensions: int) -> None:
    """Raise `LayerMixError` unless `values` is None or an array of whole numbers, none of them negative."""
    if values is None:
        return
    check_type(name, values, np.ndarray)
    if values.ndim != dimensions or values.dtype.kind not in "iu" or values.min(initial=0) < 0:
        raise LayerMixError(
            f"expected {name} as whole numbers from 0 on in {dimensions} dimensions, got {values.dtype} "
            f"{values.shape}; change {name}="
        )


@dataclass(frozen=True, slots=True)
class SuiteSource:
    """A suite on disk: its parts by name, in the order of the benchmark's list, each opened by `open(name)`.

    `look(name)` checks a part quickly, by headers and folder names alone; it returns the files that the part is made
    of, or the folders that they are in. `unknown` are the parts found that no list names, `missing` the parts that
    should be there and are not. `form` says what was found, `preprocessing` what is done to each image before the model
    sees it. `in_order` is true for suites of arrays, which have the images of a test set in its own order.
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
