"""Replay: samples are rendered again; those that can be neither rendered nor mended get one line."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layermix_gen import BuildSettings, build, open_shards
from layermix_gen.dataset import samples
from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.images.codec import encode
from layermix_gen.inspection.verification import repair as repairing
from layermix_gen.inspection.verification import verify as verification
from layermix_gen.mixing.blends import DRAWN_BLENDS
from layermix_gen.mixing.operations import OPERATIONS
from tests.helpers import invoke, snapshot
from tests.inspection.built import INDEX, OTHER, TAR, Built, flip, lose_shard, refuses, verify


def test_every_operation_and_blend_rendered_again(large: Built) -> None:
    found = large.open().query("layer > 0", ["op", "blends"])
    assert {row["op"] for row in found} == {row.name for row in OPERATIONS.values() if row.paper}
    drawn = set(DRAWN_BLENDS)
    assert {blend for row in found for blend in row["blends"]} == drawn | {""}
    result = invoke("verify", large.root, "--replay", "all", "--workers", 1)
    assert result.exit_code == 0, result.output
    assert re.search(r"20 tars, 2600 samples, .*, 2600 samples rendered again; all is as it was built$", result.stdout)


@pytest.mark.parametrize(
    "settings",
    [
        {"format": "jpg", "view_mode": "shared", "options": {"preset": "released"}, "method": "layermix"},
        {"format": "webp", "quality": 100, "clean": False},
        {"format": "webp", "quality": 50, "view": "center"},
        {"format": "png", "method": "none", "view": "rrc"},
    ],
    ids=str,
)
def test_every_way_to_build(settings: dict[str, Any], photographs: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "pool.npy", rng.integers(0, 256, (3, 40, 40, 3), np.uint8))
    chosen = BuildSettings(variants=3, size=32, shard_size="9", **settings)
    pool = None if chosen.method == "none" else tmp_path / "pool.npy"
    build(photographs, tmp_path / "out", chosen, mixing_set=pool, workers=1, progress=False)
    planes = len(chosen.planes)
    report = open_shards(tmp_path / "out").verify(replay=1.0, workers=1, progress=False)
    assert (report.problems, report.samples, report.replayed) == ((), 24 * planes, 24 * planes)


def test_a_share_of_the_images(large: Built) -> None:
    report = large.open().verify(replay=0.1, workers=1, progress=False)
    assert (report.ok, report.replayed) == (True, 4 * 13 * 5)  # 13 of 130 in each shard, with all planes
    for share in (-0.1, 1.1):
        with pytest.raises(LayerMixError, match=rf"^replay must be a share in \[0, 1\], got {share}"):
            large.open().verify(replay=share)
    assert invoke("verify", large.root, "--replay", "some").exit_code == 2


@pytest.fixture
def own(small: Built, tmp_path: Path) -> Built:
    """A dataset with a source and a mixing set of its own, to be changed."""
    source, pool = shutil.copytree(small.source, tmp_path / "source"), tmp_path / "pool.npy"
    shutil.copy(small.manifest.mixing_set.location, pool)
    settings = BuildSettings(variants=2, size=32, shard_size="10")
    manifest = build(source, tmp_path / "own", settings, mixing_set=pool, workers=1, progress=False)
    assert manifest.digest == small.manifest.digest
    return Built(manifest.root, manifest, source)


def test_a_source_that_is_gone(own: Built) -> None:
    own.source.rename(own.source.with_name("moved"))
    flip(own.root / TAR, 6000)
    shards, expected = own.open(), r"samples cannot be rendered again without their source: .*; where it was moved"
    assert [file for file, _, _ in verify(own.root)] == [TAR]  # which needs no source
    before = snapshot(own.root)
    assert re.match(expected, refuses(lambda: shards.verify(replay=0.1, workers=1)))
    assert re.match(expected, refuses(lambda: shards.repair(workers=1, progress=False)))
    assert snapshot(own.root) == before


def test_another_mixing_set(own: Built) -> None:
    pool = Path(own.manifest.mixing_set.location)
    pictures = np.load(pool)
    np.save(pool, pictures[::-1])
    flip(own.root / TAR, 6000)
    expected = r"expected the mixing set .*/pool\.npy of the dataset, .*: found another there, \w{12}\.\.\.; restore .*"
    assert re.fullmatch(expected, refuses(lambda: own.open().verify(replay=1.0, workers=1)))
    assert re.fullmatch(expected, refuses(lambda: own.open().repair(workers=1, progress=False)))
    pool.unlink()
    assert re.fullmatch(
        r"expected the mixing set .*/pool\.npy of the dataset, .*: nothing is there; restore it, or run the build .*",
        refuses(lambda: own.open().verify(replay=1.0, workers=1)),
    )


def test_a_source_image_of_other_content_and_the_same_size(own: Built) -> None:
    (row,) = own.open().query("key = '000000010-v00'")
    path = own.source / row["source"]
    flip(path, path.stat().st_size // 2)
    found = {(file, key) for file, key, what in verify(own.root, replay=1.0)}
    assert found == {(f"{plane}/000001.tar", f"000000010-{plane}") for plane in ("clean", "v00", "v01")}
    flip(own.root / TAR, 6000)
    before = snapshot(own.root)
    said = refuses(lambda: own.open().repair(workers=1, progress=False))
    changed = f"clean/000001.tar, {TAR}, {OTHER}, {INDEX}"
    assert said.startswith(f"1 shard came out otherwise and stayed as it was: {changed}; {row['source']} cannot")
    assert snapshot(own.root) == before
    flip(path, path.stat().st_size // 2)
    assert own.open().repair(workers=1, progress=False).digest == own.manifest.digest


def test_a_source_image_that_is_gone(own: Built) -> None:
    (row,) = own.open().query("key = '000000010-v00'")
    (own.source / row["source"]).unlink()
    flip(own.root / TAR, 6000)
    (problem, *others) = [what for _, key, what in verify(own.root, replay=1.0) if key == "000000010-clean"]
    assert problem == f"{row['source']} in {own.source} cannot be read now: no such file; restore it"
    assert others == []
    said = refuses(lambda: own.open().repair(workers=1, progress=False))
    assert f"would not come out as they were: images 25 -> 24; source image {row['source']!r} removed; restore" in said


def test_a_folder_in_the_place_of_a_tar(damaged: Path) -> None:
    (damaged / TAR).unlink()
    (damaged / TAR).mkdir()
    assert verify(damaged) == [(TAR, "", "is missing")]
    assert refuses(lambda: open_shards(damaged).repair(workers=1, progress=False)) == (
        f"expected a file at {damaged / TAR}, found a folder; remove it, then run the same command again"
    )


def test_other_versions(own: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    flip(own.root / TAR, 6000)
    now = own.manifest.versions | {"numpy": "9.9"}
    monkeypatch.setattr("layermix_gen.inspection.verification.verify.versions", lambda: now)
    report = own.open().verify(replay=0.5, workers=1, progress=False)
    assert str(report).endswith(f"other versions than it was built with: numpy 9.9 ({own.manifest.versions['numpy']})")
    monkeypatch.setattr("layermix_gen.dataset.plan.version", lambda name: now[name])
    said = refuses(lambda: own.open().repair(workers=1, progress=False))
    assert f"would not come out as they were: numpy {own.manifest.versions['numpy']} -> 9.9; restore what" in said


def test_pixels_that_are_not_those_of_the_recipe(large: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a change of the renderer, or of how recipes are drawn."""
    rendered = samples.rendered  # type: ignore[attr-defined]
    monkeypatch.setattr(samples, "rendered", lambda *given: rendered(*given) ^ 1)
    found = verify(large.root, replay=0.01)
    assert {what for _, _, what in found} == {
        "rendered again, its pixels are others",
        "rendered again, its pixels are not those of the stored image",
    }
    assert len(found) == 2 * 4 * 2 * 5
    monkeypatch.undo()
    method = samples.METHODS["layermix"]  # type: ignore[attr-defined]
    other = replace(method, draw=samples.METHODS["none"].draw)  # type: ignore[attr-defined]
    monkeypatch.setitem(samples.METHODS, "layermix", other)  # type: ignore[attr-defined]
    whats = {what for _, _, what in verify(large.root, replay=0.01)}
    assert "rendered again, its method, layer, op, ops, op_args, recipe would be another" in whats


def test_a_stored_image_that_is_not_what_was_rendered(
    photographs: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a fault of the encoder: all checksums are right, and the image shows something else."""
    monkeypatch.setattr(
        "layermix_gen.building.shard_draft.encode", lambda pixels, encoding: encode(pixels ^ 1, encoding)
    )
    settings = BuildSettings(variants=1, size=16, clean=False)
    build(photographs, tmp_path / "out", settings, mixing_set=pool, workers=1, progress=False)
    assert verify(tmp_path / "out") == []
    found = verify(tmp_path / "out", replay=1.0)
    assert {what for _, _, what in found} == {"rendered again, its pixels are not those of the stored image"}
    assert len(found) == 24


def test_a_listing_is_needed_to_render_again(damaged: Path) -> None:
    (damaged / "sources.parquet").unlink()
    said = refuses(lambda: open_shards(damaged).verify(replay=0.1, workers=1))
    assert said.startswith(f"samples cannot be rendered again without {damaged}/plan.json and sources.parquet, one of ")


def test_planes_that_are_being_added(own: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("layermix_gen.building.build_run.in_this_process", stop)
    more = BuildSettings(variants=3, size=32, shard_size="10")
    with pytest.raises(Interrupted):
        build(own.source, own.root, more, mixing_set=own.manifest.mixing_set.location, workers=1, progress=False)
    assert refuses(lambda: own.open().verify(workers=1)) == (
        f"expected a finished dataset at {own.root}, found one that is being extended from the planes clean v00 v01 to "
        "clean v00 v01 v02; run its build to the end first, or give the new planes up by its build with --variants 2; "
        "the planes clean v00 v01 are read as before"
    )
    monkeypatch.undo()
    given_up = BuildSettings(variants=2, size=32, shard_size="10")
    build(own.source, own.root, given_up, mixing_set=own.manifest.mixing_set.location, workers=1, progress=False)
    assert verify(own.root) == []


def test_no_dataset(tmp_path: Path) -> None:
    for name, line in {
        "none": "expected a dataset in a folder, found none at {}; check the path",
        ".": "expected a dataset at {}, found none (dataset.json is missing; plan.json is missing); check the path",
    }.items():
        result = invoke("verify", tmp_path / name)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"Error: {line.format(tmp_path / name)}\n"


def test_an_unfinished_dataset_is_finished(small: Built, damaged: Path) -> None:
    """A build that was killed before its last shard: repairing it is what its build would have done."""
    (damaged / "dataset.json").unlink()
    lose_shard(damaged)
    assert {file for file, _, _ in verify(damaged)} == {"dataset.json", "clean/000001.tar", TAR, OTHER, INDEX}
    repaired = open_shards(damaged).repair(workers=1, progress=False)
    assert repaired.digest == small.manifest.digest
    assert verify(damaged) == []


def test_ctrl_c(damaged: Path, small: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    flip(damaged / TAR, 6000)
    with monkeypatch.context() as patch:
        patch.setattr(repairing, "in_this_process", stop)
        result = invoke("verify", damaged, "--repair", "--workers", 1)
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == "Interrupted: stopped with 0 files mended; run the same command to go on\n"
    with monkeypatch.context() as patch:
        patch.setattr(verification, "check_shard", stop)
        result = invoke("verify", damaged, "--workers", 1)
    assert (result.exit_code, result.stderr) == (
        130,
        "Interrupted: stopped with 0 of 3 shards checked; run the same command again\n",
    )
    assert not (damaged / ".repair").exists()
    (damaged / ".repair").mkdir()  # of a repair that was killed
    assert open_shards(damaged).repair(workers=1, progress=False).digest == small.manifest.digest
    assert not (damaged / ".repair").exists()
