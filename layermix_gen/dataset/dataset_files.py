"""The files of a dataset, in a folder or at a URL: small ones as text, parts of large ones, indexes as local files."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from layermix_gen.dataset.names import MANIFEST, MIXING_SET, PLAN, is_shard_file
from layermix_gen.dataset.outlets.holders import scratch_folder
from layermix_gen.dataset.outlets.object_store import ObjectStore, is_object_store
from layermix_gen.errors import BadImage, LayerMixError, StoreError
from layermix_gen.mixing_sets.set_cache import LARGEST_SET
from layermix_gen.support.checks import as_utf8_path, is_remote
from layermix_gen.support.database import pattern_of
from layermix_gen.support.files import inside, reason, regular, with_retries
from layermix_gen.support.remote import LARGEST, RemoteFiles
from layermix_gen.support.threads import mapped_ahead

FETCHES = 16  # small files fetched at a time


class DatasetFiles(Protocol):
    """The files of one dataset, by their path within it. Files that were fetched lie in `folder`."""

    location: str

    @property
    def folder(self) -> Path:
        """Where the files are, or are fetched to."""

    def text(self, name: str) -> str:
        """The text of a whole file. Raises `LayerMixError` where it cannot be read."""

    def part(self, name: str, start: int, size: int) -> bytes:
        """`size` bytes of a file from `start` on, fewer if it ends. Raises `BadImage` where it cannot be read."""

    def fetch(self, names: Sequence[str]) -> list[Path]:
        """Bring files to `folder` and return their paths. Raises `LayerMixError` if one cannot be fetched."""

    def local(self, name: str, most: int = LARGEST) -> AbstractContextManager[Path]:
        """A context in which a file is on this machine. Raises `LayerMixError` with a short reason if there is none.

        A file that has to be fetched may have `most` bytes.
        """

    def shard_files(self) -> list[str]:
        """The names of all tars and indexes that are there, sorted, whether they belong to the dataset or not."""

    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    def written(self, folder: str) -> dict[str, float] | None:
        """When the files of a folder were written, by their names in it, in seconds since 1970.

        None where nobody says which files there are.
        """


def open_files(location: str | Path, options: Mapping[str, Any] | None = None) -> DatasetFiles:
    """The files of the dataset at a path or URL; `options` go to fsspec's file system."""
    if is_remote(location):
        return RemoteDatasetFiles(str(location), options)
    if options:
        raise LayerMixError(f"storage_options are for URLs, got the folder {location}; drop them")
    return LocalFiles(as_utf8_path(location, "dataset"))


class LocalFiles:
    """Files below a folder. A link out of it is followed only with `follow_links`."""

    def __init__(self, folder: Path, *, follow_links: bool = False) -> None:
        self.folder, self.location = folder, str(folder)
        self._follow_links = follow_links
        if not folder.is_dir():
            raise LayerMixError(f"expected a dataset in a folder, found none at {folder}; check the path")
        pattern_of(folder)  # refuses a folder whose index could not be read

    def path(self, name: str) -> Path:
        """The path of a file. Raises `LayerMixError` where that is outside of the folder."""
        return self.folder / name if self._follow_links else inside(self.folder, name)

    def text(self, name: str) -> str:
        """The text of a whole file."""
        path = self.path(name)
        try:
            return with_retries(lambda: regular(path).read_text(encoding="utf-8"), path)
        except UnicodeDecodeError as error:
            raise LayerMixError(f"expected text in {path}, found other bytes; restore it") from error
        except OSError as error:
            unfinished = name == MANIFEST and (self.folder / PLAN).exists()
            remedy = "it is not finished: run its build again" if unfinished else "check the path"
            raise LayerMixError(
                f"expected a dataset with a {name} at {self.folder}, but it cannot be read ({reason(error)}); {remedy}"
            ) from error

    def part(self, name: str, start: int, size: int) -> bytes:
        """`size` bytes of a file from `start` on."""
        path = self.path(name)

        def read() -> bytes:
            with regular(path).open("rb") as file:
                file.seek(start)
                return file.read(size)

        try:
            return with_retries(read, path)
        except OSError as error:
            raise BadImage(f"{path} cannot be read: {reason(error)}") from error

    def fetch(self, names: Sequence[str]) -> list[Path]:
        """The paths of the files; nothing to fetch."""
        paths = [self.path(name) for name in names]
        for path in paths:
            if not path.is_file():
                raise LayerMixError(
                    f"expected {path}, found nothing; `layermix-gen verify {self.folder} --repair` makes a new one"
                )
        return paths

    @contextmanager
    def local(self, name: str, most: int = LARGEST) -> Iterator[Path]:
        """The path of the file itself; nothing to copy."""
        path = self.path(name)
        if not path.is_file():
            raise LayerMixError("is missing")
        yield path

    def shard_files(self) -> list[str]:
        """The names of all tars and indexes in the folder."""
        names = (path.relative_to(self.folder).as_posix() for path in self.folder.glob("*/*") if path.is_file())
        return sorted(filter(is_shard_file, names))

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return self.path(name).is_file()

    def written(self, folder: str) -> dict[str, float]:
        """When the files of a folder were written; those that are removed meanwhile are left out."""
        found = {}
        for path in (self.folder / folder).glob("*"):
            with suppress(FileNotFoundError):
                found[path.name] = path.stat().st_mtime
        return found


class RemoteDatasetFiles(RemoteFiles):
    """Files at a URL; fetched files lie in a temporary folder, by default one that is removed at the end."""

    def __init__(self, url: str, options: Mapping[str, Any] | None, within: Path | None = None) -> None:
        super().__init__(url, options)
        self.options, self._within = options, within

    def __reduce__(self) -> tuple[type["RemoteDatasetFiles"], tuple[Any, ...]]:
        """Pickle URL and options: another process opens the files again, with a folder of its own within this one's.

        So the folder is removed with this process's, for workers end without removing anything.
        """
        return RemoteDatasetFiles, (self.location, self.options, self.folder)

    @cached_property
    def _temporary(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(dir=self._within) if self._within else scratch_folder()

    @property
    def folder(self) -> Path:
        """A temporary folder, which lives as long as this object."""
        return Path(self._temporary.name)

    def text(self, name: str) -> str:
        """The text of a whole file."""
        try:
            return super().text(name)
        except StoreError:
            raise
        except LayerMixError as error:
            raise LayerMixError(
                f"expected a dataset with a {name} at {self.location}, but it cannot be read ({error}); check the URL, "
                "the rights to it, and that its build is finished"
            ) from error

    def fetch(self, names: Sequence[str]) -> list[Path]:
        """Copy the files that are not in `folder` yet, and return the paths of all."""
        return self.copy(names, self.folder)

    def copy(self, names: Sequence[str], folder: Path) -> list[Path]:
        """Copy the files that are not in the given `folder` yet, and return the paths of all."""
        paths = {name: inside(folder, name) for name in names}
        missing = [name for name, path in paths.items() if not path.is_file()]
        try:
            list(mapped_ahead(lambda name: self.copy_file(name, paths[name], _most(name)), missing, FETCHES))
        except BadImage as error:
            raise LayerMixError(f"the dataset at {self.location} cannot be read: {error}; restore it") from error
        return list(paths.values())

    def shard_files(self) -> list[str]:
        """The names of all tars and indexes below the URL; none where that is no object store, as on web servers."""
        if not is_object_store(self.location):
            return []
        return sorted(filter(is_shard_file, ObjectStore(self.location, self.options).listing()))

    def has(self, name: str) -> bool:
        """Whether there is such a file. Raises `StoreError` where the store does not say."""
        try:
            self.version(name)
        except StoreError:
            raise
        except LayerMixError:
            return False
        return True

    def written(self, folder: str) -> dict[str, float] | None:
        """When the objects below a folder were written, by the clock of the store; None on web servers."""
        if not is_object_store(self.location):
            return None
        found = ObjectStore(self.location, self.options).listing(folder)
        return {name.removeprefix(f"{folder}/"): one.seconds for name, one in found.items()}

    @contextmanager
    def local(self, name: str, most: int = LARGEST) -> Iterator[Path]:
        """A copy of a file in `folder`, removed afterwards unless it was there before."""
        path = self.folder / name
        if path.is_file():
            yield path
            return
        try:
            self.copy_file(name, path, most)
        except BadImage as error:
            raise LayerMixError(str(error)) from error
        try:
            yield path
        finally:
            path.unlink()


def _most(name: str) -> int:
    """The bytes that a file may have that is fetched."""
    return LARGEST_SET if name == MIXING_SET else LARGEST
