"""docs/build.md says what the code does: the names of compiled kernels that can be chosen."""

import re
from pathlib import Path

from layermix_gen.kernels.native import LEVELS, NUMPY, VARIABLE

PAGE = (Path(__file__).parents[2] / "docs" / "build.md").read_text("utf-8")


def test_the_kernels_that_can_be_chosen_are_named() -> None:
    section = PAGE.split("## Compiled kernels\n")[1].split("\n## ")[0]
    assert {VARIABLE, NUMPY, *LEVELS} <= set(re.findall(r"`([^`]+)`", section))
