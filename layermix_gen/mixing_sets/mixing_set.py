"""Mixing sets: the pools of fractals that images are mixed with, held as one memory-mapped array.

A set is a uint8 array (N, S, S), gray, or (N, S, S, 3), in a `.npy` file; all processes share it in the page cache.
A recipe's picture is a crop of one of its pictures: `views.draw_picture_view` draws which, `MixingSet.view` cuts it
out. `pack` makes a set from a folder of pictures, `fractals` renders one, and `resolve_mixing_set` finds or makes the
set that a user names (or does not name), in the cache directory where it has to make one.
"""

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image, Pictures
from layermix_gen.images.views import PictureView
from layermix_gen.mixing_sets.fractals.render import VERSION
from layermix_gen.mixing_sets.fractals.sets import render_set
from layermix_gen.mixing_sets.packing import Cut, list_pictures, listing_key, pack_folder
from layermix_gen.mixing_sets.store import digest_of, recorded_digest
from layermix_gen.support.files import reading, reason
from layermix_gen.support.processes import checked_workers
from layermix_gen.support.progress import say, say_without_bar

DEFAULT_COUNT = 384  # pictures of the set that a build makes by itself
DETAIL = 384  # pixels a side at which they are rendered at most; see docs/fractals.md for the time that this saves
TOLD = 10  # unreadable pictures of a folder that are named
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
    with reading(path):
        try:
            pictures = np.lib.format.open_memmap(path, mode="r")
        except FileNotFoundError as error:
            raise LayerMixError(f"expected a mixing set at {path}, but nothing is there; check the path") from error
        except (ValueError, EOFError, SyntaxError) as error:
            found = f"{path} ({' '.join(str(error).split())})"
            raise LayerMixError(
                f"expected a whole .npy file, got {found}; give a mixing set, or make it again"
            ) from error
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
        name = f"fractals-v{VERSION}-seed{seed}-{count}x{size}{f'-detail{DETAIL}' if size > DETAIL else ''}.npy"
        path = _cached(name, partial(_render, count, size, seed, workers, progress))
    elif location == "":
        raise LayerMixError("expected a mixing set (.npy) or a folder of pictures, got an empty name; give a path")
    elif _is_folder(Path(location)):
        name = f"packed-{listing_key(*list_pictures(Path(location)), Cut(size, color))}-{size}.npy"
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


def pack(
    folder: str | Path,
    out: str | Path,
    size: int = 256,
    color: bool = False,
    *,
    crops: int = 0,
    seed: int = 0,
    progress: bool = True,
) -> Packed:
    """Make the set `out` (`.npy`) of the pictures below `folder`, in the order of their paths.

    Of each the centre square is kept, or `crops` random squares drawn by `seed`, resized (antialiased) to `size`
    pixels, in gray by default; the JSON beside the set says which, as source, top, left and side in pixels. Unreadable
    pictures are left out. Raises `LayerMixError` where no picture is left, where `size` or `crops` leaves its bounds,
    and where `out` exists or cannot be written.
    """
    skipped = pack_folder(Path(folder), Path(out), Cut(size, color, crops, seed), progress)
    return Packed(open_mixing_set(out), skipped)


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


def _render(count: int, size: int, seed: int, workers: int | None, progress: bool, path: Path) -> None:
    if progress:
        say_without_bar(f"the fractals are kept for later builds in {path.parent}")
    render_set(path, count, size, seed, detail=DETAIL, workers=workers, progress=progress)


def _tell(skipped: tuple[str, ...]) -> None:
    """Say on standard error which pictures were left out, the first few of them by name."""
    more = [f"{len(skipped) - TOLD} more"] if len(skipped) > TOLD else []
    for line in [*skipped[:TOLD], *more]:
        say(f"skipped {line}")


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


def _is_folder(path: Path) -> bool:
    with reading(path):
        return path.is_dir()
