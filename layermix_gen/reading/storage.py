"""The files of a dataset on this machine: tars that are read at any place, by any thread."""

import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.reading.description import Description, tar_name

OPEN_TARS = 512  # maps of tars that are kept, well below the common limit of 1024 open files


class Storage(Protocol):
    """Where a dataset's files are."""

    description: Description

    @property
    def location(self) -> str:
        """Where the dataset is, for people."""

    @property
    def folder(self) -> Path:
        """A folder that holds the index."""

    def tar(self, plane: str, number: int) -> memoryview:
        """The bytes of a tar. Raises `BadImage` where it is missing or is not as long as it was built."""


@dataclass(slots=True)
class LocalStorage:
    """A dataset in a folder."""

    folder: Path
    description: Description

    @property
    def location(self) -> str:
        """The folder."""
        return str(self.folder)

    def tar(self, plane: str, number: int) -> memoryview:
        """Map a tar into memory."""
        return map_tar(self.folder / tar_name(plane, number), self.description.tar(plane, number).bytes)


def open_folder(folder: Path) -> LocalStorage:
    """Open a finished dataset. Raises `LayerMixError` where there is none."""
    path = folder / "dataset.json"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not finished: run its build again" if (folder / "plan.json").exists() else "check the path"
        raise LayerMixError(f"expected a dataset with a dataset.json at {folder}, found none; {reason}") from error
    return LocalStorage(folder, Description.from_json(text, str(path)))


def map_tar(path: Path, size: int) -> memoryview:
    """Map a file of `size` bytes into memory. Raises `BadImage` where it is missing or of another size."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            if found != size:
                raise BadImage(f"expected a tar of {size} bytes, found {found} bytes")
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
    except OSError as error:
        raise BadImage(f"expected a tar, but it cannot be read: {(error.strerror or str(error)).lower()}") from error
