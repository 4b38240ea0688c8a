"""Each allocation of the kernels fails in turn: that is a MemoryError, and all other memory is freed."""

import subprocess
from collections.abc import Callable
from ctypes import CDLL, c_int
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from layermix_gen.images.views import PictureView
from layermix_gen.kernels import compiling, native, programs, scaling
from layermix_gen.mixing.bulk import ImageRows, programs_of, render_programs
from layermix_gen.mixing.methods import Recipe
from layermix_gen.mixing.renderer import evaluated, nodes_of
from tests.kernels.levels import using
from tests.kernels.test_digests import RECIPES, image_of

HEADER = Path(__file__).parent / "failing_malloc.h"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> CDLL:
    """The kernels, whose allocations fail on demand."""
    folder = tmp_path_factory.mktemp("kernels")
    compiler = compiling.system_compiler() or compiling.ZIG
    sources = sorted(compiling.FOLDER.glob("*.c"))
    to = compiling.library_path("baseline", folder)
    subprocess.run(
        [*compiler, *compiling.FLAGS, "-O0", "-w", "-include", HEADER, *sources, "-lm", "-o", to], check=True
    )
    found = native.load("baseline", folder)
    assert found
    return found


def failures(library: CDLL, work: Callable[[], object]) -> int:
    """Let each allocation of `work` fail in turn, and return how many there are."""
    until_failure, unfreed = (c_int.in_dll(library, name) for name in ("until_failure", "unfreed"))
    for number in count():
        until_failure.value = number
        try:
            work()
        except MemoryError:
            assert until_failure.value < 0
        else:
            assert until_failure.value >= 0, "an allocation failed without an error"
            return number
        finally:
            assert unfreed.value == 0
    raise AssertionError


def test_recipes(library: CDLL) -> None:
    leaves = [image_of(9, 11, number) for number in range(3)]
    out, total = np.empty_like(leaves[0]), 0
    for recipe in RECIPES:
        total += failures(library, partial(programs.run, library, nodes_of(recipe), leaves, out))
        np.testing.assert_array_equal(out, evaluated(recipe, dict(zip(programs.LEAVES, leaves, strict=True))))
    assert total > 3 * len(RECIPES)


def test_many_recipes_at_once(library: CDLL) -> None:
    images, pictures = np.stack([image_of(8, 8, number) for number in range(3)]), np.zeros((1, 8, 8), np.uint8)
    crop = PictureView(0, 0, 0, False, False)
    some = programs_of([Recipe("", recipe, picture=crop) for recipe in RECIPES[:3]])
    rows, out = ImageRows.all_of(images), ImageRows.all_of(np.empty_like(images))
    assert some
    assert failures(library, lambda: render_programs(library, some, rows, rows, pictures, out)) >= 1 + 2 * 3


def test_views(library: CDLL) -> None:
    source, out = image_of(20, 30, 0), np.empty((8, 8, 3), np.uint8)
    with using(library):
        assert failures(library, lambda: scaling.cut_scaled(source, (0, 0, 20, 30), (8, 8), (0, 0), False, out)) == 1
