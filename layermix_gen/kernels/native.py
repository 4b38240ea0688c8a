"""The compiled kernels: one library for each level of processors, of which the best that this one can run is loaded."""

import ctypes
from ctypes import c_char_p, c_int, c_ssize_t, c_void_p
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

LEVELS = ("baseline", "x86-64-v3", "x86-64-v4")  # by the numbers of `lm_level`
FOLDER = Path(__file__).parent
FUNCTIONS: dict[str, tuple[type, ...]] = {  # what each takes; all return an int
    "lm_level": (),
    "lm_view": (c_void_p, c_ssize_t, c_char_p, c_void_p),
    "lm_picture": (c_void_p, *[c_int] * 7, c_void_p),
}


def load(level: str) -> ctypes.CDLL | None:
    """The library for a level, or None where it was not compiled."""
    path = FOLDER / f"_kernels-{level}.so"
    if not path.exists():
        return None
    library = ctypes.CDLL(str(path))
    for name, kinds in FUNCTIONS.items():
        getattr(library, name).argtypes = kinds
    return library


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The best compiled library that this processor can run, or None where nothing was compiled."""
    baseline = load(LEVELS[0])
    if baseline is None:
        return None
    usable = LEVELS[: baseline.lm_level() + 1]
    return next((found for level in reversed(usable) if (found := load(level))), None)


def address(array: npt.NDArray[np.generic]) -> int:
    """Where the bytes of a C-contiguous array begin."""
    if array.flags.writeable:  # a third of the time of `array.ctypes`
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))
    return array.ctypes.data
