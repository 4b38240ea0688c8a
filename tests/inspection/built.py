"""Datasets to inspect, what is known of them, and ways to damage them."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from layermix_gen import LayerMixError, Manifest
from layermix_gen.inspection.shards import Shards, open_shards

TAR, OTHER, INDEX = "v00/000001.tar", "v01/000001.tar", "index/000001.parquet"


@dataclass(frozen=True)
class Built:
    """A dataset, what its build said of it, and the source it was built from."""

    root: Path
    manifest: Manifest
    source: Path

    def open(self) -> Shards:
        """The dataset as `open_shards` gives it."""
        return open_shards(self.root)

    def copy(self, to: Path) -> Path:
        """A copy of it."""
        return shutil.copytree(self.root, to)


def verify(root: Path, **options: Any) -> list[tuple[str, str, str]]:
    """File, key and description of each problem."""
    report = open_shards(root).verify(workers=1, progress=False, **options)
    assert report.ok == (not report.problems)
    return [(one.file, one.key, one.what) for one in report.problems]


def flip(path: Path, place: int) -> None:
    """Change one bit of a byte."""
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)


def swap(root: Path, one: str, other: str) -> None:
    """Exchange two files."""
    (root / one).rename(root / "aside")
    (root / other).rename(root / one)
    (root / "aside").rename(root / other)


def replace(path: Path, old: str, new: str) -> None:
    """Change a text in a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def lose_shard(root: Path) -> None:
    """Delete all files of shard 1."""
    for path in root.glob("*/000001.*"):
        path.unlink()


def refuses(action: Callable[[], object]) -> str:
    """The one line of the error that an action raises."""
    with pytest.raises(LayerMixError) as caught:
        action()
    (line,) = str(caught.value).splitlines()
    return line
