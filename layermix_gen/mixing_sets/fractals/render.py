"""Render fractals from a seed: picture number `index` is a pure function of (seed, index).

Seed and index choose a kind. Its parameters are drawn and rendered; a picture whose measures leave their bounds is
refused and drawn again, from a generator that is keyed by the attempt too.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from layermix_gen.images import Pictures
from layermix_gen.mixing_sets.fractals import tone
from layermix_gen.mixing_sets.fractals.kinds import FractalKind, select_kinds
from layermix_gen.mixing_sets.fractals.measures import faults, measure

VERSION = 1  # raised whenever a seed gives other pictures than before
RENDER_SIZE = 256  # smaller pictures are rendered at this size and reduced, so that they show as much
ATTEMPTS = 12  # the last one is taken as it is


@dataclass(frozen=True, slots=True)
class Fractal:
    """A rendered picture, uint8 (S, S), and the JSON-able record of its kind, its parameters and the attempt."""

    pixels: Pictures
    record: dict[str, Any]


def render_fractal(seed: int, index: int, size: int, kinds: tuple[str, ...] | None = None) -> Pictures:
    """Render picture number `index` of the sets of this seed and these kinds (default: all), uint8 (S, S)."""
    return make_fractal(seed, index, size, kinds).pixels


def make_fractal(
    seed: int,
    index: int,
    size: int,
    kinds: tuple[str, ...] | None = None,
    *,
    detail: int | None = None,
    first_attempt: int = 0,
    accept: Callable[[Pictures], bool] = lambda _: True,
) -> Fractal:
    """Render picture number `index` with the record of how it was made.

    It is rendered at `size` pixels or, if that is more than `detail`, at `detail` pixels and enlarged. A picture is
    refused if it has faults or if `accept` refuses it; attempts are counted from `first_attempt`.
    """
    kind = _choose(select_kinds(kinds), _generator(seed, index).random())
    side = max(min(size, detail or size), RENDER_SIZE)
    for attempt in range(first_attempt, first_attempt + ATTEMPTS):
        rng = _generator(seed, index, attempt)
        parameters, tones = kind.draw(rng), tone.draw(rng)
        large = tone.apply(kind.render(side, **parameters), **tones)
        pixels = _resized(large, size)
        if not faults(measure(_resized(large, RENDER_SIZE))) and accept(pixels):
            break
    return Fractal(pixels, {"kind": kind.name, "attempt": attempt, "tone": tones, "parameters": parameters})


def reduced(large: Pictures, record: dict[str, Any], size: int) -> Fractal:
    """The fractal of `size` pixels, at most `RENDER_SIZE`, whose picture of `RENDER_SIZE` pixels is `large`."""
    return Fractal(_resized(large, size), record)


def render_record(record: dict[str, Any], size: int) -> Pictures:
    """Render the picture of a record again, uint8 (S, S)."""
    (kind,) = select_kinds((record["kind"],))
    field = kind.render(max(size, RENDER_SIZE), **record["parameters"])
    return _resized(tone.apply(field, **record["tone"]), size)


def _choose(kinds: tuple[FractalKind, ...], uniform: float) -> FractalKind:
    shares = np.cumsum([kind.share for kind in kinds])
    return kinds[int(np.searchsorted(shares, uniform * shares[-1], side="right"))]


def _generator(*words: int) -> np.random.Generator:
    """A generator that is keyed by the words and by the version of the pictures."""
    key = hashlib.sha256(repr((VERSION, *words)).encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key)))


def _resized(picture: Pictures, size: int) -> Pictures:
    if size == picture.shape[0]:
        return picture
    way = cv2.INTER_AREA if size < picture.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (size, size), interpolation=way), np.uint8)
