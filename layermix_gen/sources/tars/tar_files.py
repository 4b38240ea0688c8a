"""The tars of a source: by name, searched for samples, and read in part."""

import os
from collections import Counter
from typing import Protocol

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import version_of
from layermix_gen.sources.tars.tar_paths import expand, root_of
from layermix_gen.sources.tars.tar_samples import TarSample, group_samples
from layermix_gen.support.files import reason, with_retries
from layermix_gen.support.text import as_text


class TarFiles(Protocol):
    """The tars that a location names."""

    def names(self) -> list[str]:
        """The names of all tars, sorted. Raises `LayerMixError` if one is missing."""

    def place(self, name: str) -> str:
        """Where a tar is, in messages."""

    def grouped(self, name: str) -> tuple[str, dict[str, TarSample], Counter[str]]:
        """The version of a tar, its samples, and the members of no use. Raises OSError where it cannot be read."""

    def part(self, name: str, start: int, size: int) -> tuple[bytes, str]:
        """A part of a tar, fewer bytes at its end, and the version of the tar. Raises OSError likewise."""


class LocalTars:
    """The tars at a path, in a folder, or of a pattern."""

    def __init__(self, location: str) -> None:
        self._location, self._root = location, root_of(location)

    def names(self) -> list[str]:
        """The names of all tars relative to the root."""
        try:
            found = with_retries(lambda: expand(self._location), self._location)
        except OSError as fault:
            where = as_text(self._location)
            raise LayerMixError(f"cannot look for {where}: {reason(fault)}; check the path") from fault
        return [path.relative_to(self._root).as_posix() for path in found]

    def place(self, name: str) -> str:
        """The path of a tar."""
        return str(self._root / name)

    def grouped(self, name: str) -> tuple[str, dict[str, TarSample], Counter[str]]:
        """The version of a tar, its samples, and the members of no use."""
        path = self._root / name
        version = _version(with_retries(path.stat, path))
        return version, *with_retries(lambda: group_samples(path), path)

    def part(self, name: str, start: int, size: int) -> tuple[bytes, str]:
        """A part of a tar, and the version of the tar."""
        path = self._root / name

        def read() -> tuple[bytes, str]:
            with path.open("rb") as file:
                file.seek(start)
                return file.read(size), _version(os.fstat(file.fileno()))

        return with_retries(read, path)


def _version(tar: os.stat_result) -> str:
    """What tells a tar from any that it may be replaced by: its size, and its time of change."""
    return f"{tar.st_size}-{version_of(tar)}"
