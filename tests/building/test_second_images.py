"""Datasets of methods that mix two training images: which second image each sample has, and its label."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from layermix_gen import open_shards, render
from layermix_gen.dataset.samples import AHEAD, candidates
from layermix_gen.images.views import View, render_view
from layermix_gen.sources import Item, folder, open_source
from tests.helpers import build, digest, invoke, members, rows, snapshot
from tests.inspection.built import verify

OPTIONS = ("--size", 32, "--variants", 2, "--shard-size", 8)


@pytest.fixture(scope="module")
def mixed(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards of 8 photographs mixed by Mixup. Not to be written to."""
    root = tmp_path_factory.mktemp("mixed") / "out"
    build(photographs, root, *OPTIONS, "--method", "mixup")
    return root


def test_a_second_image_is_another_of_the_shard_in_its_own_view(mixed: Path, photographs: Path) -> None:
    source, of_plane = open_source(photographs), {(row["plane"], row["source"]): row for row in rows(mixed)}
    items = {item.id: item for item in source.items()}
    for row in of_plane.values():
        facts = json.loads(members(mixed / row["plane"] / f"{row['shard']:06d}.tar")[f"{row['key']}.json"])
        assert {name: facts[name] for name in ("other", "label2", "label_weight")} == {
            name: row[name] for name in ("other", "label2", "label_weight")
        }
        if row["plane"] == "clean":
            assert (row["other"], row["label2"], row["label_weight"]) == ("", -1, 1.0)
            continue
        other = of_plane[row["plane"], row["other"]]
        assert row["other"] != row["source"]
        assert (other["shard"], other["label"]) == (row["shard"], row["label2"])
        image, second = (render_view(source.read(items[one["source"]]), View(*one["view"]), 32) for one in (row, other))
        stored = open_shards(mixed).pixels(row)
        np.testing.assert_array_equal(render(f"mean(image, other, {row['label_weight']})", image, other=second), stored)


def test_workers_change_nothing_and_all_is_rendered_again(mixed: Path, photographs: Path, tmp_path: Path) -> None:
    result = invoke("build", photographs, tmp_path / "out", *OPTIONS, "--method", "mixup", "--workers", 3)
    assert result.exit_code == 0, result.output
    assert digest(tmp_path / "out") == digest(mixed)
    assert verify(mixed, replay=1.0) == []


@pytest.mark.parametrize("mode", ["independent", "shared"])
def test_added_planes_are_those_of_a_build_at_once(mode: str, photographs: Path, tmp_path: Path) -> None:
    arguments = (photographs, tmp_path / "out", "--size", 32, "--shard-size", 8, "--view-mode", mode)
    build(*arguments, "--variants", 1, "--method", "cutmix")
    build(*arguments, "--variants", 2, "--method", "cutmix")
    build(photographs, tmp_path / "at once", *arguments[2:], "--variants", 2, "--method", "cutmix")
    assert digest(tmp_path / "out") == digest(tmp_path / "at once")
    assert verify(tmp_path / "out", replay=1.0) == []


def test_an_image_of_which_there_is_no_view_is_no_partner(tmp_path: Path) -> None:
    """It alone is left out, and not those that it would be mixed with."""
    folder = tmp_path / "source" / "a"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(12):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(folder / f"{number}.png")
    Image.fromarray(np.zeros((2, 30_000, 3), np.uint8)).save(folder / "strip.png")
    build(tmp_path / "source", tmp_path / "out", "--size", 64, "--variants", 3, "--view", "center", "--method", "mixup")
    assert json.loads((tmp_path / "out" / "errors.jsonl").read_text())["source"] == "a/strip.png"


def test_an_unreadable_image_is_no_partner(photographs: Path, tmp_path: Path) -> None:
    source = tmp_path / "photographs"
    for path in sorted(photographs.rglob("*.*"))[:6]:
        there = source / path.relative_to(photographs)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(path.read_bytes())
    paths = sorted(path for path in source.rglob("*") if path.is_file())
    for path in paths[:3]:
        path.write_bytes(path.read_bytes()[:40])
    build(source, tmp_path / "out", "--size", 32, "--variants", 4, "--method", "mixup")
    found = [row for row in rows(tmp_path / "out") if row["plane"] != "clean"]
    assert len(found) == 12
    left = {path.relative_to(source).as_posix() for path in paths[3:]}
    assert {row["other"] for row in found} == {row["source"] for row in found} == left
    assert verify(tmp_path / "out", replay=1.0) == []
    for path in paths[4:]:
        path.write_bytes(path.read_bytes()[:40])
    result = invoke("build", source, tmp_path / "lone", "--size", 32, "--method", "mixup", "--workers", 1)
    assert result.exit_code == 1
    name = paths[3].relative_to(source).as_posix()
    expected = f"expected a second image to mix with {name}, found no other in its shard that can be read; mend"
    assert expected in result.stderr
    assert not (tmp_path / "lone" / "dataset.json").exists()


def test_a_second_image_that_has_changed_is_found(mixed: Path, photographs: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for path in photographs.rglob("*.*"):
        there = source / path.relative_to(photographs)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(path.read_bytes())
    build(source, tmp_path / "out", *OPTIONS, "--method", "mixup")
    changed = next(row for row in rows(tmp_path / "out") if row["plane"] == "v00")["other"]
    with Image.open(source / changed) as image:
        size = (source / changed).stat().st_size
        image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(source / changed, quality=60)
    data = (source / changed).read_bytes()[:size]
    (source / changed).write_bytes(data + b"\0" * (size - len(data)))
    whats = {what for _, _, what in verify(tmp_path / "out", replay=1.0)}
    assert whats == {f"{changed} in {source} is another image than in the build; restore it"}
    with pytest.raises(Exception, match="is another image than in the build"):
        open_shards(tmp_path / "out").replay(next(row for row in rows(tmp_path / "out") if row["other"] == changed))


@pytest.mark.parametrize("shard_size", [1, 23])
def test_a_shard_of_one_image_is_refused(shard_size: int, photographs: Path, tmp_path: Path) -> None:
    lone = tmp_path / "lone"
    for path in sorted(photographs.rglob("*.*"))[:1]:
        (lone / "a").mkdir(parents=True)
        (lone / "a" / path.name).write_bytes(path.read_bytes())
    source = lone if shard_size > 1 else photographs
    arguments = ("build", source, tmp_path / "out", "--shard-size", shard_size, "--size", 32, "--method", "cutmix")
    for extra in ((), ("--dry-run",)):
        result = invoke(*arguments, *extra, "--workers", 1)
        assert result.exit_code == 1
        assert "expected at least 2 images in each shard for the method cutmix, which mixes each with another, " in (
            result.stderr
        )
        remedy = "; add images" if source == lone else "; build into another folder with a larger --shard-size, or add"
        assert remedy in result.stderr
    assert not (tmp_path / "out").exists()


def test_variants_are_not_added_to_shards_of_one_image(photographs: Path, tmp_path: Path) -> None:
    arguments = (photographs, tmp_path / "out", "--shard-size", 1, "--size", 32, "--method", "mixup")
    build(*arguments, "--variants", 0)
    before = snapshot(tmp_path / "out")
    for extra in (("--variants", 2), ("--variants", 2, "--dry-run")):
        result = invoke("build", *arguments, *extra, "--workers", 1)
        assert result.exit_code == 1
        assert "got 24 images in 24 shards; build into another folder with a larger --shard-size" in result.stderr
    assert snapshot(tmp_path / "out") == before


def test_images_are_decoded_once(photographs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Second images are read ahead, and kept until their own turn."""
    read, seen = folder.FolderSource.read, Counter[str]()

    def counted(self: folder.FolderSource, item: Item) -> Any:
        seen[item.id] += 1
        return read(self, item)

    monkeypatch.setattr(folder.FolderSource, "read", counted)
    build(photographs, tmp_path / "out", "--size", 32, "--variants", 8, "--shard-size", 24, "--method", "cutmix")
    assert set(seen.values()) == {1}


def test_each_other_image_is_as_likely_to_be_the_second() -> None:
    places = np.random.default_rng(0).random(20_000)
    for count, position in ((7, 3), (AHEAD + 9, 20)):
        counts = np.bincount([next(candidates(count, position, place)) for place in places], minlength=count)
        near = [(position + step) % count for step in range(1, min(count, AHEAD + 1))]
        assert sorted(near) == np.flatnonzero(counts).tolist()
        assert stats.chisquare(counts[near]).pvalue > 1e-4
        assert sorted(candidates(count, position, 0.99999)) == [one for one in range(count) if one != position]
    assert list(candidates(1, 0, 0.5)) == []
