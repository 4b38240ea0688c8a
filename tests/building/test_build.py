"""Whole builds of small real data, through the command line: what is on disk, and that only the plan decides it."""

import dataclasses
import io
import json
import os
import re
import shutil
import signal
import time
import zlib
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from PIL import Image as PillowImage

import layermix_gen
from layermix_gen.building import estimator
from layermix_gen.building.estimator import Estimate
from layermix_gen.dataset.index import read_summaries
from layermix_gen.dataset.listings.listing import Listing
from layermix_gen.dataset.plan import read_plan
from layermix_gen.dataset.samples import SampleMaker
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.images.codec import decode
from layermix_gen.images.views import PictureView, View, render_view
from layermix_gen.mixing.methods import LayerMixOptions
from layermix_gen.mixing.operations import DEFAULT_OPERATIONS
from layermix_gen.mixing.recipe import parse
from layermix_gen.mixing.renderer import render
from layermix_gen.mixing_sets import provision
from layermix_gen.mixing_sets.fractals.render import Fractal
from layermix_gen.mixing_sets.mixing_set import open_mixing_set
from layermix_gen.sources import open_source
from layermix_gen.support.files import sealed
from tests.helpers import (
    build,
    digest,
    errors,
    files,
    invoke,
    listed,
    manifest,
    members,
    rows,
    snapshot,
    start,
    stopped_in_the_midst,
    without_start,
)
from tests.sources.tars.written_tars import png
from tests.sources.tars.written_tars import write as write_tar

SMALL = ("--size", 32, "--shard-size", 10)  # of the 24 photographs: three shards of 8
JSON_TYPES = {
    "source": str,
    "label": int,
    "class_name": str,
    "other": str,
    "label2": int,
    "label_weight": float,
    "method": str,
    "variant": int,
    "layer": int,
    "op": str,
    "ops": [str] * 3,
    "op_args": [float] * 3,
    "blends": [str] * 2,
    "blend_args": [float] * 4,
    "picture": int,
    "picture_view": [int] * 4,
    "view": [float] * 5,
    "recipe": str,
}
SHORTER = {"ops": [str], "op_args": [float], "blends": [str], "blend_args": [float] * 2}  # of a method without any
PLACE = ("plane", "shard", "key", "offset", "size", "image_crc32", "pixels_crc32", "source_crc32", "json_crc32")


@pytest.fixture(scope="module")
def finished(photographs: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished dataset of the photographs: clean and 3 variants, PNG. Not to be written to."""
    root = tmp_path_factory.mktemp("finished") / "out"
    build(photographs, root, *SMALL, "--variants", 3, "--mixing-set", pool)
    return root


# --- what is on disk -------------------------------------------------------------------------------------------------


def test_the_files_are_those_of_the_format(finished: Path) -> None:
    planes = [f"{plane}/{number:06d}.tar" for plane in ("clean", "v00", "v01", "v02") for number in range(3)]
    index = [f"index/{number:06d}.parquet" for number in range(3)]
    sidecars = [f"{plane}/{name}" for plane in ("clean", "v00", "v01", "v02") for name in ("sizes.json", "wids.json")]
    frame = ["dataset.json", "plan.json", "sources.parquet", "_info.json", "README.md"]
    assert files(finished) == sorted([*planes, *index, *sidecars, *frame])


def is_sidecar(name: str) -> bool:
    return Path(name).name in ("_info.json", "sizes.json", "wids.json", "README.md")


def test_planes_are_aligned_and_samples_contiguous(finished: Path) -> None:
    names = listed(finished)
    ordinal = 0
    for number in range(3):
        first = ordinal
        for plane in ("clean", "v00", "v01", "v02"):
            ordinal = first
            found = list(members(finished / plane / f"{number:06d}.tar").items())
            for image, label, facts in zip(found[::3], found[1::3], found[2::3], strict=True):
                key = f"{ordinal:09d}-{plane}"
                assert [name for name, _ in (image, label, facts)] == [f"{key}.png", f"{key}.cls", f"{key}.json"]
                about = json.loads(facts[1])
                assert about["source"] == names[ordinal]
                assert about["class_name"] == names[ordinal].split("/")[0]
                assert (
                    about["label"]
                    == int(label[1])
                    == ["astronaut", "chelsea", "coffee", "rocket"].index(about["class_name"])
                )
                assert about["variant"] == (-1 if plane == "clean" else int(plane[1:]))
                assert PillowImage.open(io.BytesIO(image[1])).size == (32, 32)
                ordinal += 1
        assert ordinal - first == 8
    assert ordinal == 24


@pytest.mark.parametrize("arguments", [(), ("--preset", "released"), ("--method", "none"), ("--view", "rrc")], ids=str)
def test_metadata_has_the_same_types_in_every_sample(
    arguments: tuple[str, ...], photographs: Path, pool: Path, tmp_path: Path
) -> None:
    mixing = () if "none" in arguments else ("--mixing-set", pool)
    build(photographs, tmp_path, "--size", 32, "--variants", 4, *mixing, *arguments)
    seen = []
    for tar in tmp_path.glob("*/*.tar"):
        for name, data in members(tar).items():
            if name.endswith(".json"):
                about = json.loads(data)
                types = {key: list(map(type, v)) if isinstance(v, list) else type(v) for key, v in about.items()}
                assert types == JSON_TYPES | (SHORTER if "none" in arguments else {})
                seen.append(about)
    assert len(seen) == 24 * 5
    layers = {about["layer"] for about in seen}
    assert layers == ({0} if "none" in arguments else {0, 1, 2, 3})
    clean = [about for about in seen if about["variant"] == -1]
    assert {(about["method"], about["layer"], about["op"], about["picture"], about["recipe"]) for about in clean} == {
        ("none", 0, "", -1, "image")
    }


def test_rows_repeat_the_metadata_and_say_where_the_image_is(finished: Path) -> None:
    found = rows(finished)
    assert len(found) == 24 * 4
    for row in found:
        tar = finished / row["plane"] / f"{row['shard']:06d}.tar"
        inside = members(tar)
        image = inside[f"{row['key']}.png"]
        assert tar.read_bytes()[row["offset"] : row["offset"] + row["size"]] == image
        assert row["image_crc32"] == zlib.crc32(image)
        assert row["pixels_crc32"] == zlib.crc32(decode(image).tobytes())
        about = json.loads(inside[f"{row['key']}.json"])
        assert about == {name: value for name, value in row.items() if name not in PLACE}


def test_pixels_are_those_of_the_recipe_rendered_anew(photographs: Path, pool: Path, tmp_path: Path) -> None:
    """By two routes: drawn again from the seed, and read from the row alone. The files are JPEG, which is lossy."""
    root, mixing_set = tmp_path / "out", open_mixing_set(pool)
    build(photographs, root, "--size", 32, "--view", "rrc", "--format", "jpg", "--mixing-set", pool, "--seed", 7)
    source, plan = open_source(photographs), read_plan(root)
    items = {item.id: item for item in source.items()}
    maker = SampleMaker(plan.settings, mixing_set)
    for row in rows(root):
        pixels = source.read(items[row["source"]])
        (sample,) = maker.make(pixels, items[row["source"]], [row["variant"]])
        assert zlib.crc32(sample.pixels.tobytes()) == row["pixels_crc32"]
        assert str(sample.drawn.recipe.expression) == row["recipe"]
        *box, flip = row["view"]
        view = render_view(pixels, View(*box, bool(flip)), 32)  # type: ignore[call-arg]
        picture = None
        if row["picture"] >= 0:
            top, left, *flips = row["picture_view"]
            picture = mixing_set.view(PictureView(row["picture"], top, left, *map(bool, flips)), 32)
        assert zlib.crc32(render(parse(row["recipe"]), view, picture).tobytes()) == row["pixels_crc32"]


def test_the_summary_is_in_the_manifest(photographs: Path, pool: Path, tmp_path: Path) -> None:
    source, root = tmp_path / "source", tmp_path / "out"
    shutil.copytree(photographs, source)
    (source / "coffee" / "bad.png").write_bytes(b"text")
    (source / "coffee" / "notes.txt").write_bytes(b"text")
    printed = build(source, root, *SMALL, "--variants", 1, "--mixing-set", pool)
    lines = {line[:12].strip(): line[12:] for line in printed.splitlines()}
    facts = manifest(root)
    run, settings = facts["run"], facts["settings"]
    assert (facts["inputs"], facts["written"], facts["skipped"]) == (25, 24, 1)
    assert facts["images"] == run["images"] == 48
    assert facts["bytes"] == sum(path.stat().st_size for path in root.glob("*/*.tar"))
    assert lines == {
        "source": f"{source} (folder)",
        "labels": "24 labelled images in 4 classes",
        "inputs": "25 = 24 written + 1 skipped",
        "skipped": "1 not an image",
        "ignored": "1 file without an image's extension",
        "planes": "clean v00",
        "samples": "32 px, pad-crop views, independent, as png",
        "views": "each plane has its own; the Jensen-Shannon loss needs --view-mode shared",
        "method": "layermix",
        "mixing set": f"6 pictures of 40 px in {pool}",
        "shards": f"3 of 3, 48 images, {facts['bytes'] / 1e6:.1f} MB",
        "this run": f"48 images in {run['seconds']:.1f} s on 1 worker, {run['images_per_second']:.0f} images/s",
        "digest": digest(root),
        "dataset": str(root),
    }
    assert (facts["source"]["kind"], facts["source"]["location"], facts["source"]["ignored"]) == (
        "folder",
        str(source),
        1,
    )
    assert facts["source"]["classes"] == ["astronaut", "chelsea", "coffee", "rocket"]
    assert facts["skipped_reasons"] == {"not an image": 1}
    assert facts["planes"] == ["clean", "v00"]
    assert (facts["shards"], facts["shards_finished"], facts["complete"], run["workers"]) == (3, 3, True, 1)
    assert [settings[name] for name in ("size", "view", "view_mode", "format")] == [
        32,
        "pad-crop",
        "independent",
        "png",
    ]
    assert settings["method"] == "layermix"
    assert settings["options"] == dataclasses.asdict(LayerMixOptions().resolve(32)) | {
        "ops": [*DEFAULT_OPERATIONS["paper"]]
    }
    assert (facts["mixing_set"]["count"], facts["mixing_set"]["size"]) == (6, 40)
    assert facts["fingerprint"] == json.loads((root / "plan.json").read_text())["fingerprint"]


def test_the_python_twin_returns_the_report(photographs: Path, finished: Path, pool: Path, tmp_path: Path) -> None:
    settings = BuildSettings(size=32, shard_size="10", variants=3)
    opened = open_mixing_set(pool)
    report = layermix_gen.build(photographs, tmp_path, settings, mixing_set=opened, workers=1, progress=False)
    assert report.digest == digest(tmp_path) == digest(finished)
    facts = json.loads(json.dumps(dataclasses.asdict(report) | {"root": ""}, default=str))
    told = ("root", "labels", "location", "partition")
    facts = {"format": "layermix-gen dataset 5"} | {name: fact for name, fact in facts.items() if name not in told}
    assert manifest(tmp_path) == sealed(facts)


# --- settings --------------------------------------------------------------------------------------------------------


def test_a_shared_view_is_the_same_in_all_planes(photographs: Path, finished: Path, pool: Path, tmp_path: Path) -> None:
    build(photographs, tmp_path, *SMALL, "--variants", 3, "--mixing-set", pool, "--view-mode", "shared")

    def views(root: Path) -> dict[str, set[tuple[float, ...]]]:
        found: dict[str, set[tuple[float, ...]]] = {}
        for row in rows(root):
            found.setdefault(row["source"], set()).add(tuple(row["view"]))
        return found

    assert {len(some) for some in views(tmp_path).values()} == {1}
    assert len(set.union(*views(tmp_path).values())) > 12
    assert max(len(some) for some in views(finished).values()) == 4


def test_no_mixing_leaves_the_view(photographs: Path, tmp_path: Path) -> None:
    printed = build(photographs, tmp_path, *SMALL, "--variants", 2, "--method", "none", "--view-mode", "shared")
    assert "\nmethod      none\n" in printed
    assert "mixing set" not in printed
    assert manifest(tmp_path)["mixing_set"] is None
    images: dict[str, set[int]] = {}
    for row in rows(tmp_path):
        assert (row["method"], row["recipe"], row["layer"]) == ("none", "image", 0)
        images.setdefault(row["source"], set()).add(row["image_crc32"])
    assert {len(some) for some in images.values()} == {1}


def test_presets_and_operations(photographs: Path, pool: Path, tmp_path: Path) -> None:
    build(photographs, tmp_path / "a", *SMALL, "--mixing-set", pool, "--preset", "released")
    flips = {tuple(row["picture_view"][2:]) for row in rows(tmp_path / "a")}
    assert flips == {(0, 0)}  # that code mirrors no fractal
    build(photographs, tmp_path / "b", *SMALL, "--mixing-set", pool, "--ops", "rotate, posterize")
    assert {row["op"] for row in rows(tmp_path / "b")} == {"", "rotate", "posterize"}


def sampling(jpeg: bytes) -> list[int]:
    """The sampling factors of the components, from the frame header."""
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return [jpeg[at + 11 + 3 * component] for component in range(jpeg[at + 9])]


@pytest.mark.parametrize(
    ("arguments", "extension", "start"),
    [
        (("--size", 64), "png", b"\x89PNG"),
        (("--size", 65), "jpg", b"\xff\xd8"),
        (("--size", 32, "--format", "jpg", "--subsampling", "420"), "jpg", b"\xff\xd8"),
        (("--size", 32, "--format", "webp"), "webp", b"RIFF"),
        (("--size", 65, "--format", "png"), "png", b"\x89PNG"),
    ],
)
def test_formats(
    arguments: tuple[object, ...], extension: str, start: bytes, photographs: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "pool.npy", np.random.default_rng(0).integers(0, 256, (2, 70, 70), np.uint8))
    root = tmp_path / "out"
    build(photographs, root, *arguments, "--variants", 1, "--mixing-set", tmp_path / "pool.npy")
    images = {
        name: data for name, data in members(root / "v00" / "000000.tar").items() if name.endswith(f".{extension}")
    }
    assert len(images) == 24
    for data in images.values():
        assert data.startswith(start)
        assert decode(data).shape == (arguments[1], arguments[1], 3)
        if extension == "jpg":
            assert sampling(data) == ([0x22, 0x11, 0x11] if "420" in arguments else [0x11, 0x11, 0x11])
    assert manifest(root)["settings"]["view"] == ("rrc" if arguments[1] == 65 else "pad-crop")


@pytest.mark.parametrize(("size", "shards"), [("24", 1), ("23", 2), ("1", 24), ("1GB", 1)])
def test_shards_of_so_many_samples(size: str, shards: int, photographs: Path, tmp_path: Path) -> None:
    build(photographs, tmp_path, "--size", 8, "--shard-size", size, "--method", "none", "--no-clean", "--variants", 1)
    assert len(list(tmp_path.glob("v00/*.tar"))) == shards


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 60 images of 24 px from flat to noise, whose samples differ in size."""
    root, rng = tmp_path_factory.mktemp("uneven"), np.random.default_rng(0)
    for number in range(60):
        pixels = rng.integers(0, 256, (24, 24, 3), np.uint8) >> rng.choice([0, 4, 6, 8])
        PillowImage.fromarray(pixels.astype(np.uint8)).save(root / f"{number:03d}.png", compress_level=1)
    return root


UNEVEN = ("--size", 24, "--view", "center", "--shard-size")


@pytest.mark.parametrize("bound", [8_000, 30_000, 100_000])
@pytest.mark.parametrize("method", ["layermix", "none"])
def test_a_bound_in_bytes_is_kept(method: str, bound: int, uneven: Path, pool: Path, tmp_path: Path) -> None:
    mixing = ("--method", "none") if method == "none" else ("--mixing-set", pool)
    build(uneven, tmp_path, *UNEVEN, f"{bound / 1000}kB", "--variants", 1, *mixing)
    sizes = [path.stat().st_size for path in tmp_path.glob("*/*.tar")]
    assert np.std([len(data) for data in members(tmp_path / "clean" / "000000.tar").values()]) > 100
    assert max(sizes) <= bound
    assert np.mean(sizes) > 0.5 * bound  # cautious, but no more than that


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 images of one colour each, which take far fewer bytes before they are mixed than after."""
    root = tmp_path_factory.mktemp("flat")
    for number in range(40):
        PillowImage.new("RGB", (40, 40), (5 * number, 255 - 3 * number, 128)).save(root / f"{number:03d}.png")
    return root


FLAT = ("--size", 40, "--view", "center", "--shard-size", "30KB")


def test_the_number_of_shards_does_not_depend_on_the_planes(flat: Path, pool: Path, tmp_path: Path) -> None:
    for variants in (0, 1, 2):
        build(flat, tmp_path / f"{variants}", *FLAT, "--mixing-set", pool, "--variants", variants)
    assert len({manifest(tmp_path / f"{variants}")["shards"] for variants in (0, 1, 2)}) == 1
    for variants in (0, 1):
        build(flat, tmp_path / f"{variants}", *FLAT, "--mixing-set", pool, "--variants", 2)
        assert digest(tmp_path / f"{variants}") == digest(tmp_path / "2")


def test_the_number_of_shards_does_not_depend_on_the_mixing_set(flat: Path, tmp_path: Path) -> None:
    pools = {"black": np.zeros((1, 40, 40), np.uint8), "noise": np.random.default_rng(0).integers(0, 256, (1, 40, 40))}
    for name, pictures_of in pools.items():
        np.save(tmp_path / f"{name}.npy", pictures_of.astype(np.uint8))  # type: ignore[attr-defined]
        build(flat, tmp_path / name, *FLAT, "--variants", 1, "--mixing-set", tmp_path / f"{name}.npy")
    assert manifest(tmp_path / "black")["shards"] == manifest(tmp_path / "noise")["shards"]
    assert max(path.stat().st_size for path in tmp_path.glob("noise/*/*.tar")) <= 30_000


def test_an_idx_set_is_built_at_its_own_size(digits: Path, pool: Path, tmp_path: Path) -> None:
    printed = build(digits, tmp_path, "--variants", 1, "--mixing-set", pool)
    assert "28 px, pad-crop views, independent, as png" in printed
    found = rows(tmp_path)
    assert len(found) == 80
    assert {(row["label"], row["class_name"]) for row in found} == {(label, str(label)) for label in range(10)}
    build(f"{digits}/", tmp_path, "--variants", 1, "--mixing-set", pool, "--kind", "idx")


def test_any_names_will_do(photographs: Path, tmp_path: Path) -> None:
    names = ["a.b.c.png", "a b/x.png", "ü/x.png", "ü/x.jpg", "日本/x.png", 'q"uo\\te/x.png', "-v00.png/y.png"]
    for name in names:
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photographs / "coffee" / "000.png", tmp_path / "source" / name)
    root = tmp_path / "out [1] 'ü'"
    build(tmp_path / "source", root, "--size", 8, "--method", "none", "--variants", 1, "--shard-size", 2)
    assert sorted(row["source"] for row in rows(root) if row["plane"] == "v00") == sorted(names)
    found = {row["source"]: (row["label"], row["class_name"]) for row in rows(root)}
    assert found["a.b.c.png"] == (-1, "")
    assert found["ü/x.png"][1] == "ü"
    inside = [name for tar in root.glob("v00/*.tar") for name in members(tar)]
    assert len(inside) == len(set(inside)) == 3 * len(names)
    assert all(name.isascii() and name.count(".") == 1 for name in inside)


def test_without_a_mixing_set_fractals_are_rendered_once(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def render_few(path: Path, count: int, size: int, seed: int, **_: Any) -> None:
        asked.append((count, size, seed))
        np.save(path, np.random.default_rng(seed).integers(0, 256, (3, size, size), np.uint8))

    monkeypatch.setattr(provision, "render_set", render_few)
    monkeypatch.setenv("LAYERMIX_GEN_CACHE", str(tmp_path / "cache"))
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        printed = build(photographs, tmp_path / name, *SMALL, "--variants", 1, "--seed", seed)
        assert f"mixing set  3 pictures of 36 px in {tmp_path / 'cache'}" in printed
    assert asked == [(provision.DEFAULT_COUNT, 36, 3), (provision.DEFAULT_COUNT, 36, 4)]
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


# --- the same bytes, whoever does the work ---------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [2, 3])
def test_the_number_of_workers_changes_nothing(
    workers: int, photographs: Path, finished: Path, pool: Path, tmp_path: Path
) -> None:
    result = invoke("build", photographs, tmp_path, *SMALL, "--variants", 3, "--mixing-set", pool, "--workers", workers)
    assert result.exit_code == 0, result.output
    assert digest(tmp_path) == digest(finished)
    assert files(tmp_path) == files(finished)
    assert manifest(tmp_path)["run"]["workers"] == workers


@pytest.mark.parametrize("place", ["shard_builder.BATCH_BYTES", "shard_draft.WAITING_BYTES", "shard_inputs.BATCH"])
def test_how_much_is_done_at_once_changes_nothing(
    place: str, photographs: Path, finished: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"layermix_gen.building.{place}", 1)
    build(photographs, tmp_path / "out", *SMALL, "--variants", 3, "--mixing-set", pool)
    assert digest(tmp_path / "out") == digest(finished)


def test_partitions_in_any_order(photographs: Path, finished: Path, pool: Path, tmp_path: Path) -> None:
    command = (photographs, tmp_path, *SMALL, "--variants", 3, "--mixing-set", pool)
    for part in ("2/3", "0/3"):
        printed = build(*command, "--partition", part)
        assert f"{tmp_path} is not complete yet" in printed
        assert not (tmp_path / "dataset.json").exists()
    assert f"dataset     {tmp_path}\n" in build(*command, "--partition", "1/3")
    assert digest(tmp_path) == digest(finished)


def test_partitions_at_the_same_time(photographs: Path, finished: Path, pool: Path, tmp_path: Path) -> None:
    """No build knows of the others when it starts; the last one completes the dataset."""
    command = ("build", photographs, tmp_path, *SMALL, "--variants", 3, "--mixing-set", pool, "--workers", 1)
    running = [start(*command, "--partition", f"{part}/3") for part in range(3)]
    for process in running:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert digest(tmp_path) == digest(finished)


def test_a_partition_of_added_planes_is_no_complete_dataset(
    photographs: Path, finished: Path, pool: Path, tmp_path: Path
) -> None:
    command = (photographs, tmp_path, *SMALL, "--mixing-set", pool, "--variants")
    build(*command, 2)
    assert "is not complete yet" in build(*command, 3, "--partition", "0/2")
    assert manifest(tmp_path)["planes"] == ["clean", "v00", "v01"]  # as before
    build(*command, 3, "--partition", "1/2")
    assert digest(tmp_path) == digest(finished)


def test_killed_three_times_and_resumed(many: Path, pool: Path, tmp_path: Path) -> None:
    """SIGKILL for the whole process group: while the first tars are written, and halfway through later shards."""
    options = ("--size", 32, "--shard-size", 20, "--variants", 2, "--mixing-set", pool)
    root, whole = tmp_path / "killed", tmp_path / "whole"

    def shards() -> int:
        return len(list(root.glob("index/*.parquet")))

    for after in (0, 4, 11):
        gate = tmp_path / f"gate {after}"
        with stopped_in_the_midst(root, gate, "build", many, root, *options, after=after, workers=2) as process:
            assert list(root.glob("v01/.*.tmp"))
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert after <= shards() < 20
        assert not (root / "dataset.json").exists()
    assert any(name.endswith(".tmp") for name in files(root))
    build(many, root, *options)
    build(many, whole, *options)
    assert digest(root) == digest(whole)
    assert files(root) == files(whole)


# --- going on with a finished dataset --------------------------------------------------------------------------------


def test_planes_are_added_and_the_rest_left_alone(photographs: Path, pool: Path, tmp_path: Path) -> None:
    command = ("--size", 32, "--shard-size", 10, "--mixing-set", pool, "--variants")
    root, fresh = tmp_path / "grown", tmp_path / "fresh"
    build(photographs, root, *command, 2, "--no-clean")
    first = snapshot(root)
    printed = build(photographs, root, *command, 4, "--no-clean")
    assert "48 images in" in printed
    assert "72 images in" not in printed
    build(photographs, fresh, *command, 4, "--no-clean")
    assert digest(root) == digest(fresh)
    build(photographs, root, *command, 4, "--clean")
    shutil.rmtree(fresh)
    build(photographs, fresh, *command, 4, "--clean")
    assert digest(root) == digest(fresh)
    assert files(root) == files(fresh)
    last = snapshot(root)
    tars = [name for name in first if name.endswith(".tar")]
    assert len(tars) == 6
    assert {name: last[name] for name in tars} == {name: first[name] for name in tars}
    grown, whole = (
        {k: v for k, v in manifest(folder).items() if k not in ("run", "checksum")} for folder in (root, fresh)
    )
    assert grown == whole


def test_planes_stay_aligned_with_what_was_skipped(photographs: Path, pool: Path, tmp_path: Path) -> None:
    """An input that the first planes left out is left out of added planes too, although it can be read by then."""
    source, root = tmp_path / "source", tmp_path / "out"
    shutil.copytree(photographs, source)
    good = (source / "coffee" / "000.png").read_bytes()
    (source / "coffee" / "000.png").write_bytes(b"x" * len(good))
    command = (source, root, *SMALL, "--mixing-set", pool, "--variants")
    build(*command, 1)
    (source / "coffee" / "000.png").write_bytes(good)
    build(*command, 2)
    assert manifest(root)["written"] == 23
    assert errors(root) == {"coffee/000.png": "not an image"}
    assert len(rows(root)) == 3 * 23
    # And what was in the first planes has to be in those added.
    (source / "rocket" / "001.jpg").write_bytes(b"x" * (source / "rocket" / "001.jpg").stat().st_size)
    before = snapshot(root)
    result = invoke("build", *command, 3, "--workers", 1)
    assert result.exit_code == 1
    assert without_start(result.stderr) == (
        "Error: rocket/001.jpg is in other planes but cannot be read now (not an image); restore it, then run the same "
        "command to resume, or give the new planes up by its build with --variants 2\n"
    )
    tars = [name for name in before if name.endswith(".tar")]
    after = snapshot(root)
    assert all(after[name] == before[name] for name in tars)
    assert manifest(root)["planes"] == ["clean", "v00", "v01"]  # still true


def test_planes_that_were_asked_for_by_mistake_are_given_up(
    photographs: Path, finished: Path, pool: Path, tmp_path: Path
) -> None:
    source, root = tmp_path / "source", tmp_path / "out"
    shutil.copytree(photographs, source)
    command = (source, root, *SMALL, "--mixing-set", pool, "--variants")
    build(*command, 3)
    before = snapshot(root)
    image = source / listed(root)[0]
    content = image.read_bytes()
    image.write_bytes(b"x" * len(content))
    assert invoke("build", *command, 60, "--workers", 1).exit_code == 1  # ends before a shard is finished
    image.write_bytes(content)
    build(*command, 3)
    after = snapshot(root)
    assert after.keys() == before.keys()
    kept = [name for name in before if name.endswith(".tar") or name.startswith("index/")]
    assert [after[name] for name in kept] == [before[name] for name in kept]
    assert digest(root) == digest(finished)


def test_a_dataset_of_clean_views_gets_variants_later(
    photographs: Path, finished: Path, pool: Path, tmp_path: Path
) -> None:
    command = (photographs, tmp_path, *SMALL, "--mixing-set", pool, "--variants")
    build(*command, 0)
    assert manifest(tmp_path)["mixing_set"]["location"] == "mixing-set.npy"  # for fresh variants
    build(*command, 3)
    assert digest(tmp_path) == digest(finished)


def test_no_image_at_all_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for number in range(5):
        (tmp_path / "source" / f"{number}.png").touch()
    result = invoke("build", tmp_path / "source", tmp_path / "out", "--method", "none", "--workers", 1)
    assert result.exit_code == 1
    assert result.stderr == (
        "building 5 images in 9 planes: 224 px, rrc views, independent, as jpg\n"
        "warning: no image of 5 has a label: all are -1\n"
        "Error: 5 of 5 inputs cannot be read (5 empty file), which leaves nothing; "
        f"see {tmp_path / 'out' / 'errors.jsonl'}, then mend them and run the same command to resume\n"
    )
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_ctrl_c_while_the_listing_is_removed_is_not_lost(
    photographs: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python ignores what is raised while it collects an object: so nothing is left to that."""

    def interrupted(self: Listing) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Listing, "close", interrupted)
    result = invoke("build", photographs, tmp_path / "out", *SMALL, "--variants", 1, "--mixing-set", pool)
    assert result.exit_code == 130
    assert (tmp_path / "out" / "dataset.json").exists()


def test_a_finished_dataset_is_left_alone(photographs: Path, finished: Path, pool: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    shutil.copytree(finished, root)
    before, begin = snapshot(root), time.perf_counter()
    printed = build(photographs, root, *SMALL, "--variants", 3, "--mixing-set", pool)
    assert time.perf_counter() - begin < 2
    assert "0 images: none was missing" in printed
    assert snapshot(root) == before
    assert sorted(path.name for path in root.iterdir()) == sorted(path.name for path in finished.iterdir())


@pytest.mark.parametrize("lost", ["v01/000001.tar", "clean/000000.tar", "index/000002.parquet", "dataset.json"])
def test_what_was_lost_is_made_again(lost: str, photographs: Path, finished: Path, pool: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    shutil.copytree(finished, root)
    before = snapshot(root)
    (root / lost).unlink()
    printed = build(photographs, root, *SMALL, "--variants", 3, "--mixing-set", pool)
    run = {"v": "8 images in", "c": "8 images in", "i": "32 images in", "d": "0 images: none was missing"}[lost[0]]
    assert f"this run    {run}" in printed
    assert digest(root) == digest(finished)
    after = snapshot(root)
    assert {name: sha for name, (_, sha) in after.items() if name != "dataset.json"} == {
        name: sha for name, (_, sha) in before.items() if name != "dataset.json"
    }
    if lost.endswith(".tar"):
        touched = {name for name in after if after[name] != before[name] and not is_sidecar(name)}
        assert touched == {"dataset.json", f"index/{Path(lost).stem}.parquet", lost}


def test_the_manifest_of_a_moved_source_is_written_anew(
    photographs: Path, finished: Path, pool: Path, tmp_path: Path
) -> None:
    source, root = tmp_path / "source", tmp_path / "out"
    shutil.copytree(photographs, source)
    shutil.copytree(finished, root)
    before = snapshot(root)
    printed = build(source, root, *SMALL, "--variants", 3, "--mixing-set", pool)
    assert f"source      {source} (" in printed
    assert manifest(root)["source"]["location"] == str(source)
    after = snapshot(root)
    assert {name for name in after if after[name][1] != before[name][1]} == {"dataset.json", "plan.json"}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"planes": 1}', "{"])
def test_a_damaged_manifest_is_written_anew(
    text: str, photographs: Path, finished: Path, pool: Path, tmp_path: Path
) -> None:
    root = tmp_path / "out"
    shutil.copytree(finished, root)
    (root / "dataset.json").write_text(text)
    build(photographs, root, *SMALL, "--variants", 3, "--mixing-set", pool)
    assert digest(root) == digest(finished)


def test_shards_that_do_not_add_up_are_no_dataset(
    photographs: Path, finished: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out"
    shutil.copytree(finished, root)
    (root / "dataset.json").unlink()
    summaries = read_summaries(root)
    summaries[1] = dataclasses.replace(summaries[1], inputs=7, written=7)
    monkeypatch.setattr("layermix_gen.building.build_run.read_summaries", lambda _: dict(summaries))
    result = invoke("build", photographs, root, *SMALL, "--variants", 3, "--mixing-set", pool)
    assert result.exit_code == 1
    assert without_start(result.stderr).startswith(
        "Error: expected 24 inputs in the shards, found 23 written and 0 skipped; delete "
    )
    assert not (root / "dataset.json").exists()


def test_a_foreign_index_is_made_again(photographs: Path, finished: Path, pool: Path, tmp_path: Path) -> None:
    """Neither a Parquet file without our seal nor the index of another shard makes a shard finished."""
    root = tmp_path / "out"
    shutil.copytree(finished, root)
    shutil.copyfile(root / "index" / "000002.parquet", root / "index" / "000001.parquet")
    with duckdb.connect() as db:
        db.execute(f"COPY (SELECT 1 AS a) TO '{root / 'index' / '000000.parquet'}' (FORMAT parquet)")
    build(photographs, root, *SMALL, "--variants", 3, "--mixing-set", pool)
    assert digest(root) == digest(finished)


def test_a_cut_tar_is_made_again(photographs: Path, finished: Path, pool: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    shutil.copytree(finished, root)
    os.truncate(root / "v02" / "000000.tar", 10_000)
    build(photographs, root, *SMALL, "--variants", 3, "--mixing-set", pool)
    assert digest(root) == digest(finished)


# --- an estimate -----------------------------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing_and_is_about_right(
    many: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERMIX_GEN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    root = tmp_path / "out"
    options = ("--size", 32, "--shard-size", "500KB", "--workers", 1)
    for mixing in ((), ("--mixing-set", pool), ("--method", "none")):
        result = invoke("build", many, root, *options, *mixing, "--dry-run")
        assert result.exit_code == 0, result.output
        assert ("384 fractals, rendered before that in about " in result.stdout) == (not mixing)
        assert files(tmp_path) == []
        assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    result = invoke("build", many, root, *options, "--mixing-set", pool, "--dry-run")
    lines = {line[:12].strip(): line[12:] for line in result.stdout.splitlines()}
    assert list(lines) == ["labels", "samples", "form", "shards", "size", "time", "core hours"]
    assert lines["samples"] == "400 inputs x 9 planes = 3600 images"
    build(many, root, *options, "--mixing-set", pool)
    facts = manifest(root)
    assert lines["shards"].split(",")[0] == str(facts["shards"])
    settings = BuildSettings(size=32, shard_size="500KB")
    estimate = layermix_gen.estimate(many, root, settings, mixing_set=pool, workers=3)
    assert isinstance(estimate, Estimate)
    assert (estimate.inputs, estimate.planes, estimate.images, estimate.workers) == (400, 9, 3600, 3)
    assert estimate.own_shards == estimate.shards
    assert estimate.shards == facts["shards"]
    assert estimate.bytes == pytest.approx(facts["bytes"], rel=0.1)
    assert facts["run"]["seconds"] / 30 < estimate.core_seconds < facts["run"]["seconds"] * 30


def test_a_dry_run_tells_how_long_the_fractals_take(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight that take 3 s each by this clock stand for 384, with the build's detail; those in the cache take none."""
    monkeypatch.setenv("LAYERMIX_GEN_CACHE", str(tmp_path))
    now, details = [0.0], []

    def render_flat(seed: int, number: int, size: int, detail: int) -> Fractal:
        now[0] += 3
        details.append(detail)
        return Fractal(np.zeros((size, size), np.uint8), {})

    monkeypatch.setattr(estimator, "make_fractal", render_flat)
    monkeypatch.setattr(estimator.time, "perf_counter", lambda: now[0])  # type: ignore[attr-defined]
    settings = BuildSettings(size=512, variants=1, shard_size="10")
    found = layermix_gen.estimate(photographs, tmp_path / "out", settings, workers=2)
    assert found.fractal_seconds == 3 * provision.DEFAULT_COUNT
    assert details == [provision.DETAIL] * 8
    assert "mixing set  384 fractals, rendered before that in about 9.6 minutes\n" in found.summary()
    np.save(tmp_path / "fractals-v1-seed0-384x36.npy", np.zeros((2, 36, 36), np.uint8))
    found = layermix_gen.estimate(photographs, tmp_path / "out", BuildSettings(size=32, variants=1), workers=2)
    assert (found.fractal_seconds, len(details)) == (0, 8)
    assert "mixing set" not in found.summary()


def test_a_dry_run_of_a_partition(photographs: Path, pool: Path, tmp_path: Path) -> None:
    settings = BuildSettings(size=32, variants=1, shard_size="10")
    estimate = layermix_gen.estimate(photographs, tmp_path / "out", settings, mixing_set=pool, partition=(1, 2))
    assert (estimate.shards, estimate.own_shards) == (3, 1)
    assert estimate.seconds == pytest.approx(estimate.core_seconds / 3)


def test_a_dry_run_finds_what_a_build_would(photographs: Path, tmp_path: Path) -> None:
    result = invoke("build", photographs, tmp_path / "out", "--dry-run", "--mixing-set", tmp_path / "none.npy")
    assert result.exit_code == 1
    assert "expected a mixing set at" in result.stderr


def test_members_of_tars_that_are_no_images_are_told(tmp_path: Path) -> None:
    source = write_tar(tmp_path / "0.tar", {"x.png": png(), "x.mask.png": png(), "x.cls": b"1", "y.npy": b""})
    settings = BuildSettings(variants=0, size=8)
    facts = layermix_gen.build(source, tmp_path / "out", settings, workers=1, progress=False).summary()
    assert re.search("^ignored +2 members not taken$", facts, re.MULTILINE)


@pytest.mark.parametrize(("asked", "color"), [("color", False), ("gray", True)])
def test_pictures_are_as_they_were_asked_for(asked: str, color: bool, photographs: Path, tmp_path: Path) -> None:
    """A packed set and the fractals stay as they are; they are refused where others were asked for."""
    rng, shape = np.random.default_rng(0), (3, 36, 36, 3) if color else (3, 36, 36)
    np.save(tmp_path / "set.npy", rng.integers(0, 256, shape, np.uint8))
    preset = ("--preset", "released") if asked == "gray" else ()
    arguments = ("build", photographs, tmp_path / "out", "--size", 32, "--workers", 1, "--pictures", asked, *preset)
    result = invoke(*arguments, "--mixing-set", tmp_path / "set.npy")
    found = f"those of {tmp_path}/set.npy are in {'color' if color else 'gray'}; give --mixing-set a folder"
    assert result.exit_code == 1
    assert f"expected pictures in {asked}, but {found}" in result.stderr
    if asked == "color":
        result = invoke(*arguments)
        assert "expected pictures in color, but the fractals that are rendered are in gray; give" in result.stderr
    assert not (tmp_path / "out").exists()
