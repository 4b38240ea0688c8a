"""Provide the mixing set of a build: a file, a packed folder, or fractals; made once and kept in a cache."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from layermix_gen.errors import LayerMixError
from layermix_gen.mixing_sets.fractals.render import RENDER_SIZE, VERSION
from layermix_gen.mixing_sets.fractals.sets import describe, render_set
from layermix_gen.mixing_sets.kept import is_as_made, is_copy
from layermix_gen.mixing_sets.mixing_set import MixingSet, open_mixing_set
from layermix_gen.mixing_sets.packing import Cut, list_pictures, listing_key, pack_folder
from layermix_gen.mixing_sets.set_cache import cache_directory, cached, fetched
from layermix_gen.mixing_sets.store import read_about
from layermix_gen.sources.base import is_unread
from layermix_gen.support.checks import as_path, is_remote
from layermix_gen.support.files import reading
from layermix_gen.support.progress import say_without_bar, warn
from layermix_gen.support.text import as_text

DEFAULT_COUNT = 384  # pictures of the set that a build renders by itself
DETAIL = 384  # pixels a side at which they are rendered at most; see docs/fractals.md for the time that this saves
TOLD = 10  # unreadable pictures of a folder that are named at most


def picture_size_for(view_size: int) -> int:
    """The side of the pictures for views of `view_size` pixels: 256 for 224 and 36 for 32, as in the paper."""
    return max(view_size + 4, view_size * 256 // 224)


def resolve_mixing_set(
    location: str | Path | None,
    view_size: int,
    seed: int = 0,
    *,
    count: int = DEFAULT_COUNT,
    color: bool = False,
    kept: Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> MixingSet:
    """The set for views of `view_size` pixels: a `.npy` file or its URL, a folder of pictures, or fractals.

    A file at a URL is fetched once, a folder packed once. `color` applies to a folder, `seed` and `count` to
    `location=None`, the fractals. What is fetched or made is kept in the cache directory; if the file `kept` holds
    these fractals, perhaps rendered on another machine, it is taken. Raises `LayerMixError` if the location is not a
    mixing set, or its pictures are smaller than the views.
    """
    size = picture_size_for(view_size)
    if location is None:
        name = _name_of(count, size, seed)
        about = read_about(kept) if kept and kept.is_file() else {}
        is_same = about.get("made_by") == describe(count, size, seed, detail=DETAIL)
        if kept and is_same and is_copy(kept, about.get("digest", "")):
            path = kept
        else:
            path = cached(name, partial(_render, count, size, seed, workers, progress), is_as_made)
    elif location == "":
        raise LayerMixError("expected a mixing set (.npy) or a folder of pictures, got an empty name; give a path")
    elif is_remote(location):
        path = fetched(str(location))
    elif _is_folder(path := as_path(location, "mixing set")):
        path = _packed(path, Cut(size, color), progress)
    mixing = open_mixing_set(path)
    if mixing.size < view_size:
        remedy = "make the set with larger pictures, or the views smaller"
        raise LayerMixError(f"expected a mixing set of at least {view_size} px, got {mixing.size} px; {remedy}")
    return mixing


def kept_fractals(view_size: int, seed: int) -> Path | None:
    """The file of the default fractals for views of `view_size` pixels, if an earlier build has left them here."""
    path = cache_directory() / _name_of(DEFAULT_COUNT, picture_size_for(view_size), seed)
    with suppress(OSError):  # what cannot be looked at is the build's to refuse
        return path if path.exists() else None
    return None


def is_rendered_here(path: Path, count: int, view_size: int, seed: int) -> bool:
    """Whether the set at a path is, by its name or its `SET.json`, what `resolve_mixing_set` renders for a build."""
    size = picture_size_for(view_size)
    by_name = path.name == _name_of(count, size, seed)
    return by_name or read_about(path).get("made_by") == describe(count, size, seed, detail=DETAIL)


def _packed(folder: Path, cut: Cut, progress: bool) -> Path:
    """The cached pack of a folder, after a line for each picture that is not in it."""
    source, items = list_pictures(folder)
    name = f"packed-{listing_key(source, items, cut)}-{cut.size}.npy"
    skipped: dict[str, str] = {}
    path = cached(name, partial(_pack, folder, cut, progress, skipped))
    packed = {one["source"] for one in read_about(path).get("pictures", ())}
    why = {item.id: skipped.get(item.id, "could not be used when it was packed") for item in items}
    _tell([f"{as_text(folder)}/{one}: {why[one]}" for one in why if packed and one not in packed])
    return path


def _pack(folder: Path, cut: Cut, progress: bool, skipped: dict[str, str], path: Path) -> Path:
    """Pack a folder and return where the pack is. Adds to `skipped` why pictures are not in it, by their ids.

    A pack gets another name if files could not be read: nothing in the key tells when they can be.
    """
    draft = path.with_name(f"draft-{path.name}")
    draft.unlink(missing_ok=True)  # of a process that was killed
    skipped |= pack_folder(folder, draft, cut, progress)
    if unread := sorted(name for name, why in skipped.items() if is_unread(why)):
        path = path.with_stem(f"{path.stem}-without-{hashlib.sha256(json.dumps(unread).encode()).hexdigest()[:16]}")
    for suffix in (".json", ".npy"):
        draft.with_suffix(suffix).replace(path.with_suffix(suffix))
    return path


def _render(count: int, size: int, seed: int, workers: int | None, progress: bool, path: Path) -> Path:
    if path.exists():
        warn(f"{path} is not as it was rendered, and is rendered again")
        path.unlink()
        path.with_suffix(".json").unlink(missing_ok=True)
    if progress:
        say_without_bar(f"the fractals are kept for later builds in {path.parent}")
    larger = path.with_name(_name_of(count, RENDER_SIZE, seed))
    render_set(path, count, size, seed, detail=DETAIL, larger=larger, workers=workers, progress=progress)
    return path


def _name_of(count: int, size: int, seed: int) -> str:
    """The name of a set of fractals in the cache."""
    return f"fractals-v{VERSION}-seed{seed}-{count}x{size}{f'-detail{DETAIL}' if size > DETAIL else ''}.npy"


def _tell(skipped: Sequence[str]) -> None:
    """Warn of pictures that were skipped, the first few of them by name."""
    more = [f"{len(skipped) - TOLD} more"] if len(skipped) > TOLD else []
    for line in [*skipped[:TOLD], *more]:
        warn(f"skipped {line}")


def _is_folder(path: Path) -> bool:
    with reading(path):
        return path.is_dir()
