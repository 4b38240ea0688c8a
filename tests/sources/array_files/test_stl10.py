"""STL-10 in its binary files, against a reading of the raw bytes as torchvision's loader documents it."""

from pathlib import Path

import numpy as np
import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.sources import open_source, open_test_set, source_files

COUNTS = {"train": 4, "test": 3, "unlabeled": 2}
NAMES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


def write(root: Path) -> Path:
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    for split, count in COUNTS.items():
        rng.integers(0, 256, (count, 3, 96, 96), np.uint8).tofile(folder / f"{split}_X.bin")
        if split != "unlabeled":
            (np.arange(count, dtype=np.uint8) * 3 % 10 + 1).tofile(folder / f"{split}_y.bin")
    (folder / "class_names.txt").write_text("\n".join(NAMES) + "\n")
    return folder


def refusal(location: Path, kind: str = "auto") -> str:
    with pytest.raises(LayerMixError) as caught:
        open_source(location, kind).items()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("parent", [False, True])
def test_pixels_and_labels(parent: bool, tmp_path: Path) -> None:
    folder = write(tmp_path)
    for split, count in COUNTS.items():
        stored = np.fromfile(folder / f"{split}_X.bin", np.uint8).reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)
        source = open_source(tmp_path if parent else folder, f"auto:{split}")
        items = source.items()
        assert np.array_equal([source.read(item) for item in items], stored.transpose(0, 2, 3, 1))
        assert [item.id for item in items] == [f"{split}/{number:05d}" for number in range(count)]
        expected = [-1, -1] if split == "unlabeled" else (np.fromfile(folder / f"{split}_y.bin", np.uint8) - 1).tolist()
        assert [item.label for item in items] == expected
        assert (source.classes, source.pixel_size(items[0])) == (NAMES, (96, 96))
        image = source.read(items[0])
        assert image.flags.c_contiguous
        assert image.flags.writeable
    assert open_test_set(tmp_path).kind == "stl10:test"
    names = [path.name for path in source_files(open_source(folder))]
    assert names == ["class_names.txt", "train_X.bin", "train_y.bin"]
    assert len(source_files(open_source(folder, "stl10:unlabeled"))) == 2


@pytest.mark.parametrize("missing", ["train_y.bin", "class_names.txt", "train_X.bin"])
def test_the_file_that_is_missing_is_named(missing: str, tmp_path: Path) -> None:
    (write(tmp_path) / missing).unlink()
    expected = f"cannot read {tmp_path}/stl10_binary/{missing}: no such file or directory; extract the archive again"
    assert refusal(tmp_path) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train_X.bin", bytes(27648 * 4 - 1), "expected records of 27648 bytes in"),
        ("train_X.bin", b"", "expected records of 27648 bytes in"),
        ("train_X.bin", bytes(27648 * 3), "found 4 labels for 3 images"),
        ("train_y.bin", bytes([1, 2, 3]), "found 3 labels for 4 images"),
        ("train_y.bin", bytes([1, 2, 3, 0]), "expected labels from 1 to 10 in"),
        ("train_y.bin", bytes([1, 2, 3, 11]), "expected labels from 1 to 10 in"),
        ("class_names.txt", b"", "expected the class names in"),
    ],
)
def test_damage_is_named(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (write(tmp_path) / name).write_bytes(content)
    assert message in refusal(tmp_path)


def test_none_is_found_in_another_folder(tmp_path: Path) -> None:
    expected = f"expected the files of stl10_binary in {tmp_path}, found none; check the path and --kind"
    assert refusal(tmp_path, "stl10") == expected
