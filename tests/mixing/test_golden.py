"""Every operation and blend against reference values that no test can regenerate.

`golden/*.npz` were computed with torchvision's float kernels; outputs are uint16, 65535 for 1.0.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from layermix_gen.mixing.recipe import IMAGE, PICTURE, Call
from layermix_gen.mixing.renderer import render

GOLDEN = Path(__file__).parent / "golden"
OPS = np.load(GOLDEN / "ops.npz")
BLENDS = np.load(GOLDEN / "blends.npz")


def cases(archive):
    return [
        pytest.param(case, id=f"{case['id']}-{case.get('op') or case['blend']}")
        for case in json.loads(bytes(archive["cases"]))
    ]


def largest_difference(rendered, expected):
    return np.abs(rendered - expected / 257).max()


@pytest.mark.parametrize("case", cases(OPS))
def test_operation(case):
    rendered = render(Call(case["op"], (IMAGE,), tuple(case["args"])), OPS[case["image"]])
    assert largest_difference(rendered, OPS[case["id"]]) <= (1.0 if case["op"] == "posterize" else 0.51)


@pytest.mark.parametrize("case", cases(BLENDS))
def test_blend(case):
    recipe = Call(case["blend"], (IMAGE, PICTURE), tuple(case["args"]))
    rendered = render(recipe, BLENDS[case["x"]], BLENDS[case["y"]])
    assert largest_difference(rendered, BLENDS[case["id"]]) <= 0.51
