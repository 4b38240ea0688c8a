"""What a dataset holds, and what a reader makes of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layermix_gen.reading.reader import LayerMixDataset


@dataclass(frozen=True)
class Truth:
    """The samples of a dataset by key: pixels (H, W, 3) and metadata."""

    root: Path
    pixels: dict[str, np.ndarray]
    metadata: dict[str, dict[str, Any]]

    def keys(self, plane: str) -> list[str]:
        """The keys of one plane, sorted."""
        return sorted(key for key in self.metadata if key.endswith(f"-{plane}"))

    def open(self, batch_size: int = 8, fields: Sequence[str] = ("key",), **options: Any) -> LayerMixDataset:
        """A reader that also yields the keys."""
        return LayerMixDataset(self.root, batch_size, fields=fields, **{"threads": 2} | options)


def keys(batches: Iterable[Any]) -> list[list[Any]]:
    """The keys of each batch: texts, or lists of them where there are several views."""
    return [facts["key"] for _, _, facts in batches]


def flat(batches: Iterable[Any]) -> list[str]:
    """All keys in their order."""
    return [key for batch in keys(batches) for key in batch]


def ordinals(batches: Iterable[Any]) -> list[str]:
    """The source image of each sample."""
    return [key.partition("-")[0] for key in flat(batches)]
