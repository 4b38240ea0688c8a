"""Whole runs of `evaluate corrupt`: the layouts, the same bytes for all ways of working, kills, and bad input."""

import fcntl
import gzip
import hashlib
import io
import json
import os
import resource
import shutil
import signal
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate import corrupt, corrupted
from layermix_gen.evaluate.benchmarks import C_EXTRA, CBAR, C
from layermix_gen.evaluate.corruptions.layouts import class_folders, file_names
from layermix_gen.evaluate.corruptions.published import parameters
from layermix_gen.evaluate.corruptions.record import describe
from layermix_gen.sources import Item, open_source
from layermix_gen.support.seeds import corruption_generator
from tests.helpers import alive, children, files, invoke, snapshot, start, wait_until

QUICK = ("impulse_noise", "brightness", "contrast")


def run(*arguments: object) -> str:
    result = invoke("evaluate", "corrupt", *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def digests(root: Path) -> dict[str, str]:
    """The sha256 of each file but the record."""
    names = [name for name in files(root) if name != "corruptions.json"]
    return {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in names}


@pytest.fixture(scope="module")
def some(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 80 photographs, more than two chunks. Not to be written to."""
    return Path(shutil.copytree(many, tmp_path_factory.mktemp("some") / "source", ignore=_all_but_twenty))


def _all_but_twenty(_: str, names: list[str]) -> list[str]:
    return sorted(name for name in names if "." in name)[20:]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An IDX set of three images of 28 px. Not to be written to."""
    return write_three(tmp_path_factory.mktemp("three"), "t10k")


def write_three(root: Path, split: str) -> Path:
    """Write an IDX set of three black images of 28 px."""
    images = struct.pack(">4I", 0x803, 3, 28, 28) + bytes(3 * 28 * 28)
    (root / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    (root / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">2I", 0x801, 3) + bytes(3)))
    return root


# --- layouts -------------------------------------------------------------------------------------------------------


def test_arrays_as_cifar_c_has_them(digits: Path, tmp_path: Path) -> None:
    output = run(digits, tmp_path / "c", "--suite", "c", "--workers", 1, "--corruptions", ",".join(QUICK))
    assert "40 images (idx:test) at severities 1, 2, 3, 4, 5, cifar scale" in output
    assert files(tmp_path / "c") == sorted([*(f"{name}.npy" for name in QUICK), "corruptions.json", "labels.npy"])
    labels = np.load(tmp_path / "c" / "labels.npy")
    np.testing.assert_array_equal(labels, np.tile(np.arange(40) % 10, 5))
    assert labels.dtype == np.uint8
    source = open_source(digits, "idx:test")
    items = source.items()
    for name in QUICK:
        array = np.load(tmp_path / "c" / f"{name}.npy", mmap_mode="r")
        assert (array.shape, array.dtype) == ((200, 28, 28, 3), np.uint8)
        for number, severity in [(0, 1), (17, 3), (39, 5)]:
            item = items[number]
            expected = corrupted(
                source.read(item), name, severity, "cifar", corruption_generator(0, item.id, name, severity)
            )
            np.testing.assert_array_equal(array[(severity - 1) * 40 + number], expected)


def test_folders_as_imagenet_c_has_them(photographs: Path, tmp_path: Path) -> None:
    run(photographs, tmp_path / "c", "--suite", "c", "--corruptions", "contrast", "--severities", "2,5", "--workers", 1)
    classes = ("astronaut", "chelsea", "coffee", "rocket")
    expected = [f"contrast/{s}/{name}/{i:03d}.JPEG" for s in (2, 5) for name in classes for i in range(6)]
    assert files(tmp_path / "c") == sorted([*expected, "corruptions.json"])
    with PillowImage.open(tmp_path / "c" / "contrast" / "5" / "coffee" / "003.JPEG") as image:
        assert (image.size, image.mode, image.format) == ((224, 224), "RGB", "JPEG")
        stored = np.asarray(image)
    with PillowImage.open(photographs / "coffee" / "003.jpg") as image:  # 44x56 px, resized to 256x325
        resized = image.convert("RGB").resize((256, 325), PillowImage.Resampling.BILINEAR)
    view = np.array(resized.crop((16, 50, 240, 274)))
    made = corrupted(view, "contrast", 5, "imagenet", corruption_generator(0, "coffee/003.jpg", "contrast", 5))
    file = io.BytesIO()
    PillowImage.fromarray(made).save(file, "JPEG", quality=85)
    np.testing.assert_array_equal(stored, np.asarray(PillowImage.open(file)))
    assert open_source(tmp_path / "c" / "contrast" / "2").classes == classes


def test_the_record_says_what_was_made(digits: Path, tmp_path: Path) -> None:
    made = corrupt(digits, tmp_path, "cbar", corruptions=("lines", "sparkles"), seed=7, workers=1, progress=False)
    record = json.loads((tmp_path / "corruptions.json").read_text())
    assert record == json.loads(json.dumps(made.record))
    settings = {name: record[name] for name in ("suite", "scale", "severities", "seed", "layout", "images")}
    assert settings == {
        "suite": "cbar",
        "scale": "cifar",
        "severities": [1, 2, 3, 4, 5],
        "seed": 7,
        "layout": "arrays",
        "images": 40,
    }
    assert record["corruptions"]["lines"] == [list(values) for values in parameters("lines", "cifar")]
    assert set(record["versions"]) >= {"layermix-gen", "numpy", "opencv", "pillow"}
    assert (made.made, made.kept) == (("lines", "sparkles"), ())


@pytest.mark.parametrize(
    ("suite", "scale", "names"),
    [
        ("c", "imagenet", (*C, *C_EXTRA)),
        ("c", "cifar", (*C, *C_EXTRA)),
        ("cbar", "imagenet", CBAR["imagenet"]),
        ("cbar", "cifar", CBAR["cifar"]),
    ],
)
def test_whole_suites(suite: str, scale: str, names: tuple[str, ...], three: Path, tmp_path: Path) -> None:
    run(three, tmp_path, "--suite", suite, "--scale", scale, "--severities", 1, "--workers", 1)
    assert {path.stem for path in tmp_path.glob("*.npy")} == {*names, "labels"}


def test_the_layout_and_the_scale_are_options(digits: Path, photographs: Path, tmp_path: Path) -> None:
    common: dict[str, Any] = {"corruptions": ("contrast",), "severities": (3,), "workers": 1, "progress": False}
    folders = corrupt(digits, tmp_path / "a", "c", layout="folders", **common)
    assert (tmp_path / "a" / "contrast" / "3" / "7" / "00017.JPEG").exists()
    assert folders.record["scale"] == "cifar"
    arrays = corrupt(photographs, tmp_path / "b", "c", layout="arrays", scale="imagenet", **common)
    assert np.load(tmp_path / "b" / "contrast.npy").shape == (24, 56, 44, 3)
    assert arrays.record["layout"] == "arrays"


def test_names_of_classes_and_files() -> None:
    assert class_folders(("cat", "dog"), 1) == ("cat", "dog")
    assert class_folders(("dog", "cat/tom"), 1) == ("0-dog", "1-cat_tom")
    assert class_folders((), 10)[:3] == ("00", "01", "02")
    assert class_folders(("..", "a"), 1) == ("0-..", "1-a")
    ids = ["a/x.png", "a/x.jpg", "b/../../x.png", "b/.hidden.png", "t.tar/sample", "b/.png"]
    items = [Item(name, label, 0) for name, label in zip(ids, (0, 0, 1, 1, 1, 1), strict=True)]
    assert file_names(items, ("a", "b")) == (
        "a/x-0.JPEG",
        "a/x-1.JPEG",
        "b/x.JPEG",
        "b/hidden.JPEG",
        "b/sample.JPEG",
        "b/png.JPEG",
    )


# --- the same bytes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["arrays", "folders"])
def test_the_same_bytes_for_any_workers_and_any_subset(layout: str, some: Path, tmp_path: Path) -> None:
    severities, count = ("1,4", 4) if layout == "arrays" else ("4", 3 * 80)
    random = "brownish_noise" if layout == "arrays" else "checkerboard_cutout"  # of which 224 px cost less
    common = ("--suite", "cbar", "--layout", layout, "--scale", "cifar", "--severities", severities)

    def made(out: str, names: str, workers: int, seed: int = 0) -> dict[str, str]:
        run(some, tmp_path / out, *common, "--corruptions", names, "--workers", workers, "--seed", seed)
        return digests(tmp_path / out)

    expected = made("one", f"{random},sparkles,ripple", 1)
    assert len(expected) == count
    assert made("two", f"ripple,sparkles,{random}", 2) == expected  # of three chunks, one has two
    without = {name: digest for name, digest in expected.items() if not name.startswith(random)}
    made("some", "ripple", 1)
    assert made("some", "sparkles", 1) == without
    other = made("other", "sparkles", 1, seed=1)
    assert not {digest for name, digest in other.items() if name.startswith("sparkles")} & set(expected.values())


# --- resuming ------------------------------------------------------------------------------------------------------


def test_what_is_there_is_kept(digits: Path, tmp_path: Path) -> None:
    run(digits, tmp_path, "--suite", "c", "--corruptions", "contrast", "--workers", 1)
    before = snapshot(tmp_path)["contrast.npy"]
    output = run(digits, tmp_path, "--suite", "c", "--corruptions", "brightness,contrast", "--workers", 1)
    assert "made       brightness\nkept       contrast\n" in output
    assert snapshot(tmp_path)["contrast.npy"] == before
    assert list(json.loads((tmp_path / "corruptions.json").read_text())["corruptions"]) == ["brightness", "contrast"]


@pytest.mark.parametrize("layout", ["arrays", "folders"])
def test_a_killed_run_leaves_nothing_that_looks_whole_and_resumes(
    layout: str, many: Path, some: Path, tmp_path: Path
) -> None:
    names = "impulse_noise,pixelate,contrast,brightness"
    source, severities, each = (many, "1-3", 1200) if layout == "arrays" else (some, "5", 80)
    rest = ("--suite", "c", "--layout", layout, "--scale", "cifar", "--severities", severities, "--corruptions", names)
    out, parts = tmp_path / "killed", {}
    command = start("evaluate", "corrupt", source, out, *rest, "--workers", 2)
    end = {"arrays": ".npy", "folders": ""}[layout]
    wait_until(lambda: (out / f"impulse_noise{end}").exists(), "the first corruption")
    workers = children(command.pid)
    command.send_signal(signal.SIGKILL)
    command.communicate()
    wait_until(lambda: not any(map(alive, workers)), "the workers to follow")
    there = [path for path in out.iterdir() if path.name.removesuffix(end) in names.split(",")]
    assert 1 <= len(there) < 4
    for path in there:
        if layout == "arrays":
            assert np.load(path).shape == (each, 56, 44, 3)
        else:
            assert len(files(path)) == each
        parts |= {name: stamp for name, stamp in snapshot(out).items() if name.startswith(path.name)}
    run(source, out, *rest, "--workers", 1)
    after = snapshot(out)
    assert {name: after[name] for name in parts} == parts
    assert not [name for name in files(out) if name.startswith(".") or "/." in name]
    run(source, tmp_path / "whole", *rest, "--workers", 1)
    assert digests(out) == digests(tmp_path / "whole")


def test_ctrl_c_says_how_to_go_on(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = start("evaluate", "corrupt", many, out, "--suite", "c", "--layout", "arrays", "--workers", 2)
    wait_until(lambda: (out / "gaussian_noise.npy").exists(), "the first corruption")
    os.killpg(command.pid, signal.SIGINT)
    _, error = command.communicate(timeout=60)
    assert command.returncode == 130
    (line,) = [line for line in error.splitlines() if "Interrupted" in line]
    assert line.endswith(f"of {len((*C, *C_EXTRA))} corruptions; run the same command to go on")
    assert "Traceback" not in error


# --- bad input -----------------------------------------------------------------------------------------------------


def refused(*arguments: object) -> str:
    """The one line of a run that fails."""
    result = invoke("evaluate", "corrupt", "--workers", 1, *arguments)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    return result.output.strip().splitlines()[-1]


BAD = [
    (
        "--suite c --corruptions fog,mist",
        "expected corruptions of c at cifar scale, which are {c}, got 'mist'; change --corruptions",
    ),
    (
        "--suite cbar --scale imagenet --corruptions lines",
        "expected corruptions of cbar at imagenet scale, which are {cbar}, got 'lines'; change --corruptions",
    ),
    ("--suite c --severities 0-5", "severities must be whole numbers in [1, 5], got 0; change --severities"),
    ("--suite c --severities 6", "severities must be whole numbers in [1, 5], got 6; change --severities"),
    ("--suite c --severities 5-1", "Error: Invalid value for '--severities': expected ranges from low to high, as in"),
    ("--suite c --severities x", "Error: Invalid value for '--severities': expected numbers or ranges, as in 1-3,5"),
    ("--suite c --seed -1", "seed must be a whole number in [0, 9223372036854775807], got -1; change --seed"),
    ("--suite r", "Error: Invalid value for '--suite': 'r' is not one of 'c', 'cbar', 'p'."),
    ("--suite c --kind cifar10:test", "expected the files of cifar-10-batches-py or cifar-10-batches-bin in"),
    ("--suite c --workers 0", "workers must be a whole number from 1 on, got 0; change --workers"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[options for options, _ in BAD])
def test_bad_options_get_a_line(options: str, message: str, digits: Path, tmp_path: Path) -> None:
    wanted = message.format(c=", ".join((*C, *C_EXTRA)), cbar=", ".join(CBAR["imagenet"]))
    assert wanted in refused(digits, tmp_path / "out", *options.split())
    assert not (tmp_path / "out").exists()


def test_sources_that_do_not_do(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "found an empty folder" in refused(tmp_path / "empty", tmp_path / "out", "--suite", "c")
    assert "found nothing at" in refused(tmp_path / "nowhere", tmp_path / "out", "--suite", "c")
    flat = tmp_path / "flat"
    shutil.copytree(photographs / "coffee", flat)
    line = refused(flat, tmp_path / "out", "--suite", "c")
    assert line.endswith("expected a class for every image, found none for 000.png; put the images into class folders")
    assert not (tmp_path / "out").exists()
    inside = refused(photographs, photographs / "out", "--suite", "c")
    assert "expected an output folder outside of " in inside


@pytest.mark.parametrize("workers", [1, 2])
def test_an_image_that_cannot_be_read_ends_the_run(workers: int, many: Path, tmp_path: Path) -> None:
    source = shutil.copytree(many, tmp_path / "source")
    (source / "rocket" / "050.png").write_bytes(b"no picture")
    with pytest.raises(LayerMixError, match=r"cannot read rocket/050.png: not an image; a test set needs all") as error:
        corrupt(source, tmp_path / "out", "c", layout="arrays", corruptions=("contrast",), workers=workers)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out" / "contrast.npy").exists()


def test_images_of_two_sizes_fit_no_array(photographs: Path, tmp_path: Path) -> None:
    source = shutil.copytree(photographs, tmp_path / "source")
    PillowImage.new("RGB", (30, 20)).save(source / "rocket" / "005.png")
    line = refused(source, tmp_path / "out", "--suite", "c", "--layout", "arrays", "--corruptions", "contrast")
    assert "got rocket/005.png: 30x20 px, where the first image has 44x56; make them alike" in line


def test_folders_that_hold_something_else(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "expected a folder to write into, found a file" in refused(digits, tmp_path / "file", "--suite", "c")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("")
    assert "found 'thesis.txt'" in refused(digits, tmp_path / "full", "--suite", "c")
    out = tmp_path / "out"
    run(digits, out, "--suite", "c", "--corruptions", "contrast", "--workers", 1)
    before = snapshot(out)
    for option, message in [
        (("--suite", "cbar"), 'was begun with suite "c", not "cbar"; choose another folder'),
        (("--suite", "c", "--seed", 3), "was begun with seed 0, not 3;"),
        (("--suite", "c", "--severities", "1"), "was begun with severities [1, 2, 3, 4, 5], not [1];"),
    ]:
        assert message in refused(digits, out, *option)
    other = tmp_path / "digits"
    other.mkdir()
    write_three(other, "train")
    assert "was begun with images 40, not 3;" in refused(other, out, "--suite", "c", "--kind", "idx:train")
    assert "expected t10k-images-idx3-ubyte or the same with .gz" in refused(other, out, "--suite", "c")
    shutil.copytree(digits, tmp_path / "same")
    name = "t10k-images-idx3-ubyte.gz"
    content = gzip.decompress((digits / name).read_bytes())
    (tmp_path / "same" / name).write_bytes(gzip.compress(content[:-1] + bytes([content[-1] ^ 1])))  # but for one pixel
    assert "was begun with source_digest" in refused(tmp_path / "same", out, "--suite", "c")
    assert snapshot(out) == before


def test_a_disk_that_is_full_at_the_first_byte(digits: Path, tmp_path: Path) -> None:
    """The record is written first, so that the folder is known to be ours and the same command resumes, as it said."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))

    arguments = (digits, tmp_path / "out", "--suite", "c", "--corruptions", "fog", "--workers", 1)
    _, error = start("evaluate", "corrupt", *arguments, preexec_fn=limit).communicate(timeout=60)
    assert "run the same command to resume" in error
    result = invoke("evaluate", "corrupt", *arguments)
    assert result.exit_code == 0, result.output


def test_a_run_that_came_to_nothing_binds_nobody(photographs: Path, tmp_path: Path) -> None:
    source = shutil.copytree(photographs, tmp_path / "source")
    image = source / "astronaut" / "003.jpg"
    image.rename(tmp_path / "003.jpg")
    image.write_bytes(b"")
    options = (source, tmp_path / "out", "--suite", "c", "--layout", "arrays", "--corruptions", "contrast")
    assert "cannot read astronaut/003.jpg: empty file" in refused(*options)
    (tmp_path / "003.jpg").rename(image)
    run(*options, "--workers", 1, "--seed", 3)
    assert np.load(tmp_path / "out" / "contrast.npy").shape == (5 * 24, 56, 44, 3)


def test_one_run_at_a_time(digits: Path, tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another process is writing to" in refused(digits, tmp_path, "--suite", "c")


@pytest.mark.parametrize("layout", ["arrays", "folders"])
def test_a_disk_that_is_full(layout: str, digits: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))

    arguments = (digits, tmp_path, "--suite", "c", "--layout", layout, "--corruptions", "gaussian_noise")
    command = start("evaluate", "corrupt", *arguments, "--workers", 1, preexec_fn=limit)
    _, error = command.communicate(timeout=60)
    assert command.returncode == 1
    assert f"cannot write to {tmp_path}: file too large; make room, then run the same command to resume" in error
    assert "Traceback" not in error
    assert not list(tmp_path.glob("gaussian_noise*"))
    run(*arguments, "--workers", 1)
    assert list(tmp_path.glob("gaussian_noise*"))


def test_the_digest_of_arrays_covers_their_pixels_whatever_their_shape(tmp_path: Path) -> None:
    digests = set()
    for value in (0, 1):
        np.savez(tmp_path / "set.npz", images=np.full((2, 4, 6), value, np.uint8), labels=np.arange(2))
        source = open_source(tmp_path / "set.npz")
        digests.add(describe(source, source.items())["source_digest"])
    assert len(digests) == 2
