"""Pack the pictures in a folder into a mixing set: the centre square of each, or random square crops, resized.

The folder is listed and read like a source: nothing outside of it, no file of unbounded size, and every file that
cannot be read is reported. Crops are keyed by (seed, path, number), so they depend on no other picture.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image as PillowImage

from layermix_gen.errors import BadImage, Interrupted, LayerMixError
from layermix_gen.images import Image, Pictures
from layermix_gen.mixing_sets.mixing_set import MixingSet, open_mixing_set
from layermix_gen.mixing_sets.store import MAX_SIZE, SetWriter
from layermix_gen.sources import Item
from layermix_gen.sources.folder import FolderSource
from layermix_gen.support.checks import as_path, check_seed, check_whole
from layermix_gen.support.files import reading
from layermix_gen.support.processes import available_cpus, memory_errors
from layermix_gen.support.progress import progress_bar
from layermix_gen.support.seeds import generator
from layermix_gen.support.text import as_text
from layermix_gen.support.threads import mapped_ahead

MAX_CROPS = 1000  # of one picture
MOST_BYTES = 1 << 30  # of all squares of one picture, which are in memory together
AHEAD, AHEAD_BYTES = 64, 1 << 28  # files that are read ahead, fewer where their squares take more bytes

Square: TypeAlias = tuple[float, float, float]  # top, left and side, in pixels of the picture


@dataclass(frozen=True, slots=True)
class Cut:
    """What is kept of each picture: the centre square, or `crops` random ones, of `size` pixels a side."""

    size: int
    color: bool = False
    crops: int = 0  # 0: the centre square
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("size", self.size, 1, MAX_SIZE)
        check_whole("crops", self.crops, 0, MAX_CROPS)
        check_seed(self.seed)
        if self.bytes > MOST_BYTES:
            found = f"{self.bytes} bytes of each picture, at most {MOST_BYTES} are held"
            raise LayerMixError(f"{found}; use a smaller --size, or fewer --crops")

    @property
    def squares(self) -> int:
        """How many squares are kept of each picture."""
        return max(1, self.crops)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of each square: (S, S), gray, or (S, S, 3)."""
        return (self.size, self.size, 3) if self.color else (self.size, self.size)

    @property
    def bytes(self) -> int:
        """How many bytes are kept of each picture."""
        return self.squares * int(np.prod(self.shape))


@dataclass(frozen=True, slots=True)
class Packed:
    """The set that `pack` made, and a line for each picture that could not be read."""

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
    """Make the set `out` (`.npy`) from the pictures below `folder`, in the order of their paths.

    Each gives its centre square, or `crops` random squares drawn by `seed`, resized (antialiased) to `size` pixels, in
    gray by default; the JSON of the set lists the squares, as source, top, left and side in pixels. Unreadable pictures
    are skipped. Raises `LayerMixError` if no picture is left, if `size` or `crops` leaves its bounds, and if `out`
    exists or cannot be written.
    """
    folder, out = as_path(folder, "folder of pictures"), as_path(out, "mixing set")
    skipped = pack_folder(folder, out, Cut(size, color, crops, seed), progress)
    lines = tuple(f"{as_text(folder)}/{name}: {why}" for name, why in skipped.items())
    return Packed(open_mixing_set(out), lines)


def pack_folder(folder: Path, out: Path, cut: Cut, progress: bool) -> dict[str, str]:
    """Write the set `out` from the pictures below `folder`; return why others cannot be read, by their ids.

    Raises `LayerMixError` as `pack` does.
    """
    source, items = list_pictures(folder)
    made_by: dict[str, Any] = {"packed": listing_key(source, items, cut), "size": cut.size, "color": cut.color}
    if cut.crops:
        made_by |= {"crops": cut.crops, "seed": cut.seed}
    skipped = {}
    shape = (len(items) * cut.squares, *cut.shape)
    with memory_errors("use a smaller --size"), SetWriter(out, shape, made_by, resume=False) as writer:
        try:
            with progress_bar(len(items), "picture", progress, "packing") as bar:
                for item, found in _read(source, items, cut):
                    if isinstance(found, str):
                        skipped[item.id] = found
                    else:
                        writer.append([pixels for pixels, _ in found], [_record(item, square) for _, square in found])
                    bar.update()
        except KeyboardInterrupt as error:
            raise Interrupted(f"stopped before {out} was whole; run the same command again") from error
        if not writer.done:
            name, why = next(iter(skipped.items()))
            first = f"{as_text(folder)}/{name}: {why}"
            raise LayerMixError(f"expected pictures in {folder}, but none of {len(items)} can be read: {first}")
        writer.finish()
    return skipped


def list_pictures(folder: Path) -> tuple[FolderSource, list[Item]]:
    """The folder as a source, and its pictures, readable or not, in the order of their paths, without hidden files.

    Raises `LayerMixError` if there is no picture.
    """
    with reading(folder):
        source = FolderSource(str(folder))
        return source, source.pictures()


def listing_key(source: FolderSource, items: Sequence[Item], cut: Cut) -> str:
    """A key that changes with the name, size or time of any picture, and with the size and color of the squares."""
    with reading(Path(source.location)):
        root = as_text(Path(source.location).resolve())
        listing = [(item.id, item.size, source.changed(item)) for item in items]
    return hashlib.sha256(json.dumps([root, listing, cut.size, cut.color]).encode()).hexdigest()[:16]


def draw_square(rng: np.random.Generator, height: int, width: int, size: int) -> Square:
    """Draw a square inside of a picture, all in whole pixels.

    Its side is uniform from half of the shorter side to all of it, but at least `size` if the picture is that large.
    """
    short = min(height, width)
    side = int(rng.integers(min(short, max(size, -(-short // 2))), short, endpoint=True))
    return int(rng.integers(height - side, endpoint=True)), int(rng.integers(width - side, endpoint=True)), side


def _read(
    source: FolderSource, items: Sequence[Item], cut: Cut
) -> Iterator[tuple[Item, list[tuple[Pictures, Square]] | str]]:
    """Each item with its squares and where they were cut, or with the reason why it cannot be read."""
    threads = available_cpus()
    ahead = max(1, min(AHEAD, AHEAD_BYTES // cut.bytes) // threads)
    return mapped_ahead(lambda item: (item, _squares(source, item, cut)), items, threads, ahead=ahead)


def _squares(source: FolderSource, item: Item, cut: Cut) -> list[tuple[Pictures, Square]] | str:
    try:
        picture = source.read(item)
    except BadImage as error:
        return str(error)
    height, width = picture.shape[:2]
    side = min(height, width)
    squares: list[Square] = [((height - side) / 2, (width - side) / 2, side)]
    if cut.crops:
        rngs = (generator(cut.seed, item.id, number) for number in range(cut.crops))
        squares = [draw_square(rng, height, width, cut.size) for rng in rngs]
    return [(_resized(picture, square, cut), square) for square in squares]


def _resized(picture: Image, square: Square, cut: Cut) -> Pictures:
    """The square of the picture, resized (antialiased): uint8, of `cut.shape`."""
    top, left, side = square
    box = (left, top, left + side, top + side)
    resized = PillowImage.fromarray(picture).resize((cut.size, cut.size), PillowImage.Resampling.BILINEAR, box)
    return np.asarray(resized if cut.color else resized.convert("L"))


def _record(item: Item, square: Square) -> dict[str, str | float]:
    top, left, side = square
    return {"source": item.id, "top": top, "left": left, "side": side}
