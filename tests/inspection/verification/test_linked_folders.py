"""Datasets whose author has put links in place of folders: nothing outside of them is written, replaced or deleted."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layermix_gen import build, open_shards
from layermix_gen.support.files import temporary
from tests.helpers import snapshot
from tests.inspection.built import TAR, Built, refuses


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A user's folder with files of the names that a dataset has, and what looks like an abandoned draft."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in (folder / "000001.tar", folder / "000001.parquet", folder / "sizes.json", temporary(folder / "a")):
        path.write_text("written by a person")
        os.utime(path, (0, 0))
    return folder


def repair(root: Path, small: Built) -> Any:
    return open_shards(root).repair(workers=1, progress=False)


def resume(root: Path, small: Built) -> Any:
    facts = small.manifest.mixing_set
    assert facts
    return build(small.source, root, small.manifest.settings, mixing_set=facts.location, workers=1, progress=False)


@pytest.mark.parametrize("run", [repair, resume])
@pytest.mark.parametrize("name", ["index", "clean", "v00"])
def test_a_folder_of_shards_that_is_a_link_is_refused(
    name: str, run: Callable[[Path, Built], Any], damaged: Path, small: Built, mine: Path
) -> None:
    before = snapshot(mine)
    shutil.rmtree(damaged / name)
    (damaged / name).symlink_to(mine)
    line = f"expected a folder at {damaged / name}, found a link; put the folder itself there, then run the same"
    assert line in refuses(lambda: run(damaged, small))
    assert snapshot(mine) == before


@pytest.mark.parametrize("run", [repair, resume])
@pytest.mark.parametrize("name", ["notes", "index/declared"])
def test_other_links_are_left_alone(
    name: str, run: Callable[[Path, Built], Any], damaged: Path, small: Built, mine: Path
) -> None:
    before = snapshot(mine)
    (damaged / name).symlink_to(mine)
    (damaged / TAR).unlink()
    run(damaged, small)
    assert (damaged / TAR).read_bytes() == (small.root / TAR).read_bytes()
    assert snapshot(mine) == before


def test_a_link_in_place_of_the_folder_to_repair_in_is_named(damaged: Path, small: Built, mine: Path) -> None:
    before = snapshot(mine)
    (damaged / ".repair").symlink_to(mine)
    (damaged / TAR).unlink()
    assert f"cannot write to {damaged / '.repair'}: file exists; mend it" in refuses(lambda: repair(damaged, small))
    assert snapshot(mine) == before


def test_an_output_folder_that_is_a_link_is_built_into(damaged: Path, small: Built, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(damaged)
    (damaged / TAR).unlink()
    assert resume(tmp_path / "out", small).digest == small.manifest.digest


def test_a_pipe_in_the_place_of_repairs_own_folder_is_told(damaged: Path, small: Built) -> None:
    os.mkfifo(damaged / ".repair")
    (damaged / TAR).unlink()
    assert f"{damaged}" in refuses(lambda: repair(damaged, small))
    assert (damaged / ".repair").is_fifo()
