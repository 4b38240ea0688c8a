"""What a dataset holds, and what a reader makes of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layermix_gen.reading import reader
from layermix_gen.reading.catalog import Catalog, load_catalog
from layermix_gen.reading.reader import LayerMixDataset
from layermix_gen.reading.storage.local_storage import LocalStorage


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

    def reader(self, batch_size: int = 8, **options: Any) -> LayerMixDataset:
        """As `open`, of a dataset that stays as it is: manifest and index, a tenth of a second, are read only once."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reader, "open_storage", lambda *_: _storage(self.root))
            patch.setattr(reader, "load_catalog", lambda *given, **more: _catalog(self.root, *given[2:], **more))
            return self.open(batch_size, **options)


@cache
def _storage(root: Path) -> LocalStorage:
    return LocalStorage(root)


@cache
def _catalog(root: Path, planes: tuple[str, ...], where: str | None, **more: bool) -> Catalog:
    storage = _storage(root)
    return load_catalog(storage.indexes, storage.manifest, planes, where, **more)


def keys(batches: Iterable[Any]) -> list[list[Any]]:
    """The keys of each batch: texts, or lists of them where there are several views."""
    return [facts["key"] for _, _, facts in batches]


def flat(batches: Iterable[Any]) -> list[str]:
    """All keys in their order."""
    return [key for batch in keys(batches) for key in batch]


def ordinals(batches: Iterable[Any]) -> list[str]:
    """The source image of each sample."""
    return [key.partition("-")[0] for key in flat(batches)]
