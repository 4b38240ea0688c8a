"""The interface of a dataset's storage to a reader: the index in a folder, and the tars as memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from layermix_gen.dataset.dataset_files import DatasetFiles
from layermix_gen.dataset.manifest import Manifest


@dataclass(frozen=True, slots=True)
class TarUse:
    """A tar of `size` bytes, and the first and the last batch of an epoch that read it."""

    name: str
    size: int
    first: int
    last: int


class Storage(Protocol):
    """The files of a dataset: `indexes` are the checked ones; `location` says where it is, in messages.

    `files` are for a look at single samples.
    """

    files: DatasetFiles
    manifest: Manifest
    location: str
    indexes: list[Path]

    def tar(self, plane: str, number: int) -> memoryview:
        """The bytes of a tar. Raises `BadImage` if it cannot be fetched or read, or its size is not the manifest's."""

    def expect(self, uses: Callable[[], Sequence[TarUse]], ahead: int) -> None:
        """Begin an epoch that uses these tars and reads up to `ahead` batches beyond the next to be handed out."""

    def handed_out(self, batch: int) -> None:
        """Report that this batch of the epoch and all earlier batches need no tar any more."""
