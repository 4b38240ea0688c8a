"""The demo."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

import layermix_gen.demo
from layermix_gen import LayerMixError


@pytest.fixture
def large_pool(tmp_path):
    path = tmp_path / "pool.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (3, 256, 256), np.uint8))
    return path


def test_the_demo(tmp_path, large_pool, monkeypatch):
    opened_pool = layermix_gen.open_mixing_set(large_pool)
    monkeypatch.setattr("layermix_gen.building.planning.resolve_mixing_set", lambda *_, **__: opened_pool)
    manifest, samples, sheet = layermix_gen.demo.demo(tmp_path / "demo", progress=False)
    photographs = [name for names in layermix_gen.demo.PHOTOGRAPHS.values() for name in names]
    assert manifest.complete
    assert sorted(path.name for path in (tmp_path / "demo" / "photographs").rglob("*.*")) == sorted(photographs)
    lines = samples.splitlines()
    assert lines[0].split() == ["key", "class", "layer", "op", "blends"]
    assert len(lines) == 13
    with PillowImage.open(sheet) as drawn:
        assert drawn.width > 1600  # five pictures side by side
    again, _, _ = layermix_gen.demo.demo(tmp_path / "demo", progress=False)  # which finds all of it done
    assert again.complete


def test_the_demo_in_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LayerMixError, match=r"^cannot write to .*/file/demo: .*/file is no folder, or closed to you; "):
        layermix_gen.demo.demo(tmp_path / "file" / "demo", progress=False)


def test_the_demo_without_its_photographs(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(layermix_gen.demo, "find_spec", lambda name: None if name == "skimage" else find(name))
    with pytest.raises(LayerMixError, match=r"expected scikit-image .*; pip install 'layermix-gen\[demo\]'"):
        layermix_gen.demo.demo(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("name", ["notes.txt", "sheet.png", "shards/notes.txt", "photographs/animal/cat.png"])
def test_the_demo_spares_folders_of_others(name, tmp_path):
    """What an interrupted demo left is its own; everything else belongs to somebody."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    found = Path(name.removesuffix("/notes.txt")).name
    with pytest.raises(LayerMixError, match=f"^expected an empty folder, found '{found}' in "):
        layermix_gen.demo.demo(tmp_path, progress=False)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [(tmp_path / name).name]
    assert (tmp_path / name).read_text() == "mine"
