"""Plans: shard arithmetic, the order of inputs, what the fingerprint covers, and the refusal of another dataset."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import layermix_gen
from layermix_gen.dataset import plan as plans
from layermix_gen.dataset import plan_changes
from layermix_gen.dataset.listings.listing import Listing, list_items
from layermix_gen.dataset.plan import MixingSetFacts, make_plan, read_plan, shard_bounds, shard_count
from layermix_gen.dataset.plan_changes import freeze
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image
from layermix_gen.mixing.methods import LayerMixOptions
from layermix_gen.mixing_sets.mixing_set import open_mixing_set
from layermix_gen.sources import Item, SourceOptions
from tests.helpers import build, digest, forget_keys, invoke, manifest, reseal, snapshot, without_start

# --- shard arithmetic ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "shards", "sizes", "reason"),
    [
        (1, 1, [1], "the smallest dataset"),
        (7, 1, [7], "one shard takes all"),
        (6, 3, [2, 2, 2], "it goes without a rest"),
        (7, 3, [2, 2, 3], "the rest is spread, one each"),
        (8, 3, [2, 3, 3], "the rest is spread, one each"),
        (5, 5, [1] * 5, "as many shards as inputs"),
    ],
)
def test_shards_are_even(count: int, shards: int, sizes: list[int], reason: str) -> None:
    bounds = [shard_bounds(count, shards, number) for number in range(shards)]
    assert [stop - start for start, stop in bounds] == sizes, reason


@pytest.mark.parametrize("count", [1, 2, 63, 1000, 1_281_167])
def test_shards_cover_exactly(count: int) -> None:
    for shards in {1, 2, 3, 7, 64, 999, min(count, 5000)} & set(range(1, count + 1)):
        bounds = [shard_bounds(count, shards, number) for number in range(shards)]
        sizes = {stop - start for start, stop in bounds}
        assert (bounds[0][0], bounds[-1][1]) == (0, count)
        assert all(stop == start for (_, stop), (start, _) in pairwise(bounds))
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("count", "at_most", "shards", "reason"),
    [
        (1, 1000, 1, "there is always one shard"),
        (127, 10_000, 1, "too few for two shards of about 128"),
        (250, 10_000, 2, "two shards of about 128 for two cores"),
        (256, 10_000, 2, "two shards of 128 for two cores"),
        (2000, 10_000, 16, "an even number: 15 shards of 133 take two workers as long as 16"),
        (2000, 118, 17, "but the size decides"),
        (60_000, 10_000_000, 64, "no more than 64 for the sake of cores"),
        (1_000_000, 10_000, 100, "the size decides"),
        (1_000_001, 10_000, 101, "no shard is over the size"),
        (5, 1, 5, "one sample is over the size already"),
    ],
)
def test_a_size_in_bytes_makes_shards(count: int, at_most: int, shards: int, reason: str) -> None:
    assert shard_count(count, at_most) == shards, reason
    assert shards <= count


# --- order and listing -----------------------------------------------------------------------------------------------


ITEMS = [Item("a b.png", 0, 10), Item("ä/ö.jpg", 1, 20), Item('quo"te\n.png', -1, 0), Item("c", 2, 5, (7, "x.tar"))]


class Listed:
    """A source of `ITEMS`."""

    kind, location, options, ignored = "folder", "/somewhere", SourceOptions(), 3
    classes = ("x", "y", "z")

    def items(self) -> list[Item]:
        return ITEMS

    def found(self) -> Iterator[Item]:
        yield from ITEMS

    def read(self, item: Item) -> Image:
        raise NotImplementedError

    def pixel_size(self, item: Item) -> tuple[int, int]:
        raise NotImplementedError


@cache
def listing(*items: Item) -> Listing:
    """The listing of some items; of `ITEMS` without any."""
    return list_items(items or ITEMS, 0)


def planned(root: Path, shards: int = 3, **changes: Any) -> plans.Plan:
    settings = BuildSettings(**changes).resolve(None)
    return make_plan(root, Listed(), listing(), settings, None, shards)


@pytest.mark.parametrize("shards", [1, 2, 3, 4])
def test_each_shard_reads_its_slice(shards: int, tmp_path: Path) -> None:
    root = tmp_path / "new" / "folder"
    plan = freeze(planned(root, shards), listing())
    slices = [list(plan.items(number)) for number in range(shards)]
    assert [one for part in slices for one in part] == list(enumerate(listing()))
    assert [len(part) for part in slices] == [stop - start for start, stop in map(plan.bounds, range(shards))]
    assert [{plan.shard_of(ordinal) for ordinal, _ in part} for part in slices] == [{one} for one in range(shards)]


def test_a_plan_comes_back_as_it_was_frozen(tmp_path: Path) -> None:
    plan = freeze(planned(tmp_path), listing())
    before = snapshot(tmp_path)
    again = read_plan(tmp_path)
    assert repr(again) == repr(plan)
    assert again.fingerprint == plan.fingerprint == json.loads((tmp_path / "plan.json").read_text())["fingerprint"]
    freeze(planned(tmp_path), listing())
    assert snapshot(tmp_path) == before
    (tmp_path / "sources.parquet").unlink()
    freeze(planned(tmp_path), listing())
    assert (tmp_path / "sources.parquet").read_bytes()


# --- fingerprint -----------------------------------------------------------------------------------------------------

OTHERS: dict[str, Any] = {
    "size": 48,
    "view": "center",
    "view_mode": "shared",
    "method": "none",
    "options": LayerMixOptions("released", 5.0, 2.0, ("rotate",)),
    "format": "webp",
    "quality": 80,
    "subsampling": "420",
    "keys": "shared",
    "shard_size": "100MB",
    "seed": 1,
    "max_pixels": 10**6,
}


def test_every_setting_is_in_the_fingerprint_but_for_the_planes(tmp_path: Path) -> None:
    names = {field for field in BuildSettings.__dataclass_fields__ if field not in plans.ADDABLE}
    assert names == set(OTHERS)
    fingerprints = {name: planned(tmp_path, **{name: value}).fingerprint for name, value in OTHERS.items()}
    fingerprints["none"] = planned(tmp_path).fingerprint
    assert len(set(fingerprints.values())) == len(OTHERS) + 1
    assert planned(tmp_path, variants=9, clean=False).fingerprint == fingerprints["none"]
    assert planned(tmp_path / "elsewhere").fingerprint == fingerprints["none"]


def test_the_fingerprint_is_that_of_earlier_versions(tmp_path: Path) -> None:
    """A plan without a setting that came later is one with its default."""
    plan = replace(planned(tmp_path), versions={"layermix-gen": "0"})
    assert plan.fingerprint == "264694de479596db67d1b22134d4505a20ad7908264a40f4755562911c42a7d4"
    freeze(plan, listing())
    forget_keys(tmp_path / "plan.json")
    before = snapshot(tmp_path)
    again = freeze(plan, listing())
    assert again.settings.keys == read_plan(tmp_path).settings.keys == "unique"
    assert snapshot(tmp_path) == before


def test_a_plan_from_before_there_were_virtual_planes(tmp_path: Path) -> None:
    """It has no `store`, and goes on with images."""
    older = replace(planned(tmp_path).settings, store=None)
    assert older.is_resolved
    assert older.virtual_planes == ()
    assert BuildSettings().filled(older).resolve(None).store == "images"
    recipes = replace(older, store="recipes", view_mode="shared")
    assert BuildSettings(view_mode="shared").filled(recipes).store == "recipes"
    assert BuildSettings().filled(recipes).store is None  # so that what else was changed is told


@pytest.mark.parametrize(
    "other",
    [
        ITEMS[:3],
        [replace(ITEMS[0], id="other"), *ITEMS[1:]],
        [replace(ITEMS[0], label=1), *ITEMS[1:]],
        [replace(ITEMS[0], size=11), *ITEMS[1:]],
    ],
    ids=["fewer", "id", "label", "size"],
)
def test_every_input_is_in_the_fingerprint(other: list[Item], tmp_path: Path) -> None:
    plan = planned(tmp_path)
    changed = make_plan(tmp_path, Listed(), listing(*other), plan.settings, None, 3)
    assert changed.fingerprint != plan.fingerprint


def test_where_an_input_lies_is_not_in_the_fingerprint(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    moved = [*ITEMS[:3], replace(ITEMS[3], at=(8, "x.tar"))]
    assert make_plan(tmp_path, Listed(), listing(*moved), plan.settings, None, 3).fingerprint == plan.fingerprint


def test_classes_pool_versions_and_shards_are_in_the_fingerprint(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path)
    found = {plan.fingerprint, planned(tmp_path, 2).fingerprint}
    facts = MixingSetFacts.of(open_mixing_set(pool))
    found.add(make_plan(tmp_path, Listed(), listing(), plan.settings, facts, 3).fingerprint)
    monkeypatch.setattr(Listed, "classes", ("x", "y", "other"))
    found.add(planned(tmp_path).fingerprint)
    monkeypatch.undo()
    monkeypatch.setattr(plans, "__version__", "99")
    found.add(planned(tmp_path).fingerprint)
    assert len(found) == 5


# --- refusal ---------------------------------------------------------------------------------------------------------

ARGUMENTS = ("--size", 32, "--shard-size", 12, "--variants", 1)


@pytest.fixture
def finished(photographs: Path, pool: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A copy of the photographs, a finished dataset of them, and its mixing set."""
    source, out, own_pool = tmp_path / "source", tmp_path / "out", tmp_path / "pool.npy"
    shutil.copytree(photographs, source)
    shutil.copyfile(pool, own_pool)
    build(source, out, *ARGUMENTS, "--mixing-set", own_pool)
    return source, out, own_pool


def refused(source: Path, out: Path, *arguments: object) -> str:
    """The message of a build that has to be refused, and to change no file."""
    before = snapshot(out)
    result = invoke("build", source, out, "--workers", 1, *arguments)
    assert result.exit_code == 1
    assert snapshot(out) == before
    (line,) = without_start(result.stderr).splitlines()
    start, end = (
        f"Error: {out} holds another dataset: ",
        "; repeat the command that began it, or build into another folder",
    )
    assert line.startswith(start)
    assert line.endswith(end)
    return line.removeprefix(start).removesuffix(end)


def test_another_dataset_is_refused_with_what_differs(
    finished: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out, pool = finished
    same = (source, out, *ARGUMENTS, "--mixing-set", pool)
    assert refused(*same, "--magnitude", 5) == "magnitude 8.0 -> 5.0"
    assert refused(*same, "--size", 36, "--preset", "released").startswith(
        "size 32 -> 36; preset paper -> released; ops "
    )
    assert refused(*same, "--format", "webp", "--quality", 50) == "format png -> webp; quality 95 -> 50"
    assert refused(*same, "--shard-size", 8) == "shard-size 12 -> 8"
    assert refused(*same, "--no-clean") == "planes clean left out"
    assert refused(*same, "--variants", 0) == "planes v00 left out"
    assert refused(*same, "--seed", 1) == "seed 0 -> 1"
    np.save(out.parent / "other.npy", np.zeros((2, 40, 40), np.uint8))
    assert refused(*same, "--mixing-set", out.parent / "other.npy").startswith("mixing set ")
    assert refused(source, out, *ARGUMENTS, "--method", "none") == "method layermix -> none"
    monkeypatch.setattr(plans, "__version__", "99")
    assert refused(*same) == f"layermix-gen {manifest(out)['versions']['layermix-gen']} -> 99"
    monkeypatch.undo()
    shutil.copyfile(source / "coffee" / "000.png", source / "coffee" / "new.png")
    assert refused(*same) == "images 24 -> 25; source image 'coffee/new.png' added"
    (source / "coffee" / "new.png").unlink()
    (source / "coffee" / "000.png").write_bytes(b"")
    assert refused(*same) == "source image 'coffee/000.png' changed"
    (out / "sources.parquet").unlink()
    assert refused(*same) == "source images changed, and sources.parquet is not there to tell which"


SAME = [
    ({"options": {"magnitude": 8, "blending_ratio": 3}}, {"options": LayerMixOptions()}),
    ({"options": None}, {"options": {"magnitude": 8.0, "blending_ratio": 3.0}}),
    ({"shard_size": 6}, {"shard_size": "6"}),
    ({"shard_size": "256mb"}, {"shard_size": " 256 MB"}),
    ({"options": {"ops": ["rotate", "invert"]}}, {"options": LayerMixOptions(ops=("rotate", "invert"))}),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_equal_settings_are_the_same_settings(one: dict[str, Any], other: dict[str, Any], tmp_path: Path) -> None:
    assert BuildSettings(**one) == BuildSettings(**other)
    assert planned(tmp_path, **one).fingerprint == planned(tmp_path, **other).fingerprint
    freeze(planned(tmp_path, **one), listing())
    freeze(planned(tmp_path, **other), listing())


def test_python_and_the_command_line_resume_each_other(photographs: Path, pool: Path, tmp_path: Path) -> None:
    settings = BuildSettings(variants=1, size=32, options={"magnitude": 8, "ops": ["rotate"]}, shard_size="12")
    layermix_gen.build(photographs, tmp_path, settings, mixing_set=pool, workers=1, progress=False)
    options = ("--size", 32, "--magnitude", 8, "--shard-size", 12, "--ops", "rotate")
    assert "24 images in" in build(photographs, tmp_path, *options, "--variants", 2, "--mixing-set", pool)


NOT_OF_NONE = f"expected options of the method none, got {str(LayerMixOptions())[:80]}; give NoOptions(...)"
WRONG = [
    ({"clean": "no"}, "clean must be True or False, got 'no'"),
    ({"options": {"ops": "rotate"}}, "ops must be several values, got 'rotate'; write ops=('rotate',)"),
    ({"options": {"magnitude": True}}, "magnitude must be in [0.1, 10], got True; change --magnitude"),
    ({"options": 3}, "expected options of the method layermix, got 3; give LayerMixOptions(...)"),
    ({"method": "none", "options": LayerMixOptions()}, NOT_OF_NONE),
    ({"method": "none", "options": {"ops": ()}}, "'ops' is no option of the method none; it has none"),
    (
        {"options": {"k": 4}},
        "'k' is no option of the method layermix; it takes "
        "preset, magnitude, blending_ratio, ops, layers, blends, covariance, blend_covariance, pictures, picture_flips",
    ),
]


@pytest.mark.parametrize(("changes", "line"), WRONG)
def test_settings_of_the_wrong_type(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(LayerMixError) as caught:
        BuildSettings(**changes)
    assert str(caught.value) == line


def test_moved_source_pool_and_output_resume(finished: tuple[Path, Path, Path]) -> None:
    before = digest(finished[1])
    moved = tuple(path.rename(path.with_name(f"moved {path.name}")) for path in finished)
    (moved[1] / "index" / "000001.parquet").unlink()
    build(*moved[:2], *ARGUMENTS, "--mixing-set", moved[2])
    assert digest(moved[1]) == before
    facts = manifest(moved[1])
    assert (facts["source"]["location"], facts["mixing_set"]["location"]) == (str(moved[0]), str(moved[2]))


DAMAGES: dict[str, tuple[Callable[[str], str], str]] = {
    "cut off": (lambda text: text[:100], "expected JSON in {plan}, found something else ("),
    "empty": (lambda text: "", "expected JSON in {plan}, found something else ("),
    "no object": (lambda text: "[]", "expected JSON in {plan}, found something else (expected an object, found [])"),
    "without inputs": (
        lambda text: text.replace('"inputs"', '"input"'),
        "{plan} is damaged (a field too many, 'input')",
    ),
    "odd setting": (lambda text: text.replace('"magnitude"', '"strength"'), "{plan} is damaged ("),
    "a setting of another type": (
        lambda text: text.replace('"variants": 8', '"variants": "x"'),
        "{plan} is damaged (expected a whole number of 64 bits as settings.variants, found 'x'); restore it",
    ),
    "versions": (
        lambda text: re.sub(r'"versions": \{.*?\}', '"versions": 3', text, flags=re.DOTALL),
        "{plan} is damaged (",
    ),
    "shards": (
        lambda text: text.replace('"shards": 3', '"shards": 4'),
        "{plan} is damaged (its fingerprint does not fit its content); restore it, or build",
    ),
    "another seed": (
        lambda text: text.replace('"seed": 0', '"seed": 1'),
        "{plan} is damaged (its fingerprint does not fit its content); restore it, or build",
    ),
    "newer": (lambda text: text.replace("plan 6", "plan 7"), "expected 'layermix-gen plan 6' in {plan}, found "),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_plan_is_one_line(damage: str, tmp_path: Path) -> None:
    freeze(planned(tmp_path), listing())
    change, message = DAMAGES[damage]
    path = tmp_path / "plan.json"
    path.write_text(change(path.read_text()))
    with suppress(ValueError, AttributeError):  # of damage that leaves no object
        reseal(path)
    with pytest.raises(LayerMixError) as caught:
        read_plan(tmp_path)
    assert str(caught.value).startswith(message.format(plan=path))
    assert "\n" not in str(caught.value)


def test_any_other_change_of_a_plan_is_damage(tmp_path: Path) -> None:
    freeze(planned(tmp_path), listing())
    path = tmp_path / "plan.json"
    path.write_text(path.read_text().replace('"variants": 8', '"variants": 5'))
    with pytest.raises(LayerMixError, match=r"is damaged \(its checksum does not fit its content\); restore it, or"):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("classes", ("ant", "bee", "cat"), ("ant", "bee", "cats"), "class 2 'cat' -> 'cats'"),
        ("classes", ("ant", "cat"), ("ant", "bee", "cat"), "class 1 'bee' added"),
        ("classes", ("ant", "bee", "cat"), ("ant", "cat"), "class 1 'bee' removed"),
        ("classes", ("ant",), ("ant", "bee"), "class 1 'bee' added"),
        ("classes", ("ant", "bee"), ("ant",), "class 1 'bee' removed"),
        ("classes", ("ant", "bee"), ("bee", "ant"), "class 0 'ant' -> 'bee'"),
        ("view_mode", "shared", "independent", "view-mode shared -> independent"),
        ("size", 32, None, "size 32 -> null"),
        ("versions", "a" * 50 + "x", "a" * 50 + "y", f"versions ...{'a' * 20}x -> ...{'a' * 20}y"),
        ("versions", "x" + "a" * 50, "y" + "a" * 50, f"versions x{'a' * 39}... -> y{'a' * 39}..."),
    ],
)
def test_a_difference_is_shown_where_it_is(name, old, new, said: str) -> None:
    assert plan_changes._difference(name, old, new) == said


@given(st.text(max_size=120), st.text(max_size=120))
def test_texts_that_differ_are_never_shown_alike(old: str, new: str) -> None:
    assume(old != new and " -> " not in old + new)
    before, after = plan_changes._shortened(old, new).split(" -> ")
    assert before != after
