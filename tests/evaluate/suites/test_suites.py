"""Suites give exactly the images, labels and lengths that their files hold, and refuse what the lists do not name."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.evaluate.benchmarks import CBAR, C
from layermix_gen.evaluate.preprocessing import PREPROCESSINGS, center_crop, resize_short_side
from layermix_gen.evaluate.suites import SuiteOptions, complete, find_suite, folders, locate
from layermix_gen.evaluate.suites.arrays import open_corruption, open_images
from layermix_gen.evaluate.suites.batching import rebatched
from layermix_gen.evaluate.suites.suite_folders import published
from layermix_gen.evaluate.suites.suite_options import PHOTOGRAPHS
from layermix_gen.evaluate.video_files import read_video
from layermix_gen.mixing_sets.mixing_set import open_mixing_set
from layermix_gen.sources import open_source
from tests.evaluate.worlds import (
    VIDEO_FRAMES,
    WNIDS,
    pixels,
    write_cifar10,
    write_cifar10_binary,
    write_corruptions,
    write_perturbations,
    write_photographs,
    write_video,
    write_videos,
)
from tests.helpers import build
from tests.strategies import steady

CENTER = SuiteOptions()


def opened(suite, data, options=CENTER, part=None):
    """A part of a suite, by default the first."""
    source = complete(find_suite(suite, locate(data), options))
    return source.open(part or source.parts[0])


def all_images(part, size=7):
    return np.concatenate(list(rebatched(part.pieces(size), size)))


# --- arrays ----------------------------------------------------------------------------------------------------------


def test_cifar_test_set_in_both_versions(tmp_path):
    images, labels = write_cifar10(tmp_path / "python", 23)
    part = opened("clean", {"cifar10": tmp_path / "python"})
    assert (part.total, part.classes, part.severities) == (23, 10, (0,))
    np.testing.assert_array_equal(all_images(part), images)
    np.testing.assert_array_equal(part.labels, [labels])
    write_cifar10_binary(tmp_path / "binary", 15)
    part = opened("clean", {"clean": tmp_path / "binary"})  # told by its files
    assert all_images(part).shape == (15, 32, 32, 3)
    np.testing.assert_array_equal(part.labels, [np.arange(15) % 10])


def test_corruptions_are_severity_major(tmp_path):
    write_corruptions(tmp_path / "c", count=6, size=28)
    source = find_suite("c", locate({"c": tmp_path / "c"}), CENTER)
    assert source.parts == C
    assert source.preprocessing == "none"
    part = source.open("fog")
    stored = np.load(tmp_path / "c" / "fog.npy")
    assert (part.labels.shape, part.severities, part.total) == ((5, 6), (1, 2, 3, 4, 5), 30)
    np.testing.assert_array_equal(part.labels, np.load(tmp_path / "c" / "labels.npy").reshape(5, 6))
    for size in (1, 7, 30, 100):  # of batches: the images are the same
        np.testing.assert_array_equal(all_images(part, size), stored)


def test_perturbations_are_as_long_as_they_are(tmp_path):
    write_perturbations(tmp_path / "p", count=3)
    for name, frames in (("translate", 16), ("motion_blur", 21), ("tilt", 31)):
        part = opened("p", {"p": tmp_path / "p"}, part=name)
        assert part.labels is None
        videos = list(part.pieces(4))
        assert [len(video) for video in videos] == [frames] * 3
        np.testing.assert_array_equal(np.stack(videos), np.load(tmp_path / "p" / f"{name}.npy"))


def test_extras_are_read_on_request_alone(tmp_path):
    write_corruptions(tmp_path / "c", (*C, "saturate"), count=2)
    data = locate({"c": tmp_path / "c"})
    assert complete(find_suite("c", data, CENTER)).parts == C
    assert complete(find_suite("c", data, SuiteOptions(extras=True))).parts == (*C, "saturate")


def test_suites_are_found_under_their_published_names(tmp_path):
    for name in ("CIFAR-10-C", "cifar10_c_bar", "CIFAR-100-C", "somewhere"):
        (tmp_path / name).mkdir()
    write_cifar10(tmp_path)
    data = locate({"cifar10": tmp_path, "p": tmp_path / "somewhere"})
    assert data.dataset == "cifar10"
    folders = {"clean": tmp_path, "c": tmp_path / "CIFAR-10-C", "cbar": tmp_path / "cifar10_c_bar"}
    assert data.folders == folders | {"p": tmp_path / "somewhere"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"mnist": "."}, "got 'mnist'; change --data"),
        ({"cifar10": ".", "imagenet": "."}, "expected one dataset, got cifar10 and imagenet"),
        ({"cifar100": "."}, "expected suites of cifar100 in ., such as CIFAR-100-C, found none"),
        ({"c": "nowhere"}, "expected the suite c at nowhere, found nothing"),
        ({}, "expected data to evaluate on, got none"),
    ],
)
def test_data_that_are_not_there(data, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LayerMixError, match=message):
        locate(data)


def test_layouts_are_not_mixed(tmp_path):
    write_corruptions(tmp_path / "c", count=1)
    write_photographs(tmp_path / "cbar" / "lines" / "1", 0, 8, 8)
    with pytest.raises(LayerMixError, match="expected suites of one scale"):
        locate({"c": tmp_path / "c", "cbar": tmp_path / "cbar"})


def test_shards_are_a_test_set(tmp_path, digits):
    build(digits, tmp_path / "shards", "--view", "center", "--variants", 0)
    part = opened("clean", {"clean": tmp_path / "shards"})
    assert (part.total, part.classes) == (40, 10)
    images = all_images(part)
    assert images.shape == (40, 28, 28, 3)
    pairs = sorted((int(label), image.tobytes()) for label, image in zip(part.labels[0], images, strict=True))
    train = open_source(digits)
    assert pairs == sorted((item.label, train.read(item).tobytes()) for item in train.items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--view", "pad-crop", "--variants", 0), "found views drawn at random"),
        (
            ("--view", "center", "--variants", 1, "--no-clean"),
            "found variants of layermix alone; build it with --clean",
        ),
    ],
)
def test_shards_that_are_no_test_set(tmp_path, digits, pool, options, message):
    build(digits, tmp_path / "shards", "--mixing-set", pool, *options)
    with pytest.raises(LayerMixError, match=message):
        opened("clean", {"clean": tmp_path / "shards"})


def write_record(folder, **changes):
    """Write a record of arrays, as `corrupt` leaves it next to them."""
    record = {"format": "layermix-gen corruptions 1", "suite": "c", "scale": "cifar", "severities": [2, 4], "images": 5}
    (folder / "corruptions.json").write_text(json.dumps(record | {"corruptions": {"fog": []}} | changes))


def test_a_record_says_which_severities_there_are(tmp_path):
    """Ten images could be two at each of five severities, or five at each of two."""
    write_corruptions(tmp_path, ("fog",), count=2, size=8)
    np.save(tmp_path / "labels.npy", np.tile([3, 1, 4, 1, 5], 2))
    with pytest.raises(LayerMixError, match="expected the same labels at each of 5 severities"):
        open_corruption(tmp_path, 10, "fog")
    write_record(tmp_path)
    part = opened("c", {"c": tmp_path})
    assert part.severities == (2, 4)
    assert part.labels.tolist() == [[3, 1, 4, 1, 5]] * 2
    np.testing.assert_array_equal(all_images(part), np.load(tmp_path / "fog.npy"))
    np.save(tmp_path / "labels.npy", np.arange(10))
    with pytest.raises(LayerMixError, match="expected the same labels at each of 2 severities"):
        open_corruption(tmp_path, 10, "fog")
    np.save(tmp_path / "labels.npy", np.zeros(8, int))
    with pytest.raises(LayerMixError, match=r"expected whole numbers, 2 times 5, in .*labels.npy, found int64 \(8,\)"):
        open_corruption(tmp_path, 10, "fog")


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "layermix-gen corruptions 9"},
        {"scale": "large"},
        {"severities": []},
        {"severities": [4, 2]},
        {"severities": [1, 6]},
        {"severities": "24"},
        {"severities": 2},
        {"images": "5"},
        {"corruptions": None},
    ],
)
def test_a_damaged_record(tmp_path, changes):
    write_corruptions(tmp_path, ("fog",), count=2, size=8)
    write_record(tmp_path, **changes)
    with pytest.raises(LayerMixError, match=r"expected 'layermix-gen corruptions 1' in .*corruptions.json, found some"):
        locate({"c": tmp_path})


def test_an_archive_that_is_called_an_array(tmp_path):
    write_corruptions(tmp_path, ("fog",), count=2, size=8)
    np.savez(tmp_path / "fog.npz", np.load(tmp_path / "fog.npy"))
    (tmp_path / "fog.npz").replace(tmp_path / "fog.npy")
    with pytest.raises(LayerMixError, match=r"fog\.npy is truncated or not an array of numbers; get the file again"):
        open_corruption(tmp_path, 10, "fog")


def test_a_suite_that_is_there_twice(tmp_path):
    for name in ("CIFAR-10-C", "cifar10_c"):
        (tmp_path / name).mkdir()
    with pytest.raises(
        LayerMixError, match=r"expected one folder of suite c in .*, found CIFAR-10-C and cifar10_c; move"
    ):
        locate({"cifar10": tmp_path})


# --- image files -----------------------------------------------------------------------------------------------------


def severity_names(suite, root, *names):
    """Open a corruption whose folders of severities are called like this."""
    for number, name in enumerate(names):
        write_photographs(root / "lines" / name, number, 8, 8, each=1)
    return folders.open_corruption(suite, root / "lines", (), PREPROCESSINGS["none"], 1)


@pytest.mark.parametrize(
    ("suite", "names"),
    [
        ("c", ("1", "2", "3", "4", "7")),
        ("c", ("1", "2.0", "3", "4", "5")),
        ("c", ("1", "2", "3", "4", "05")),
        ("c", ("1", "2", "3", "4", "5", "6")),
        ("cbar", ("2", "2.0", "3", "4", "5")),
        ("cbar", ("1", "2", "3", "4", "4.", "5")),
        ("cbar", ("1", "2", "3", "4")),
        ("cbar", ("1", "2", "3", "4", "-5")),
        ("cbar", ("1", "2", "3", "4", "nan")),
        ("cbar of ours", ("1", "2", "3", "4", "7.5")),
        ("cbar", ("1", "2", "3", "4", "\u0665")),
    ],
)
def test_severities_are_called_as_published(tmp_path, suite, names):
    if suite == "cbar of ours":
        (tmp_path / "lines").mkdir()
        write_record(tmp_path, severities=[1, 2, 3, 4, 5])
    suite, other = suite.split()[0], " or five difficulties" if suite == "cbar" else ""
    with pytest.raises(LayerMixError, match=f"expected the severities 1, 2, 3, 4, 5{other} as folders in"):
        severity_names(suite, tmp_path, *names)


def test_difficulties_are_ordered_by_number(tmp_path):
    part = severity_names("cbar", tmp_path, "10", "7.5", "9.25", "3", "4.75")
    expected = [next((tmp_path / "lines" / name).rglob("*.JPEG")) for name in ("3", "4.75", "7.5", "9.25", "10")]
    images = all_images(part).reshape(5, 4, 8, 8, 3)[:, 0]
    assert part.severities == (1, 2, 3, 4, 5)
    for image, path in zip(images, expected, strict=True):
        with PillowImage.open(sorted(path.parent.parent.rglob("*.JPEG"))[0]) as picture:
            np.testing.assert_array_equal(image, np.asarray(picture))


def test_classes_are_those_of_the_validation_set(tmp_path):
    write_photographs(tmp_path / "val", 0, 8, 8, each=1)
    for severity in range(1, 6):
        write_photographs(tmp_path / "c" / "fog" / str(severity), severity, 8, 8, each=1, wnids=WNIDS[:3])
    data = locate({"clean": tmp_path / "val", "c": tmp_path / "c"})
    with pytest.raises(
        LayerMixError, match=rf"expected the 4 classes of the validation set in .*, which lacks '{WNIDS[3]}"
    ):
        find_suite("c", data, CENTER).open("fog")
    assert find_suite("c", locate({"c": tmp_path / "c"}), CENTER).open("fog").classes == 3


def test_an_image_in_another_class_at_one_severity(tmp_path):
    severity_names("c", tmp_path, "1", "2", "3", "4", "5")
    (path,) = (tmp_path / "lines" / "4" / WNIDS[1]).iterdir()
    path.rename(tmp_path / "lines" / "4" / WNIDS[2] / "moved.JPEG")
    with pytest.raises(
        LayerMixError, match=r"expected the same images of each class at each severity of .*lines/4; get"
    ):
        severity_names("c", tmp_path)


def decoded(path: Path, resize: bool) -> np.ndarray:
    """An image by Pillow alone: the protocol of torchvision's Resize(256) and CenterCrop(224)."""
    with PillowImage.open(path) as image:
        picture = image.convert("RGB")
    width, height = picture.size
    if resize:
        scale = 256 / min(width, height)
        picture = picture.resize((int(width * scale), int(height * scale)), PillowImage.Resampling.BILINEAR)
    width, height = picture.size
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    return np.asarray(picture.crop((left, top, left + 224, top + 224)))


@pytest.mark.parametrize(("height", "width"), [(300, 400), (512, 300), (256, 256)])
def test_validation_images_are_resized_and_cropped(tmp_path, height, width):
    write_photographs(tmp_path / "val", 0, height, width)
    part = opened("clean", {"imagenet": tmp_path})
    paths = sorted((tmp_path / "val").rglob("*.JPEG"))
    np.testing.assert_array_equal(all_images(part), [decoded(path, resize=True) for path in paths])
    np.testing.assert_array_equal(part.labels, [[0, 0, 1, 1, 2, 2, 3, 3]])
    assert part.classes == 4


@pytest.mark.parametrize("name", ["center-224", "resize-256-center-224"])
def test_corrupted_images_are_preprocessed_by_name(tmp_path, name):
    for severity in (
        "1",
        "2.35",
        "10",
        "4.5",
        "3",
    ):  # C-bar's generator names them like this, by number and not by text
        write_photographs(tmp_path / "cbar" / "lines" / severity, int(float(severity)), each=1)
    data = locate({"cbar": tmp_path / "cbar"})
    part = find_suite("cbar", data, SuiteOptions(preprocessing=name)).open("lines")
    order = ("1", "2.35", "3", "4.5", "10")
    paths = [path for one in order for path in sorted((tmp_path / "cbar" / "lines" / one).rglob("*.JPEG"))]
    expected = [decoded(path, resize=name.startswith("resize")) for path in paths]
    np.testing.assert_array_equal(all_images(part), expected)
    np.testing.assert_array_equal(part.labels, [[0, 1, 2, 3]] * 5)


def test_renditions_count_among_their_own_classes(tmp_path):
    write_photographs(tmp_path / "val", 0)
    write_photographs(tmp_path / "r", 1, 300, 260, wnids=(WNIDS[3], WNIDS[1]))
    part = opened("r", {"clean": tmp_path / "val", "r": tmp_path / "r"})
    assert part.among.tolist() == [1, 3]
    assert part.labels.tolist() == [[0, 0, 1, 1]]
    assert part.classes == 4
    with pytest.raises(LayerMixError, match="expected a validation set of class folders next to"):
        opened("r", {"r": tmp_path / "r"})
    shutil.move(tmp_path / "r" / WNIDS[1], tmp_path / "r" / "n99999999")
    with pytest.raises(LayerMixError, match="'n99999999'"):
        opened("r", {"clean": tmp_path / "val", "r": tmp_path / "r"})


def test_shards_name_the_classes_of_renditions(tmp_path):
    write_photographs(tmp_path / "val", 0, 300, 260)
    write_photographs(tmp_path / "r", 1, 300, 260, wnids=(WNIDS[3], WNIDS[1]))
    build(tmp_path / "val", tmp_path / "shards", "--view", "center", "--variants", 0)
    part = opened("r", {"clean": tmp_path / "shards", "r": tmp_path / "r"})
    assert part.among.tolist() == [1, 3]


def test_perturbations_have_the_classes_of_the_validation_set(tmp_path):
    write_videos(tmp_path / "p")
    write_photographs(tmp_path / "val", 0)
    data = {"clean": tmp_path / "val", "p": tmp_path / "p"}
    assert opened("p", data, part="tilt").classes == 4
    for folder in (tmp_path / "p").glob(f"*/{WNIDS[1]}"):
        shutil.rmtree(folder)
    with pytest.raises(
        LayerMixError, match=rf"expected the 4 classes of the validation set in .*, which lacks '{WNIDS[1]}'"
    ):
        opened("p", data)
    assert opened("p", {"p": tmp_path / "p"}, part="tilt").classes == 3  # nothing says otherwise
    shutil.rmtree(tmp_path / "p" / "tilt" / WNIDS[2])
    with pytest.raises(LayerMixError, match=rf"/tilt, which lacks '{WNIDS[2]}'"):
        opened("p", {"p": tmp_path / "p"}, part="tilt")
    next((tmp_path / "p" / "snow" / WNIDS[0]).iterdir()).unlink()
    with pytest.raises(LayerMixError, match=rf"expected videos WNID/\*.mp4 in .*snow/{WNIDS[0]}, found none"):
        opened("p", {"p": tmp_path / "p"}, part="snow")


def test_a_perturbation_without_videos(tmp_path):
    (tmp_path / "p" / "tilt").mkdir(parents=True)
    with pytest.raises(LayerMixError, match=r"expected videos WNID/\*.mp4 in .*tilt, found none"):
        find_suite("p", locate({"p": tmp_path / "p"}), CENTER).open("tilt")


def test_what_is_small_is_square(tmp_path):
    write_photographs(tmp_path / "own", 0, 60, 64)
    assert find_suite("clean", locate({"clean": tmp_path / "own"}), CENTER).preprocessing == PHOTOGRAPHS


def test_harder_perturbations_are_passed_over(tmp_path):
    write_videos(tmp_path / "p")
    for name in ("gaussian_noise_2", "tilt_3"):
        (tmp_path / "p" / name).mkdir()
    assert complete(find_suite("p", locate({"p": tmp_path / "p"}), CENTER)).unknown == ()
    write_corruptions(tmp_path / "c", (*C, "fog_2"), count=1)
    assert find_suite("c", locate({"c": tmp_path / "c"}), CENTER).unknown == ("fog_2",)
    (tmp_path / "p" / "tilt_4").mkdir()
    assert find_suite("p", locate({"p": tmp_path / "p"}), CENTER).unknown == ("tilt_4",)


def test_videos_differ_in_length(tmp_path):
    write_videos(tmp_path / "p")
    part = opened("p", {"p": tmp_path / "p"}, part="snow")
    videos = list(part.pieces(4))
    assert [len(video) for video in videos] == [VIDEO_FRAMES[wnid] for wnid in WNIDS]
    assert all(video.shape[1:] == (224, 224, 3) for video in videos)


def test_frames_are_rgb_and_in_order(tmp_path):
    write_video(tmp_path / "a.mp4", 5, seed=3)
    frames = read_video(tmp_path / "a.mp4")
    rng = np.random.default_rng((3, 5))
    for frame in frames:
        blue, green, red = rng.integers(0, 255, 3)
        assert np.abs(frame.mean((0, 1)) - (red, green, blue)).max() < 6  # the codec's loss


def test_an_unreadable_image_ends_the_evaluation(tmp_path):
    write_photographs(tmp_path / "val", 0)
    first, *_, bad = sorted((tmp_path / "val").rglob("*.JPEG"))
    bad.write_bytes(bad.read_bytes()[:300])
    part = opened("clean", {"imagenet": tmp_path})
    with pytest.raises(LayerMixError, match=rf"cannot evaluate .*{bad.name}: truncated.*every image counts"):
        all_images(part)
    first.write_bytes(b"")
    with pytest.raises(LayerMixError, match=rf"cannot evaluate .*{first.name}: .*every image counts"):
        opened("clean", {"imagenet": tmp_path})


@pytest.mark.parametrize(
    ("size", "beside", "expected"),
    [
        (64, None, "none"),
        (65, None, PHOTOGRAPHS),
        (96, "arrays", "none"),
        (300, None, PHOTOGRAPHS),
    ],
)
def test_small_squares_and_what_lies_beside_arrays_stay_as_they_are(tmp_path, size, beside, expected):
    write_photographs(tmp_path / "own", 0, size, size)
    data = {"clean": tmp_path / "own"}
    if beside:
        write_corruptions(tmp_path / "c", ("fog",), count=4, size=size)
        data["c"] = tmp_path / "c"
    source = find_suite("clean", locate(data), CENTER)
    assert source.preprocessing == expected
    side = size if expected == "none" else 224
    assert all_images(source.open("clean")).shape == (8, side, side, 3)
    assert find_suite("clean", locate(data), SuiteOptions(preprocessing="none")).preprocessing == "none"


def test_classes_come_from_class_folders_alone(tmp_path):
    """Folders next to CIFAR's files are not taken for classes."""
    write_cifar10(tmp_path)
    for severity in range(1, 6):
        write_photographs(tmp_path / "c" / "fog" / str(severity), severity, 32, 32, each=1)
    data = locate({"clean": tmp_path, "c": tmp_path / "c"})
    assert find_suite("c", data, SuiteOptions(preprocessing="none")).open("fog").classes == 4


def test_the_frames_of_a_video_are_bounded_in_bytes(tmp_path, monkeypatch):
    write_video(tmp_path / "a.mp4", 5, seed=3)
    monkeypatch.setattr("layermix_gen.evaluate.video_files.MAX_BYTES", 5 * 3 * 224 * 224)
    assert len(read_video(tmp_path / "a.mp4")) == 5
    monkeypatch.setattr("layermix_gen.evaluate.video_files.MAX_BYTES", 5 * 3 * 224 * 224 - 1)
    with pytest.raises(BadImage, match=r"^too large: more than 4 frames of 224x224 pixels, 752639 bytes$"):
        read_video(tmp_path / "a.mp4")


@pytest.mark.parametrize("shape", ["(True, 8, 8, 3)", "(-1, 8, 8, 3)", "(4294967296, 4294967296, 4294967296, 3)"])
def test_an_array_of_an_absurd_shape_gives_one_line(tmp_path, shape):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(192))
    with pytest.raises(LayerMixError, match=r"truncated or not an array of numbers; get the file again$"):
        open_images(tmp_path / "a.npy", ndim=4)
    with pytest.raises(LayerMixError, match=r"^expected a whole \.npy file, got "):
        open_mixing_set(tmp_path / "a.npy")


def test_links_to_videos_are_not_followed(tmp_path):
    write_video(tmp_path / "a.mp4", 3, seed=0)
    (tmp_path / "b.mp4").symlink_to(tmp_path / "a.mp4")
    with pytest.raises(BadImage, match="a link, which is not followed"):
        read_video(tmp_path / "b.mp4")


# --- what the lists do not name --------------------------------------------------------------------------------------


def test_unknown_and_missing_parts_are_refused(tmp_path):
    write_corruptions(tmp_path / "c", (*C, "gausian_noise"), count=1)
    with pytest.raises(LayerMixError, match="found 'gausian_noise', which no list names; move it away"):
        opened("c", {"c": tmp_path / "c"})
    (tmp_path / "c" / "gausian_noise.npy").unlink()
    (tmp_path / "c" / "fog.npy").unlink()
    with pytest.raises(LayerMixError, match=r"expected all parts of suite c in .*, which lacks fog; get them"):
        opened("c", {"c": tmp_path / "c"})


def test_the_lists_of_the_two_scales_differ(tmp_path):
    write_corruptions(tmp_path / "cbar", CBAR["cifar"], count=1)
    assert find_suite("cbar", locate({"cbar": tmp_path / "cbar"}), CENTER).parts == CBAR["cifar"]
    for name in CBAR["imagenet"]:
        (tmp_path / "files" / name).mkdir(parents=True)
    assert find_suite("cbar", locate({"cbar": tmp_path / "files"}), CENTER).parts == CBAR["imagenet"]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            pixels(0, 9, 8, 8, 3),
            r"expected 10 images in .*fog.npy, 2 at each of 5 severities as labels.npy has it, found 9",
        ),
        (
            pixels(0, 10, 8, 8, 3).astype(np.float32),
            r"expected uint8 \(images, H, W, 3\).*found float32 \(10, 8, 8, 3\)",
        ),
        (pixels(0, 10, 8, 3), r"found uint8 \(10, 8, 3\)"),
        (np.array([{}], dtype=object), "is truncated or not an array of numbers"),
    ],
)
def test_arrays_of_another_form(tmp_path, array, message):
    write_corruptions(tmp_path, ("snow",), count=2, size=8)
    np.save(tmp_path / "fog.npy", array)
    with pytest.raises(LayerMixError, match=message):
        open_corruption(tmp_path, 10, "fog")


def test_truncated_arrays(tmp_path):
    write_corruptions(tmp_path, ("fog",), count=2, size=8)
    content = (tmp_path / "fog.npy").read_bytes()
    for kept in (0, 5, 90, len(content) - 1):
        (tmp_path / "fog.npy").write_bytes(content[:kept])
        with pytest.raises(
            LayerMixError, match=r"fog\.npy is truncated or not an array of numbers; get the file again"
        ):
            open_corruption(tmp_path, 10, "fog")


@pytest.mark.parametrize("labels", [np.arange(10), np.arange(9) % 3, np.tile([-1, 0], 5), np.ones(10), np.array(3)])
def test_labels_that_do_not_repeat(tmp_path, labels):
    write_corruptions(tmp_path, ("fog",), count=2, size=8)
    np.save(tmp_path / "labels.npy", labels)
    with pytest.raises(LayerMixError, match=r"labels\.npy"):
        open_corruption(tmp_path, 10, "fog")


# --- batches ---------------------------------------------------------------------------------------------------------


@steady()
@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 10))
def test_batches_hold_the_pieces_in_order(lengths, size):
    total = sum(lengths)
    numbers = np.arange(total, dtype=np.uint8).reshape(-1, 1, 1, 1)
    pieces = np.split(numbers, np.cumsum(lengths)[:-1]) if lengths else []
    batches = list(rebatched(pieces, size))
    assert [len(batch) for batch in batches] == [size] * (total // size) + [total % size] * bool(total % size)
    if batches:
        np.testing.assert_array_equal(np.concatenate(batches), numbers)


def test_batches_hold_images_of_one_size():
    with pytest.raises(LayerMixError, match="expected images of one size, found 4x3 and 3x4"):
        list(rebatched([np.zeros((2, 3, 4, 3), np.uint8), np.zeros((2, 4, 3, 3), np.uint8)], 2))


@steady()
@given(st.integers(1, 60), st.integers(1, 60))
def test_crops_are_central(height, width):
    image = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    size = min(height, width)
    crop = center_crop(image, size)
    assert crop.shape == (size, size, 3)
    flipped = center_crop(image[::-1, ::-1], size)
    if (height - size) % 2 == (width - size) % 2 == 0:
        np.testing.assert_array_equal(flipped, crop[::-1, ::-1])


def test_preprocessing_refuses_small_images_and_keeps_others():
    image = pixels(0, 1, 100, 230, 3)[0]
    with pytest.raises(BadImage, match="230x100 pixels are less than the crop of 224"):
        PREPROCESSINGS["center-224"](image)
    assert PREPROCESSINGS["none"](image) is image
    assert resize_short_side(image).shape == (256, 588, 3)
    with pytest.raises(LayerMixError, match="preprocessing must be one of none, center-224"):
        SuiteOptions(preprocessing="squash")


def test_a_link_in_a_circle_is_no_suite(tmp_path: Path) -> None:
    (tmp_path / "CIFAR-10-C").symlink_to("CIFAR-10-C")
    assert published("cifar10", tmp_path) == {}
