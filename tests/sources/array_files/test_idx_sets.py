"""IDX files as torchvision and their authors lay them out: MNIST's test files alone, QMNIST, EMNIST, several sets."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.sources import open_source, open_test_set, source_files

RNG = np.random.default_rng(3)
TRAIN, TEST = RNG.integers(0, 256, (6, 28, 28), np.uint8), RNG.integers(0, 256, (4, 28, 28), np.uint8)
CODES = {"u1": 8, ">i4": 12}


def save(path: Path, array: np.ndarray, dtype: str = "u1") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">HBB{array.ndim}I", 0, CODES[dtype], array.ndim, *array.shape)
    data = header + array.astype(dtype).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def read(path: Path) -> np.ndarray:
    """Another reading of an IDX file: by its magic number, as torchvision documents it."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    magic = int.from_bytes(data[:4], "big")
    shape = np.frombuffer(data, ">i4", magic % 256, 4)
    return np.frombuffer(data, {8: "u1", 12: ">i4"}[magic // 256], offset=4 + 4 * len(shape)).reshape(shape)


def write(folder: Path, prefix: str = "", test: str = "t10k", end: str = "") -> Path:
    """Both splits of a set like MNIST, with labels that run on."""
    for split, images in (("train", TRAIN), (test, TEST)):
        save(folder / f"{prefix}{split}-images-idx3-ubyte{end}", images)
        save(folder / f"{prefix}{split}-labels-idx1-ubyte{end}", np.arange(len(images)) + 1)
    return folder


def pixels(location: Path, kind: str = "auto") -> np.ndarray:
    source = open_source(location, kind)
    return np.stack([source.read(item) for item in source.items()])


def refusal(location: Path, kind: str = "auto") -> str:
    with pytest.raises(LayerMixError) as caught:
        open_source(location, kind).items()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("end", ["", ".gz"])
def test_the_test_files_alone(end: str, tmp_path: Path) -> None:
    for path in write(tmp_path, end=end).glob("train-*"):
        path.unlink()
    for source in (open_source(tmp_path, "auto:test"), open_source(tmp_path, "idx:test"), open_test_set(tmp_path)):
        assert source.kind == "idx:test"
        assert [(item.id, item.label) for item in source.items()] == [(f"test/{n:05d}", n + 1) for n in range(4)]
        assert np.array_equal([source.read(item)[..., 1] for item in source.items()], TEST)
    expected = f"expected train-images-idx3-ubyte or the same with .gz in {tmp_path}, found t10k-images-idx3-ubyte{end}"
    assert refusal(tmp_path) == f"{expected}; give --kind idx:test"


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
def test_the_folders_of_torchvision(name: str, tmp_path: Path) -> None:
    write(tmp_path / name / "raw")
    for location in (tmp_path, tmp_path / name, tmp_path / name / "raw"):
        assert np.array_equal(pixels(location)[..., 2], TRAIN)
        assert np.array_equal(pixels(location, "auto:test")[..., 0], TEST)
        assert open_source(location).location == str(location)
        assert len(source_files(open_source(location))) == 4


def test_several_sets_are_named(tmp_path: Path) -> None:
    for name in ("MNIST", "FashionMNIST"):
        write(tmp_path / name / "raw")
    write(tmp_path, "emnist-letters-", "test")
    write(tmp_path, "emnist-byclass-", "test")
    assert refusal(tmp_path) == (
        f"expected one set of IDX files in {tmp_path}, found emnist-byclass, emnist-letters, FashionMNIST/raw and "
        "MNIST/raw; give the path of the images of one, such as emnist-byclass-train-images-idx3-ubyte"
    )
    path = tmp_path / "emnist-letters-test-images-idx3-ubyte"
    source = open_source(path)
    assert source.items()[0].id == "test/00000"
    assert open_source(path, "idx:test").items() == source.items() == open_test_set(path).items()
    assert [file.name for file in source_files(source)] == [path.name, "emnist-letters-test-labels-idx1-ubyte"]
    path = tmp_path / "emnist-letters-train-images-idx3-ubyte"
    assert refusal(path, "idx:test") == (
        f"expected the test split, found that of train at {path}; give the file of test, or --kind idx to take this one"
    )
    with pytest.raises(LayerMixError, match="or --kind idx to take this one"):
        open_test_set(path)


def test_the_same_set_gzipped_and_plain_is_one(tmp_path: Path) -> None:
    write(write(tmp_path), end=".gz")
    assert np.array_equal(pixels(tmp_path)[..., 0], TRAIN)


@pytest.mark.parametrize("end", ["", ".gz"])
def test_qmnist(end: str, tmp_path: Path) -> None:
    labels = RNG.integers(0, 1 << 31, (6, 8))
    labels[:, 0] = [3, 1, 4, 1, 5, 9]
    save(tmp_path / f"qmnist-train-images-idx3-ubyte{end}", TRAIN)
    save(tmp_path / f"qmnist-train-labels-idx2-int{end}", labels, ">i4")
    source = open_source(tmp_path)
    assert [item.label for item in source.items()] == [3, 1, 4, 1, 5, 9]
    stored = read(tmp_path / f"qmnist-train-labels-idx2-int{end}")
    assert [item.label for item in source.items()] == stored[:, 0].tolist()
    assert source.classes == tuple("0123456789")
    assert np.array_equal(pixels(tmp_path)[..., 0], TRAIN)


def test_emnist_is_upright_and_has_the_names_of_its_mapping(tmp_path: Path) -> None:
    folder = write(tmp_path / "EMNIST" / "raw", "emnist-letters-", "test")
    assert open_source(tmp_path).classes == tuple("0123456")
    mapping = folder / "emnist-letters-mapping.txt"
    mapping.write_text("".join(f"{n} {64 + n} {96 + n}\n" for n in range(1, 27)))
    for kind, name in (("auto", "train"), ("auto:test", "test")):
        stored = read(folder / f"emnist-letters-{name}-images-idx3-ubyte")
        assert np.array_equal(pixels(tmp_path, kind)[..., 0], stored.transpose(0, 2, 1))
        source = open_source(tmp_path, kind)
        assert [item.label for item in source.items()] == list(range(1, len(stored) + 1))
        assert (source.classes[1], source.classes[26], source.classes[0], len(source.classes)) == ("Aa", "Zz", "0", 27)
        assert mapping in source_files(source)
    assert source.read(source.items()[0]).flags.c_contiguous


@pytest.mark.parametrize("line", ["1 x", "1", "-1 65", "2000000 65", "1 1114112", "1 55296", "²² 65", "1 10"])
def test_a_mapping_that_is_none_is_refused(line: str, tmp_path: Path) -> None:
    write(tmp_path, "emnist-digits-", "test")
    (tmp_path / "emnist-digits-mapping.txt").write_text(f"0 48\n{line}\n")
    expected = f"expected a label and the codes of its characters in line 2 of {tmp_path}/emnist-digits-mapping.txt"
    assert refusal(tmp_path).startswith(expected)


@pytest.mark.parametrize("labels", [[1, 2, 3, 4, 5, -2], [0, 0, 0, 0, 0, 1_000_000], [1 << 31] * 6])
def test_labels_out_of_range_are_refused(labels: list[int], tmp_path: Path) -> None:
    """A large one would name as many classes."""
    save(tmp_path / "train-images-idx3-ubyte", TRAIN)
    save(tmp_path / "train-labels-idx1-int", np.array(labels), ">i4")
    path = tmp_path / "train-labels-idx1-int"
    assert refusal(tmp_path).startswith(f"expected labels from -1 to 999999 in {path}, found ")


def test_files_of_integers_are_no_images(tmp_path: Path) -> None:
    write(tmp_path)
    save(tmp_path / "train-images-idx3-ubyte", TRAIN, ">i4")
    assert refusal(tmp_path).startswith("expected an IDX file of unsigned bytes, found something else in ")


def test_a_truncated_file_of_integers_is_named(tmp_path: Path) -> None:
    save(tmp_path / "train-images-idx3-ubyte", TRAIN)
    path = tmp_path / "train-labels-idx2-int.gz"
    save(path, np.zeros((6, 8)), ">i4")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-3]))
    assert refusal(tmp_path) == f"expected 192 bytes of data in {path}: it is truncated; download it again"
