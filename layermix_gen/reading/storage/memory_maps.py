"""Files of a folder, mapped into memory to be read at any offset by any thread."""

import mmap
import os
import threading
import weakref
from pathlib import Path
from typing import ClassVar

from layermix_gen.errors import BadImage
from layermix_gen.support.files import reason, regular, with_retries

OPEN_TARS = 512  # maps that a process keeps; each holds a file open, and a common limit is 1024 open files


class Maps:
    """Files in a folder, mapped into memory. All instances together keep the `OPEN_TARS` files opened last."""

    _opened: ClassVar[dict[tuple["weakref.ref[Maps]", str], None]] = {}  # in the order of opening
    _lock: ClassVar = threading.Lock()

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._maps: dict[str, memoryview] = {}
        self._me = weakref.ref(self)

    def open(self, name: str, size: int) -> memoryview:
        """The bytes of a file. Raises as `map_file` does."""
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
        """Forget the map of a file; its memory stays as long as a view of it exists."""
        with self._lock:
            self._maps.pop(name, None)
            self._opened.pop((self._me, name), None)


def map_file(path: Path, size: int) -> memoryview:
    """Map a file of `size` bytes into memory. Raises `BadImage` where it is missing or of another size.

    Raises `LayerMixError` where the machine is at fault.
    """

    def mapped() -> memoryview:
        with regular(path).open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            if found != size:
                raise BadImage(f"expected a tar of {size} bytes, found {found} bytes")
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))

    try:
        return with_retries(mapped, path)
    except OSError as error:
        raise BadImage(f"expected a tar, but it cannot be read: {reason(error)}") from error
