"""SVHN in MATLAB files, against SciPy's reading and torchvision's documented way to labels and pixels."""

import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from layermix_gen.errors import LayerMixError
from layermix_gen.sources import open_source, open_test_set, source_files

RNG = np.random.default_rng(6)
IMAGES = RNG.integers(0, 256, (32, 32, 3, 11), np.uint8)
LABELS = np.array([[1, 10, 9, 2, 10, 3, 4, 5, 6, 7, 8]], np.uint8).T


def write(folder: Path, compressed: bool = True, **arrays: Any) -> Path:
    for split in ("train", "test", "extra"):
        content = {"X": IMAGES, "y": LABELS, **arrays}
        savemat(folder / f"{split}_32x32.mat", content, do_compression=compressed)
    return folder


def refusal(location: Path, kind: str = "auto") -> str:
    with pytest.raises(LayerMixError) as caught:
        open_source(location, kind).items()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return str(caught.value)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.int32])
def test_pixels_and_labels(compressed: bool, dtype: Any, tmp_path: Path) -> None:
    write(tmp_path, compressed, y=LABELS.astype(dtype))
    for split in ("train", "test", "extra"):
        loaded = loadmat(tmp_path / f"{split}_32x32.mat")
        labels = loaded["y"].astype(np.int64).squeeze()
        np.place(labels, labels == 10, 0)
        for source in (
            open_source(tmp_path, f"auto:{split}"),
            open_source(tmp_path / f"{split}_32x32.mat"),
            open_source(tmp_path / f"{split}_32x32.mat", f"svhn:{split}"),
        ):
            items = source.items()
            assert [item.label for item in items] == labels.tolist()
            assert np.array_equal([source.read(item) for item in items], loaded["X"].transpose(3, 0, 1, 2))
            assert items[10].id == f"{split}/00010"
            assert (source.classes, source.pixel_size(items[0])) == (tuple("0123456789"), (32, 32))
            assert source.read(items[0]).flags.c_contiguous
            assert [path.name for path in source_files(source)] == [f"{split}_32x32.mat"]
    assert open_test_set(tmp_path).kind == "svhn:test"
    assert refusal(tmp_path / "train_32x32.mat", "svhn:test").endswith(
        "; give the file of test, or --kind svhn to take this one"
    )


def test_a_split_that_is_missing_is_named(tmp_path: Path) -> None:
    (write(tmp_path) / "train_32x32.mat").unlink()
    expected = f"expected train_32x32.mat in {tmp_path}, found extra_32x32.mat, test_32x32.mat; "
    assert refusal(tmp_path) == expected + "get it from the authors, or change --kind"
    assert len(open_source(tmp_path, "auto:extra").items()) == 11


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": IMAGES.astype(np.int16)}, "expected X as uint8 (32, 32, 3, N) in"),
        ({"X": IMAGES[:31]}, "expected X as uint8 (32, 32, 3, N) in"),
        ({"X": IMAGES[..., :0]}, "expected X as uint8 (32, 32, 3, N) in"),
        ({"X": {"a": 1}}, "expected X as uint8 (32, 32, 3, N) in"),
        ({"X": np.array([IMAGES, 1], object)}, "expected X as uint8 (32, 32, 3, N) in"),
        ({"X": "text"}, "expected X as uint8 (32, 32, 3, N) in"),
        ({"y": LABELS[:9]}, "expected y as numbers (11, 1) in"),
        ({"y": np.array([{}] * 11, object)[:, None]}, "expected y as numbers (11, 1) in"),
        ({"y": LABELS % 10}, "expected labels from 1 to 10 in"),
        ({"y": LABELS + 0.5}, "expected labels from 1 to 10 in"),
        ({"y": np.full((11, 1), np.nan)}, "expected labels from 1 to 10 in"),
    ],
)
def test_other_content_is_refused(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    write(tmp_path, **arrays)
    assert message in refusal(tmp_path)
    assert str(tmp_path / "train_32x32.mat") in refusal(tmp_path)


def test_a_file_without_the_arrays_is_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "train_32x32.mat", {"images": IMAGES})
    assert "expected X as uint8 (32, 32, 3, N) in" in refusal(tmp_path)


def test_damaged_files_give_one_line(tmp_path: Path) -> None:
    path = write(tmp_path) / "train_32x32.mat"
    whole = path.read_bytes()
    for length in (0, 3, 100, 128, 150, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert str(path) in refusal(tmp_path), length
    rng = np.random.default_rng(7)
    for compressed in (False, True):
        write(tmp_path, compressed, X=IMAGES[..., :2], y=LABELS[:2])
        small = path.read_bytes()
        for _ in range(100):
            changed = bytearray(small)
            for _ in range(3):
                changed[rng.integers(100, 300)] = rng.integers(256)
            path.write_bytes(changed)
            try:
                open_source(tmp_path).items()
            except LayerMixError as fault:
                assert "\n" not in str(fault)  # noqa: PT017


def test_a_changed_pixel_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path) / "train_32x32.mat"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    assert "truncated or corrupt" in refusal(tmp_path)


def test_a_file_of_another_byte_order(tmp_path: Path) -> None:
    """Written by hand, as no library writes them: MATLAB of other machines did."""

    def element(kind: int, data: bytes) -> bytes:
        return np.array([kind, len(data)], ">u4").tobytes() + data + bytes(-len(data) % 8)

    def matrix(name: bytes, code: int, kind: int, array: np.ndarray) -> bytes:
        parts = (6, np.array([code, 0], ">u4").tobytes()), (5, np.array(array.shape, ">i4").tobytes()), (1, name)
        return element(14, b"".join(element(*part) for part in (*parts, (kind, array.tobytes("F")))))

    content = matrix(b"X", 9, 2, IMAGES) + matrix(b"y", 6, 9, LABELS.astype(">f8"))
    path = tmp_path / "test_32x32.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + b"\1\0MI" + content)
    assert np.array_equal(loadmat(path)["y"], LABELS)
    source = open_source(path)
    assert [item.label for item in source.items()] == (LABELS[:, 0] % 10).tolist()
    assert np.array_equal(source.read(source.items()[3]), IMAGES[..., 3])


def test_other_arrays_are_passed_over(tmp_path: Path) -> None:
    others: dict[str, Any] = {"a": "text", "b": {"c": 1}, "d": np.array([1, "x"], object), "e": 1j}
    write(tmp_path, **others)
    assert len(open_source(tmp_path).items()) == 11


def test_a_version_of_another_form_is_named(tmp_path: Path) -> None:
    header = b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\0\2IM"
    (tmp_path / "train_32x32.mat").write_bytes(header + bytes(400))
    assert str(tmp_path / "train_32x32.mat") in refusal(tmp_path)


def test_a_small_file_cannot_claim_any_memory(tmp_path: Path) -> None:
    """The shape says a thousand million images: that is refused before anything is read."""
    path = write(tmp_path, compressed=False) / "train_32x32.mat"
    shape = np.array([32, 32, 3, 11], "<i4").tobytes()
    content = path.read_bytes()
    assert content.count(shape) == 1
    path.write_bytes(content.replace(shape, np.array([32, 32, 3, 1_000_000_000], "<i4").tobytes()))
    tracemalloc.start()
    refusal(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_what_is_compressed_to_a_thousandth_stays_within_its_shape(tmp_path: Path) -> None:
    path = write(tmp_path) / "train_32x32.mat"
    raw = zlib.compress(np.array([14, 50_000_000], "<u4").tobytes() + bytes(50_000_000))
    element = np.array([15, len(raw)], "<u4").tobytes() + raw
    path.write_bytes(path.read_bytes()[:128] + element)
    tracemalloc.start()
    refusal(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
