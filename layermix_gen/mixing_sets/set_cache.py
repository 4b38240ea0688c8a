"""The cache of mixing sets: those that were rendered or packed here, and those that were fetched from a URL."""

import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from layermix_gen.errors import LayerMixError
from layermix_gen.support.checks import as_path
from layermix_gen.support.files import disk_errors, reason
from layermix_gen.support.locks import Lock
from layermix_gen.support.remote import RemoteFiles, refuse_secrets

LARGEST_SET = 1 << 40  # bytes of a set that is fetched


def cache_directory() -> Path:
    """The folder for sets made here: $LAYERMIX_GEN_CACHE, else layermix-gen in $XDG_CACHE_HOME or ~/.cache.

    Raises `LayerMixError` where the user has no home folder.
    """
    if own := os.environ.get("LAYERMIX_GEN_CACHE"):
        return as_path(own, "cache, LAYERMIX_GEN_CACHE")
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "layermix-gen"
    except RuntimeError as error:
        remedy = "set LAYERMIX_GEN_CACHE to a folder that can be written"
        raise LayerMixError(f"expected a home folder for the cache, but this user has none; {remedy}") from error


def cached(name: str, make: Callable[[Path], Path], is_sound: Callable[[Path], bool] = Path.exists) -> Path:
    """The file `name` in the cache directory; unless it `is_sound`, `make` makes one, in one process at a time."""
    path = cache_directory() / name
    try:
        if is_sound(path):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = Lock(path.with_suffix(".lock"))
        lock.wait()
    except OSError as error:
        found = f"cannot keep a mixing set in {path.parent}: {reason(error)}"
        raise LayerMixError(f"{found}; set LAYERMIX_GEN_CACHE to a folder that can be written") from error
    try:
        with disk_errors(path.parent):
            return path if is_sound(path) else make(path)
    finally:
        lock.leave()


def fetched(url: str) -> Path:
    """The file of the mixing set at a URL, in the cache: fetched once, and again when it has changed there.

    Raises `LayerMixError` where there is none.
    """
    refuse_secrets(url)
    place, _, name = url.rpartition("/")
    files = RemoteFiles(place)
    version = files.version(name)
    key = hashlib.sha256(f"{url} {version}".encode()).hexdigest()[:32]
    return cached(f"fetched-{key}.npy", partial(_fetch, files, name))


def _fetch(files: RemoteFiles, name: str, path: Path) -> Path:
    files.copy_file(name, path, LARGEST_SET)
    return path
