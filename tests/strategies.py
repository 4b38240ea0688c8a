"""Hypothesis strategies for images: mostly not square, some of them flat, of two values, or one pixel wide."""

from functools import partial

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

steady = partial(settings, deadline=None, derandomize=True)  # the same examples in every run, however busy the machine

SIDES = st.one_of(st.integers(1, 4), st.integers(5, 33))
SHAPES = st.tuples(SIDES, SIDES)
KINDS = ("random", "narrow", "two values", "flat", "gray", "ramp")


def make_image(kind, height, width, seed):
    """A uint8 image (height, width, 3) of one of `KINDS`."""
    rng = np.random.default_rng(seed)
    shape = (height, width, 3)
    if kind == "narrow":
        low, high = sorted(rng.integers(0, 256, 2))
        image = rng.integers(low, high + 1, shape)
    elif kind == "two values":
        image = rng.choice(rng.integers(0, 256, 2), shape)
    elif kind == "flat":
        image = np.broadcast_to(rng.choice([0, 1, 127, 128, 254, 255], 3), shape)
    elif kind == "gray":
        image = np.broadcast_to(rng.integers(0, 256, (height, width, 1)), shape)
    elif kind == "ramp":
        image = np.arange(height * width * 3).reshape(shape) * 255 // max(height * width * 3 - 1, 1)
    else:
        image = rng.integers(0, 256, shape)
    return np.ascontiguousarray(image, dtype=np.uint8)


def images_of(height, width):
    """Images of one size."""
    return st.builds(make_image, st.sampled_from(KINDS), st.just(height), st.just(width), st.integers(0, 2**32 - 1))


images = SHAPES.flatmap(lambda shape: images_of(*shape))
pairs = SHAPES.flatmap(lambda shape: st.tuples(images_of(*shape), images_of(*shape)))
