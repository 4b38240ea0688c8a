"""Sidecars: the files that timm, open_clip, wids and Hugging Face read say the same as the tars."""

import json
import os
import re
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from layermix_gen import BuildSettings, LayerMixError, build
from layermix_gen.dataset.hub.dataset_card import MARK
from layermix_gen.dataset.names import CARD
from layermix_gen.dataset.sidecars import write_sidecars
from tests.helpers import files, snapshot

PLANES = ("clean", "v00", "v01")


@pytest.fixture(scope="module")
def dataset(digits: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 images in 3 uneven shards and 3 planes, with sidecars."""
    root = tmp_path_factory.mktemp("sidecars")
    settings = BuildSettings(variants=2, shard_size="15")
    manifest = build(digits, root, settings, mixing_set=pool, workers=1, progress=False)
    write_sidecars(root, manifest)
    return root


def count(tar: Path) -> int:
    with tarfile.open(tar) as archive:
        return sum(name.endswith(".cls") for name in archive.getnames())


def test_timm(dataset: Path) -> None:
    splits = json.loads((dataset / "_info.json").read_text())["splits"]
    assert set(splits) == {*PLANES, "variants"}
    assert splits["variants"]["filenames"] == splits["v00"]["filenames"] + splits["v01"]["filenames"]
    for name, split in splits.items():
        lengths = [count(dataset / tar) for tar in split["filenames"]]
        assert split == split | {"name": name, "num_samples": sum(lengths), "shard_lengths": lengths}
    assert sorted(splits["clean"]["filenames"]) == [name for name in files(dataset) if name.startswith("clean/0")]


def test_open_clip_and_wids(dataset: Path) -> None:
    for plane in PLANES:
        tars = sorted((dataset / plane).glob("*.tar"))
        assert json.loads((dataset / plane / "sizes.json").read_text()) == {tar.name: count(tar) for tar in tars}
        shards = json.loads((dataset / plane / "wids.json").read_text())
        assert (shards["__kind__"], shards["wids_version"]) == ("wids-shard-index-v1", 1)
        assert shards["shardlist"] == [
            {"url": tar.name, "nsamples": count(tar), "filesize": tar.stat().st_size} for tar in tars
        ]
        assert shards["name"].endswith(f"-{plane}")


def test_the_same_bytes_again(dataset: Path, digits: Path, pool: Path) -> None:
    before = {name: digest for name, (_, digest) in snapshot(dataset).items()}
    settings = BuildSettings(variants=2, shard_size="15")
    write_sidecars(dataset, build(digits, dataset, settings, mixing_set=pool, workers=1, progress=False))
    assert {name: digest for name, (_, digest) in snapshot(dataset).items()} == before


def test_only_a_clean_plane(digits: Path, tmp_path: Path) -> None:
    settings = BuildSettings(variants=0, method="none", shard_size="100")
    write_sidecars(tmp_path, build(digits, tmp_path, settings, workers=1, progress=False))
    assert list(json.loads((tmp_path / "_info.json").read_text())["splits"]) == ["clean"]


def test_the_card_makes_a_configuration_of_each_plane(dataset: Path) -> None:
    _, front, text = (dataset / CARD).read_text().split("---\n")
    paths = dict(
        re.findall(r"- config_name: (\w+)\n(?:  default: true\n)?  data_files:\n.*train\n    path: (.*)\n", front)
    )
    planes = {name: {path.parent.name for path in dataset.glob(pattern)} for name, pattern in paths.items()}
    assert planes == {"variants": {"v00", "v01"}} | {plane: {plane} for plane in PLANES}
    assert re.findall(r"(\w+)\n  default", front) == ["variants"]
    assert "40 images of 28 px in 3 planes: clean, v00, v01" in text


def test_a_card_that_was_edited_is_kept(dataset: Path, digits: Path, pool: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset, tmp_path / "copy")
    settings = BuildSettings(variants=3, shard_size="15")
    quoted = f"---\ntitle: mine\n---\nThe line `{MARK}` is gone.\n---\n"
    for text, kept in ((f"---\n{MARK}\n---\nmine", False), ("mine", True), (quoted, True), (f"{MARK}\n---", True)):
        (tmp_path / "copy" / CARD).write_text(text)
        build(digits, tmp_path / "copy", settings, mixing_set=pool, workers=1, progress=False)
        settings = replace(settings, variants=settings.variants + 1)
        found = (tmp_path / "copy" / CARD).read_text()
        assert (found == text) == kept
        assert kept or "v02" in found


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_card_is_named(kind: str, digits: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    settings = BuildSettings(variants=0, method="none", shard_size="100")
    manifest = build(digits, root, settings, workers=1, progress=False)
    (root / CARD).unlink()
    if kind == "folder":
        (root / CARD).mkdir()
    else:
        os.mkfifo(root / CARD)
    line = rf"^cannot read {root / CARD}: not a regular file; move it away, then run the same command to resume$"
    with pytest.raises(LayerMixError, match=line):
        write_sidecars(root, manifest)
