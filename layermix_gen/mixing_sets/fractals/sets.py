"""Sets of fractals: any number of processes, stopped and resumed at any point, give the same bytes.

A picture is a function of the seed and its index, except that a near duplicate of an earlier picture of the set is
drawn again; so a longer set begins with the shorter one. Processes render batches, the parent compares and writes them
in order. Pictures of up to 256 px are rendered at 256 px and reduced, so a set of 256 px spares most of the rendering.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layermix_gen.errors import Interrupted
from layermix_gen.images import Pictures
from layermix_gen.mixing_sets.fractals.kinds import select_kinds
from layermix_gen.mixing_sets.fractals.measures import ALIKE, thumbnails
from layermix_gen.mixing_sets.fractals.render import RENDER_SIZE, VERSION, Fractal, make_fractal, reduced
from layermix_gen.mixing_sets.store import MAX_SIZE, SetWriter, digest_of, read_about, recorded_digest
from layermix_gen.support.checks import as_path, check_whole
from layermix_gen.support.files import disk_errors, reading
from layermix_gen.support.processes import checked_workers, memory_errors, working
from layermix_gen.support.progress import progress_bar, say_without_bar

BATCH = 8  # pictures per task of a process


def render_set(
    out: str | Path,
    count: int,
    size: int = 256,
    seed: int = 0,
    kinds: tuple[str, ...] | None = None,
    *,
    detail: int | None = None,
    larger: str | Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Render a set of `count` pictures to `out` (`.npy`) and return `out`; if this very set is there, it is kept.

    Pictures of more than `detail` pixels a side are rendered at `detail` pixels and enlarged (default: none is). Of a
    set `larger` of 256 pixels, pictures are taken that else would be rendered at this size; no byte depends on it.
    Ctrl-C raises `Interrupted`; the next call goes on from there. `workers` is the number of processes (default: one
    per CPU). `progress` draws a bar on standard error if that is a terminal, else it announces the work and logs it in
    lines. Raises `LayerMixError` if count or size leaves its bounds, if memory or disk run out, and if `out` is taken.
    """
    workers = checked_workers(workers)
    if detail is not None:
        check_whole("detail", detail, RENDER_SIZE, MAX_SIZE)
    out, made_by = as_path(out, "mixing set"), describe(count, size, seed, kinds, detail)
    with disk_errors(out):
        if out.exists() and read_about(out).get("made_by") == made_by:
            return out
    with memory_errors(), SetWriter(out, (count, size, size), made_by) as writer:
        try:
            earlier = _Earlier(writer.pictures())
            if progress and writer.done < count:
                say_without_bar(f"rendering {count} fractals of {size} px into {out}")
            with (
                closing(_render_rest(writer.done, made_by, _usable(larger, made_by), workers)) as batches,
                progress_bar(count, "picture", progress, "rendering fractals", initial=writer.done) as bar,
            ):
                for batch in batches:
                    distinct = earlier.distinct(batch, made_by)
                    writer.append([fractal.pixels for fractal in distinct], [fractal.record for fractal in distinct])
                    bar.update(len(distinct))
            return writer.finish()
        except KeyboardInterrupt as error:
            message = f"stopped with {writer.done} of {count} pictures; run the same command to go on"
            raise Interrupted(message) from error


def describe(
    count: int, size: int, seed: int, kinds: tuple[str, ...] | None = None, detail: int | None = None
) -> dict[str, Any]:
    """The facts that determine the pictures of a set; they are stored in its JSON."""
    names = [kind.name for kind in select_kinds(kinds)]
    made_by = {"fractals": VERSION, "count": count, "size": size, "seed": seed, "kinds": names}
    return made_by if detail is None or detail >= size else {**made_by, "detail": detail}


class _Earlier:
    """The thumbnails of the pictures so far, with which each new picture is compared to find near duplicates."""

    def __init__(self, pictures: Pictures) -> None:
        self._rows, self._done = thumbnails(pictures), len(pictures)

    def distinct(self, batch: list[Fractal], made_by: dict[str, Any]) -> list[Fractal]:
        """Return the fractals of a batch, each near duplicate replaced by its next attempt, and remember them."""
        first = self._done
        found = thumbnails(fractal.pixels for fractal in batch)
        likeness = (self._rows[:first] @ found.T).max(axis=0, initial=-1)  # at once: a cache cannot hold the rows
        if first + len(batch) > len(self._rows):  # double the room, so that all copying stays in proportion
            self._rows = np.concatenate([self._rows, np.zeros((first + len(batch), 256), np.float32)])
        chosen = []
        for fractal, row, likest in zip(batch, found, likeness, strict=True):
            if max(likest, (self._rows[first : self._done] @ row).max(initial=-1)) >= ALIKE:
                fractal = self._next_attempt(fractal, made_by)
                (row,) = thumbnails([fractal.pixels])
            self._rows[self._done] = row
            self._done += 1
            chosen.append(fractal)
        return chosen

    def _next_attempt(self, fractal: Fractal, made_by: dict[str, Any]) -> Fractal:
        def is_new(pixels: Pictures) -> bool:
            (row,) = thumbnails([pixels])
            return bool((self._rows[: self._done] @ row < ALIKE).all())

        return make_fractal(
            made_by["seed"],
            self._done,
            made_by["size"],
            tuple(made_by["kinds"]),
            detail=made_by.get("detail"),
            first_attempt=fractal.record["attempt"] + 1,
            accept=is_new,
        )


@dataclass(frozen=True, slots=True)
class _Larger:
    """The pictures of a set of `RENDER_SIZE` pixels, and their records."""

    path: Path
    records: tuple[dict[str, Any], ...]

    def first_attempt(self, index: int) -> Fractal | None:
        """The picture at an index, if it was accepted as it was drawn first.

        Where it was drawn again, that may have been because of its likeness to earlier ones, which depends on the size.
        """
        if index >= len(self.records) or self.records[index]["attempt"]:
            return None
        return Fractal(np.load(self.path, mmap_mode="r")[index], self.records[index])


def _usable(larger: str | Path | None, made_by: dict[str, Any]) -> _Larger | None:
    """The larger set, if it is there, whole, and of what the set is made of at the size that it is rendered at."""
    if larger is None or made_by["size"] > RENDER_SIZE:
        return None
    path = as_path(larger, "larger set")
    about = read_about(path)
    known = about.get("made_by")
    if not isinstance(known, dict) or recorded_digest(path) is None:
        return None
    if {**known, "count": 0} != {**made_by, "count": 0, "size": RENDER_SIZE}:
        return None
    with reading(path):
        pictures = np.load(path, mmap_mode="r")
    if digest_of(pictures) != about["digest"] or len(about.get("pictures", ())) != len(pictures):
        return None
    return _Larger(path, tuple(about["pictures"]))


def _render_rest(
    start: int, made_by: dict[str, Any], larger: _Larger | None, workers: int
) -> Generator[list[Fractal], None, None]:
    stop = made_by["count"]
    tasks = [range(first, min(first + BATCH, stop)) for first in range(start, stop, BATCH)]
    with working((made_by, larger), min(workers, len(tasks))) as pool:
        yield from pool.in_order(_render_batch, tasks)


def _render_batch(work: tuple[dict[str, Any], _Larger | None], indices: range) -> list[Fractal]:
    made_by, larger = work
    seed, size, kinds, detail = made_by["seed"], made_by["size"], tuple(made_by["kinds"]), made_by.get("detail")

    def made(index: int) -> Fractal:
        if larger and (large := larger.first_attempt(index)):
            return reduced(large.pixels, large.record, size)
        return make_fractal(seed, index, size, kinds, detail=detail)

    return [made(index) for index in indices]
