"""The kernels of each level that this processor can run, and NumPy's, for tests that ask each of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CDLL
from pathlib import Path

import numpy as np
import pytest

from layermix_gen.images import Image
from layermix_gen.kernels import native, programs
from layermix_gen.kernels.compiling import FOLDER

COMPILED = Path(os.environ.get("LAYERMIX_GEN_TEST_KERNELS", FOLDER))  # by another compiler: `make kernels-elsewhere`
BASELINE = native.load(native.LEVELS[0], COMPILED)
USABLE = native.LEVELS[: BASELINE.lm_level() + 1] if BASELINE else ()
LIBRARIES = {level: library for level in USABLE if (library := native.load(level, COMPILED))}
KERNELS = {native.NUMPY: None, **LIBRARIES}
every_level = pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
every_kernel = pytest.mark.parametrize("library", KERNELS.values(), ids=KERNELS)
COMPILED_CALLS = tuple(name for name in programs.CALLS if name not in programs.LEAVES)  # others have NumPy alone
GUARD = 64  # bytes around a result


@contextmanager
def using(library: CDLL | None) -> Iterator[None]:
    """Let views, pictures and PNGs be made by one library, or by NumPy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "library", lambda: library)
        yield


@contextmanager
def guarded(shape: tuple[int, ...]) -> Iterator[Image]:
    """A result to write to, not aligned, between guards. Raises ValueError where something has written to those."""
    size = int(np.prod(shape))
    room = np.full(size + 2 * GUARD + 1, 0xA5, np.uint8)
    yield room[GUARD + 1 :][:size].reshape(shape)
    if (room[: GUARD + 1] != 0xA5).any() or (room[-GUARD:] != 0xA5).any():
        raise ValueError("writes beside its result")
