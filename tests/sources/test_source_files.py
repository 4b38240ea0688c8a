"""The files by which a source is known again: those that hold its images and labels."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from layermix_gen.sources import KINDS, SourceKind, SourceOptions, source_files

IDX = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", "train-images-idx3-ubyte", "train-labels-idx1-ubyte")
CIFAR = ("batches.meta", *(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


def names(kind: str, location: Path, root: Path) -> list[str]:
    source: Any = SimpleNamespace(kind=kind, location=str(location), options=SourceOptions())
    return [path.relative_to(root).as_posix() for path in source_files(source)]


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    """A folder with files of all kinds, two class folders and a link to one."""
    for name in (*IDX, *CIFAR, "000.tar", "001.tar", "table.csv", "README"):
        (tmp_path / name).touch()
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("cat")
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "at", "expected"),
    [
        ("folder", "", ["cat", "dog"]),
        ("idx", "", sorted(IDX)),
        ("idx", IDX[0], [*IDX[:2]]),
        ("cifar10", "", list(CIFAR[:-1])),
        ("cifar10:test", "", ["batches.meta", "test_batch"]),
        ("webdataset", "", ["000.tar", "001.tar"]),
        ("webdataset", "{000..001}.tar", ["000.tar", "001.tar"]),
        ("manifest", "table.csv", ["table.csv"]),
    ],
)
def test_each_kind_has_its_own(everything: Path, kind: str, at: str, expected: list[str]) -> None:
    assert names(kind, everything / at, everything) == expected


def test_a_kind_that_names_none_has_all_that_is_there(everything: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Any = None
    monkeypatch.setitem(KINDS, "npy", SourceKind(opened))
    assert names("npy", everything, everything) == sorted(path.name for path in everything.iterdir())
