"""Mixing sets: views of them, packing a folder, finding or making the set that a user names, and plain errors."""

import errno
import hashlib
import io
import json
import logging
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.images.views import PictureView, draw_picture_view
from layermix_gen.kernels import native
from layermix_gen.mixing_sets import mixing_set, packing, provision, store
from layermix_gen.mixing_sets.fractals import VERSION, render_fractal
from layermix_gen.mixing_sets.mixing_set import MixingSet, open_mixing_set
from layermix_gen.mixing_sets.packing import pack
from layermix_gen.mixing_sets.provision import picture_size_for, resolve_mixing_set
from layermix_gen.mixing_sets.set_cache import cache_directory
from layermix_gen.mixing_sets.store import digest_of

GRAY = np.random.default_rng(0).integers(0, 256, (3, 9, 9), np.uint8)
COLOR = np.random.default_rng(1).integers(0, 256, (3, 9, 9, 3), np.uint8)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAYERMIX_GEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of two shapes, one that cannot be read, and a file that is no picture."""
    root = tmp_path / "folder"
    (root / "b").mkdir(parents=True)
    (root / ".hidden").mkdir()
    wide = np.zeros((20, 40, 3), np.uint8)
    wide[:, 10:30] = (200, 100, 50)  # the centre square
    PillowImage.fromarray(wide).save(root / "b" / "wide.png")
    PillowImage.fromarray(np.full((30, 24, 3), 60, np.uint8)).save(root / "a.JPG", "JPEG")
    PillowImage.fromarray(wide).save(root / ".hidden" / "c.png")
    (root / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (root / "notes.txt").write_text("not a picture")
    return root


def names(path: Path) -> list[str]:
    return sorted(found.name for found in path.iterdir())


# --------------------------------------------------------------------------------------------------------- views

views = st.builds(
    PictureView,
    index=st.integers(0, 2),
    top=st.integers(0, 4),
    left=st.integers(0, 4),
    flip_h=st.booleans(),
    flip_v=st.booleans(),
)


@given(views, st.booleans(), st.integers(1, 5))
def test_a_view_is_a_mirrored_crop_in_three_channels(view: PictureView, color: bool, size: int) -> None:
    pool = COLOR if color else GRAY
    found = MixingSet(pool).view(view, size)
    expected = pool[view.index][view.top : view.top + size, view.left : view.left + size]
    expected = expected if color else np.repeat(expected[..., None], 3, axis=2)
    expected = expected[:: -1 if view.flip_v else 1, :: -1 if view.flip_h else 1]
    assert np.array_equal(found, expected)
    assert found.shape == (size, size, 3)
    assert found.flags.c_contiguous
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "library", lambda: None)  # nothing is compiled
        given = np.empty_like(found)
        assert MixingSet(pool).view(view, size, given) is given
    assert np.array_equal(given, found)


def test_a_view_does_not_share_memory_with_the_set() -> None:
    for pool in (GRAY.copy(), COLOR.copy()):
        before = pool.copy()
        MixingSet(pool).view(PictureView(0, 0, 0, False, False), 9)[:] = 0
        assert np.array_equal(pool, before)


@pytest.mark.parametrize("place", [(3, 0, 0), (-1, 0, 0), (0, 2, 0), (0, 0, 2), (0, -1, 0), (0, 0, -1)])
def test_a_view_outside_of_the_pictures_is_refused(place: tuple[int, int, int]) -> None:
    with pytest.raises(LayerMixError, match=r"^expected a crop of 8 px inside one of 3 pictures of 9 px, got"):
        MixingSet(GRAY).view(PictureView(*place, False, False), 8)


@pytest.mark.parametrize(
    ("size", "out"),
    [
        pytest.param(5, np.zeros((5, 1, 3), np.uint8), id="narrow"),
        pytest.param(5, np.zeros((2, 2, 3), np.uint8), id="small"),
        pytest.param(5, np.zeros((5, 5, 3), np.float32), id="floats"),
        pytest.param(5, np.zeros((5, 10, 3), np.uint8)[:, ::2], id="with gaps"),
        pytest.param(5, np.broadcast_to(np.uint8(0), (5, 5, 3)), id="read-only"),
        pytest.param(5, bytearray(75), id="bytes"),
    ],
)
def test_a_view_is_written_to_what_has_its_shape_alone(size: int, out: Any) -> None:
    view = PictureView(1, 0, 0, False, False)
    with pytest.raises(LayerMixError, match=r"^expected out to be a writable uint8 array \(5, 5, 3\) in C order, got "):
        MixingSet(GRAY).view(view, size, out)


def test_a_view_of_numbers_of_numpy() -> None:
    numbers: Any = (np.int64(1), np.int64(2), np.int64(1), np.True_, np.False_)
    view = PictureView(*numbers)
    np.testing.assert_array_equal(MixingSet(GRAY).view(view, 5)[..., 0], GRAY[1, 2:7, 1:6][:, ::-1])


def test_views_are_drawn_uniformly() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_picture_view(rng, 3, 12, 9) for _ in range(12_000)]
    for field, values in (("index", 3), ("top", 4), ("left", 4), ("flip_h", 2), ("flip_v", 2)):
        counts = Counter(getattr(view, field) for view in drawn)
        assert sorted(counts) == list(range(values))
        assert all(abs(count * values / 12_000 - 1) < 0.08 for count in counts.values())
    both = Counter((view.flip_h, view.flip_v) for view in drawn)
    assert all(abs(count / 3000 - 1) < 0.08 for count in both.values())


def test_views_of_the_whole_picture_and_without_flips() -> None:
    rng = np.random.default_rng(0)
    drawn = {draw_picture_view(rng, 1, 9, 9, flips=False) for _ in range(50)}
    assert drawn == {PictureView(0, 0, 0, False, False)}


# ---------------------------------------------------------------------------------------------------------- sets


@pytest.mark.parametrize(("pool", "color"), [(GRAY, False), (COLOR, True)])
def test_any_npy_of_a_fitting_shape_is_a_set(tmp_path: Path, pool: np.ndarray, color: bool) -> None:
    np.save(tmp_path / "set.npy", pool)
    mixing = open_mixing_set(tmp_path / "set.npy")
    assert (len(mixing), mixing.size, mixing.color) == (3, 9, color)
    assert isinstance(mixing.pictures, np.memmap)
    assert mixing.digest == MixingSet(pool).digest == digest_of(pool)
    again = pickle.loads(pickle.dumps(mixing))  # noqa: S301
    assert again.path == mixing.path
    assert isinstance(again.pictures, np.memmap)
    assert len(pickle.dumps(mixing)) < 300  # the path, not the pictures


def test_a_set_in_memory_travels_whole() -> None:
    again = pickle.loads(pickle.dumps(MixingSet(GRAY)))  # noqa: S301
    assert again.path is None
    assert np.array_equal(again.pictures, GRAY)


def test_bytes_that_rotted_are_noticed_where_the_set_is_recorded(tmp_path: Path) -> None:
    np.save(tmp_path / "set.npy", GRAY)
    status = (tmp_path / "set.npy").stat()
    stamp = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
    ours = {"digest": "of other bytes", "file": stamp, "made_by": {}}
    for about in (
        {**ours, "digest": digest_of(GRAY)},
        {**ours, "file": {**stamp, "mtime_ns": 1}},
        {**ours, "file": {**stamp, "size": 1}},
        {"digest": "of other bytes", "made_by": {}},
        {**ours, "digest": 7},
        {"digest": "of other bytes", "file": stamp},
        ["another file"],
    ):
        (tmp_path / "set.json").write_text(json.dumps(about))
        assert open_mixing_set(tmp_path / "set.npy").digest == digest_of(GRAY)
    (tmp_path / "set.json").write_text(json.dumps(ours))
    line = f"^the mixing set {tmp_path}/set.npy has other bytes than when it was made, .*; restore it, or remove it"
    with pytest.raises(LayerMixError, match=line):
        _ = open_mixing_set(tmp_path / "set.npy").digest


def test_a_digest_is_computed_once_from_the_bytes(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixing = pack(folder, tmp_path / "set.npy", size=8, progress=False).mixing_set
    computed = []
    monkeypatch.setattr(mixing_set, "digest_of", lambda pictures: computed.append(pictures) or digest_of(pictures))
    assert mixing.digest == mixing.digest == digest_of(mixing.pictures)
    for name in ("set.npy", "set.json"):
        shutil.copy(tmp_path / name, tmp_path / name.replace("set", "copy"))
    assert open_mixing_set(tmp_path / "copy.npy").digest == mixing.digest
    other = 255 - mixing.pictures
    np.save(tmp_path / "other.npy", other)
    (tmp_path / "other.npy").rename(tmp_path / "set.npy")  # of the same size
    assert open_mixing_set(tmp_path / "set.npy").digest == digest_of(other) != mixing.digest
    assert len(computed) == 3


@pytest.mark.parametrize("block", [1, 81, 200, 1 << 24])
def test_a_digest_does_not_depend_on_the_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = hashlib.sha256(json.dumps(COLOR.shape).encode() + COLOR.tobytes()).hexdigest()
    monkeypatch.setattr(store, "BLOCK", block)
    assert digest_of(COLOR) == expected


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


FOREIGN = {
    "empty": (b"", "whole .npy file"),
    "no npy": (b"GIF89a..............", "whole .npy file, got .*magic string"),
    "truncated": (npy(GRAY)[:-1], "whole .npy file"),
    "truncated header": (npy(GRAY)[:20], "whole .npy file"),
    "pickled": (npy(np.array([{}])), "whole .npy file"),
    "a zip of arrays": (b"PK\x03\x04" + bytes(40), "whole .npy file"),
    "floats": (npy(np.zeros((2, 4, 4))), r"got float64 \(2, 4, 4\) in .*foreign.npy; pack a folder"),
    "not square": (npy(np.zeros((2, 4, 5), np.uint8)), r"got uint8 \(2, 4, 5\)"),
    "two channels": (npy(np.zeros((2, 4, 4, 2), np.uint8)), r"got uint8 \(2, 4, 4, 2\)"),
    "one picture": (npy(np.zeros((4, 4), np.uint8)), r"got uint8 \(4, 4\)"),
    "none": (npy(np.zeros((0, 4, 4), np.uint8)), r"got uint8 \(0, 4, 4\)"),
    "another order": (npy(np.asfortranarray(np.zeros((2, 4, 4), np.uint8))), "in C order"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_set_gets_a_line(tmp_path: Path, name: str) -> None:
    data, message = FOREIGN[name]
    (tmp_path / "foreign.npy").write_bytes(data)
    with pytest.raises(LayerMixError, match=message) as caught:
        open_mixing_set(tmp_path / "foreign.npy")
    assert "\n" not in str(caught.value)


def test_a_missing_set_and_a_wrong_type_get_a_line(tmp_path: Path) -> None:
    with pytest.raises(LayerMixError, match="nothing is there; check the path"):
        open_mixing_set(tmp_path / "missing.npy")
    with pytest.raises(LayerMixError, match="got list in the array"):
        MixingSet([1, 2])  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------- packing


@pytest.mark.parametrize("name", ["set.npy", "set.json"])
def test_a_pipe_is_no_set(name: str, tmp_path: Path) -> None:
    """Opening one would wait for a writer for ever."""
    np.save(tmp_path / "set.npy", GRAY)
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    if name == "set.npy":
        line = f"cannot read {tmp_path}/set.npy: not a regular file; check the path and its permissions"
        with pytest.raises(LayerMixError, match=f"^{line}$"):
            open_mixing_set(tmp_path / "set.npy")
    else:
        assert open_mixing_set(tmp_path / "set.npy").digest == digest_of(GRAY)


def test_packing_keeps_the_centre_squares_in_the_order_of_the_paths(tmp_path: Path, folder: Path) -> None:
    packed = pack(folder, tmp_path / "set.npy", size=8, progress=False)
    assert packed.mixing_set.pictures.shape == (2, 8, 8)
    assert np.abs(packed.mixing_set.pictures[0].astype(int) - 60).max() <= 2  # a.JPG
    luminance = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert np.abs(packed.mixing_set.pictures[1][:, 1:-1].astype(int) - luminance).max() <= 1
    about = json.loads((tmp_path / "set.json").read_text())
    assert about["pictures"] == [
        {"source": "a.JPG", "top": 3.0, "left": 0.0, "side": 24},  # of 30 x 24
        {"source": "b/wide.png", "top": 0.0, "left": 10.0, "side": 20},
    ]
    (line,) = packed.skipped
    assert line.startswith(f"{folder / 'broken.png'}: ")
    assert names(tmp_path) == ["folder", "set.json", "set.npy"]


def test_packing_in_color(tmp_path: Path, folder: Path) -> None:
    mixing = pack(folder, tmp_path / "set.npy", size=8, color=True, progress=False).mixing_set
    assert mixing.color
    assert (mixing.pictures[1][:, 1:-1] == (200, 100, 50)).all()


def test_reducing_is_antialiased(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    PillowImage.fromarray(stripes).save(tmp_path / "stripes.png")
    mixing = pack(tmp_path, tmp_path / "set.npy", size=8, progress=False).mixing_set
    assert np.abs(mixing.pictures.astype(int) - 127).max() <= 12


def test_a_folder_without_a_readable_picture_gets_a_line(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    out = tmp_path / "set.npy"
    with pytest.raises(LayerMixError, match=r"a folder of images, found none at .*/folder; check the path"):
        pack(folder, out)
    folder.mkdir()
    (folder / "notes.txt").touch()
    with pytest.raises(LayerMixError, match=r"images in .*/folder, found 1 other file; check the path"):
        pack(folder, out)
    (folder / "empty.png").touch()
    with pytest.raises(LayerMixError, match=r"none of 1 can be read: .*empty.png: "):
        pack(folder, out, progress=False)
    with pytest.raises(LayerMixError, match=r"size must be a whole number in \[1, 8192\], got 0; change --size"):
        pack(folder, out, size=0)
    assert names(tmp_path) == ["folder"]


def test_packing_takes_what_a_source_takes(tmp_path: Path, folder: Path) -> None:
    PillowImage.fromarray(np.zeros((9, 9, 3), np.uint8)).save(folder / "a.jp2")
    (folder / "b" / "wide.png").rename(folder / "b" / "wide.APNG")
    assert len(pack(folder, tmp_path / "set.npy", size=8, progress=False).mixing_set) == 3


def test_packing_does_not_overwrite_a_file_of_the_users(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "mine.json").write_text("precious")
    with pytest.raises(LayerMixError, match=r"mine.json exists; remove it or give another name$"):
        pack(folder, tmp_path / "mine.npy", size=8, progress=False)
    assert (tmp_path / "mine.json").read_text() == "precious"
    assert names(tmp_path) == ["folder", "mine.json"]


def test_packing_that_is_stopped_leaves_nothing(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopping(*_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(packing, "_squares", stopping)
    with pytest.raises(Interrupted, match=r"before .*set.npy was whole; run the same command again"):
        pack(folder, tmp_path / "set.npy", progress=False)
    assert names(tmp_path) == ["folder"]


def test_packing_tells_what_it_does_not_take(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links out of the folder, to folders and to nothing, pipes, devices and huge files; it waits for none of them."""
    outside = tmp_path / "outside"
    shutil.copytree(folder / "b", outside)
    (folder / "out.png").symlink_to(outside / "wide.png")
    (folder / "in.png").symlink_to("b/wide.png")
    (folder / "more").symlink_to(outside)
    (folder / "within").symlink_to("b")
    (folder / "gone").symlink_to("nowhere")
    (folder / "device.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.png")
    with (folder / "giant.png").open("wb") as file:
        file.truncate(50 << 30)  # of holes
    packed = pack(folder, tmp_path / "set.npy", size=8, progress=False)
    about = json.loads((tmp_path / "set.json").read_text())
    assert [picture["source"] for picture in about["pictures"]] == ["a.JPG", "b/wide.png", "in.png"]
    reasons = dict(line.removeprefix(f"{folder}/").split(": ", 1) for line in packed.skipped)
    assert reasons.pop("broken.png")
    assert reasons.pop("giant.png").startswith("too large: 53687091200 bytes exceed")
    assert reasons == {
        "device.png": "link out of the root",
        "gone": "broken link",
        "more": "link out of the root",
        "within": "link to a folder, which is not followed",
        "out.png": "link out of the root",
        "pipe.png": "not a regular file",
    }


def test_crops_are_random_squares_that_are_recorded(tmp_path: Path, folder: Path) -> None:
    packed = pack(folder, tmp_path / "set.npy", size=8, color=True, crops=5, progress=False)
    assert packed.mixing_set.pictures.shape == (10, 8, 8, 3)
    assert len(packed.skipped) == 1
    about = json.loads((tmp_path / "set.json").read_text())
    assert (about["made_by"]["crops"], about["made_by"]["seed"]) == (5, 0)
    assert [one["source"] for one in about["pictures"]] == ["a.JPG"] * 5 + ["b/wide.png"] * 5
    for one, pixels in zip(about["pictures"], packed.mixing_set.pictures, strict=True):
        with PillowImage.open(folder / one["source"]) as picture:  # by a second route: cut out, then resized
            box = (one["left"], one["top"], one["left"] + one["side"], one["top"] + one["side"])
            expected = np.asarray(picture.convert("RGB").crop(box).resize((8, 8), PillowImage.Resampling.BILINEAR))
        assert np.abs(pixels.astype(int) - expected).max() <= 1
    assert len({(one["top"], one["left"], one["side"]) for one in about["pictures"]}) > 7


def test_crops_depend_on_seed_path_and_number_alone(tmp_path: Path, folder: Path) -> None:
    def crops(name: str, count: int, **options: Any) -> list[dict[str, Any]]:
        pack(folder, tmp_path / f"{name}.npy", size=8, crops=count, progress=False, **options)
        pictures = json.loads((tmp_path / f"{name}.json").read_text())["pictures"]
        return [one for one in pictures if one["source"] == "b/wide.png"]

    three = crops("three", 3)
    assert crops("other", 3, seed=1) != three
    (folder / "a.JPG").unlink()
    assert crops("five", 5)[:3] == three


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 80), st.integers(0, 2**32))
def test_a_drawn_square_lies_inside_and_is_not_needlessly_small(height: int, width: int, size: int, key: int) -> None:
    top, left, side = packing.draw_square(np.random.Generator(np.random.Philox(key=key)), height, width, size)
    assert all(type(value) is int for value in (top, left, side))
    assert 0 <= top <= height - side
    assert 0 <= left <= width - side
    assert side >= min(height, width) / 2
    assert side >= min(height, width, size)


def test_drawn_squares_are_uniform() -> None:
    rng = np.random.default_rng(0)
    tops, lefts, sides = np.array([packing.draw_square(rng, 10, 14, 3) for _ in range(6000)]).T
    assert sorted(set(sides)) == [5, 6, 7, 8, 9, 10]
    assert np.bincount(sides)[5:] == pytest.approx([1000] * 6, abs=130)
    assert np.bincount(tops[sides == 8]) == pytest.approx([1000 / 3] * 3, abs=75)
    assert np.bincount(lefts[sides == 8]) == pytest.approx([1000 / 7] * 7, abs=50)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crops": -1}, r"crops must be a whole number in \[0, 1000\], got -1; change --crops"),
        ({"crops": 1001}, "got 1001; change --crops"),
        ({"seed": -1}, "got -1; change --seed"),
        ({"size": 50000}, r"size must be a whole number in \[1, 8192\], got 50000; change --size"),
        ({"size": 8192, "crops": 17}, "at most 1073741824 are held; use a smaller --size, or fewer --crops"),
    ],
)
def test_settings_of_packing_have_bounds(tmp_path: Path, folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(LayerMixError, match=message):
        pack(folder, tmp_path / "set.npy", progress=False, **options)
    assert names(tmp_path) == ["folder"]


def test_memory_that_runs_out_while_packing_gets_a_line(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(picture: np.ndarray, *rest: object) -> object:
        if picture.shape == (20, 40, 3):  # the second one
            raise MemoryError
        return resized(picture, *rest)  # type: ignore[arg-type]

    resized = packing._resized
    monkeypatch.setattr(packing, "_resized", failing)
    with pytest.raises(LayerMixError, match=r"^the memory has run out; use a smaller --size$"):
        pack(folder, tmp_path / "set.npy", size=8, progress=False)
    assert names(tmp_path) == ["folder"]


# --------------------------------------------------------------------------------------- the set that is named


@pytest.mark.parametrize(("view", "pool"), [(224, 256), (32, 36), (28, 32), (64, 73), (8, 12), (1, 5), (384, 438)])
def test_pools_are_somewhat_larger_than_views(view: int, pool: int) -> None:
    assert picture_size_for(view) == pool


def test_the_cache_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAYERMIX_GEN_CACHE", "/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_directory() == Path("/own")
    monkeypatch.delenv("LAYERMIX_GEN_CACHE")
    assert cache_directory() == Path("/xdg/layermix-gen")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "layermix-gen"


def resolved(location: Path | str | None, view_size: int = 8, **options: Any) -> MixingSet:
    return resolve_mixing_set(location, view_size, workers=1, progress=False, count=2, **options)


def test_a_set_of_our_own_is_rendered_once(cache: Path) -> None:
    mixing = resolved(None)
    assert mixing.pictures.shape == (2, 12, 12)
    assert np.array_equal(mixing.pictures[1], render_fractal(0, 1, 12))
    assert mixing.path is not None
    assert mixing.path.parent == cache
    before = mixing.path.stat().st_mtime_ns
    assert resolved(None).digest == mixing.digest
    assert mixing.path.stat().st_mtime_ns == before
    assert resolved(None, seed=1).digest != mixing.digest
    assert [name for name in names(cache) if name.endswith(".part")] == []


def test_a_set_of_our_own_that_was_damaged_is_rendered_again(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    mixing = resolved(None)
    assert mixing.path is not None
    path, expected, whole = mixing.path, mixing.digest, mixing.path.read_bytes()
    for damaged in (whole[:100], whole[:-1] + bytes([whole[-1] ^ 255])):
        path.write_bytes(damaged)
        assert resolved(None).digest == expected
        assert path.read_bytes() == whole
        assert f"{path} is not as it was rendered, and is rendered again" in caplog.text
        caplog.clear()
    os.utime(path)  # touched, and still the same
    assert resolved(None).digest == expected
    assert caplog.text == ""


def test_a_folder_in_the_place_of_a_set_of_our_own_is_named(cache: Path) -> None:
    mixing = resolved(None)
    assert mixing.path is not None
    mixing.path.unlink()
    mixing.path.mkdir()
    with pytest.raises(LayerMixError, match=f"^cannot write to {re.escape(str(mixing.path))}: is a directory; "):
        resolved(None)


def test_a_folder_is_packed_once_until_it_changes(cache: Path, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    mixing = resolved(folder)
    assert mixing.pictures.shape == (2, 12, 12)
    assert caplog.messages[0].startswith(f"skipped {folder / 'broken.png'}: ")
    assert resolved(folder).path == mixing.path
    assert caplog.messages[1:] == [f"skipped {folder / 'broken.png'}: could not be used when it was packed"]
    assert resolved(folder, color=True).color
    os.utime(folder / "a.JPG", (1, 1))
    assert resolved(folder).path != mixing.path
    assert len(list(cache.glob("*.npy"))) == 3


def test_a_picture_that_was_forbidden_is_taken_in_later(
    cache: Path, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that is listed of it changes: neither its name nor its size nor its time."""
    opening = os.open

    def forbidden(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).endswith("a.JPG"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return opening(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", forbidden)
        for _ in range(2):
            without = resolved(folder)
            assert f"skipped {folder / 'a.JPG'}: not readable: permission denied" in caplog.messages
    caplog.clear()
    whole = resolved(folder)
    assert (len(without), len(whole)) == (1, 2)
    assert "a.JPG" not in caplog.text
    assert without.path != whole.path  # another build may still be using the other


def test_a_named_set_is_opened_where_it_is(cache: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "set.npy", GRAY)
    assert np.array_equal(resolved(tmp_path / "set.npy").pictures, GRAY)
    assert not cache.exists()
    message = "at least 10 px, got 9 px; make the set with larger pictures, or the views smaller"
    with pytest.raises(LayerMixError, match=message):
        resolved(tmp_path / "set.npy", view_size=10)
    with pytest.raises(LayerMixError, match="nothing is there"):
        resolved(tmp_path / "other.npy")


def test_a_cache_that_cannot_be_written_gets_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LAYERMIX_GEN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(LayerMixError, match=r"cannot keep a mixing set in .*; set LAYERMIX_GEN_CACHE"):
        resolved(None)


def test_a_user_without_a_home_gets_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("LAYERMIX_GEN_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(LayerMixError, match=r"; set LAYERMIX_GEN_CACHE to a folder that can be written$"):
        resolved(None)


@pytest.mark.parametrize("location", [None, "set.npy", "folder"])
def test_a_path_that_is_too_long_gets_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str | None
) -> None:
    place = tmp_path / ("x" * 300)
    monkeypatch.setenv("LAYERMIX_GEN_CACHE", str(place))
    with pytest.raises(LayerMixError, match=r"^cannot (read|keep a mixing set in) .*: file name too long; ") as caught:
        resolved(place / location if location else None)
    assert "\n" not in str(caught.value)
    with pytest.raises(LayerMixError, match=r"^cannot read .*: file name too long; check the path"):
        pack(place, tmp_path / "set.npy")
    with pytest.raises(LayerMixError, match=r"^cannot read .*: file name too long; check the path"):
        open_mixing_set(place)


def test_a_closed_folder_gets_a_line(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    for place, method in ((Path, "is_dir"), (os, "scandir")):
        monkeypatch.setattr(place, method, closed)
        with pytest.raises(LayerMixError, match=r"^cannot (read|list) .*folder: permission denied; "):
            pack(folder, tmp_path / "set.npy")
        monkeypatch.undo()
    assert names(tmp_path) == ["folder"]


def test_an_empty_name_is_not_the_working_folder(
    cache: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(LayerMixError, match="got an empty name; give a path"):
        resolved("")
    assert not cache.exists()
    assert len(resolved(".")) == 2


READ_ONLY = """
import mmap, os
from layermix_gen.mixing_sets.provision import resolve_mixing_set
if os.getuid() == 0:
    os.setuid(65534)
print(len(resolve_mixing_set(None, 8, count=2, progress=False)))
resolve_mixing_set(None, 8, count=3, progress=False)
"""


def test_a_finished_set_is_used_from_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as name:  # nobody may enter pytest's own
        cache = Path(name) / "cache"
        monkeypatch.setenv("LAYERMIX_GEN_CACHE", str(cache))
        resolved(None)
        for lock in cache.glob("*.lock"):
            lock.unlink()
        for place, mode in ((Path(name), 0o755), (cache, 0o555)):
            place.chmod(mode)
        command = [sys.executable, "-c", READ_ONLY]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert run.stdout == "2\n"
        assert run.stderr.splitlines()[-1].endswith(
            f"cannot keep a mixing set in {cache}: permission denied; "
            "set LAYERMIX_GEN_CACHE to a folder that can be written"
        )


@pytest.mark.parametrize(("view", "detail"), [(8, False), (336, False), (344, True)])
def test_large_sets_of_our_own_are_rendered_small_and_enlarged(
    cache: Path, monkeypatch: pytest.MonkeyPatch, view: int, detail: bool
) -> None:
    """Their names say so; the names of other sets are as they always were."""
    asked = []

    def render_few(path: Path, count: int, size: int, seed: int, **options: Any) -> None:
        asked.append(options["detail"])
        np.save(path, np.zeros((count, size, size), np.uint8))

    monkeypatch.setattr(provision, "render_set", render_few)
    path = resolved(None, view_size=view).path
    size = picture_size_for(view)
    assert path == cache / f"fractals-v{VERSION}-seed0-2x{size}{'-detail384' if detail else ''}.npy"
    assert asked == [384]
    assert (size > 384) == detail


def test_that_a_set_is_kept_is_said_of_the_cache_alone(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "layermix_gen")
    resolve_mixing_set(None, 8, count=1, workers=1)
    said = list(caplog.messages)
    assert said[0] == f"the fractals are kept for later builds in {cache}"
    assert said[1].startswith(f"rendering 1 fractals of 12 px into {cache}")
    resolve_mixing_set(None, 8, count=1, workers=1)
    assert caplog.messages == said
