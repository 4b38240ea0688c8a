"""From a seed to a mixing set: picture number `index` is a pure function of (seed, index), so any number of processes,
any order and any count give the same pictures, and a longer set begins with the shorter one.
"""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.fractals.files import Pictures, SetWriter, read_about
from layermix_gen.fractals.kinds import select_kinds

VERSION = 1  # raised whenever a seed gives other pictures than before
RENDER_SIZE = 256  # smaller pictures are rendered at this size and reduced, so that they hold as much
BATCH = 8  # pictures per task of a process


@dataclass(frozen=True, slots=True)
class Fractal:
    """A rendered picture, uint8 (S, S), and the kind and parameters that it was made by."""

    pixels: Pictures
    record: dict[str, Any]


def render_fractal(seed: int, index: int, size: int, kinds: tuple[str, ...] | None = None) -> Pictures:
    """Render picture number `index` of the sets of this seed, uint8 (S, S)."""
    return make_fractal(seed, index, size, kinds).pixels


def make_fractal(seed: int, index: int, size: int, kinds: tuple[str, ...] | None = None) -> Fractal:
    """Render picture number `index` of the sets of this seed, with the record of how it was made."""
    chosen = select_kinds(kinds)
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, index, VERSION))))
    shares = np.cumsum([kind.share for kind in chosen])
    kind = chosen[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))]
    parameters = kind.draw(rng)
    tone = kind.render(max(size, RENDER_SIZE), **parameters)
    if size < RENDER_SIZE:
        tone = cv2.resize(tone, (size, size), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    pixels = np.rint(tone * np.float32(255)).astype(np.uint8)
    return Fractal(pixels, {"kind": kind.name, "parameters": parameters})


def render_set(
    out: Path,
    count: int,
    size: int = 256,
    seed: int = 0,
    kinds: tuple[str, ...] | None = None,
    *,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Render a set of `count` pictures to `out` (`.npy`) and return `out`; a set that is already there is kept.

    Stopped by Ctrl-C it raises `Interrupted`; run again it goes on. `workers` is the number of processes (default: one
    per core). `progress` draws a bar on standard error where that is a terminal.
    """
    if count < 1 or size < 1:
        raise LayerMixError(f"expected at least one picture of at least one pixel, got {count} of {size}; give more")
    made_by = describe(count, size, seed, kinds)
    if out.exists() and read_about(out).get("made_by") == json.loads(json.dumps(made_by)):
        return out
    with SetWriter(out, (count, size, size), made_by) as writer:
        try:
            with tqdm(total=count, initial=writer.done, unit="picture", disable=None if progress else True) as bar:
                for batch in _render_rest(writer.done, count, size, seed, kinds, workers):
                    writer.append([fractal.pixels for fractal in batch], [fractal.record for fractal in batch])
                    bar.update(len(batch))
        except KeyboardInterrupt as error:
            raise Interrupted(f"stopped with {writer.done} of {count} pictures; the same command goes on") from error
        return writer.finish()


def describe(count: int, size: int, seed: int, kinds: tuple[str, ...] | None = None) -> dict[str, Any]:
    """What determines the pictures of a set; it is stored beside them."""
    names = [kind.name for kind in select_kinds(kinds)]
    return {"fractals": VERSION, "count": count, "size": size, "seed": seed, "kinds": names}


def _render_rest(
    start: int, stop: int, size: int, seed: int, kinds: tuple[str, ...] | None, workers: int | None
) -> Iterator[list[Fractal]]:
    tasks = [range(first, min(first + BATCH, stop)) for first in range(start, stop, BATCH)]
    work = partial(_render_batch, size=size, seed=seed, kinds=kinds)
    processes = min(workers or os.cpu_count() or 1, len(tasks))
    if processes <= 1:
        yield from map(work, tasks)
        return
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_ignore_interrupts)
    try:
        yield from pool.map(work, tasks)
    except BrokenProcessPool as error:
        raise LayerMixError("a rendering process was killed; run this again with fewer workers") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of the terminal; the parent alone decides what becomes of the work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _render_batch(indices: range, size: int, seed: int, kinds: tuple[str, ...] | None) -> list[Fractal]:
    cv2.setNumThreads(1)
    return [make_fractal(seed, index, size, kinds) for index in indices]
