"""Source images that are replaced while a dataset is built of them: named, and never mixed; a touch harms nothing."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen import BuildSettings, Manifest, build, open_shards
from layermix_gen.building import build_run
from layermix_gen.building.engines import in_this_process
from layermix_gen.building.rechecks import replaced
from layermix_gen.building.request import BuildRequest
from layermix_gen.dataset.listings.listing import list_items
from layermix_gen.dataset.plan import read_plan
from layermix_gen.dataset.plan_changes import as_frozen, is_frozen
from layermix_gen.errors import LayerMixError
from layermix_gen.sources import open_source
from layermix_gen.sources.base import DEFAULT_OPTIONS
from tests.helpers import digest, errors, files, listed
from tests.sources.test_versions import touch

CLEAN = BuildSettings(variants=0, size=16, shard_size="4", method="none")
MORE = replace(CLEAN, variants=1)


def run(source: Path, root: Path, settings: BuildSettings = CLEAN, workers: int = 1) -> Manifest:
    return build(source, root, settings, workers=workers, progress=False)


def swap(path: Path, value: int = 99) -> None:
    """Replace an image by another of the same size in bytes, a second later."""
    before = path.stat()
    draft = path.with_suffix(".draft")
    PillowImage.new("RGB", (20, 16), (value, value, value)).save(draft, "BMP")
    content = draft.read_bytes()
    path.write_bytes(content + bytes(before.st_size - len(content)))
    draft.unlink()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    assert path.stat().st_size == before.st_size


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Twelve BMP images of one size in two classes, in three shards."""
    root = tmp_path / "source"
    rng = np.random.default_rng(0)
    for number in range(12):
        path = root / "ab"[number % 2] / f"{number:02d}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(rng.integers(0, 256, (16, 20, 3), np.uint8)).save(path)
    return root


@pytest.fixture
def order(source: Path) -> list[str]:
    """The ids of the images in planned order."""
    return [item.id for item in list_items(open_source(source).found(), 0)]


def after_shards(count: int, monkeypatch: pytest.MonkeyPatch, action: Any) -> None:
    """Call `action` once `count` shards of a build are finished."""

    def engine(plan: Any, numbers: Any, watch: Any) -> Iterator[Any]:
        results = in_this_process(plan, numbers, watch)
        for _ in range(count):
            yield next(results)
        action()
        yield from results

    monkeypatch.setattr(build_run, "in_this_process", engine)


def test_replaced_between_plan_and_build(
    source: Path, order: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, name = tmp_path / "out", order[9]
    with monkeypatch.context() as patch:
        after_shards(1, patch, lambda: swap(source / name))
        with pytest.raises(LayerMixError, match=rf"^expected {name} as it was when the source was listed, found it "):
            run(source, root)
    assert len(list(root.glob("index/*.parquet"))) == 2
    assert "errors.jsonl" not in files(root)
    assert run(source, root).digest == run(source, tmp_path / "fresh").digest  # no finished shard held it


@pytest.mark.parametrize("workers", [1, 2])
def test_replaced_between_two_runs_of_a_build(
    workers: int, source: Path, order: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, name = tmp_path / "out", order[2]
    with monkeypatch.context() as patch:
        after_shards(1, patch, lambda: swap(source / order[9]))
        with pytest.raises(LayerMixError):
            run(source, root)
    content = (source / name).read_bytes()
    swap(source / name)
    with pytest.raises(LayerMixError) as caught:
        run(source, root, workers=workers)
    assert str(caught.value) == (
        f"{name} is another image now than when shard 0 of {root} was built; restore it, or build into another folder"
    )
    (source / name).write_bytes(content)
    assert run(source, root, workers=workers).digest == run(source, tmp_path / "fresh").digest


def test_an_image_that_can_no_longer_be_read_is_replaced(source: Path, order: list[str], tmp_path: Path) -> None:
    root, path = tmp_path / "out", source / order[2]
    run(source, root)
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(LayerMixError, match=rf"^{order[2]} is another image now than when shard 0 of"):
        run(source, root)


def test_replaced_between_a_build_and_its_extension(source: Path, order: list[str], tmp_path: Path) -> None:
    root = tmp_path / "out"
    run(source, root)
    swap(source / order[5])
    with pytest.raises(LayerMixError, match=rf"^{order[5]} is another image now than when other planes were built"):
        run(source, root, MORE)
    assert not (root / "v00" / "000001.tar").exists()


def test_a_touch_and_a_copy_harm_nothing(
    source: Path, order: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out"
    run(source, root, MORE)
    before, listing = digest(root), read_plan(root).listing
    (root / "index" / "000001.parquet").unlink()
    touch(source)
    assert run(source, root, MORE).digest == before
    assert read_plan(root).listing != listing
    copy = tmp_path / "copy"
    shutil.copytree(source, copy, copy_function=shutil.copyfile)  # without the times
    shutil.rmtree(source)
    read = []
    original = replaced._checksum
    monkeypatch.setattr(replaced, "CHECKED", 5)
    monkeypatch.setattr(replaced, "_checksum", lambda plan, item: (read.append(item.id), original(plan, item))[1])
    assert run(copy, root, MORE).digest == before
    assert read == order[:5]
    assert open_shards(root).verify(replay=1.0, workers=1, progress=False).ok
    read.clear()
    run(copy, root, MORE)
    assert read == []


def test_what_is_replayed_may_have_been_touched(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    run(source, root, MORE)
    touch(source)
    assert open_shards(root).verify(replay=1.0, workers=1, progress=False).ok
    (root / "sources.parquet").unlink()
    assert open_shards(root).repair(workers=1, progress=False).mended
    assert open_shards(root).verify(replay=1.0, workers=1, progress=False).ok


def test_processes_with_copies_of_other_times_work_on_one_dataset(source: Path, tmp_path: Path) -> None:
    """Each job of an array may have copied the source to the disk of its machine."""
    root, copy = tmp_path / "out", tmp_path / "copy"
    shutil.copytree(source, copy, copy_function=shutil.copyfile)
    run(source, root)

    def plan_of(folder: Path) -> Any:
        request = BuildRequest(folder, root, CLEAN, "auto", DEFAULT_OPTIONS, None, 1, (0, 1), None)
        return request.planned(None, 3), request.items

    own, other = plan_of(source), plan_of(copy)
    assert as_frozen(own[0]) is own[0]
    shared = as_frozen(other[0])
    assert own[0].listing
    assert not shared.listing
    assert is_frozen(*other)  # and it need not wait until it is alone
    assert {item.version for _, item in shared.items(0, as_listed=True)} == {""}
    assert "" not in {item.version for _, item in own[0].items(0, as_listed=True)}
    assert {item.version for _, item in own[0].items(0)} == {""}


def test_what_was_left_out_may_change(source: Path, order: list[str], tmp_path: Path) -> None:
    root, path = tmp_path / "out", source / order[2]
    content = path.read_bytes()
    path.write_bytes(b"x" * len(content))
    build(source, root, CLEAN, workers=1, progress=False, max_errors=1)
    assert list(errors(root)) == [order[2]]
    touch(source)
    run(source, root)
    assert listed(root) == order
    assert list(errors(root)) == [order[2]]
