"""`.npz` and `.npy` files: the names, types and layouts that are taken, against np.load, and what is refused."""

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.sources import open_source, open_test_set, source_files

RGB = np.random.default_rng(4).integers(0, 256, (5, 6, 9, 3), np.uint8)
LABELS = np.array([2, 0, 1, 2, 0])


def save(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def pixels(location: Path, kind: str = "auto") -> np.ndarray:
    source = open_source(location, kind)
    return np.stack([source.read(item) for item in source.items()])


def labels(location: Path, kind: str = "auto") -> list[int]:
    return [item.label for item in open_source(location, kind).items()]


def refusal(location: Path, kind: str = "auto") -> str:
    with pytest.raises(LayerMixError) as caught:
        open_source(location, kind).items()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert str(location.name) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("images", "labels"),
        ("x", "y"),
        ("X", "y"),
        ("X", "Y"),
        ("arr_0", "arr_1"),
        ("x_train", "y_train"),
        ("X_train", "y_train"),
        ("train_images", "train_labels"),
        ("data", "labels"),
        ("image", "label"),
    ],
)
def test_names_of_pairs(x: str, y: str, tmp_path: Path) -> None:
    path = save(tmp_path / "set.npz", **{x: RGB, y: LABELS, "other": np.zeros(3)})
    loaded = np.load(path)
    assert open_source(path).kind == "npz"
    assert np.array_equal(pixels(path), loaded[x])
    assert labels(path) == loaded[y].tolist()
    assert open_source(path).classes == ("0", "1", "2")
    assert [item.id for item in open_source(path).items()] == [f"train/{number:05d}" for number in range(5)]
    assert source_files(open_source(path)) == [path]


@pytest.mark.parametrize("form", ["x_{}|y_{}", "{}_images|{}_labels"])
def test_splits(form: str, tmp_path: Path) -> None:
    arrays = {}
    for number, split in enumerate(("train", "val", "test")):
        for name, array in zip(form.split("|"), (RGB[number : number + 2], LABELS[number : number + 2]), strict=True):
            arrays[name.format(split)] = array
    path = save(tmp_path / "set.npz", **arrays)
    for kind, begin in (("auto", 0), ("npz:train", 0), ("npz:val", 1), ("auto:test", 2)):
        assert np.array_equal(pixels(path, kind), RGB[begin : begin + 2])
        assert labels(path, kind) == LABELS[begin : begin + 2].tolist()
    assert open_test_set(path).items()[0].id == "test/00000"
    save(path, **{name: array for name, array in arrays.items() if "val" not in name})
    assert refusal(path, "npz:val").endswith("found train, test; give --kind npz:train")
    save(path, **{name: array for name, array in arrays.items() if "val" in name})
    assert refusal(path).endswith("found val; give --kind npz:val")


def test_a_file_with_one_pair_is_the_split_that_is_asked_for(tmp_path: Path) -> None:
    path = save(tmp_path / "test.npz", images=RGB, labels=LABELS)
    source = open_test_set(path)
    assert (source.kind, source.items()[0].id) == ("npz:test", "test/00000")


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        pytest.param(RGB[..., 0], RGB[..., [0, 0, 0]], id="N H W"),
        pytest.param(RGB[..., :1], RGB[..., [0, 0, 0]], id="N H W 1"),
        pytest.param(RGB, RGB, id="N H W 3"),
        pytest.param(RGB.transpose(0, 3, 1, 2), RGB, id="N 3 H W"),
        pytest.param(RGB[..., :1].transpose(0, 3, 1, 2), RGB[..., [0, 0, 0]], id="N 1 H W"),
        pytest.param(np.asfortranarray(RGB), RGB, id="by columns"),
        pytest.param(RGB / 255, RGB, id="float64"),
        pytest.param((RGB / 255).astype(">f4"), RGB, id="float32, big-endian"),
        pytest.param((RGB / 255).astype(np.float16), RGB, id="float16"),
    ],
)
@pytest.mark.parametrize("end", ["npz", "npy"])
def test_layouts_and_types(stored: np.ndarray, expected: np.ndarray, end: str, tmp_path: Path) -> None:
    path = tmp_path / f"set.{end}"
    if end == "npz":
        save(path, images=stored, labels=LABELS)
    else:
        np.save(path, stored)
        np.save(tmp_path / "labels.npy", LABELS)
    difference = np.abs(pixels(path).astype(int) - expected)
    assert difference.max() <= (stored.dtype == np.float16)
    source = open_source(path)
    item = source.items()[0]
    assert item.size == stored[0].nbytes
    assert source.read(item).flags.c_contiguous
    assert source.read(item).flags.writeable


@pytest.mark.parametrize(
    "given",
    [
        LABELS[:, None],
        LABELS.astype(np.uint8),
        LABELS.astype(">u8"),
        LABELS.astype(np.float32),
    ],
)
def test_forms_of_labels(given: np.ndarray, tmp_path: Path) -> None:
    assert labels(save(tmp_path / "set.npz", images=RGB, labels=given)) == LABELS.tolist()


def test_labels_that_are_names(tmp_path: Path) -> None:
    path = save(tmp_path / "set.npz", images=RGB, labels=np.array(["dog", "cat", "cow", "dog", "cat"]))
    assert labels(path) == [2, 0, 1, 2, 0]
    assert open_source(path).classes == ("cat", "cow", "dog")


@pytest.mark.parametrize(
    ("given", "expected", "classes"),
    [
        (np.array([b"dog", "Ätna".encode(), b"cat", b"dog", b"cat"]), [1, 2, 0, 1, 0], ("cat", "dog", "Ätna")),
        (np.array([b"2", b"0", b"1", b"2", b"-1"]), [2, 0, 1, 2, -1], ("0", "1", "2")),
        (np.array([["cat"], [""], ["dog"], ["cat"], ["cat"]]), [0, -1, 1, 0, 0], ("cat", "dog")),
    ],
)
def test_labels_of_text(given: np.ndarray, expected: list[int], classes: tuple[str, ...], tmp_path: Path) -> None:
    path = save(tmp_path / "set.npz", images=RGB, labels=given)
    assert (labels(path), open_source(path).classes) == (expected, classes)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (["0", "99999999999", "1", "1", "1"], "in [-1, 999999] as label in labels[1] of {}, got '99999999999'"),
        (["0", "1000000", "1", "1", "1"], "got '1000000'"),
        (["cat", "-1", "dog", "cat", "cat"], "got '-1' in labels[1] of {} and 'cat' in labels[0]"),
        (["cat", "", "nan", "3", "cat"], "as label in labels[2] of {}, got 'nan'"),
        (["1.5", "1", "1", "1", "1"], "as label in labels[0] of {}, got '1.5'"),
        ([b"cat", b"\xff", b"cat", b"cat", b"cat"], "expected labels in UTF-8 in {}, found b'\\xff'"),
        ([0.0, 2.5, 1.0, 1.0, 1.0], "expected whole numbers or names as labels in {}, found 2.5; "),
        ([0.0, 2.0, np.inf, 1.0, 1.0], "expected labels from -1 to 999999 in {}, found 0.0 to inf"),
        ([True, False, True, True, True], "expected whole numbers or names as labels in {}, found bool; "),
    ],
)
def test_labels_that_are_none(given: list[object], fault: str, tmp_path: Path) -> None:
    path = save(tmp_path / "set.npz", images=RGB, labels=np.array(given))
    with pytest.raises(LayerMixError) as caught:
        open_source(path).items()
    assert fault.format(path) in str(caught.value)


def test_npy_with_labels_as_cifar_10_c_and_cifar_10_1_have_them(tmp_path: Path) -> None:
    for name, of in (("gaussian_noise", "labels"), ("v6_data", "v6_labels"), ("train_images", "train_labels")):
        np.save(tmp_path / f"{name}.npy", RGB)
        np.save(tmp_path / f"{of}.npy", LABELS)
        source = open_source(tmp_path / f"{name}.npy")
        assert labels(tmp_path / f"{name}.npy") == LABELS.tolist()
        assert [path.name for path in source_files(source)] == sorted([f"{name}.npy", f"{of}.npy"])
        assert np.array_equal(pixels(tmp_path / f"{name}.npy"), RGB)
        (tmp_path / f"{of}.npy").unlink()
        expected = " or ".join(dict.fromkeys([f"{of}.npy", "labels.npy"]))
        assert f"expected {expected} next to " in refusal(tmp_path / f"{name}.npy")


@pytest.mark.parametrize(
    ("images", "given"),
    [
        ("x_train", "y_train"),
        ("X_train", "y_train"),
        ("trainX", "trainY"),
        ("Xtrain", "ytrain"),
        ("X", "y"),
        ("trainImages", "trainLabels"),
        ("arr_0", "arr_1"),
        ("image", "label"),
    ],
)
def test_the_labels_of_an_npy_are_in_the_file_of_its_pair(images: str, given: str, tmp_path: Path) -> None:
    path = tmp_path / f"{images}.npy"
    np.save(path, RGB)
    np.save(tmp_path / "exact.npy", LABELS)
    np.save(tmp_path / f"{given}.npy", LABELS)
    assert labels(path) == LABELS.tolist()
    np.save(tmp_path / "labels.npy", LABELS[::-1])
    assert refusal(path) == (
        f"expected one file of labels for {path}, found {' and '.join(sorted([f'{given}.npy', 'labels.npy']))}, which "
        "may both be meant; take one out"
    )
    (tmp_path / f"{given}.npy").unlink()
    assert labels(path) == LABELS[::-1].tolist()


def test_a_file_is_told_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", LABELS)
    np.save(tmp_path / "set.npy", RGB)
    save(tmp_path / "set.npz", images=RGB, labels=LABELS)
    for name, other in (("set.npy", "pictures"), ("set.npz", "pictures.npy")):
        path = (tmp_path / name).rename(tmp_path / other)
        assert open_source(path).kind == "npz"
        assert np.array_equal(pixels(path), RGB)
        assert labels(path) == LABELS.tolist()
        assert len(source_files(open_source(path))) == (2 if name == "set.npy" else 1)


def test_npy_is_mapped_and_not_read(tmp_path: Path) -> None:
    images = np.lib.format.open_memmap(tmp_path / "set.npy", "w+", np.uint8, (4000, 100, 100, 3))
    images[3999] = 7
    np.save(tmp_path / "labels.npy", np.zeros(4000, np.int64))
    tracemalloc.start()
    source = open_source(tmp_path / "set.npy")
    assert (source.read(source.items()[3999]) == 7).all()
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": RGB.astype(np.int16), "labels": LABELS}, "expected images as uint8, or as floats in [0, 1]"),
        ({"images": RGB > 9, "labels": LABELS}, "found bool (5, 6, 9, 3)"),
        ({"images": RGB.astype(complex), "labels": LABELS}, "found complex128"),
        (
            {"images": RGB[..., [0, 0, 0, 0]], "labels": LABELS},
            "expected images (N, H, W), (N, H, W, 3) or (N, 3, H, W)",
        ),
        ({"images": RGB[:, :3], "labels": LABELS}, "found (5, 3, 9, 3), which may be two of them"),
        ({"images": RGB[0], "labels": np.zeros(6, int)}, "found (6, 9, 3), which may be one image"),
        ({"images": RGB[None], "labels": LABELS}, "found (1, 5, 6, 9, 3)"),
        ({"images": RGB[:0], "labels": LABELS}, "found (0, 6, 9, 3)"),
        ({"images": RGB.reshape(5, -1), "labels": LABELS}, "found (5, 162)"),
        ({"images": RGB.astype(float), "labels": LABELS}, "expected floats in [0, 1]"),
        ({"images": RGB, "labels": LABELS[:4]}, "found 4 labels for 5 images"),
        ({"images": RGB, "labels": np.eye(5)}, "expected labels (N,) in"),
        ({"images": RGB, "labels": LABELS + 0.5}, "expected whole numbers or names as labels in"),
        ({"images": RGB, "labels": np.full(5, np.nan)}, "expected whole numbers or names as labels in"),
        ({"images": RGB, "labels": np.array([{}] * 5)}, "holds Python objects"),
        ({"images": np.array([RGB[0]] * 5 + [None], object)[:5], "labels": LABELS}, "holds Python objects"),
        ({"images": RGB, "labels": np.full(5, 1 << 40)}, "expected labels from -1 to 999999 in"),
        ({"images": RGB, "labels": np.full(5, (1 << 64) - 1, np.uint64)}, "expected labels from -1 to 999999 in"),
        ({"images": RGB, "labels": np.float64(3)}, "expected labels (N,) in"),
        ({"images": RGB}, "expected images and labels in"),
        ({"pictures": RGB, "labels": LABELS}, "found labels, pictures; save them by np.savez"),
        ({"images": RGB, "labels": LABELS, "x": RGB, "y": LABELS}, "found images and x, which may both be meant"),
        ({"X": RGB, "x": RGB, "y": LABELS}, "found X and x, which may both be meant; save them by np.savez"),
        ({"x": RGB, "y": LABELS, "Y": LABELS}, "expected one array of labels in"),
        ({"images": np.concatenate([RGB[:1] * 0.0, RGB.astype(float)]), "labels": np.arange(6)}, "divide them by 255"),
        ({"images": np.zeros(5, [("a", "u1"), ("b", "f4")]), "labels": LABELS}, "found void40 (5,)"),
    ],
)
def test_other_arrays_are_refused(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    assert message in refusal(save(tmp_path / "set.npz", **arrays))


def test_a_float_out_of_range_is_a_bad_image(tmp_path: Path) -> None:
    images = RGB / 255
    images[3, 2, 1, 0], images[4, 0, 0, 0] = 1.5, np.nan
    source = open_source(save(tmp_path / "set.npz", images=images, labels=LABELS))
    for item in source.items()[3:]:
        with pytest.raises(BadImage, match=r"^values outside of \[0, 1\]$"):
            source.read(item)
    assert np.array_equal(source.read(source.items()[2]), RGB[2])


def npy(header: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode("latin1") + data


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            npy("{'descr': '|u1', 'fortran_order': False, 'shape': (5, 1000000, 1000000)}"), id="a huge shape"
        ),
        pytest.param(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-5, -4, 4)}", bytes(80)), id="negative"),
        pytest.param(
            npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({1 << 99}, 4, 4)}}"), id="beyond 64 bits"
        ),
        pytest.param(
            npy("{'descr': '|O', 'fortran_order': False, 'shape': (5, 4, 4)}", b"cos\nsystem\n."), id="objects"
        ),
        pytest.param(
            npy("{'descr': '|u1', 'fortran_order': False, 'shape': (True, 4, 4)}", bytes(16)), id="a truth value"
        ),
        pytest.param(npy("__import__('os')"), id="code"),
        pytest.param(npy("(" * 900), id="parentheses"),
        pytest.param(npy("{'descr': '|u1'"), id="half a header"),
        pytest.param(npy("", version=b"\x09\0"), id="an unknown version"),
        pytest.param(b"\x93NUMPY", id="the magic alone"),
        pytest.param(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4, 4)}", bytes(31)), id="truncated"),
        pytest.param(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4, 4)}", bytes(33)), id="too long"),
    ],
)
@pytest.mark.parametrize("end", ["npz", "npy"])
def test_damaged_files_are_named(content: bytes, end: str, tmp_path: Path) -> None:
    path = tmp_path / f"set.{end}"
    np.save(tmp_path / "labels.npy", LABELS)
    path.write_bytes(content)
    if end == "npz":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("images.npy", content)
            file.write(tmp_path / "labels.npy", "labels.npy")
    tracemalloc.start()
    refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_a_truncated_or_changed_zip_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "set.npz", images=RGB, labels=LABELS)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert "truncated or corrupt" in refusal(path, "npz")
    path.write_bytes(whole[:200] + bytes([whole[200] ^ 255]) + whole[201:])
    assert "truncated or corrupt" in refusal(path)


def test_a_zip_that_unpacks_to_more_than_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layermix_gen.sources.array_files.npy_format.MOST_BYTES", 1_000_000)
    path = save(tmp_path / "set.npz", images=np.zeros((50, 100, 100, 3), np.uint8), labels=np.zeros(50, int))
    assert path.stat().st_size < 10_000
    message = refusal(path)
    assert message.startswith(f"expected at most 1000000 bytes of images in {path}, found 1500128 once decompressed")
    assert message.endswith("; save them as .npy, which is mapped into memory")


def test_files_that_are_none(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as file:
        file.writestr("a.txt", "hello")
    assert "found a ZIP archive of other files, or one that is cut off; " in refusal(tmp_path / "set.npz")
    assert "truncated or corrupt" not in refusal(tmp_path / "set.npz", "npz")
    with pytest.raises(LayerMixError, match=r"expected an \.npz or \.npy file, found none at"):
        open_source(tmp_path, "npz")
    (tmp_path / "empty.npy").touch()
    refusal(tmp_path / "empty.npy", "npz")


def test_the_file_is_decompressed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "set.npz", images=RGB, labels=LABELS)
    source = open_source(path)
    first = source.read(source.items()[0])
    monkeypatch.setattr(zipfile, "ZipFile", io.StringIO)  # which opens no file
    assert not np.array_equal(source.read(source.items()[4]), first)
