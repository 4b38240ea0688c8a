"""Reading while the machine is at fault: tried again, then the end of the run; never the fault of an image."""

import builtins
import errno
import io
import os
import pickle
import re
import shutil
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from layermix_gen.errors import BadImage, LayerMixError, OutOfResources
from layermix_gen.mixing_sets.packing import pack
from layermix_gen.sources import open_source
from layermix_gen.sources.base import is_unread
from layermix_gen.support.files import SHORTAGES, WHEN_IT_IS_OVER

OF_THE_MACHINE = ("EIO", "ESTALE", "EMFILE", "ENFILE", "ENOMEM", "ETIMEDOUT", "EAGAIN", "ENETDOWN", "EREMOTEIO")
OF_THE_FILE = ("ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EPERM")


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """Let the next calls that open, look at or list a file fail; the function returns the pauses that follow."""

    def install(name: str, times: int) -> list[float]:
        pauses: list[float] = []
        left = [times]

        def failing(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(path: Any, *arguments: Any, **options: Any) -> Any:
                if left[0] and isinstance(path, str | os.PathLike) and "source" in str(path):
                    left[0] -= 1
                    raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))
                return call(path, *arguments, **options)

            return wrapped

        for module, call in ((os, "open"), (io, "open"), (builtins, "open"), (os, "scandir"), (os, "stat")):
            monkeypatch.setattr(module, call, failing(getattr(module, call)))
        monkeypatch.setattr(time, "sleep", pauses.append)
        return pauses

    return install


def as_folder(photographs: Path, root: Path) -> Path:
    return shutil.copytree(photographs, root / "source")


def as_table(photographs: Path, root: Path) -> Path:
    source = as_folder(photographs, root) / "table.csv"
    source.write_text("path,label\ncoffee/000.png,0\nrocket/001.jpg,1\n")
    return source


def as_tars(photographs: Path, root: Path) -> Path:
    (root / "source").mkdir()
    with tarfile.open(root / "source" / "000.tar", "w") as tar:
        tar.add(photographs / "coffee" / "000.png", "a.png")
        tar.add(photographs / "coffee" / "001.jpg", "b.jpg")
    return root / "source"


def as_idx(photographs: Path, root: Path) -> Path:
    (root / "source").mkdir()
    path = root / "source" / "train-images-idx3-ubyte"
    path.write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 8]) + bytes(128))
    path.with_name("train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 3, 4]))
    return path.parent


def as_cifar(photographs: Path, root: Path) -> Path:
    folder = root / "source"
    folder.mkdir()
    for number in range(1, 6):
        (folder / f"data_batch_{number}.bin").write_bytes(bytes(3073 * 2))
    (folder / "batches.meta.txt").write_text("\n".join("abcdefghij"))
    return folder


def as_pickles(photographs: Path, root: Path) -> Path:
    folder = root / "source"
    folder.mkdir()
    for number in range(1, 6):
        content = {"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]}
        (folder / f"data_batch_{number}").write_bytes(pickle.dumps(content, 2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["a", "b"]}, 2))
    return folder


def as_npz(photographs: Path, root: Path) -> Path:
    path = root / "source.npz"
    np.savez_compressed(path, images=np.zeros((2, 8, 8), np.uint8), labels=[0, 1])
    return path


def as_npy(photographs: Path, root: Path) -> Path:
    (root / "source").mkdir()
    np.save(root / "source" / "labels.npy", [0, 1])
    np.save(root / "source" / "set.npy", np.zeros((2, 8, 8), np.uint8))
    return root / "source" / "set.npy"


def as_stl10(photographs: Path, root: Path) -> Path:
    folder = root / "source"
    folder.mkdir()
    (folder / "train_X.bin").write_bytes(bytes(2 * 27648))
    (folder / "train_y.bin").write_bytes(bytes([1, 2]))
    (folder / "class_names.txt").write_text("a b")
    return folder


def as_svhn(photographs: Path, root: Path) -> Path:
    folder = root / "source"
    folder.mkdir()
    savemat(folder / "train_32x32.mat", {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1], [2]])})
    return folder


KINDS = {
    "folder": as_folder,
    "manifest": as_table,
    "webdataset": as_tars,
    "idx": as_idx,
    "cifar10": as_cifar,
    "pickles": as_pickles,
    "npz": as_npz,
    "npy": as_npy,
    "stl10": as_stl10,
    "svhn": as_svhn,
}


EACH = [*((kind, "EIO") for kind in KINDS), *(("folder", name) for name in OF_THE_MACHINE[1:])]


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_what_passes_is_not_noticed(
    kind: str, name: str, photographs: Path, tmp_path: Path, faulty: Callable[..., list[float]]
) -> None:
    location = KINDS[kind](photographs, tmp_path)
    source = open_source(location)
    items = source.items()
    pixels = source.read(items[0])
    pauses = faulty(name, 2)
    again = open_source(location)
    assert len(pauses) == 2
    faulty(name, 2)
    assert again.items() == items
    again = open_source(location)
    pauses = faulty(name, 2)
    assert np.array_equal(again.read(items[0]), pixels)
    assert len(pauses) == 2
    assert 0 < sum(pauses) < 2


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_what_stays_ends_the_run_in_one_line(
    kind: str, name: str, photographs: Path, tmp_path: Path, faulty: Callable[..., list[float]]
) -> None:
    location = KINDS[kind](photographs, tmp_path)
    item = open_source(location).items()[0]
    lister, reader = open_source(location), open_source(location)
    faulty(name, 1000)
    number = getattr(errno, name)
    short = number in SHORTAGES
    said = re.escape(f"; {SHORTAGES[number]}") if short else "^cannot read .*, 3 times; this is no fault of the file: "
    for call in (lambda: open_source(location), lister.items, lambda: reader.read(item)):
        with pytest.raises(OutOfResources if short else LayerMixError, match=said) as caught:
            call()
        assert not isinstance(caught.value, BadImage)


@pytest.mark.parametrize("kind", ["folder", "manifest", "webdataset"])
def test_an_image_is_not_blamed(
    kind: str, photographs: Path, tmp_path: Path, faulty: Callable[..., list[float]]
) -> None:
    source = open_source(KINDS[kind](photographs, tmp_path))
    item = source.items()[0]
    faulty("EIO", 1000)
    with pytest.raises(LayerMixError) as caught:
        source.read(item)
    path = tmp_path / "source" / ("000.tar" if kind == "webdataset" else item.id)
    assert str(caught.value) == f"cannot read {path}: input/output error, 3 times; {WHEN_IT_IS_OVER}"


@pytest.mark.parametrize("name", OF_THE_FILE)
@pytest.mark.parametrize("kind", ["folder", "manifest", "webdataset"])
def test_a_file_that_is_missing_or_closed_is_an_input_that_cannot_be_read(
    kind: str, name: str, photographs: Path, tmp_path: Path, faulty: Callable[..., list[float]]
) -> None:
    source = open_source(KINDS[kind](photographs, tmp_path))
    item = source.items()[0]
    pauses = faulty(name, 1000)
    with pytest.raises(BadImage) as caught:
        source.read(item)
    assert is_unread(str(caught.value))
    assert pauses == []


@pytest.mark.parametrize("why", ["empty file", "not an image", "truncated or corrupt: no such file", "too large: 3"])
def test_reasons_of_the_content_are_no_reasons_of_reading(why: str) -> None:
    assert not is_unread(why)


def test_a_short_read_is_a_fault_of_the_machine(
    photographs: Path, monkeypatch: pytest.MonkeyPatch, faulty: Callable[..., list[float]]
) -> None:
    source = open_source(photographs)
    item = source.items()[0]
    faulty("EIO", 0)
    whole = os.fdopen
    short = [1]

    class Short:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __enter__(self) -> "Short":
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def read(self) -> bytes:
            data = self._file.read()
            return data[: len(data) // 2] if short and short.pop() else data

    monkeypatch.setattr(os, "fdopen", lambda *a, **b: Short(whole(*a, **b)))
    assert source.read(item).shape == (56, 44, 3)
    short.extend([1, 1, 1])
    with pytest.raises(LayerMixError, match=rf"{item.size // 2} of {item.size} bytes came, 3 times; this is no fault"):
        source.read(item)


def test_a_linked_source_is_resolved_for_certain(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faulty: Callable[..., list[float]]
) -> None:
    """Or all its images would be taken for links out of the root."""
    (tmp_path / "link").symlink_to(photographs)
    faulty("EIO", 0)
    status, left = os.lstat, [1, 1]

    def failing(path: Any, *arguments: Any, **options: Any) -> Any:
        if str(path).endswith("link") and left:
            raise OSError(left.pop() and errno.ESTALE, "Stale file handle")
        return status(path, *arguments, **options)

    monkeypatch.setattr(os, "lstat", failing)
    source = open_source(tmp_path / "link", "folder")
    assert source.read(source.items()[0]).shape == (56, 44, 3)


def test_packing_ends_instead_of_leaving_a_picture_out(
    photographs: Path, tmp_path: Path, faulty: Callable[..., list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = as_folder(photographs, tmp_path)
    reading = os.open

    def failing(path: Any, *arguments: Any, **options: Any) -> Any:
        if str(path).endswith("coffee/002.png"):
            raise OSError(errno.EIO, "Input/output error")
        return reading(path, *arguments, **options)

    faulty("EIO", 0)
    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(LayerMixError, match=r"^cannot read .*coffee/002.png: input/output error, 3 times; "):
        pack(folder, tmp_path / "set.npy", 8, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]
