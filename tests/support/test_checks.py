"""Checks of arguments: what is wrong is refused in one line that says what was expected, what was found, what to do."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.support.checks import (
    MAX_SEED,
    as_ordered,
    as_path,
    as_several,
    as_utf8_path,
    as_whole,
    check_choice,
    check_number,
    check_output,
    check_seed,
    check_share,
    check_whole,
    is_remote,
)


def refusal(check: Callable[..., object], *arguments: Any, **options: Any) -> str:
    """The one line with which a check refuses its arguments."""
    with pytest.raises(LayerMixError) as caught:
        check(*arguments, **options)
    line = str(caught.value)
    assert "\n" not in line
    return line


# --- numbers and choices ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [2, 3, 9])
def test_whole_numbers_in_range_pass(value: int) -> None:
    check_whole("size", value, 2, 9)
    check_whole("size", value, 2)
    assert as_whole("size", value, 2) == value


@pytest.mark.parametrize(
    "value", [1, 10, -3, True, np.int64(5), np.uint8(5), 5.0, np.float32(5), math.nan, math.inf, "5", None, [5]]
)
def test_other_whole_numbers_and_what_is_none_are_refused(value: Any) -> None:
    line = f"shard_size must be a whole number in [2, 9], got {value!r}; change --shard-size"
    assert refusal(check_whole, "shard_size", value, 2, 9) == line


def test_whole_numbers_without_an_upper_bound_fit_64_bits() -> None:
    check_whole("size", 2**63 - 1, 1)
    line = f"shard size must be a whole number from 1 on, got {2**63}; change --shard-size"
    assert refusal(check_whole, "shard size", 2**63, 1) == line
    assert refusal(check_whole, "size", 0, 1, change="the file") == (
        "size must be a whole number from 1 on, got 0; change the file"
    )


@pytest.mark.parametrize("kind", [int, np.int8, np.uint16, np.int64, np.uint64])
def test_whole_numbers_of_numpy_become_ints(kind: type) -> None:
    number = as_whole("rank", kind(5), 0)
    assert (type(number), number) == (int, 5)
    line = "rank must be a whole number from 6 on, got 5; change --rank"
    assert refusal(as_whole, "rank", kind(5), 6) == line


@pytest.mark.parametrize("value", [5.0, np.float64(5), math.nan, "5", None, True, np.True_, np.array([5])])
def test_what_is_no_whole_number_becomes_none(value: Any) -> None:
    assert refusal(as_whole, "rank", value, 0, change="rank=") == (
        f"rank must be a whole number from 0 on, got {value!r}; change rank="
    )


@pytest.mark.parametrize("value", [0, 1, MAX_SEED])
def test_seeds_are_below_2_to_the_63(value: int) -> None:
    check_seed(value)


@pytest.mark.parametrize("value", [-1, 2**63, True, np.int64(1), 1.0, math.nan, None])
def test_other_seeds_are_refused(value: Any) -> None:
    line = f"seed must be a whole number in [0, 9223372036854775807], got {value!r}; change --seed"
    assert refusal(check_seed, value) == line


@pytest.mark.parametrize("value", [0.1, 10, 3, 2.5, np.float64(2.5)])
def test_numbers_in_range_pass(value: float) -> None:
    check_number("magnitude", value, 0.1, 10)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (0, "0"),
        (10.5, "10.5"),
        (10.0000001, "10.0000001"),
        (10**400, str(10**400)),
        (math.nan, "nan"),
        (np.float64("nan"), "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (True, "True"),
        ("5", "'5'"),
        (None, "None"),
        (5 + 0j, "(5+0j)"),
        ([5], "[5]"),
    ],
)
def test_other_numbers_and_what_is_none_are_refused(value: Any, found: str) -> None:
    line = f"blending_ratio must be in [0.1, 10], got {found}; change --blending-ratio"
    assert refusal(check_number, "blending_ratio", value, 0.1, 10) == line


@pytest.mark.parametrize("value", [0, 0.25, 1, 1.0])
def test_shares_are_from_0_to_1(value: float) -> None:
    check_share("replay", value)


@pytest.mark.parametrize(("value", "found"), [(-0.01, "-0.01"), (1.5, "1.5"), (math.nan, "nan"), (True, "True")])
def test_other_shares_are_refused(value: Any, found: str) -> None:
    assert refusal(check_share, "replay", value) == f"replay must be a share in [0, 1], got {found}; change --replay"


def test_one_of_the_choices_passes_and_any_other_is_refused() -> None:
    choices = ("drop", "pad", None)
    for choice in choices:
        check_choice("remainder", choice, choices)
    line = "remainder must be one of drop, pad, got 'keep\\n'; change "
    assert refusal(check_choice, "remainder", "keep\n", choices) == line + "--remainder"
    other = "kind must be one of png, got ['png']; change --kind"
    assert refusal(check_choice, "kind", ["png"], {"png": 1}) == other
    assert refusal(check_choice, "remainder", "keep\n", choices, change="remainder=") == line + "remainder="


@pytest.mark.parametrize("values", [("v00", "v01"), ["v00", "v01"], {"v00": 1, "v01": 2}, np.array(["v00", "v01"])])
def test_several_values_become_a_tuple(values: Any) -> None:
    assert as_several("planes", values) == ("v00", "v01")
    assert as_several("planes", iter(values)) == ("v00", "v01")


@pytest.mark.parametrize("value", ["v01", 3, None, np.int64(3)])
def test_a_single_value_is_refused(value: Any) -> None:
    assert refusal(as_several, "planes", value) == (
        f"planes must be several values, got {value!r}; write planes=({value!r},)"
    )


@pytest.mark.parametrize("value", [{"v01", "v02"}, frozenset({"v01"}), set()])
def test_a_set_has_no_order(value: Any) -> None:
    line = f"views must be in an order, which a set has not, got {value!r}; give a list"
    assert refusal(as_ordered, "views", value) == line
    assert as_ordered("views", ["v01", "v00"]) == ("v01", "v00")


@pytest.mark.parametrize("value", [np.zeros(3), [1], {"png": 1}, np.ones((200, 200))])
def test_what_is_no_choice_is_shown_in_short(value: Any) -> None:
    line = refusal(check_choice, "kind", value, ("png", None))
    assert line.startswith("kind must be one of png, got ")
    assert len(line) < 200


# --- paths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["a/ä b", Path("a/ä b")])
def test_texts_and_paths_become_paths(path: str | Path) -> None:
    assert as_path(path, "source") == Path("a/ä b")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (3, "expected a path as the source, got 3; give a text or a Path"),
        (None, "expected a path as the source, got None; give a text or a Path"),
        (b"a", "expected a path as the source, got b'a'; give a text or a Path"),
        (range(10**9), "expected a path as the source, got range(0, 1000000000); give a text or a Path"),
        ([0] * 100, f"expected a path as the source, got [{'0, ' * 26}0; give a text or a Path"),
        ("", "expected a path as the source, got an empty text; name one"),
        ("a\0b", r"expected a path as the source, got a zero byte in 'a\x00b'; take it out"),
    ],
)
def test_what_is_no_path_is_refused(path: Any, line: str) -> None:
    assert refusal(as_path, path, "source") == line


def test_a_path_that_a_plan_could_not_hold_is_refused() -> None:
    line = (
        r"expected a path in UTF-8 as the source, got /a\xff; rename it, or use a UTF-8 locale if that is what it is in"
    )
    assert refusal(as_utf8_path, "/a\udcff", "source") == line
    assert as_path("/a\udcff", "source") == Path("/a\udcff")


@pytest.mark.parametrize(
    "url", ["s3://b/x", "http://h:80/x", "hf://x", "file:///x", "simplecache::s3://b", "memory://x"]
)
def test_urls_are_remote_and_no_paths(url: str) -> None:
    assert is_remote(url)
    for place in (url, Path(url), str(Path(url)), Path(url) / "x"):
        line = f"expected a path of this machine as the source, got the URL {place}; copy"
        assert refusal(as_path, place, "source").startswith(line)


@pytest.mark.parametrize("place", ["set", "/data/set", "C:/set", "a:b", "a/b://c", "/s3://b", "{a,b}", "#x", "-x"])
def test_other_places_are_paths(place: str) -> None:
    assert not is_remote(place)
    assert as_path(place, "source") == Path(place)


def test_a_tilde_at_the_beginning_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    places: dict[str | Path, str] = {"~": "home", "~/a": "home/a", Path("~/a"): "home/a", "./~": "~", "./~/a": "~/a"}
    for place, path in (places | {"./~no one/a": "~no one/a", "./s3:/b": "s3:/b", "./s3://b": "s3:/b"}).items():
        found = as_path(place, "source")
        assert found == as_path(found, "source") == tmp_path / path
    assert as_path("a/~", "source") == Path("a/~")
    assert as_path(" ~", "source") == Path(" ~")
    for place in ("~no one/a", "~nobody-here", Path("~no one/a")):
        assert refusal(as_path, place, "source") == (
            f"expected a path as the source, got {place}, of a user that is not there; mend the name, or give the "
            "path from / on, if it begins like this"
        )


def test_missing_and_empty_folders_take_output(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "hides").mkdir()
    (tmp_path / "hides" / ".cache").touch()
    before = sorted(tmp_path.rglob("*"))
    for folder in (tmp_path / "new" / "deep", tmp_path / "source2", tmp_path / "hides", Path("new")):
        check_output(folder, source=source)
    check_output(source)
    assert sorted(tmp_path.rglob("*")) == before  # a check makes nothing


@pytest.mark.parametrize(
    "name",
    ["lost+found", "System Volume Information", "$RECYCLE.BIN", "__MACOSX", "Desktop.ini", ".DS_Store", ".snapshot"],
)
def test_a_folder_with_nothing_but_the_systems_own_is_empty(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    check_output(tmp_path)
    assert refusal(check_output, tmp_path, hidden=True) == (
        f"expected an empty folder, found {name!r} in {tmp_path}; choose another"
    )
    (tmp_path / "lost").touch()
    assert refusal(check_output, tmp_path) == f"expected an empty folder, found 'lost' in {tmp_path}; choose another"


def test_a_folder_that_the_command_began_takes_more(tmp_path: Path) -> None:
    (tmp_path / "v00").mkdir()
    line = f"expected an empty folder, found 'v00' in {tmp_path}; choose another"
    assert refusal(check_output, tmp_path, mark="plan.json") == line
    check_output(tmp_path, mark="plan.json", own=("v00",))
    (tmp_path / "plan.json").touch()
    check_output(tmp_path, mark="plan.json")
    assert refusal(check_output, tmp_path, own=("v00",)).startswith("expected an empty folder, found 'plan.json' in ")


def test_places_that_take_no_output_are_refused(tmp_path: Path) -> None:
    file, source, hides = tmp_path / "file", tmp_path / "source", tmp_path / "hides"
    file.touch()
    source.mkdir()
    hides.mkdir()
    (hides / ".cache").touch()
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    (tmp_path / "link").symlink_to(source)
    lines = {
        file: f"expected a folder to write into, found a file at {file}",
        file / "out": f"cannot write to {file}/out: {file} is no folder, or closed to you",
        tmp_path / "broken" / "out": f"expected a folder to write into, found a broken link at {tmp_path}/broken",
        tmp_path / ("a" * 300): f"cannot write to {tmp_path}/{'a' * 300}: file name too long",
        source: f"expected an output folder outside of {source}, got {source}",
        tmp_path / "link" / "out": f"expected an output folder outside of {source}, got {tmp_path}/link/out",
        hides: f"expected an empty folder, found '.cache' in {hides}",
    }
    for folder, line in lines.items():
        assert refusal(check_output, folder, source=source, hidden=True, remedy="name --out") == f"{line}; name --out"


def test_a_closed_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is closed to root, so a stand-in answers that only this folder is."""
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path)
    check_output(tmp_path.parent / "out")
    assert refusal(check_output, tmp_path / "new" / "out") == (
        f"cannot write to {tmp_path}/new/out: {tmp_path} is no folder, or closed to you; choose another"
    )
