"""Virtual planes through every command: each shows and writes what it does of stored ones."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from layermix_gen import LayerMixError, open_shards
from layermix_gen.dataset.virtual.recorded_recipe import RecordedRecipe
from tests.helpers import digest, files, invoke
from tests.inspection.built import flip, refuses, verify
from tests.reading.truth import Truth


def test_images_are_those_that_a_build_stores(virtual: Truth, tiny: Truth) -> None:
    stored, shards = open_shards(tiny.root), open_shards(virtual.root)
    for row in shards.query("shard < 2", order_by="recipe", limit=40):
        same = stored.row(row["key"]) if row["key"].endswith("7-v01") else row
        assert {**same, **{name: row[name] for name in row if row[name] is None}} == row
        assert np.array_equal(shards.pixels(row), tiny.pixels[row["key"]])
    row = shards.row("000000003-v01")
    assert shards.image(row) == stored.image(stored.row("000000003-v01"))
    assert np.array_equal(shards.replay(row).pixels, shards.pixels(row))
    assert shards._repr_html_().count("data:image") == stored._repr_html_().count("data:image") == 5
    (part,) = shards.query("key = '000000003-v01'", ["key", "plane", "shard", "offset", "size", "image_crc32"])
    assert refuses(lambda: shards.image(part)).endswith(
        "source, recipe, picture, picture_view, other, got none for source"
    )
    assert refuses(lambda: shards.image(row | {"shard": 7})).startswith("expected a row of the dataset's own index")
    assert refuses(lambda: shards.image(row | {"source": "x"})).startswith(
        "expected 'x' in the clean plane of shard 0 "
    )
    said = "000000003-v01 has no recipe to render: expected the picture that the recipe add(image, picture, 1, 1) uses"
    assert refuses(lambda: shards.image(row | {"recipe": "add(image, picture, 1, 1)", "picture": -1})).startswith(said)


def test_what_inspect_shows(virtual: Truth, tiny: Truth, tmp_path: Path) -> None:
    one, other = virtual.root, tiny.root
    shown = invoke("inspect", one).stdout
    assert "485: 97 in 5 planes (clean; virtual: v00 v01 v02 v03)" in shown
    assert "7, each of 1 tar" in shown
    assert "as the settings draw them" in shown
    assert "offset" not in invoke("inspect", one, "--key", "000000003-v01").stdout
    table = invoke("inspect", one, "--where", "layer = 3", "--limit", 2).stdout
    assert (table.splitlines()[0].split()[-1], "None" in table) == ("blends", False)
    row = invoke("inspect", one, "--where", "key = '000000003-v01'", "--format", "csv").stdout.splitlines()[1]
    assert row.startswith("v01,0,000000003-v01,,,,")
    assert '"size": null' in invoke("inspect", one, "--where", "plane = 'v01'", "--limit", 1, "--format", "json").stdout
    few = "shard = 1 and plane <> 'clean'"
    for options in (
        ("--sheet", tmp_path / "{}.png", "--limit", 3),
        ("--gallery", tmp_path / "{}.html", "--where", few, "--limit", 2),
        ("--extract", tmp_path / "{}", "--where", few),
    ):
        for root, name in ((one, "virtual"), (other, "stored")):
            result = invoke("inspect", root, *(str(option).format(name) for option in options))
            assert result.exit_code == 0, result.output
    made = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    names = [str(path) for path in made if str(path).startswith("virtual")]
    assert len(names) == 2 + 2 * 4 * 14
    for name in names:
        assert (tmp_path / name).read_bytes() == (tmp_path / name.replace("virtual", "stored")).read_bytes(), name
    assert invoke("inspect", one, "--key", "000000003-v01", "--out", tmp_path / "tree.png").exit_code == 0


def test_what_verify_checks_and_repairs(virtual: Truth, tmp_path: Path) -> None:
    root = shutil.copytree(virtual.root, tmp_path / "shards")
    result = invoke("verify", root, "--replay", 0.1, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "7 tars, 485 samples, 0.3 MB checked, 70 samples rendered again; all is as it was built" in result.stdout
    shards, row = open_shards(root), open_shards(root).row("000000003-v01")
    flip(root / "clean" / "000000.tar", shards.row("000000003-clean")["offset"] + 60)
    assert refuses(lambda: shards.pixels(row)).startswith("000000003-clean in ")
    (root / "index" / "000002.parquet").unlink()
    (root / "v01").mkdir()
    (root / "v01" / "000000.tar").write_bytes(b"")
    assert verify(root) == [
        ("clean/000000.tar", "000000003-clean", "its image is damaged (crc32)"),
        ("index/000002.parquet", "", "is missing"),
        ("v01/000000.tar", "", "belongs to no shard; remove it"),
    ]
    (root / "v01" / "000000.tar").unlink()
    assert open_shards(root).repair(workers=1, progress=False).mended == ("clean/000000.tar", "index/000002.parquet")
    assert (digest(root), files(root)) == (digest(virtual.root), files(virtual.root))


@pytest.mark.parametrize(
    ("text", "other", "line"),
    [
        (
            "paste(image, other, 1, 2, 3, 4)",
            "",
            "expected the other that the recipe paste(image, other, 1, 2, 3, 4) uses",
        ),
        ("open('x')", "", "expected one of image, picture, other, "),
    ],
)
def test_a_recipe_that_cannot_be_rendered(text: str, other: str, line: str) -> None:
    with pytest.raises(LayerMixError) as raised:
        RecordedRecipe.of(text, -1, (0, 0, 0, 0), other)
    assert str(raised.value).startswith(line)
