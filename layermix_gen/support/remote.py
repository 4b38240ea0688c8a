"""Files at a URL: read whole or in part, or copied to a folder. Any protocol of fsspec works: s3, gs, http."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.support.files import temporary
from layermix_gen.support.text import first_line

TRIES, PAUSE = 4, 0.5  # tries of a fetch, and seconds before the second try; twice as long before each later one
EXTRAS = {"s3": "s3", "s3a": "s3", "http": "http", "https": "http"}  # by protocol, what installs what fsspec needs

LARGEST = 1 << 30  # bytes of a file whose size is not known: an index of this size has about ten million rows
LARGEST_TEXT = 1 << 28  # bytes of a text, which is held in memory: a manifest of this size names a million tars


class RemoteFiles:
    """The files below `url`, read by fsspec with `options`. Raises `LayerMixError` if fsspec cannot open such a URL.

    Do not use it in a forked process: neither our threads nor fsspec's exist there.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self.location = url.rstrip("/")
        self._system, self._path = _file_system(self.location, options or {})

    def text(self, name: str) -> str:
        """The text of a whole file. Raises `LayerMixError` with a short reason if it cannot be read or is too large."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                draft = Path(folder) / "text"
                self._download(name, draft, LARGEST_TEXT)
                return draft.read_bytes().decode("utf-8")
        except Exception as error:
            raise LayerMixError(first_line(error)) from error

    def part(self, name: str, start: int, size: int) -> bytes:
        """Read `size` bytes of a file from `start` on, fewer at its end. Raises `BadImage` if it cannot be read."""
        try:
            data = self._system.cat_file(f"{self._path}/{name}", start=start, end=start + size)
        except Exception as error:
            raise BadImage(f"{self.location}/{name} cannot be fetched: {first_line(error)}") from error
        return data if len(data) <= size else data[start : start + size]  # some servers only send whole files

    def copy_file(self, name: str, path: Path, most: int = LARGEST, least: int = 0) -> None:
        """Copy a whole file, of `least` to `most` bytes, to `path`.

        Raises `BadImage` if it is missing, or if all `TRIES` fail: what was copied until then is removed.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = temporary(path)
        for attempt in range(TRIES):
            try:
                self._download(name, draft, most)
                if (size := draft.stat().st_size) < least:
                    raise ValueError(f"expected {least} bytes, got {size}")
                draft.replace(path)
                return
            except FileNotFoundError as error:
                raise BadImage(f"expected {self.location}/{name}, found nothing there") from error
            except Exception as error:  # each of fsspec's file systems raises what its libraries do
                draft.unlink(missing_ok=True)
                if attempt == TRIES - 1:
                    raise BadImage(f"{self.location}/{name} cannot be fetched: {first_line(error)}") from error
                time.sleep(PAUSE * 2**attempt)

    def _download(self, name: str, draft: Path, most: int) -> None:
        """Write a file to `draft`. Raises ValueError as soon as more than `most` bytes, and a piece more, have come."""
        from fsspec.callbacks import Callback

        def check(_: int | None, size: int) -> None:
            if size > most:
                raise ValueError(f"expected at most {most} bytes, got more")

        self._system.get_file(f"{self._path}/{name}", str(draft), callback=Callback(hooks={"size": check}))
        check(None, draft.stat().st_size)  # a few file systems call back never


def _file_system(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it."""
    import fsspec  # imported here, as it takes 50 ms, and most processes open no URL

    try:
        return fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        extra = EXTRAS.get(url.partition("://")[0])
        remedy = f"pip install 'layermix-gen[{extra}]'" if extra else "install what it names"
        raise LayerMixError(f"{url} cannot be opened: {first_line(error)}; {remedy}") from error
    except (ValueError, TypeError) as error:
        raise LayerMixError(f"{url} cannot be opened: {first_line(error)}; mend the URL or storage_options=") from error
