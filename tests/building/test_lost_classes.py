"""A class of which nothing is written is told at the end of a build, by name, whatever its images lack."""

import shutil
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from layermix_gen import BuildSettings, build
from tests.helpers import invoke

OPTIONS = ("--method", "none", "--variants", 0, "--workers", 1, "--size", 16)
NONE = BuildSettings(method="none", variants=0, size=16, shard_size="4")


def folder(root: Path, **sizes: int) -> Path:
    """A folder of classes, each of so many images."""
    for name, number in sizes.items():
        (root / name).mkdir(parents=True)
        for place in range(number):
            PillowImage.new("RGB", (16, 16), (place, 0, 0)).save(root / name / f"{place}.png")
    return root


def labels(output: str) -> str:
    return next(line for line in output.splitlines() if line.startswith("labels"))[12:]


def test_a_class_of_links_to_nothing_is_told(tmp_path: Path) -> None:
    source, out = folder(tmp_path / "source", a=6, b=0, c=6, d=0), tmp_path / "out"
    for place in range(3):
        (source / "b" / f"{place}.png").symlink_to("../.git/annex/none")
    warning = f"warning: no image was written of the class b: all of its images were skipped; see {out}/errors.jsonl"
    for _ in range(2):  # the second finds all done
        built = invoke("build", source, out, *OPTIONS)
        assert built.exit_code == 0
        assert labels(built.stdout) == "12 labelled images in 3 classes, no image in d, none written of b"
        assert built.stderr.splitlines()[-1] == warning
    (source / "b" / "0.png").unlink()
    shutil.copy(source / "a" / "0.png", source / "b" / "0.png")
    whole = invoke("build", source, tmp_path / "mended", *OPTIONS)
    assert labels(whole.stdout) == "13 labelled images in 4 classes, no image in d"
    assert "warning" not in whole.stderr


def test_one_damaged_image_may_be_a_class_and_many_classes_are_counted(tmp_path: Path) -> None:
    source = folder(tmp_path / "source", a=2, b=0, c=0, d=0, e=0, f=0)
    for name in "bcdef":
        (source / name / "bad.png").write_bytes(b"no image")
    built = invoke("build", source, tmp_path / "out", *OPTIONS)
    assert labels(built.stdout) == "2 labelled images in 1 class, none written of b, c, d and 2 more"
    assert "no image was written of the classes b, c, d and 2 more: all of their images were skipped; " in built.stderr


@pytest.mark.parametrize(("label", "name", "written"), [("cat dog", "dog", 1), ("0 7", "7", 1), ("-1 7", "7", 0)])
def test_a_row_without_a_file_may_be_a_class(label: str, name: str, written: int, tmp_path: Path) -> None:
    source = folder(tmp_path, source=2) / "source"
    one, other = label.split()
    (source / "metadata.csv").write_text(f"file_name,label\n0.png,{one}\ngone.png,{other}\n")
    built = invoke("build", source, tmp_path / "out", *OPTIONS)
    said = "1 labelled image in 1 class, none written of {}, 1 of 2 images without a label"
    without = "no image of 2 has a label: all are -1, none written of {}"
    assert labels(built.stdout) == (said if written else without).format(name)
    assert f"no image was written of the class {name}: " in built.stderr


def test_a_part_of_a_dataset_tells_what_it_has_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source, out = folder(tmp_path / "source", a=9, b=0, c=0), tmp_path / "out"
    (source / "b" / "bad.png").write_bytes(b"no image")
    parts = [
        build(source, out, NONE, partition=(part, 3), workers=1, progress=False, max_errors=1) for part in range(3)
    ]
    assert [part.complete for part in parts] == [False, False, True]
    found = [part.labels for part in parts]
    assert all(one is not None and one.labels == part.written for one, part in zip(found, parts, strict=True))
    assert [one and one.lost for one in found] == [(), (), ("b",)]
    assert [one and one.empty for one in found] == [("c",)] * 3
    assert sum(line.startswith("no image was written of the class b: ") for line in caplog.messages) == 1
