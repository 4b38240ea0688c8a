"""Mixing sets: the pools of fractals that images are mixed with, held as one memory-mapped array.

A set is a uint8 array (N, S, S), gray, or (N, S, S, 3), in a `.npy` file; all processes share it in the page cache.
A recipe's picture is a crop of one of its pictures: `views.draw_picture_view` draws which, `MixingSet.view` cuts it
out. `pack` makes a set from a folder of pictures, `layermix_gen.fractals` renders one, and `resolve_mixing_set` finds
or makes the set that a user names (or does not name), in the cache directory where it has to make one.
"""

import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image as PillowImage
from tqdm import tqdm

from layermix_gen.codec import decode
from layermix_gen.errors import BadImage, Interrupted, LayerMixError
from layermix_gen.fractals.arrays import Pictures
from layermix_gen.fractals.render import VERSION
from layermix_gen.fractals.sets import render_set
from layermix_gen.fractals.store import SetWriter, digest_of, recorded_digest
from layermix_gen.images import Image
from layermix_gen.processes import available_cpus, checked_workers
from layermix_gen.sources.base import is_image_name, reason
from layermix_gen.views import PictureView

DEFAULT_COUNT = 384  # pictures of the set that a build makes by itself
TOLD = 10  # unreadable pictures of a folder that are named
BATCH = 64  # pictures decoded together by the threads of `pack`
FLIPS = {(True, False): 1, (False, True): 0, (True, True): -1}  # (flip_h, flip_v): OpenCV's code


class MixingSet:
    """An open mixing set: `pictures` is uint8 (N, S, S) or (N, S, S, 3), `path` its file (None for one in memory)."""

    def __init__(self, pictures: Pictures, path: Path | None = None) -> None:
        """Hold `pictures`, which is checked. Raises `LayerMixError` for any other type, shape or order."""
        self.pictures, self.path = _as_pool(pictures, path or "the array"), path
        self._digest: str | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def __reduce__(self) -> tuple[Any, ...]:
        """A set with a file travels to another process as its path."""
        return (open_mixing_set, (self.path,)) if self.path else (MixingSet, (self.pictures,))

    @property
    def size(self) -> int:
        """The side S of the pictures, in pixels."""
        return int(self.pictures.shape[1])

    @property
    def color(self) -> bool:
        """Whether the pictures have three channels."""
        return self.pictures.ndim == 4

    @property
    def digest(self) -> str:
        """The sha256 (hex) of shape and bytes; computed at most once.

        It is taken from `SET.json` while `SET.npy` has the size and the time of change that are recorded there; that of
        a copied set is computed, which takes about a second for 0.9 GB.
        """
        if self._digest is None:
            recorded = recorded_digest(self.path) if self.path else None
            self._digest = recorded or digest_of(self.pictures)
        return self._digest

    def view(self, view: PictureView, size: int) -> Image:
        """Cut the view out: uint8 (size, size, 3), C-contiguous. The view must lie inside the picture."""
        crop: Any = self.pictures[view.index, view.top : view.top + size, view.left : view.left + size]
        if not self.color:
            crop = cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB)
        if view.flip_h or view.flip_v:
            return np.asarray(cv2.flip(crop, FLIPS[view.flip_h, view.flip_v]))
        whole: Image = crop.copy() if self.color else crop
        return whole


def open_mixing_set(path: str | Path) -> MixingSet:
    """Map the set at `path`, any `.npy` file of a fitting shape. Raises `LayerMixError` where it is not one."""
    path = Path(path)
    try:
        pictures = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise LayerMixError(f"expected a mixing set at {path}, but nothing is there; check the path") from error
    except OSError as error:
        raise _unusable(path, error) from error
    except (ValueError, EOFError, SyntaxError) as error:
        found = " ".join(str(error).split())
        raise LayerMixError(f"expected a whole .npy file, got {path} ({found}); remove it or make it again") from error
    return MixingSet(pictures, path)


def pool_size_for(view_size: int) -> int:
    """The side of the pictures for views of `view_size` pixels: 256 for 224 and 36 for 32, as in the paper."""
    return max(view_size + 4, view_size * 256 // 224)


def cache_directory() -> Path:
    """Where sets made by ourselves are kept: $LAYERMIX_GEN_CACHE, else layermix-gen in $XDG_CACHE_HOME or ~/.cache.

    Raises `LayerMixError` where the user has no home.
    """
    if own := os.environ.get("LAYERMIX_GEN_CACHE"):
        return Path(own)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "layermix-gen"
    except RuntimeError as error:
        remedy = "set LAYERMIX_GEN_CACHE to a folder that can be written"
        raise LayerMixError(f"expected a home folder for the cache, but this user has none; {remedy}") from error


def resolve_mixing_set(
    location: str | Path | None,
    view_size: int,
    seed: int = 0,
    *,
    count: int = DEFAULT_COUNT,
    color: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> MixingSet:
    """The set for views of `view_size` pixels: a `.npy` file, a folder of pictures (packed once), or one of our own.

    `color` is for a folder, `seed` and `count` are for `location=None`. What is made is kept in the cache directory.
    Raises `LayerMixError` where the location is not a mixing set, or its pictures are smaller than the views.
    """
    size = pool_size_for(view_size)
    if location is None:
        name = f"fractals-v{VERSION}-seed{seed}-{count}x{size}.npy"
        path = _cached(name, lambda path: render_set(path, count, size, seed, workers=workers, progress=progress))
    elif _is_folder(Path(location)):
        name = f"packed-{_listing_key(Path(location), size, color)}-{size}.npy"
        path = _cached(name, lambda path: _tell(pack(location, path, size, color, progress=progress).skipped))
    else:
        path = Path(location)
    mixing = open_mixing_set(path)
    if mixing.size < view_size:
        remedy = "make the set with larger pictures, or the views smaller"
        raise LayerMixError(f"expected mixing pictures of at least {view_size} px, got {mixing.size} px; {remedy}")
    return mixing


@dataclass(frozen=True, slots=True)
class Packed:
    """What `pack` made, and a line for each picture that could not be read."""

    mixing_set: MixingSet
    skipped: tuple[str, ...]


def pack(folder: str | Path, out: str | Path, size: int = 256, color: bool = False, *, progress: bool = True) -> Packed:
    """Make the set `out` (`.npy`) of the pictures below `folder`, in the order of their paths.

    Of each the centre square is kept, resized (antialiased) to `size` pixels, in gray by default. Unreadable pictures
    are left out. Raises `LayerMixError` where no picture is left, and where `out` exists or cannot be written.
    """
    folder, out = Path(folder), Path(out)
    if size < 1:
        raise LayerMixError(f"expected pictures of at least one pixel, got size {size}; give a larger one")
    paths, skipped = _listing(folder), []
    shape = (len(paths), size, size, *((3,) if color else ()))
    made_by = {"packed": _listing_key(folder, size, color), "size": size, "color": color}
    with SetWriter(out, shape, made_by, resume=False) as writer:
        try:
            with tqdm(total=len(paths), unit="picture", disable=None if progress else True) as bar:
                for batch in _decoded(paths, size, color):
                    good = [(path, pixels) for path, pixels in batch if not isinstance(pixels, str)]
                    skipped += [f"{path}: {reason}" for path, reason in batch if isinstance(reason, str)]
                    sources = [{"source": path.relative_to(folder).as_posix()} for path, _ in good]
                    writer.append([pixels for _, pixels in good], sources)
                    bar.update(len(batch))
        except KeyboardInterrupt as error:
            writer.discard()
            raise Interrupted(f"stopped before {out} was whole; run the same command again") from error
        if not writer.done:
            writer.discard()
            raise LayerMixError(f"expected pictures in {folder}, but none of {len(paths)} can be read: {skipped[0]}")
        return Packed(open_mixing_set(writer.finish()), tuple(skipped))


def _cached(name: str, make: Callable[[Path], object]) -> Path:
    """The file of that name in the cache directory, made where it is not there, by one process at a time."""
    path = cache_directory() / name
    try:
        if path.exists():
            return path
        checked_workers(None)  # a worker that imports the script would wait for its parent's lock for ever
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("w")
    except OSError as error:
        found = f"cannot keep a mixing set in {path.parent}: {reason(error)}"
        raise LayerMixError(f"{found}; set LAYERMIX_GEN_CACHE to a folder that can be written") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            make(path)
    return path


def _tell(skipped: tuple[str, ...]) -> None:
    """Say on standard error which pictures were left out, the first few of them by name."""
    shown = [f"skipped {line}" for line in skipped[:TOLD]]
    more = [f"skipped {len(skipped) - TOLD} more"] if len(skipped) > TOLD else []
    for line in shown + more:
        tqdm.write(line, file=sys.stderr)


def _as_pool(pictures: Any, name: object) -> Pictures:
    array = isinstance(pictures, np.ndarray)
    square = array and (pictures.ndim == 3 or (pictures.ndim == 4 and pictures.shape[3] == 3))
    if not square or pictures.dtype != np.uint8 or pictures.shape[1] != pictures.shape[2] or 0 in pictures.shape:
        found = f"{pictures.dtype} {pictures.shape}" if array else type(pictures).__name__
        raise LayerMixError(f"expected uint8 (N, S, S) or (N, S, S, 3), got {found} in {name}; pack a folder instead")
    if not pictures.flags.c_contiguous:
        raise LayerMixError(f"expected an array in C order, got another in {name}; save np.ascontiguousarray of it")
    whole: Pictures = pictures
    return whole


def _listing(folder: Path) -> list[Path]:
    """The pictures below `folder`, told by their names, in the order of their paths; hidden ones are left out."""
    if not _is_folder(folder):
        raise LayerMixError(f"expected a folder of pictures at {folder}, but there is none; check the path")
    with _one_line(folder):
        found = (path for path in folder.rglob("*") if is_image_name(path.name) and path.is_file())
        shown = (path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
        paths = sorted(shown)
    if not paths:
        raise LayerMixError(f"expected pictures (.jpg, .png, ...) in {folder}, but found none; give another folder")
    return paths


def _listing_key(folder: Path, size: int, color: bool) -> str:
    """A key that changes with any name, size or time of a picture, and with what is made of them."""
    paths = _listing(folder)
    with _one_line(folder):
        stats = [(path.relative_to(folder).as_posix(), path.stat()) for path in paths]
    listing = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return hashlib.sha256(json.dumps([str(folder.resolve()), listing, size, color]).encode()).hexdigest()[:16]


def _is_folder(path: Path) -> bool:
    with _one_line(path):
        return path.is_dir()


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turn what the system says about looking at `path` (the name too long, not permitted) into one line."""
    try:
        yield
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> LayerMixError:
    return LayerMixError(f"cannot read {path}: {reason(error)}; check the path and its permissions")


def _decoded(paths: list[Path], size: int, color: bool) -> Iterator[list[tuple[Path, Pictures | str]]]:
    """Batches of (path, pixels), or of (path, reason) where a picture cannot be read."""
    with ThreadPoolExecutor(available_cpus()) as pool:
        for first in range(0, len(paths), BATCH):
            batch = paths[first : first + BATCH]
            yield list(zip(batch, pool.map(lambda path: _square(path, size, color), batch), strict=True))


def _square(path: Path, size: int, color: bool) -> Pictures | str:
    try:
        pixels = decode(path.read_bytes())
    except (BadImage, OSError) as error:
        return str(error)
    height, width = pixels.shape[:2]
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    square = PillowImage.fromarray(pixels).resize(
        (size, size), PillowImage.Resampling.BILINEAR, box=(left, top, left + side, top + side)
    )
    return np.asarray(square if color else square.convert("L"))
