"""Planes that are added to a finished dataset: it stays readable at every moment, and no other image gets into it."""

import errno
import io
import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

from layermix_gen import BuildSettings, LayerMixDataset, LayerMixError, build, open_shards
from layermix_gen.building import build_run
from layermix_gen.building.engines import in_this_process
from layermix_gen.reading.catalog import load_catalog
from layermix_gen.support.files import write_json
from tests.durability import recorded
from tests.helpers import digest, files, listed
from tests.reading.truth import keys

BEFORE = BuildSettings(variants=2, clean=False, size=16, shard_size="6")
CHANGES: dict[str, dict[str, Any]] = {
    "a clean plane": {"clean": True},
    "variants": {"variants": 3},
    "both": {"clean": True, "variants": 4},
}


def seen(root: Path) -> tuple[Any, ...]:
    """All that a reader and a query see of the planes that were there first."""
    batches = list(LayerMixDataset(root, 6, planes=("v00", "v01"), fields=("key",), order="sequential"))
    rows = open_shards(root).query("plane IN ('v00', 'v01')", order_by="key")
    return keys(batches), [images.tolist() for images, _, _ in batches], rows


@pytest.fixture(scope="module")
def first(photographs: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 photographs in 4 shards of 2 variants, without a clean plane."""
    root = tmp_path_factory.mktemp("first") / "shards"
    build(photographs, root, BEFORE, mixing_set=pool, workers=1, progress=False)
    return root


@pytest.mark.parametrize(("change", "links"), [*((change, True) for change in CHANGES), ("both", False)])
def test_what_was_declared_is_readable_at_every_moment(
    change: str, links: bool, first: Path, photographs: Path, pool: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    root = shutil.copytree(first, tmp_path / "shards")
    before = seen(root)
    looked: list[Any] = []  # what is seen whenever a shard is finished, and whenever a manifest is written
    if not links:  # a file system without hard links
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError(1, "not permitted")))

    def building(*arguments: Any) -> Any:
        for result in in_this_process(*arguments):
            yield result
            looked.append(seen(root))

    def writing(path: Path, value: Any) -> None:
        write_json(path, value)
        looked.append(seen(root))

    monkeypatch.setattr(build_run, "in_this_process", building)
    monkeypatch.setattr("layermix_gen.dataset.declaring.write_json", writing)
    whole = build(photographs, root, replace(BEFORE, **CHANGES[change]), mixing_set=pool, workers=1, progress=False)
    assert looked == [before] * 6
    assert seen(root) == before
    fresh = build(
        photographs, tmp_path / "fresh", replace(BEFORE, **CHANGES[change]), mixing_set=pool, workers=1, progress=False
    )
    assert digest(root) == digest(fresh.root)
    assert whole.digest == fresh.digest
    assert files(root) == files(fresh.root)


@pytest.mark.parametrize("times", [1, 1000])
def test_a_fault_of_the_machine_undeclares_nothing(
    times: int, first: Path, photographs: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shutil.copytree(first, tmp_path / "shards")
    before, opening, left = seen(root), io.open, [times]

    def failing(path: Any, *arguments: Any, **options: Any) -> Any:
        if str(path).endswith("dataset.json") and left[0]:
            left[0] -= 1
            raise OSError(errno.EIO, "Input/output error")
        return opening(path, *arguments, **options)

    said = rf"^cannot read {root}/dataset.json: input/output error, 3 times; this is no fault of the file: "
    with monkeypatch.context() as patch:
        patch.setattr(io, "open", failing)
        patch.setattr("layermix_gen.support.files.PAUSES", (0, 0))
        with pytest.raises(LayerMixError, match=said) if times > 3 else nullcontext():
            more = replace(BEFORE, clean=True)
            build(photographs, root, more, mixing_set=pool, partition=(1, 3), workers=1, progress=False)
    assert left[0] < times
    assert seen(root) == before


def test_what_is_declared_is_on_disk_before_the_manifest_names_it(
    first: Path, photographs: Path, pool: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(first, tmp_path / "shards")
    with recorded() as events:
        more = replace(BEFORE, clean=True)
        build(photographs, root, more, mixing_set=pool, partition=(1, 3), workers=1, progress=False)
    (named, *_) = (place for place, event in enumerate(events) if event[-1].name == "dataset.json" and len(event) == 2)
    assert {(root / "index",), (root / "index" / "declared",)} <= set(events[:named])


def test_an_extension_that_was_stopped_is_finished_or_given_up(
    first: Path, photographs: Path, pool: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(first, tmp_path / "shards")
    before = seen(root)

    def extend(to: BuildSettings, partition: tuple[int, int] = (0, 1)) -> None:
        build(photographs, root, to, mixing_set=pool, partition=partition, workers=1, progress=False)

    extend(replace(BEFORE, clean=True), partition=(1, 3))
    assert seen(root) == before
    said = r"found one that is being extended from the planes v00 v01 to clean v00 v01"
    with pytest.raises(LayerMixError, match=said):
        open_shards(root).verify(workers=1, progress=False)
    (root / "plan.json").rename(tmp_path / "plan.json")
    said = r"extended from the planes v00 v01 to more; restore its plan.json, and run its build to the end first, or "
    said += r"give the new planes up by its build with --variants 2 --no-clean; the planes v00 v01 are read as before$"
    with pytest.raises(LayerMixError, match=said):
        open_shards(root).repair(workers=1, progress=False)
    (tmp_path / "plan.json").rename(root / "plan.json")
    extend(replace(BEFORE, clean=True), partition=(0, 3))
    assert seen(root) == before
    extend(replace(BEFORE, clean=True))
    assert open_shards(root).verify(workers=1, progress=False).ok
    assert [name for name in files(root) if "declared" in name] == []


@pytest.mark.parametrize(
    ("stop", "way"),  # 8 steps put 4 indexes back, 8 remove tars and 4 lists, 2 write the plan, 12 lists and the card
    [(4, "again"), (5, "extend"), (12, "extend"), (20, "again"), (22, "extend"), (34, "extend")],
)
def test_planes_that_some_shards_have_are_given_up(
    stop: int, way: str, first: Path, photographs: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after `stop` of the steps on disk; then given up again, or completed after all."""
    root = shutil.copytree(first, tmp_path / "shards")
    before, original, steps = seen(root), files(root), list[Path]()
    extended = replace(BEFORE, clean=True, variants=3)
    building = partial(build, photographs, root, mixing_set=pool, workers=1, progress=False)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build_run, "write_manifest", interrupt)  # when all that describes the new planes is written
        with pytest.raises(KeyboardInterrupt):
            building(extended)
    assert {"clean/sizes.json", "v02/000003.tar", "index/declared/000000.parquet"} <= set(files(root))

    def counting(step: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Path, *arguments: Any, **options: Any) -> Any:
            steps.append(path)
            if len(steps) > stop:
                raise KeyboardInterrupt
            return step(path, *arguments, **options)

        return counted

    with monkeypatch.context() as patch:
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, counting(getattr(Path, name)))
        with pytest.raises(KeyboardInterrupt):
            building(BEFORE)
    assert seen(root) == before
    building(BEFORE if way == "again" else extended)
    assert seen(root) == before
    assert open_shards(root).verify(workers=1, progress=False).ok
    if way == "again":
        assert files(root) == original
        assert digest(root) == digest(first)


def test_a_failed_extension_says_how_to_give_the_planes_up(photographs: Path, pool: Path, tmp_path: Path) -> None:
    source, root = shutil.copytree(photographs, tmp_path / "source"), tmp_path / "shards"
    clean = BuildSettings(variants=0, size=16, shard_size="6")  # without a mixing set
    building = partial(build, source, root, workers=1, progress=False)
    building(clean)
    before = digest(root)
    last = source / listed(root)[-1]
    last.write_bytes(b"\0" * last.stat().st_size)
    said = r"restore it, then run the same command to resume, or give the new planes up by its build with --variants 0$"
    with pytest.raises(LayerMixError, match=said):
        building(replace(clean, variants=1), mixing_set=pool)
    assert len(list(root.glob("v00/*.tar"))) == 3
    with pytest.raises(LayerMixError, match=r"the planes clean to clean v00; run .* with --variants 0; the planes"):
        open_shards(root).verify(workers=1, progress=False)
    building(clean)
    assert digest(root) == before
    assert not (root / "v00").exists()
    assert open_shards(root).verify(workers=1, progress=False).ok


def test_fewer_new_planes_than_were_begun(first: Path, photographs: Path, pool: Path, tmp_path: Path) -> None:
    root = shutil.copytree(first, tmp_path / "shards")
    building = partial(build, photographs, mixing_set=pool, workers=1, progress=False)
    building(root, replace(BEFORE, variants=4, clean=True), partition=(0, 4))
    fewer = replace(BEFORE, variants=3)
    building(root, fewer)
    assert digest(root) == building(tmp_path / "fresh", fewer).digest
    assert files(root) == files(tmp_path / "fresh")
    said = r"holds another dataset: planes v02 left out; "
    with pytest.raises(LayerMixError, match=said):  # what is declared stays
        building(root, BEFORE)


def test_planes_of_a_dataset_that_was_never_complete_are_not_given_up(
    photographs: Path, pool: Path, tmp_path: Path
) -> None:
    building = partial(build, photographs, tmp_path / "shards", mixing_set=pool, workers=1, progress=False)
    building(BEFORE, partition=(0, 4))
    with pytest.raises(LayerMixError, match=r"holds another dataset: planes v01 left out; repeat the command that "):
        building(replace(BEFORE, variants=1))


def other_image(path: Path) -> bytes:
    """The bytes of another image, made as long as those of the file at `path`."""
    file = io.BytesIO()
    PillowImage.new("RGB", (44, 56), "teal").save(file, "PNG")
    return file.getvalue().ljust(path.stat().st_size, b"\0")


@pytest.mark.parametrize("way", ["extension", "resume"])
def test_a_replaced_image_of_the_same_length_is_named(way: str, photographs: Path, pool: Path, tmp_path: Path) -> None:
    source, root = shutil.copytree(photographs, tmp_path / "source"), tmp_path / "shards"
    path = source / "coffee" / "002.png"
    build(source, root, BEFORE, mixing_set=pool, workers=1, progress=False)
    before = digest(root)
    content = path.read_bytes()
    path.write_bytes(other_image(path))
    if way == "resume":
        for tar in root.glob("v01/*.tar"):
            tar.unlink()
    more = replace(BEFORE, variants=3) if way == "extension" else BEFORE
    said = rf"^coffee/{path.name} is another image now than when other planes were built; restore it, then run "
    with pytest.raises(LayerMixError, match=said):
        build(source, root, more, mixing_set=pool, workers=1, progress=False)
    path.write_bytes(content)
    build(source, root, BEFORE, mixing_set=pool, workers=1, progress=False)
    assert digest(root) == before


def test_a_reader_whose_index_grows_while_it_is_opened(
    first: Path, photographs: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extension ends between the check of the declared indexes and their being read."""
    root = shutil.copytree(first, tmp_path / "shards")
    before, loads = seen(root), list[Any]()
    extending = replace(BEFORE, clean=True)

    def load(*arguments: Any, **options: Any) -> Any:
        loads.append(arguments)
        if len(loads) == 1:
            build(photographs, root, extending, mixing_set=pool, workers=1, progress=False)
        return load_catalog(*arguments, **options)

    build(photographs, root, extending, mixing_set=pool, partition=(0, 4), workers=1, progress=False)
    monkeypatch.setattr("layermix_gen.reading.reader.load_catalog", load)
    assert seen(root) == before
    assert len(loads) == 2
