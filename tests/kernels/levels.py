"""The compiled libraries that this processor can run, for tests that ask each of them."""

import pytest

from layermix_gen.kernels.native import LEVELS, load

BASELINE = load(LEVELS[0])
USABLE = LEVELS[: BASELINE.lm_level() + 1] if BASELINE else ()
LIBRARIES = {level: library for level in USABLE if (library := load(level))}
every_level = pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
