"""Options of methods on the command line: each method shows and takes its own, in one line where it does not."""

import json
from pathlib import Path

import numpy as np
import pytest

from layermix_gen.mixing.methods import METHODS
from tests.helpers import invoke


@pytest.mark.parametrize("method", METHODS)
def test_help_has_the_options_of_the_method(method: str) -> None:
    shown = invoke("build", "--method", method, "--help").stdout
    assert invoke("build", f"--method={method}", "--help").stdout == shown
    own = [f"--{name.replace('_', '-')}" for name in METHODS[method].options.kinds()]
    assert [option for option in own if option not in shown] == []
    assert (f"Options of --method {method}:" in shown) == bool(own)


def test_help_tells_how_to_list_the_options_of_a_method() -> None:
    assert "--method METHOD --help" in " ".join(invoke("build", "--help").stdout.split())


def test_options_that_are_given_are_in_the_plan(photographs: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "set.npy", np.random.default_rng(0).integers(0, 256, (3, 36, 36, 3), np.uint8))
    options = ("--layers", "3=1", "--blends", "1,1,0,0", "--no-picture-flips", "--magnitude", 3, "--pictures", "color")
    common = ("--size", 32, "--variants", 1, "--workers", 1, "--mixing-set", tmp_path / "set.npy")
    result = invoke("build", photographs, tmp_path / "out", *common, *options)
    assert result.exit_code == 0, result.output
    recorded = json.loads((tmp_path / "out" / "plan.json").read_text())["settings"]["options"]
    assert {name: recorded[name] for name in ("layers", "blends", "picture_flips", "magnitude", "pictures")} == {
        "layers": {"3": 1},
        "blends": {"add": 1, "multiply": 1},
        "picture_flips": False,
        "magnitude": 3,
        "pictures": "color",
    }
    said = next(line for line in result.stdout.splitlines() if line.startswith("method"))
    assert said.split(maxsplit=1)[1] == (
        "layermix, magnitude 3, layers 3=1, blends add=1,multiply=1, pictures color, no picture flips"
    )
    assert invoke("verify", tmp_path / "out", "--replay", "all").exit_code == 0


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ("--method", "none", "--magnitude", 3),
            "not of none; leave it out, or give --method layermix",
        ),
        (("--method", "none", "--no-picture-flips"), "--no-picture-flips is an option of layermix, not of none"),
        (("--layers", "1,2"), "expected weights as in 1=1,2=1,3=1 or 1,1,1, got '1,2'"),
        (("--layers", "1=1,1=2"), "expected weights as in 1=1,2=1,3=1 or 1,1,1, got '1=1,1=2'"),
        (("--layers", "4=1"), "layers must be one of 1, 2, 3, got '4'; change --layers"),
        (("--blends", "add"), "add=1,multiply=1,pixel=1,element=1 or 1,1,1,1, got 'add'"),
        (("--blends", "0,0,0,0"), "blends must have a weight above 0, got none; change --blends"),
        (("--magnitud", 3), "No such option '--magnitud'. Did you mean '--magnitude'?"),
        (("--method", "augmix2"), "'augmix2' is not one of"),
        (("--method", "foo", "--help"), "'foo' is not one of"),
        (("--help", "--method=foo"), "'foo' is not one of"),
        (("-h", "--method", "pixmix", "--method", ""), "'' is not one of"),
        (("--method", "--help"), "Option '--method' requires an argument."),
    ],
    ids=str,
)
def test_wrong_options_are_one_line(options: tuple[object, ...], line: str, photographs: Path, tmp_path: Path) -> None:
    result = invoke("build", photographs, tmp_path / "out", *options)
    assert result.exit_code != 0
    assert line in result.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()
