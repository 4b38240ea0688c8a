"""Builds that are planned ahead: one listing and one mixing set for all jobs, the bytes of any other build, an end."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layermix_gen import BuildSettings, LayerMixError, build, build_planned, finish, open_shards, plan
from layermix_gen.building import build_run, planned, planning
from layermix_gen.building.planned import ranges
from layermix_gen.dataset.plan import read_plan, versions
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from layermix_gen.mixing_sets.store import digest_of
from layermix_gen.sources.folder import FolderSource
from tests.helpers import digest, files, invoke, manifest, snapshot

SETTINGS = BuildSettings(variants=2, size=8, shard_size="4")  # 24 photographs in 6 shards
OPTIONS = ("--variants", 2, "--size", 8, "--shard-size", 4)
QUIET: dict[str, Any] = {"workers": 1, "progress": False}
KEPT = ["mixing-set.json", "mixing-set.npy"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Render 8 fractals instead of 384."""
    monkeypatch.setattr(planning, "resolve_mixing_set", partial(resolve_mixing_set, count=8, workers=1))


@pytest.fixture(scope="module")
def whole(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the dataset, built at once."""
    root = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "resolve_mixing_set", partial(resolve_mixing_set, count=8, workers=1))
        build(photographs, root, SETTINGS, **QUIET)
    assert "mixing-set.npy" not in files(root)
    return digest(root)


@pytest.fixture
def out(photographs: Path, tmp_path: Path) -> Path:
    """A folder with the plan alone."""
    root = tmp_path / "out"
    plan(photographs, root, SETTINGS, **QUIET)
    assert files(root) == [*KEPT, "plan.json", "sources.parquet"]
    return root


def other_fractals(cache: Path) -> None:
    """Fractals of the same name and description as the default ones, but with other bytes: of another processor."""
    rendered = resolve_mixing_set(None, 8, count=8, workers=1)
    cache.mkdir()
    pictures = rendered.pictures ^ np.uint8(1)
    np.save(cache / rendered.path.name, pictures)
    about = json.loads(rendered.path.with_suffix(".json").read_text())
    other = {"file": None, "digest": digest_of(pictures)}
    (cache / rendered.path.with_suffix(".json").name).write_text(json.dumps(about | other))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 2, 0, 1, 1)])
def test_partitions_in_any_order_make_the_dataset(order: tuple[int, ...], out: Path, whole: str) -> None:
    for number in order:
        report = build_planned(out, partition=(number, 3), **QUIET)
        assert (report.labels is None) == (not report.complete)
    assert digest(out) == whole
    assert [name for name in files(out) if "lock" in name or name.endswith(".tmp")] == []


def test_no_job_lists_the_source_or_makes_a_mixing_set(
    out: Path, whole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderSource, "items", None)
    monkeypatch.setenv("LAYERMIX_GEN_CACHE", str(tmp_path / "empty"))
    for number in range(3):
        build_planned(out, partition=(number, 3), **QUIET)
    assert digest(out) == whole
    assert not (tmp_path / "empty").exists()


def test_fractals_of_another_processor_stop_no_job(
    photographs: Path, whole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even jobs that were not planned ahead: all take the file that the first one put in the folder."""
    root = tmp_path / "out"
    build(photographs, root, SETTINGS, partition=(0, 3), **QUIET)
    other_fractals(tmp_path / "elsewhere")
    monkeypatch.setenv("LAYERMIX_GEN_CACHE", str(tmp_path / "elsewhere"))
    for number in (1, 2):
        build(photographs, root, SETTINGS, partition=(number, 3), **QUIET)
    assert digest(root) == whole
    assert build(photographs, root, SETTINGS, **QUIET).complete
    fresh = build(photographs, tmp_path / "fresh", SETTINGS, **QUIET)
    assert fresh.digest != whole  # had they not, they would have mixed with these


def test_fractals_of_an_interrupted_plan_are_replaced(photographs: Path, out: Path, whole: str) -> None:
    """Of other settings; those of the same are taken."""
    (out / "plan.json").unlink()
    before = snapshot(out)["mixing-set.npy"]
    plan(photographs, out, SETTINGS, **QUIET)
    assert snapshot(out)["mixing-set.npy"] == before
    (out / "plan.json").unlink()
    planned_again = plan(photographs, out, BuildSettings(variants=2, size=8, shard_size="4", seed=1), **QUIET)
    assert planned_again.plan.mixing_set is not None
    assert snapshot(out)["mixing-set.npy"] != before
    assert build_planned(out, **QUIET).mixing_set == planned_again.plan.mixing_set


def test_a_plan_of_something_else_leaves_the_mixing_set(photographs: Path, out: Path, whole: str) -> None:
    before = snapshot(out)
    with pytest.raises(LayerMixError, match="holds another dataset: seed 0 -> 1"):
        plan(photographs, out, BuildSettings(variants=2, size=8, shard_size="4", seed=1), **QUIET)
    assert snapshot(out) == before


def test_a_packed_folder_travels_and_a_file_stays(photographs: Path, pool: Path, tmp_path: Path) -> None:
    packed = plan(photographs, tmp_path / "packed", SETTINGS, mixing_set=photographs, **QUIET).plan.mixing_set
    given = plan(photographs, tmp_path / "given", SETTINGS, mixing_set=pool, **QUIET).plan.mixing_set
    assert packed is not None
    assert given is not None
    assert (packed.location, given.location) == ("mixing-set.npy", str(pool))
    assert sorted(set(files(tmp_path / "packed")) & set(KEPT)) == KEPT
    assert set(files(tmp_path / "given")) & set(KEPT) == set()
    before = snapshot(tmp_path / "packed")
    plan(photographs, tmp_path / "packed", SETTINGS, mixing_set=photographs, **QUIET)
    assert snapshot(tmp_path / "packed") == before


def test_the_folder_may_move_with_its_mixing_set(out: Path, whole: str, tmp_path: Path) -> None:
    build_planned(out, partition=(0, 2), **QUIET)
    moved = out.rename(tmp_path / "moved")
    build_planned(moved, **QUIET)
    assert digest(moved) == whole
    shards = open_shards(moved)
    row = shards.query("plane = 'v00'", limit=1)[0]
    assert (shards.replay(row).pixels == shards.pixels(row)).all()


def test_planes_are_added_by_another_plan(photographs: Path, out: Path, tmp_path: Path) -> None:
    build_planned(out, **QUIET)
    more = BuildSettings(variants=3, size=8, shard_size="4")
    report = plan(photographs, out, more, **QUIET)
    assert "24 in 4 planes: clean v00 v01 v02" in report.summary()
    with pytest.raises(LayerMixError, match=r"6 of 6 shards .* are not finished: 0-5; "):
        finish(out)
    assert manifest(out)["planes"] == ["clean", "v00", "v01"]
    for number in range(2):
        build_planned(out, partition=(number, 2), **QUIET)
    build(photographs, tmp_path / "whole", more, **QUIET)
    assert digest(out) == digest(tmp_path / "whole")


def test_images_that_cannot_be_read_are_left_out_and_tried_again(photographs: Path, tmp_path: Path) -> None:
    source = shutil.copytree(photographs, tmp_path / "source")
    image = source / "coffee" / "000.png"
    data = image.read_bytes()
    image.write_bytes(b"x" * len(data))
    root = tmp_path / "out"
    plan(source, root, SETTINGS, **QUIET)
    with pytest.raises(LayerMixError, match=r"1 of 24 inputs cannot be read .*, 0 are allowed"):
        build_planned(root, max_errors=0, **QUIET)
    for number in range(3):
        build_planned(root, partition=(number, 3), **QUIET)
    (root / "dataset.json").unlink()
    with pytest.raises(LayerMixError, match=r"1 of 24 inputs cannot be read .*, 0 are allowed"):
        finish(root, max_errors=0)
    assert not (root / "dataset.json").exists()
    listed = image.stat()
    image.write_bytes(data)
    with pytest.raises(LayerMixError, match=r"found it replaced .* list it anew, or before build-planned its plan"):
        build_planned(root, **QUIET)
    os.utime(image, ns=(listed.st_atime_ns, listed.st_mtime_ns))  # as if it could not be read for a while
    assert build_planned(root, **QUIET).written == 24


def test_an_image_that_was_mended_is_taken_in_when_it_is_planned_again(photographs: Path, tmp_path: Path) -> None:
    source = shutil.copytree(photographs, tmp_path / "source")
    image = source / "coffee" / "000.png"
    data = image.read_bytes()
    image.write_bytes(b"x" * len(data))
    root = tmp_path / "out"
    plan(source, root, SETTINGS, **QUIET)
    assert build_planned(root, **QUIET).written == 23
    image.write_bytes(data)
    plan(source, root, SETTINGS, **QUIET)
    (root / "dataset.json").unlink()  # or what is bad is bad for good
    assert build_planned(root, **QUIET).written == 24


# --- the end -------------------------------------------------------------------------------------------------------


def test_finish_names_what_is_missing(out: Path) -> None:
    build_planned(out, partition=(1, 3), **QUIET)
    for more, how in ((), "i/6 with i = 0,2-3,5"), (("--jobs", 3), "i/3 with i = 0,2"), (("--jobs", 1), "0/1"):
        result = invoke("finish", out, *more)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            f"Error: expected all shards, but 4 of 6 shards of {out} are not finished: 0,2-3,5; build them by "
            f"`layermix-gen build-planned {out}`, or --partition {how}\n"
        )
    assert not (out / "dataset.json").exists()


def test_finish_completes_and_may_be_repeated(out: Path, whole: str) -> None:
    build_planned(out, **QUIET)
    (out / "dataset.json").unlink()  # as if the last job had been killed before it wrote it
    (out / "v00" / "sizes.json").unlink()
    result = invoke("finish", out)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"digest      {whole}" in result.stdout
    assert "24 labelled images in 4 classes" in result.stdout
    before = snapshot(out)
    assert invoke("finish", out).exit_code == 0
    assert snapshot(out) == before
    assert invoke("verify", out, "--replay", "all").exit_code == 0


def test_finish_sees_what_was_lost_since(out: Path) -> None:
    build_planned(out, **QUIET)
    (out / "v01" / "000002.tar").unlink()
    with pytest.raises(LayerMixError, match=r"1 of 6 shards .* are not finished: 2; .*, or --partition 2/6$"):
        finish(out)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([4], "4"),
        ([3, 4], "3-4"),
        ([0, 2, 3, 4, 9], "0,2-4,9"),
        (list(range(0, 100, 2)), ",".join(map(str, range(0, 40, 2))) + " and 30 more"),
    ],
)
def test_ranges(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text


# --- faults --------------------------------------------------------------------------------------------------------


def lose_plan(root: Path) -> None:
    (root / "plan.json").unlink()


def lose_listing(root: Path) -> None:
    (root / "sources.parquet").unlink()


def keep_old_listing(root: Path) -> None:
    """As a `plan` leaves it that is killed after it has written another plan.json."""
    listing = (root / "sources.parquet").read_bytes()
    source = shutil.copytree(read_plan(root).inputs.location, root.parent / "source")
    with (source / "coffee" / "000.png").open("ab") as file:
        file.write(b"more")
    plan(source, root, SETTINGS, **QUIET)
    assert (root / "sources.parquet").read_bytes() != listing
    (root / "sources.parquet").write_bytes(listing)


def lose_mixing_set(root: Path) -> None:
    (root / "mixing-set.npy").unlink()


def replace_mixing_set(root: Path) -> None:
    np.save(root / "mixing-set.npy", np.load(root / "mixing-set.npy") ^ 1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lose_plan, r"expected a plan with .* in .*out, found none; write it by `layermix-gen plan SOURCE .*out`$"),
        (lose_listing, r"expected a plan with .* in .*out, found no sources.parquet; write it by `layermix-gen plan"),
        (
            keep_old_listing,
            r"found sources.parquet of another plan, as `plan` leaves it that is stopped in the midst; wr",
        ),
        (lose_mixing_set, "expected a mixing set at .*/out/mixing-set.npy, but nothing is there; check the path"),
        (replace_mixing_set, "holds another dataset: mixing set "),
    ],
)
def test_what_cannot_be_built_by_is_refused(spoil: Callable[[Path], None], message: str, out: Path) -> None:
    spoil(out)
    with pytest.raises(LayerMixError, match=message):
        build_planned(out, **QUIET)


def test_a_damaged_mixing_set_is_replaced_when_it_is_planned_again(photographs: Path, out: Path) -> None:
    before = snapshot(out)
    replace_mixing_set(out)
    plan(photographs, out, SETTINGS, **QUIET)
    assert snapshot(out)["mixing-set.npy"] == before["mixing-set.npy"]


def test_a_plan_that_is_changed_meanwhile_ends_the_job(
    photographs: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(*_: object) -> dict[int, Any]:
        plan(photographs, out, replace(SETTINGS, variants=3), **QUIET)
        return {}

    monkeypatch.setattr(planned, "spoiled_shards", change)
    with pytest.raises(LayerMixError, match=r"^the plan of .*out was changed meanwhile; run the same command again$"):
        build_planned(out, **QUIET)
    monkeypatch.undo()
    assert build_planned(out, **QUIET).planes == ("clean", "v00", "v01", "v02")


def test_other_versions_than_those_of_the_plan_are_refused(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = versions()
    monkeypatch.setattr(planned, "versions", lambda: now | {"numpy": "0.1"})
    with pytest.raises(LayerMixError, match=r"holds another dataset: numpy .* -> 0\.1; "):
        build_planned(out, **QUIET)


def test_plan_refuses_what_build_refuses(photographs: Path, tmp_path: Path) -> None:
    for command in ("plan", "build"):
        result = invoke(command, tmp_path / "nowhere", tmp_path / "out", *OPTIONS)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert not (tmp_path / "out").exists()
    result = invoke("plan", photographs, tmp_path / "out", "--partition", "0/3")
    assert result.exit_code == 2


@pytest.mark.parametrize("also", [True, False])
def test_jobs_that_end_at_one_time_list_all_that_was_left_out(
    also: bool, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, root = tmp_path / "source", tmp_path / "out"
    shutil.copytree(photographs, source)
    paths = sorted(source.rglob("*.jpg"))
    plan(source, root, SETTINGS, **QUIET)
    shards = {item.id: number for number in range(6) for _, item in read_plan(root).items(number)}
    first, second = (
        [path for path in paths if shards[path.relative_to(source).as_posix()] % 2 == one] for one in (0, 1)
    )
    for path in (first[0], second[0]) if also else (second[0],):
        path.write_bytes(b"broken" * 9)
    plan(source, root, SETTINGS, **QUIET)
    write = build_run.write_errors

    def write_late(*arguments: Any) -> None:
        """Write the list of the first job, which has been made, when the second job has completed the dataset."""
        monkeypatch.setattr(build_run, "write_errors", write)
        assert build_planned(root, partition=(1, 2), **QUIET).complete
        write(*arguments)

    monkeypatch.setattr(build_run, "write_errors", write_late)
    build_planned(root, partition=(0, 2), **QUIET)
    assert len((root / "errors.jsonl").read_text().splitlines()) == 1 + also
    assert open_shards(root).verify(workers=1, progress=False).ok
