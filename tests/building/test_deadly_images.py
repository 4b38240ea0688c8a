"""Images that kill the process that decodes them: they are left out as bad ones, and the build goes on."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from layermix_gen.building.engines.parallel import DEADLY
from tests.helpers import digest, errors, files, manifest

DEADLY_COMMAND = (sys.executable, str(Path(__file__).parents[1] / "deadly.py"))
OPTIONS = ("--size", "8", "--method", "none", "--variants", "1", "--shard-size", "4")


def run(*arguments: object, workers: int = 2) -> "subprocess.CompletedProcess[str]":
    command = [*DEADLY_COMMAND, *map(str, arguments), "--workers", str(workers)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def source(photographs: Path, tmp_path: Path) -> Path:
    """The photographs, and an image for each way to die."""
    copy = shutil.copytree(photographs, tmp_path / "source")
    for name in ("abort", "killed", "for ever"):
        (copy / "coffee" / f"{name}.png").write_text(name)
    return copy


def test_deadly_images_are_left_out(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    done = run("build", source, root, *OPTIONS)
    assert (done.returncode, done.stderr) == (0, "")
    assert errors(root) == {f"coffee/{name}.png": DEADLY for name in ("abort", "killed", "for ever")}
    assert (manifest(root)["inputs"], manifest(root)["written"], manifest(root)["skipped"]) == (27, 24, 3)
    assert not [name for name in files(root) if name.endswith(".tmp")]
    whole = digest(root)

    again = tmp_path / "again"
    assert run("build", source, again, *OPTIONS, workers=3).returncode == 0
    assert digest(again) == whole

    (root / "v00" / "shard-000003.tar").unlink(missing_ok=True)
    for index in sorted((root / "index").iterdir())[:4]:
        index.unlink()
    repaired = run("verify", root, "--repair")
    assert repaired.returncode == 0, repaired.stderr
    assert digest(root) == whole

    added = run("build", source, root, *OPTIONS, "--clean")
    assert (added.returncode, added.stderr) == (0, "")
    assert manifest(root)["skipped"] == 3


def test_deadly_images_count_as_errors(source: Path, tmp_path: Path) -> None:
    done = run("build", source, tmp_path / "out", *OPTIONS, "--max-errors", 1)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "3 of 27 inputs cannot be read (3 kills its process)" in done.stderr or "2 of 27" in done.stderr
