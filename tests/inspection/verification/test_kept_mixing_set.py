"""Verify and repair know the mixing set that lies in a dataset's folder."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from layermix_gen import BuildSettings, build_planned, open_shards, plan
from layermix_gen.building import planning
from layermix_gen.dataset.virtual import found_mixing_set
from layermix_gen.inspection.verification import repair
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from tests.helpers import digest, invoke, snapshot

FEW = partial(resolve_mixing_set, count=8, workers=1)


def planned(source: Path, root: Path, mixing_set: Path | None) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "resolve_mixing_set", FEW)
        settings = BuildSettings(variants=1, size=8, shard_size="8")
        plan(source, root, settings, mixing_set=mixing_set, workers=1, progress=False)
    build_planned(root, workers=1, progress=False)
    return root


@pytest.fixture(scope="module")
def made(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with its fractals. Not to be written to."""
    return planned(photographs, tmp_path_factory.mktemp("made") / "out", None)


@pytest.fixture
def root(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(repair, "resolve_mixing_set", FEW)
    return shutil.copytree(made, tmp_path / "out")


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("at", [0.0, 0.01, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", ["mixing-set.npy", "mixing-set.json"])
def test_flipped_bits_are_named(name: str, at: float, root: Path) -> None:
    """Wherever they are, but in the padding of the array's header, which means nothing."""
    size = (root / name).stat().st_size
    flip(root / name, int(at * size) if at != 0.1 else 150)
    report = open_shards(root).verify(workers=1)
    assert report.files == (name,)


@pytest.mark.parametrize("lost", [("mixing-set.npy",), ("mixing-set.json",), ("mixing-set.json", "mixing-set.npy")])
def test_what_is_lost_is_rendered_again(lost: tuple[str, ...], root: Path, made: Path) -> None:
    for name in lost:
        (root / name).unlink()
    (root / "v00" / "000001.tar").unlink()
    found = open_shards(root).repair(workers=1, progress=False)
    assert found.ok
    assert sorted(found.mended) == sorted([*lost, "v00/000001.tar"])
    assert digest(root) == digest(made)
    assert open_shards(root).verify(workers=1, replay=1.0).ok


def test_other_fractals_are_not_put_in_their_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where another processor renders them; shards can still be checked."""
    flip(root / "mixing-set.npy", 200)
    monkeypatch.setattr(repair, "resolve_mixing_set", partial(FEW, count=7))
    before = snapshot(root)
    result = invoke("verify", root, "--repair", "--workers", 1)
    assert result.exit_code == 1
    assert "left as they are: mixing-set.npy" in result.stdout
    assert snapshot(root) == before


def test_a_packed_set_is_left_as_it_is(photographs: Path, tmp_path: Path) -> None:
    root = planned(photographs, tmp_path / "out", photographs)
    flip(root / "mixing-set.npy", 200)
    found = open_shards(root).repair(workers=1, progress=False)
    assert (found.ok, found.left) == (False, ("mixing-set.npy",))


def test_what_describes_a_packed_set_is_written_again(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "resolve_mixing_set", FEW)
    root = planned(photographs, tmp_path / "out", photographs)
    before = snapshot(root)
    (root / "mixing-set.json").unlink()
    found = open_shards(root).repair(workers=1, progress=False)
    assert (found.ok, found.mended) == (True, ("mixing-set.json",))
    assert open_shards(root).verify(workers=1, replay=1.0).ok
    assert [name for name, one in snapshot(root).items() if before[name] != one] == ["mixing-set.json"]
    flip(root / "mixing-set.npy", 200)  # then it is again left as it is
    assert open_shards(root).repair(workers=1, progress=False).left == ("mixing-set.npy",)


def test_the_plan_is_made_again_with_the_mixing_set_that_is_there(root: Path, made: Path) -> None:
    (root / "plan.json").unlink()
    assert open_shards(root).repair(workers=1, progress=False).ok
    assert (root / "plan.json").read_bytes() == (made / "plan.json").read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_replay_without_the_file_renders_fractals_again(root: Path, workers: int) -> None:
    """What is damaged is that file alone: all samples are as they were."""
    np.save(root / "mixing-set.npy", np.load(root / "mixing-set.npy") ^ 1)
    result = invoke("verify", root, "--replay", "all", "--workers", workers)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1:] == ["  mixing-set.npy  has other pictures than the plan says"]


def test_a_replay_takes_the_file_in_the_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found_mixing_set, "resolve_mixing_set", None)
    assert invoke("verify", root, "--replay", "all", "--workers", 1).exit_code == 0
