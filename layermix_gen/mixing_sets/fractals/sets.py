"""Sets of fractals: any number of processes, stopped and resumed at any point, give the same bytes.

A picture is a function of the seed and its index, except that a near duplicate of an earlier picture of the set is
drawn again; so a longer set begins with the shorter one. Processes render batches, the parent compares and writes them
in order.
"""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from layermix_gen.errors import Interrupted
from layermix_gen.images import Pictures
from layermix_gen.mixing_sets.fractals.kinds import select_kinds
from layermix_gen.mixing_sets.fractals.measures import ALIKE, thumbnails
from layermix_gen.mixing_sets.fractals.render import RENDER_SIZE, VERSION, Fractal, make_fractal
from layermix_gen.mixing_sets.store import MAX_SIZE, SetWriter, read_about
from layermix_gen.support.checks import as_path, check_whole
from layermix_gen.support.files import disk_errors
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
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Render a set of `count` pictures to `out` (`.npy`) and return `out`; if this very set is there, it is kept.

    Pictures of more than `detail` pixels a side are rendered at `detail` pixels and enlarged (default: none is). Ctrl-C
    raises `Interrupted`; the next call goes on from there. `workers` is the number of processes (default: one per CPU).
    `progress` draws a bar on standard error if that is a terminal, and else announces the work in a line. Raises
    `LayerMixError` if count or size leaves its bounds, if memory or disk run out, and if `out` is taken.
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
                closing(_render_rest(writer.done, made_by, workers)) as batches,
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


def _render_rest(start: int, made_by: dict[str, Any], workers: int) -> Generator[list[Fractal], None, None]:
    stop = made_by["count"]
    tasks = [range(first, min(first + BATCH, stop)) for first in range(start, stop, BATCH)]
    with working(made_by, min(workers, len(tasks))) as pool:
        yield from pool.in_order(_render_batch, tasks)


def _render_batch(made_by: dict[str, Any], indices: range) -> list[Fractal]:
    seed, size, kinds, detail = made_by["seed"], made_by["size"], tuple(made_by["kinds"]), made_by.get("detail")
    return [make_fractal(seed, index, size, kinds, detail=detail) for index in indices]
