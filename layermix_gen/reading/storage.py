"""Where the files of a dataset are, and tars as memory: read at any place, by any thread."""

import errno
import mmap
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.reading.description import Description
from layermix_gen.shards import tar_name

OPEN_TARS = 512  # maps that a process keeps; each holds a file open, and 1024 is a common limit


@dataclass(frozen=True, slots=True)
class Use:
    """A tar of `size` bytes, and the first and the last batch of an epoch that read it."""

    name: str
    size: int
    first: int
    last: int


class Storage(Protocol):
    """The files of a dataset: `folder` holds its index; `location` is where it is, for people."""

    description: Description
    location: str
    folder: Path

    def tar(self, plane: str, number: int) -> memoryview:
        """The bytes of a tar. Raises `BadImage` where it cannot be had, or is not as long as it was built."""

    def expect(self, uses: Callable[[], Sequence[Use]], ahead: int) -> None:
        """Begin an epoch that uses these tars, read up to `ahead` batches beyond the next to be handed out."""

    def handed_out(self, batch: int) -> None:
        """Say that nothing is read any more for this batch of the epoch and those before it."""


class LocalStorage:
    """A finished dataset in a folder. Raises `LayerMixError` where there is none."""

    def __init__(self, folder: Path) -> None:
        folder = folder.absolute()  # the working directory may change, and workers may have another
        path = folder / "dataset.json"
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            unfinished = (folder / "plan.json").exists()
            remedy = "it is not finished: run its build again" if unfinished else "check the path"
            raise LayerMixError(f"expected a dataset with a dataset.json at {folder}, found none; {remedy}") from error
        self.description = Description.from_json(text, str(path))
        self.folder, self.location = folder, str(folder)
        self._maps = Maps(folder)

    def __reduce__(self) -> tuple[type["LocalStorage"], tuple[Path]]:
        return LocalStorage, (self.folder,)

    def tar(self, plane: str, number: int) -> memoryview:
        """Map a tar into memory."""
        name = tar_name(plane, number)
        return self._maps.open(name, self.description.tars[name].bytes)

    def expect(self, uses: Callable[[], Sequence[Use]], ahead: int) -> None:
        """All tars are here."""

    def handed_out(self, batch: int) -> None:
        """They stay."""


class Maps:
    """Files in a folder, mapped into memory. All folders together keep the `OPEN_TARS` that were opened last."""

    _opened: ClassVar[dict[tuple["weakref.ref[Maps]", str], None]] = {}  # in this order
    _lock: ClassVar = threading.Lock()

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._maps: dict[str, memoryview] = {}
        self._me = weakref.ref(self)

    def open(self, name: str, size: int) -> memoryview:
        """The bytes of a file. Raises `BadImage` where it is missing or is not of this size."""
        found = self._maps.get(name)
        if found is None:
            found = map_file(self._folder / name, size)
            with self._lock:
                self._maps[name] = found
                self._opened[self._me, name] = None
                while len(self._opened) > OPEN_TARS:
                    maps, oldest = next(iter(self._opened))
                    del self._opened[maps, oldest]
                    if other := maps():
                        other._maps.pop(oldest, None)
        return found

    def close(self, name: str) -> None:
        """Forget a file; its bytes stay as long as somebody reads them."""
        with self._lock:
            self._maps.pop(name, None)
            self._opened.pop((self._me, name), None)


def map_file(path: Path, size: int) -> memoryview:
    """Map a file of `size` bytes into memory. Raises `BadImage` where it is missing or of another size."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            if found != size:
                raise BadImage(f"expected a tar of {size} bytes, found {found} bytes")
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):  # no fault of the file
            raise LayerMixError(
                f"{path} cannot be opened beside all that is open (up to {OPEN_TARS} tars); raise the limit of open "
                "files, for instance by `ulimit -n 4096`"
            ) from error
        raise BadImage(f"expected a tar, but it cannot be read: {(error.strerror or str(error)).lower()}") from error
