"""The compiled kernels: the library of the best level that this processor can run, or the one that a user asks for."""

import ctypes
import os
from ctypes import c_char_p, c_int, c_ssize_t, c_void_p
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from layermix_gen.errors import LayerMixError
from layermix_gen.kernels.compiling import FOLDER, INSTRUCTIONS, library_path
from layermix_gen.support.checks import check_choice
from layermix_gen.support.progress import warn

LEVELS = tuple(INSTRUCTIONS)  # by the numbers of `lm_level`
VARIABLE = "LAYERMIX_GEN_KERNELS"  # of the environment: the name of a level, or this:
NUMPY = "numpy"
FUNCTIONS: dict[str, tuple[type, ...]] = {  # what each takes; all return an int
    "lm_level": (),
    "lm_view": (c_void_p, c_ssize_t, c_char_p, c_void_p),
    "lm_picture": (c_void_p, *[c_int] * 7, c_void_p),
    "lm_filter": (c_void_p, c_int, c_int, c_void_p),
    "lm_unfilter": (c_void_p, c_int, c_int, c_int, c_int, c_void_p),
    "lm_render": (c_char_p, c_int, c_void_p, c_int, c_int, c_void_p),
    "lm_render_all": (c_void_p, c_void_p, c_int, c_void_p, *[c_int] * 3),
    "lm_draw": (c_void_p, c_void_p, c_void_p, c_int, c_void_p, c_void_p),
}


def load(level: str, folder: Path = FOLDER) -> ctypes.CDLL | None:
    """The library of a level, or None where it was not compiled from the sources as they are now."""
    path = library_path(level, folder)
    if not path.exists():
        return None
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        remedy = f"delete it and install the package again, or set {VARIABLE}={NUMPY}"
        raise LayerMixError(f"cannot load the compiled kernels: {error}; {remedy}") from error
    for name, kinds in FUNCTIONS.items():
        getattr(library, name).argtypes = kinds
    return library


@cache
def chosen() -> str:
    """The level of the kernels in use, or "numpy": what `LAYERMIX_GEN_KERNELS` names, else the best that there is.

    Raises `LayerMixError` if that was not compiled, or this processor cannot run it.
    """
    name = os.environ.get(VARIABLE)
    if name == NUMPY:  # of compiled kernels that cannot be loaded, nothing is asked
        return NUMPY
    baseline = load("baseline")
    levels = LEVELS[: baseline.lm_level() + 1] if baseline else ()
    usable = [NUMPY, *(level for level in levels if library_path(level).exists())]
    if name:
        check_choice(VARIABLE, name, usable, change="the environment variable to what is compiled and can run here")
    return name or usable[-1]


@cache
def library() -> ctypes.CDLL | None:
    """The library of the kernels in use, or None where NumPy does their work."""
    return load(chosen())


@cache
def say_if_not_compiled() -> None:
    """Say, once in a process, that NumPy does the work of the kernels, unless the user has asked for that."""
    if chosen() == NUMPY and not os.environ.get(VARIABLE):
        found = "the kernels are not compiled, so NumPy makes the same pixels, about six times as slowly"
        remedy = "install a C compiler or the Python package ziglang, then run python -m layermix_gen.kernels.compiling"
        warn(f"{found}; {remedy}")


def address(array: npt.NDArray[np.generic]) -> int:
    """Where the bytes of an array begin that is only read. Raises ValueError unless it is C-contiguous."""
    if not array.flags.c_contiguous:
        raise ValueError("expected a C-contiguous array")
    return room(array) if array.flags.writeable else array.ctypes.data  # which takes three times as long


def room(array: npt.NDArray[np.generic]) -> int:
    """Where the bytes of an array begin that is written. Raises TypeError or ValueError unless it can be."""
    return ctypes.addressof(ctypes.c_char.from_buffer(array.data))
