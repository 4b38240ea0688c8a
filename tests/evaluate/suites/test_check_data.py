"""`check-data` finds each kind of damage, and lists what is there where nothing is damaged."""

import shutil

import numpy as np
import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate import check_data
from layermix_gen.evaluate.benchmarks import CBAR, C, P
from tests.evaluate.worlds import (
    WNIDS,
    write_cifar10,
    write_cifar10_binary,
    write_corruptions,
    write_perturbations,
    write_photographs,
    write_videos,
)
from tests.helpers import build, invoke, start


def check(root, **options):
    """The findings by suite."""
    return {finding.suite: finding for finding in check_data(root, progress=False, **options)}


def problem(root, **options):
    """The one problem of the one suite there."""
    (finding,) = check_data(root, progress=False, **options)
    (found,) = finding.problems
    return found


def write_imagenet_c(root, names=C, each=1):
    """A folder like ImageNet-C."""
    for number, name in enumerate(names):
        for severity in range(1, 6):
            write_photographs(root / name / str(severity), number * 10 + severity, each=each)


def test_complete_suites(tmp_path):
    write_corruptions(tmp_path / "c", (*C, "saturate", "spatter"), count=4)
    write_corruptions(tmp_path / "cbar", CBAR["cifar"], count=4)
    write_perturbations(tmp_path / "p", count=2)
    write_videos(tmp_path / "videos")
    write_imagenet_c(tmp_path / "files")
    write_photographs(tmp_path / "photographs", 0)
    for folder, suite, content in (
        ("c", "c", "17 parts of 5 x 4 images as arrays (2 extras)"),
        ("cbar", "cbar", "10 parts of 5 x 4 images as arrays"),
        ("p", "p", "10 parts of 2 videos as arrays"),
        ("videos", "p", "10 parts of 4 videos as videos"),
        ("files", "c", "15 parts of 5 x 4 images as image files"),
        ("photographs", "clean", "8 images as folder"),
    ):
        result = invoke("evaluate", "check-data", tmp_path / folder, "--deep")
        assert result.exit_code == 0, result.output
        assert result.output == f"{suite}: complete, {content}, in {tmp_path / folder}\n"


def test_published_suites_are_found_and_counted(tmp_path):
    write_cifar10_binary(tmp_path, 10_000)
    write_corruptions(tmp_path / "CIFAR-10-C", ("fog",), count=10)
    found = check(tmp_path)
    assert found["clean"].problems == ()
    assert found["clean"].content == "10000 images as cifar10:test"
    missing, count = found["c"].problems
    assert missing == f"missing: {', '.join(name for name in C if name != 'fog')}"
    assert count == (
        "expected 10000 images at each severity, as published, found 10; "
        "get the suite again, or rename a folder of your own"
    )
    result = invoke("evaluate", "check-data", tmp_path)
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "Error: found 2 problems; mend what is listed above before evaluating"


def test_a_cifar_test_set_cut_between_two_images(tmp_path):
    write_cifar10_binary(tmp_path, 10_000)
    path = tmp_path / "cifar-10-batches-bin" / "test_batch.bin"
    path.write_bytes(path.read_bytes()[:-3073])
    assert "expected 10000 images, as published, found 9999" in problem(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    assert "the file is truncated" in problem(tmp_path)
    path.unlink()
    assert "test_batch.bin" in problem(tmp_path)


def test_a_cifar_pickle_that_is_cut(tmp_path):
    write_cifar10(tmp_path)
    path = tmp_path / "cifar-10-batches-py" / "test_batch"
    path.write_bytes(path.read_bytes()[:-100])
    assert "truncated or corrupt" in problem(tmp_path)


# --- arrays ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def arrays(tmp_path):
    """A complete folder like CIFAR-10-C, to be damaged."""
    write_corruptions(tmp_path / "c", count=4, size=8)
    return tmp_path / "c"


def test_a_missing_and_an_unknown_array(arrays):
    (arrays / "fog.npy").rename(arrays / "frog.npy")
    assert check(arrays)["c"].problems == ("unknown: frog, which no list names", "missing: fog")


def test_an_array_that_is_cut(arrays):
    content = (arrays / "snow.npy").read_bytes()
    (arrays / "snow.npy").write_bytes(content[:-1])
    assert problem(arrays) == f"{arrays / 'snow.npy'} is truncated or not an array of numbers; get the file again"


@pytest.mark.parametrize(("videos", "frames"), [(2, 31), (4, 31), (3, 1)])
def test_perturbations_that_are_unlike_the_others(tmp_path, videos, frames):
    write_perturbations(tmp_path / "p", count=3)
    np.save(tmp_path / "p" / "tilt.npy", np.zeros((videos, frames, 32, 32, 3), np.uint8))
    found = problem(tmp_path / "p")
    if frames == 1:
        assert found == f"expected at least 2 frames in {tmp_path / 'p' / 'tilt.npy'}, found 1; get the file again"
    else:
        assert found == f"expected 3 videos in tilt as in the other parts, found {videos}; get the part again"


def test_perturbations_of_another_size(tmp_path):
    write_perturbations(tmp_path / "p", count=3)
    np.save(tmp_path / "p" / "tilt.npy", np.zeros((3, 31, 32, 28, 3), np.uint8))
    found = problem(tmp_path / "p")
    assert found == "expected videos of 32x32 pixels in tilt as in the other parts, found 28x32; get the part again"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((19, 8, 8, 3), np.uint8), "expected 20 images"),
        (np.zeros((20, 3, 8, 8), np.uint8), "found uint8 (20, 3, 8, 8)"),
        (np.zeros((20, 8, 8, 3)), "found float64"),
    ],
)
def test_an_array_of_a_wrong_shape_or_type(arrays, array, message):
    np.save(arrays / "frost.npy", array)
    assert message in problem(arrays)


def test_an_array_of_other_images(arrays):
    np.save(arrays / "frost.npy", np.zeros((20, 8, 9, 3), np.uint8))
    assert problem(arrays) == (
        "expected images of 8x8 pixels in frost as in the other parts, found 9x8; get the part again"
    )


def test_labels_of_another_test_set(tmp_path):
    write_cifar10(tmp_path)
    write_corruptions(tmp_path / "CIFAR-10-C")
    labels = np.load(tmp_path / "CIFAR-10-C" / "labels.npy").reshape(5, -1)
    np.save(tmp_path / "CIFAR-10-C" / "labels.npy", np.roll(labels, 1, axis=1).ravel())
    wrong = "expected the labels of the clean images, found 9 for 0 at image 0; get both of one test set"
    assert wrong in check(tmp_path)["c"].problems


def test_missing_labels(arrays):
    (arrays / "labels.npy").unlink()
    (found,) = check(arrays)["c"].problems  # and not one for each of the 15 parts
    assert found == f"expected {arrays / 'labels.npy'}, found no such file; get the file again"


def test_pictures_that_were_never_written(arrays):
    np.save(arrays / "frost.npy", np.zeros((20, 8, 8, 3), np.uint8))
    assert check(arrays)["c"].problems == ()
    assert problem(arrays, deep=True) == "expected pictures in frost, found 20 of 20 of one colour; get the part again"


# --- image files -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A complete folder like ImageNet-C. Not to be written to."""
    root = tmp_path_factory.mktemp("complete") / "c"
    write_imagenet_c(root)
    return root


@pytest.fixture
def photographs(complete, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(complete, tmp_path / "c")


def test_a_missing_severity(photographs):
    shutil.rmtree(photographs / "fog" / "4")
    assert "expected the severities 1, 2, 3, 4, 5 as folders in" in problem(photographs)


def test_a_missing_class(photographs):
    shutil.rmtree(photographs / "fog" / "4" / WNIDS[2])
    assert f"which lacks '{WNIDS[2]}'" in problem(photographs)


def test_a_class_too_many(photographs):
    (photographs / "fog" / "4" / "n00000000").mkdir()
    assert "which has 'n00000000'" in problem(photographs)


def test_a_missing_image(photographs):
    next((photographs / "fog" / "4").rglob("*.JPEG")).unlink()
    assert "expected as many images at each severity" in problem(photographs)


def test_an_image_of_another_class(photographs):
    """It is at all severities of one corruption, so these agree with each other."""
    for path in sorted((photographs / "fog").glob(f"*/{WNIDS[1]}/*.JPEG")):
        path.rename(path.parent.parent / WNIDS[2] / "moved.JPEG")
    assert problem(photographs) == "expected the labels in fog as in the other parts, found others; get the part again"


def test_other_numbers_of_images_of_each_class(tmp_path):
    write_photographs(tmp_path / "val", 0, each=2)
    write_imagenet_c(tmp_path / "ImageNet-C", each=2)
    for path in sorted((tmp_path / "ImageNet-C").glob(f"*/*/{WNIDS[1]}/*0.JPEG")):
        path.rename(path.parent.parent / WNIDS[2] / "moved.JPEG")
    wrong = "expected as many images of each class as in the clean suite, found others of class 1; get both of one"
    assert any(one.startswith(wrong) for one in check(tmp_path)["c"].problems)


def test_a_class_without_images_in_all_parts(tmp_path):
    write_photographs(tmp_path / "val", 0, each=1)
    write_imagenet_c(tmp_path / "ImageNet-C")
    for path in (tmp_path / "ImageNet-C").glob(f"*/*/{WNIDS[1]}/*.JPEG"):
        path.unlink()
    wrong = "expected images of all classes of the clean suite, found none of class 1; get the suite again"
    assert wrong in check(tmp_path)["c"].problems


def test_links_to_folders_are_named(photographs, tmp_path):
    (photographs / "fog").rename(tmp_path / "fog")
    (photographs / "fog").symlink_to(tmp_path / "fog")
    with pytest.raises(
        LayerMixError, match=rf"found the link {photographs / 'fog'}, which is not followed; move it here"
    ):
        check_data(photographs, progress=False)


def test_an_image_that_is_cut_is_found_by_reading_it(photographs):
    path = next((photographs / "fog" / "4").rglob("*.JPEG"))
    path.write_bytes(path.read_bytes()[:400])
    assert check(photographs)["c"].problems == ()
    assert f"{path.name}: truncated" in problem(photographs, deep=True)


def test_missing_and_damaged_videos(tmp_path):
    write_videos(tmp_path / "p")
    path = tmp_path / "p" / P[3] / WNIDS[0] / "ILSVRC2012_val_0.mp4"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert check(tmp_path / "p")["p"].problems == ()
    assert f"cannot read {path}" in problem(tmp_path / "p", deep=True)
    output, errors = start("evaluate", "check-data", tmp_path / "p", "--deep").communicate(timeout=60)
    assert len(output.splitlines()) == 2
    assert len(errors.splitlines()) == 1, errors  # neither OpenCV nor FFmpeg add lines of their own
    path.unlink()
    assert f"expected videos WNID/*.mp4 in {path.parent}, found none" in problem(tmp_path / "p")


# --- shards, and nothing ---------------------------------------------------------------------------------------------


def test_shards(tmp_path, digits):
    build(digits, tmp_path / "shards", "--view", "center", "--variants", 0)
    assert check(tmp_path / "shards", deep=True)["clean"].summary() == (
        f"clean: complete, 40 images as shards, in {tmp_path / 'shards'}"
    )
    tar = next((tmp_path / "shards" / "clean").glob("*.tar"))
    tar.write_bytes(tar.read_bytes()[:2000])
    assert check(tmp_path / "shards", deep=True)["clean"].problems


def test_folders_that_hold_no_suite(tmp_path):
    with pytest.raises(LayerMixError, match="expected a folder with suites, found none"):
        check_data(tmp_path / "nowhere")
    assert "found an empty folder" in problem(tmp_path)
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(LayerMixError, match="expected arrays of C, C-bar or P"):
        check_data(tmp_path)
