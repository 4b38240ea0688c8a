"""Mixing sets: the pictures that images are mixed with, each set one memory-mapped array.

A set is a uint8 array (N, S, S), gray, or (N, S, S, 3), in a `.npy` file; all processes share it in the page cache.
The `picture` of a recipe is a crop of one of its pictures: `views.draw_picture_view` draws the crop, `MixingSet.view`
cuts it out.
"""

from pathlib import Path
from typing import Any

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image, Pictures, room_for
from layermix_gen.images.thumbnails import thumbnail
from layermix_gen.images.views import PictureView
from layermix_gen.kernels.scaling import cut_picture
from layermix_gen.mixing_sets.set_cache import fetched
from layermix_gen.mixing_sets.store import digest_of, recorded_digest
from layermix_gen.support.checks import as_path, is_remote
from layermix_gen.support.files import reading, regular, with_retries
from layermix_gen.support.notebooks import panels
from layermix_gen.support.text import count

SHOWN = 8  # pictures in a notebook


class MixingSet:
    """An open mixing set: `pictures` is uint8 (N, S, S) or (N, S, S, 3), `path` its file (None for one in memory)."""

    def __init__(self, pictures: Pictures, path: Path | None = None) -> None:
        """Check and hold `pictures`. Raises `LayerMixError` for any other type, shape or order."""
        self.pictures, self.path = _as_pool(pictures, path or "the array"), path
        self._digest: str | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def __repr__(self) -> str:
        pixels = f"{self.size} px, {'colour' if self.color else 'gray'}"
        return (
            f"<MixingSet of {count(len(self), 'picture')}, {pixels}, {f'in {self.path}' if self.path else 'in memory'}>"
        )

    def _repr_html_(self) -> str:
        few = (np.broadcast_to(one.reshape(*one.shape[:2], -1), (*one.shape[:2], 3)) for one in self.pictures[:SHOWN])
        return panels.panel(repr(self).strip("<>"), *(thumbnail(np.ascontiguousarray(one)) for one in few))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a set that has a file as the path of that file."""
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
        """The sha256 (hex) of shape and bytes; computed at most once, in about a second for 0.9 GB.

        Raises `LayerMixError` if `SET.json` records another digest for `SET.npy` with this size and time: its bytes
        have changed since the set was made.
        """
        if self._digest is None:
            computed = digest_of(self.pictures)
            recorded = recorded_digest(self.path) if self.path else None
            if recorded not in (None, computed):
                raise LayerMixError(
                    f"the mixing set {self.path} has other bytes than when it was made, although its time is the same; "
                    "restore it, or remove it and make it again"
                )
            self._digest = computed
        return self._digest

    def view(self, view: PictureView, size: int, out: Image | None = None) -> Image:
        """Cut the view out: (size, size, 3), C-contiguous, in `out` or in new memory.

        Raises `LayerMixError` where it does not lie inside a picture of the set.
        """
        index, top, left, last = int(view.index), int(view.top), int(view.left), self.size - size
        if not (size > 0 and 0 <= index < len(self) and 0 <= top <= last and 0 <= left <= last):
            raise LayerMixError(
                f"expected a crop of {size} px inside one of {len(self)} pictures of {self.size} px, got {view}; "
                "take the mixing set that it was drawn for"
            )
        out = room_for(size, out)
        cut_picture(self.pictures, index, (top, left), bool(view.flip_h), bool(view.flip_v), out)
        return out


def open_mixing_set(path: str | Path) -> MixingSet:
    """Open (memory-map) the set at `path`, any `.npy` file of a fitting shape. Raises `LayerMixError` for others.

    `path` may be a URL, from which the file is fetched once, and again when it has changed there.
    """
    path = fetched(str(path)) if is_remote(path) else as_path(path, "mixing set")
    with reading(path):
        try:
            pictures = with_retries(lambda: np.lib.format.open_memmap(regular(path), mode="r"), path)
        except FileNotFoundError as error:
            raise LayerMixError(f"expected a mixing set at {path}, but nothing is there; check the path") from error
        except (ValueError, TypeError, OverflowError, EOFError, SyntaxError) as error:
            found = f"{path} ({' '.join(str(error).split())})"
            raise LayerMixError(
                f"expected a whole .npy file, got {found}; give a mixing set, or make it again"
            ) from error
    return MixingSet(pictures, path)


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
