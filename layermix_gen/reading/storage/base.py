"""What the storage of a dataset is to a reader: its index in a folder, and its tars as memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from layermix_gen.dataset.manifest import Manifest


@dataclass(frozen=True, slots=True)
class TarUse:
    """A tar of `size` bytes, and the first and the last batch of an epoch that read it."""

    name: str
    size: int
    first: int
    last: int


class Storage(Protocol):
    """The files of a dataset: `folder` holds its index; `location` is where it is, for people."""

    manifest: Manifest
    location: str
    folder: Path

    def tar(self, plane: str, number: int) -> memoryview:
        """The bytes of a tar. Raises `BadImage` where it cannot be had, or is not as long as it was built."""

    def expect(self, uses: Callable[[], Sequence[TarUse]], ahead: int) -> None:
        """Begin an epoch that uses these tars, read up to `ahead` batches beyond the next to be handed out."""

    def handed_out(self, batch: int) -> None:
        """Say that nothing is read any more for this batch of the epoch and those before it."""
