"""Images that kill the process that decodes them: they are left out as bad ones, and the build goes on."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from layermix_gen.building.engines.parallel import DEADLY
from layermix_gen.dataset.index import read_summary
from tests.helpers import COMMAND, build, digest, errors, files, manifest, patched, without_start

OPTIONS = ("--size", "8", "--method", "none", "--variants", "1", "--shard-size", "4")


def run(*arguments: object, workers: int = 2) -> "subprocess.CompletedProcess[str]":
    command = [*COMMAND, *map(str, arguments), "--workers", str(workers)]
    with tempfile.TemporaryDirectory() as folder:
        surroundings = patched("deadly", Path(folder))
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=surroundings)


def with_deadly(photographs: Path, source: Path, *names: str) -> Path:
    """A copy of the photographs, with an image for each of these ways to die."""
    shutil.copytree(photographs, source)
    for name in names:
        (source / "coffee" / f"{name}.png").write_text(name)
    return source


def test_deadly_images_are_left_out(photographs: Path, tmp_path: Path) -> None:
    source = with_deadly(photographs, tmp_path / "source", "abort", "killed", "for ever")
    root = tmp_path / "out"
    done = run("build", source, root, *OPTIONS)
    assert (done.returncode, without_start(done.stderr)) == (0, "")
    assert errors(root) == {f"coffee/{name}.png": DEADLY for name in ("abort", "killed", "for ever")}
    assert (manifest(root)["inputs"], manifest(root)["written"], manifest(root)["skipped"]) == (27, 24, 3)
    assert not [name for name in files(root) if name.endswith(".tmp")]
    whole = digest(root)

    (root / "v00" / "shard-000003.tar").unlink(missing_ok=True)
    for index in sorted((root / "index").iterdir())[:4]:
        index.unlink()
    repaired = run("verify", root, "--repair")
    assert repaired.returncode == 0, repaired.stderr
    assert digest(root) == whole


def test_deadly_second_images_are_left_out(photographs: Path, tmp_path: Path) -> None:
    """They kill the process before their own turn, at that of another image, which is not to blame."""
    source = with_deadly(photographs, tmp_path / "source", "abort", "killed")
    options = ("--size", "8", "--method", "mixup", "--variants", "4", "--shard-size", "13")
    done = run("build", source, tmp_path / "out", *options)
    assert (done.returncode, without_start(done.stderr)) == (0, "")
    assert errors(tmp_path / "out") == {f"coffee/{name}.png": DEADLY for name in ("abort", "killed")}
    assert manifest(tmp_path / "out")["written"] == 24


def interrupt(root: Path) -> None:
    """Leave the folder as a build that was stopped before a shard without skipped inputs was finished."""
    (root / "dataset.json").unlink()
    next(index for index in root.glob("index/*.parquet") if not read_summary(root, int(index.stem)).skipped).unlink()


def test_deadly_images_kill_no_build_that_resumes(photographs: Path, tmp_path: Path) -> None:
    """Those that are known as such are not tried again; another input that was left out is, and may have become one."""
    source, root = with_deadly(photographs, tmp_path / "source", "abort", "other"), tmp_path / "out"
    run("build", source, root, *OPTIONS)
    assert errors(root) == {"coffee/abort.png": DEADLY, "coffee/other.png": "not an image"}
    (source / "coffee" / "other.png").write_text("abort")
    interrupt(root)
    done = run("build", source, root, *OPTIONS)
    assert (done.returncode, without_start(done.stderr)) == (0, "")
    assert errors(root) == dict.fromkeys(("coffee/abort.png", "coffee/other.png"), DEADLY)


def test_an_image_that_has_become_deadly_stops_an_extension(photographs: Path, tmp_path: Path) -> None:
    """It is in the planes that there are, so it cannot be left out of others."""
    source, root = shutil.copytree(photographs, tmp_path / "source"), tmp_path / "out"
    build(source, root, *OPTIONS, "--no-clean")
    image = source / "coffee" / "000.png"
    image.write_text("abort")
    os.truncate(image, (photographs / "coffee" / "000.png").stat().st_size)
    done = run("build", source, root, *OPTIONS, "--clean")
    assert done.returncode == 1
    assert without_start(done.stderr) == (
        f"Error: coffee/000.png is in other planes but cannot be read now ({DEADLY}); restore it, then run the same "
        "command to resume, or give the new planes up by its build with --variants 1 --no-clean\n"
    )


def test_deadly_images_count_as_errors(photographs: Path, tmp_path: Path) -> None:
    source = with_deadly(photographs, tmp_path / "source", "abort")
    done = run("build", source, tmp_path / "out", *OPTIONS, "--max-errors", 0)
    assert done.returncode == 1
    assert without_start(done.stderr).startswith("Error: ")
    assert "1 of 25 inputs cannot be read (1 kills its process), 0 are allowed; " in done.stderr


def test_a_deadly_image_that_is_measured_before_the_build(photographs: Path, tmp_path: Path) -> None:
    """The number of shards depends on the sizes of samples, for which images are decoded."""
    source, root = with_deadly(photographs, tmp_path / "source", "abort"), tmp_path / "out"
    done = run("build", source, root, *OPTIONS[:-2])
    assert (done.returncode, without_start(done.stderr)) == (0, "")
    assert errors(root) == {"coffee/abort.png": DEADLY}
