"""The strengths of each operation at each level are torchvision's."""

import numpy as np
import pytest

from layermix_gen.kernels import tones
from layermix_gen.mixing.magnitudes import WIDE, Magnitudes, narrow
from tests.mixing.methods.torchvision_ops import (
    Space,
    arguments,
    autoaugment_space,
    randaugment_space,
    trivialaugment_space,
)
from tests.mixing.test_drawing import Given

SIZES = (32, 96, 224, 331)
SPACES = {
    **{f"autoaugment at {size}": (autoaugment_space(size), narrow(size, 9)) for size in SIZES},
    **{f"randaugment at {size}": (randaugment_space(size), narrow(size, 30)) for size in SIZES},
    "trivialaugment": (trivialaugment_space(), WIDE),
}
ALL = pytest.mark.parametrize(("theirs", "ours"), SPACES.values(), ids=SPACES)


@ALL
def test_strengths_are_torchvisions(theirs: Space, ours: Magnitudes) -> None:
    for name, (magnitudes, is_signed) in theirs.items():
        if not magnitudes:
            assert ours.strength(Given(), name, 0) == ()
        assert len(magnitudes) in (0, ours.last + 1)
        for level, magnitude in enumerate(magnitudes):
            up, down = (ours.strength(Given(coin), name, level) for coin in (0.5, np.nextafter(0.5, 0)))
            assert up == pytest.approx(arguments(name, magnitude), abs=1e-9), (name, level)
            assert down == pytest.approx(arguments(name, -magnitude if is_signed else magnitude), abs=1e-9)
            assert [type(value) for value in up] == [int if name == "posterize" else float]


@ALL
def test_solarize_inverts_the_same_levels(theirs: Space, ours: Magnitudes) -> None:
    levels = np.arange(256)
    for level, threshold in enumerate(theirs["solarize"][0]):
        expected = np.where(levels >= threshold, 255 - levels, levels)
        np.testing.assert_array_equal(tones.solarize(*ours.strength(Given(), "solarize", level)), expected)


@ALL
def test_one_shift_is_another_by_float32(theirs: Space, ours: Magnitudes) -> None:
    """TrivialAugment's in the middle: torchvision's is 15.999999 and so 15 pixels, ours 16."""
    shifts = theirs["translate_x"][0]
    other = [
        level for level, shift in enumerate(shifts) if ours.strength(Given(0.9), "translate_x", level) != (int(shift),)
    ]
    assert other == ([15] if ours is WIDE else [])
