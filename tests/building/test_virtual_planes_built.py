"""Builds of virtual planes: what is written of them, and that they are stored later as if they always had been."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from layermix_gen import BuildSettings, LayerMixDataset, LayerMixError, build, estimate, open_shards
from tests.helpers import digest, files, invoke, manifest, rows
from tests.reading.truth import Truth, keys

TAR_COLUMNS = ("offset", "size", "image_crc32", "json_crc32")
GIVEN: dict[str, Any] = {"variants": 4, "view_mode": "shared", "shard_size": "14"}


def seen(root: Path) -> tuple[Any, ...]:
    """What a reader and a query see of the variants."""
    batches = list(LayerMixDataset(root, 32, views="v01", fields=("key",), order="sequential", remainder="exact"))
    return keys(batches), [images.tolist() for images, _, _ in batches], open_shards(root).query("plane = 'v01'")


def test_the_index_has_what_is_not_stored(virtual: Truth, tiny: Truth) -> None:
    made = manifest(virtual.root)
    assert (made["settings"]["store"], made["planes"]) == ("recipes", ["clean", "v00", "v01", "v02", "v03"])
    assert {name.partition("/")[0] for name in made["tars"]} == {"clean"}
    assert [name for name in files(virtual.root) if name.startswith("v0")] == []
    assert "variants" not in (virtual.root / "_info.json").read_text()
    assert "config_name: v00" not in (card := (virtual.root / "README.md").read_text())
    assert "renders them when they are read, from the images of `clean`" in card
    for found, expected in zip(rows(virtual.root), rows(tiny.root), strict=True):
        is_virtual = found["plane"] != "clean"
        assert [found[name] is None for name in TAR_COLUMNS] == [is_virtual] * 4
        assert found == (expected | dict.fromkeys(TAR_COLUMNS) if is_virtual else expected)


def test_they_are_stored_later_or_stay_virtual(virtual: Truth, tiny: Truth, pool: Path, tmp_path: Path) -> None:
    """Some shards are stored and given up again, then all: the bytes are those of a build that stored them at once."""
    root = shutil.copytree(virtual.root, tmp_path / "shards")
    before, original = seen(root), files(root)
    going_on = partial(build, tiny.root.parent / "digits", root, mixing_set=pool, workers=1, progress=False)
    stored, recipes = (BuildSettings(**GIVEN, store=one) for one in ("images", "recipes"))
    going_on(stored, partition=(1, 3))
    assert len(list(root.glob("v03/*.tar"))) == 2
    assert seen(root) == before
    summary = str(open_shards(root).summary())
    assert "(clean; virtual: v00 v01 v02 v03)" in summary
    assert "adding      v00 v01 v02 v03: 2 of 7 shards have them" in summary
    said = r"from the planes clean; virtual: v00 v01 v02 v03 to clean v00 v01 v02 v03; .*--variants 4 --store recipes; "
    with pytest.raises(LayerMixError, match=said):
        open_shards(root).verify(workers=1, progress=False)
    assert going_on(recipes).digest == digest(virtual.root)
    assert files(root) == original
    assert going_on(stored).digest == digest(root) == digest(tiny.root)
    assert files(root) == sorted([*files(tiny.root), "mixing-set.json", "mixing-set.npy"])
    assert open_shards(root).verify(workers=1, progress=False).ok
    said = r"holds another dataset: images of v00, v01, v02, v03 stored, and --store recipes leaves them out; "
    with pytest.raises(LayerMixError, match=said):
        going_on(recipes)
    assert digest(root) == digest(tiny.root)


def test_more_are_added(virtual: Truth, tiny: Truth, pool: Path, tmp_path: Path) -> None:
    """Those that are there are kept, and not made again. What is not said stays as it was: recipes alone."""
    root = shutil.copytree(virtual.root, tmp_path / "shards")
    more = BuildSettings(**GIVEN | {"variants": 5})
    made = build(tiny.root.parent / "digits", root, more, mixing_set=pool, workers=1, progress=False)
    assert (made.run.images, made.planes[-1]) == (97, "v04")
    names = "plane <> 'v04' ORDER BY plane, key"
    with duckdb.connect() as db:
        old, new = (db.sql(f"FROM '{one}/index/*.parquet' WHERE {names}").fetchall() for one in (virtual.root, root))
    assert old == new
    assert open_shards(root).count("plane = 'v04' AND recipe <> 'image'") > 90
    assert [*root.glob("v0*")] == []


def test_an_estimate_counts_stored_images(tiny: Truth, pool: Path, tmp_path: Path) -> None:
    given = partial(estimate, tiny.root.parent / "digits", tmp_path, mixing_set=pool, workers=1, progress=False)
    few, all_of_them = given(BuildSettings(**GIVEN, store="recipes")), given(BuildSettings(**GIVEN))
    assert few.images == all_of_them.images == 485
    assert 4 < all_of_them.bytes / few.bytes < 6


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ("--no-clean", "--view-mode", "shared"),
            "expected the clean plane with --store recipes, whose variants are rendered from it, got --no-clean; leave "
            "that out",
        ),
        (
            (),
            "expected --view-mode shared with --store recipes, whose variants are rendered from the clean view, got "
            "independent; add --view-mode shared",
        ),
    ],
)
def test_what_is_refused(options: tuple[str, ...], line: str, tiny: Truth, tmp_path: Path) -> None:
    result = invoke("build", tiny.root.parent / "digits", tmp_path / "shards", "--store", "recipes", *options)
    assert (result.exit_code, result.stderr) == (1, f"Error: {line}\n")
    assert BuildSettings(store="recipes", view="center").virtual_planes  # which all planes share
