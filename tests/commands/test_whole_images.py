"""Every command on a dataset of whole images, which are no squares."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.suites.built_dataset import open_built
from layermix_gen.images import codec
from layermix_gen.sources import open_source
from tests.helpers import build, errors, invoke, manifest, rows, same_but_for_the_run

SETTINGS = ("--view", "source", "--size", 32, "--variants", 0, "--shard-size", 10)


@pytest.fixture(scope="module")
def source(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 photographs of 44x56 px; one of 20x90, which is not reduced; one that is too long to be stored as JPEG."""
    root = shutil.copytree(photographs, tmp_path_factory.mktemp("images") / "source")
    folder = next(root.iterdir())
    PillowImage.fromarray(np.full((20, 90, 3), 99, np.uint8)).save(folder / "small.png")
    PillowImage.fromarray(np.zeros((1, 66_000, 3), np.uint8)).save(folder / "strip.png")
    return root


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "shards"
    printed = build(source, root, *SETTINGS, "--format", "jpg")
    assert "whole images, the short side up to 32 px, as jpg" in printed
    return root


def test_what_is_stored(whole: Path, source: Path, tmp_path: Path) -> None:
    assert errors(whole) == {
        next(iter(errors(whole))): "too elongated: an image of 66000x1 pixels cannot be stored as jpg"
    }
    sizes = {}
    for row in rows(whole):
        with PillowImage.open(source / row["source"]) as image:
            assert row["view"] == [0, 0, image.height, image.width, 0]
        tar = (whole / "clean" / f"{row['shard']:06d}.tar").read_bytes()
        sizes[row["source"]] = codec.header_size(tar[row["offset"] : row["offset"] + row["size"]])
    assert sorted(set(sizes.values())) == [(20, 90), (41, 32)]
    as_they_are = build(source, tmp_path / "all", "--view", "source", "--variants", 0, "--format", "png")
    assert "whole images as they are, as png" in as_they_are
    assert manifest(tmp_path / "all")["settings"]["size"] is None
    images, again = open_source(source), invoke("inspect", tmp_path / "all", "--extract", tmp_path / "files")
    assert again.exit_code == 0, again.output
    keys = {row["source"]: row["key"] for row in rows(tmp_path / "all")}
    for item in images.items():
        stored = codec.decode((tmp_path / "files" / f"{keys[item.id]}.png").read_bytes())
        assert np.array_equal(stored, images.read(item))


def test_a_build_goes_on_and_is_repaired(whole: Path, source: Path, tmp_path: Path) -> None:
    root = shutil.copytree(whole, tmp_path / "shards")
    for name in ("dataset.json", "index/000001.parquet", "clean/000001.tar"):
        (root / name).unlink()
    build(source, root, *SETTINGS, "--format", "jpg")
    assert same_but_for_the_run(root, whole)
    (root / "clean/000000.tar").write_bytes(b"")
    repaired = invoke("verify", root, "--repair", "--workers", 1)
    assert repaired.exit_code == 0, repaired.output
    checked = invoke("verify", root, "--replay", 1, "--workers", 1)
    assert "25 samples rendered again; all is as it was built" in checked.output
    options = ("--like", root, "--dry-run", "--json", "--workers", 1)
    estimated = json.loads(invoke("build", source, tmp_path / "more", *options).stdout)
    assert (estimated["planes"], estimated["form"]) == (1, "whole images, the short side up to 32 px, as jpg")


def test_it_is_inspected_and_drawn(whole: Path, tmp_path: Path) -> None:
    shown = invoke("inspect", whole).output
    assert "samples     whole images, the short side up to 32 px, as jpg 95 4:4:4" in shown
    key = rows(whole)[0]["key"]
    for options in (
        ("--sheet", tmp_path / "sheet.png", "--limit", 4),
        ("--gallery", tmp_path / "gallery.html"),
        ("--key", key, "--out", tmp_path / "tree.png"),
    ):
        drawn = invoke("inspect", whole, *options)
        assert drawn.exit_code == 0, drawn.output
    with PillowImage.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > sheet.height
    page = (tmp_path / "gallery.html").read_text()
    assert '"unillustrated":""' in page
    assert page.count("UklGR") == 50  # a thumbnail and a step of each, as WebP
    assert invoke("card", whole).exit_code == 0
    card = (whole / "README.md").read_text()
    assert "25 whole images in 1 plane: clean." in card
    assert 'LayerMixDataset("FOLDER", 256, views="clean", view="rrc")' in card


def test_what_is_refused(whole: Path, source: Path, tmp_path: Path) -> None:
    message = "expected no variants of whole images, which a reader cuts and mixes (view source), got 8; "
    for out in (tmp_path / "new", whole):
        refused = invoke("build", source, out, "--view", "source")
        assert (refused.exit_code, refused.output.count("\n")) == (1, 1)
        assert message in refused.output
    other = invoke("build", source, whole, "--view", "center", "--variants", 0, "--format", "jpg", "--shard-size", 10)
    assert "holds another dataset: view source -> center" in other.output
    with pytest.raises(LayerMixError, match=r"found whole images \(view source\); build it with --view center$"):
        open_built(whole)
