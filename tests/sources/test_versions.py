"""What a source file was when it was listed: one that was replaced since is refused by every kind, and named."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.sources import open_source
from tests.sources.test_machine_faults import KINDS


def as_parquet(photographs: Path, folder: Path) -> Path:
    """Two of the photographs in the rows of a Parquet file."""
    files = sorted(str(path) for path in (photographs / "coffee").iterdir())[:2]
    with duckdb.connect() as db:
        images = "SELECT content AS image, 1 AS label FROM read_blob(?)"
        db.execute(f"COPY ({images}) TO '{folder / 'images.parquet'}' (FORMAT parquet)", [files])
    return folder / "images.parquet"


ALL: dict[str, Callable[[Path, Path], Path]] = {**KINDS, "parquet": as_parquet}


def touch(folder: Path) -> None:
    """Give all files below a folder the time of change of a second later."""
    for path in folder.rglob("*"):
        if path.is_file():
            times = path.stat()
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 10**9))


@pytest.mark.parametrize("kind", ALL)
def test_a_file_of_another_time_is_refused(kind: str, photographs: Path, tmp_path: Path) -> None:
    location = ALL[kind](photographs, tmp_path)
    source = open_source(location)
    items = source.items()
    assert all(item.version for item in items)
    assert sorted(source.found(), key=lambda item: item.id) == items
    pixels = source.read(items[-1])
    if tmp_path not in location.parents and tmp_path != location:
        location = shutil.copytree(location, tmp_path / "copy")
    touch(tmp_path)
    again = open_source(location)
    with pytest.raises(LayerMixError) as caught:
        again.read(items[-1])
    assert str(caught.value) == (
        f"expected {items[-1].id} as it was when the source was listed, found it replaced or changed since; run the "
        "same command again to list it anew, or before build-planned its plan"
    )
    np.testing.assert_array_equal(again.read(replace(items[-1], version="")), pixels)
    np.testing.assert_array_equal(again.read(again.items()[-1]), pixels)


def test_a_file_of_another_size_and_the_same_time_is_refused(photographs: Path, tmp_path: Path) -> None:
    source = open_source(shutil.copytree(photographs, tmp_path / "source"))
    item = source.items()[0]
    path = tmp_path / "source" / item.id
    times = path.stat()
    path.write_bytes(path.read_bytes() + b"\0")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(
        LayerMixError, match=r"^expected astronaut/000\.png as it was when the source was listed, found"
    ):
        source.read(item)


def test_a_tar_that_was_written_again_is_never_read_at_old_places(photographs: Path, tmp_path: Path) -> None:
    location = ALL["webdataset"](photographs, tmp_path)
    source = open_source(location)
    items = source.items()
    for tar in tmp_path.rglob("*.tar"):
        times = tar.stat()
        tar.write_bytes(tar.read_bytes() + bytes(10240))
        os.utime(tar, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(LayerMixError, match=r"as it was when the source was listed, found it replaced or changed"):
        source.read(items[0])


def test_what_is_gone_is_no_replaced_image(photographs: Path, tmp_path: Path) -> None:
    source = open_source(shutil.copytree(photographs, tmp_path / "source"))
    item = source.items()[0]
    (tmp_path / "source" / item.id).unlink()
    with pytest.raises(LayerMixError, match=r"^no such file$"):
        source.read(item)
