"""The default size: that of small squares, whatever kind of source holds them; and what a build says of it."""

import shutil
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen import BuildSettings
from layermix_gen.building.native_size import native_size
from layermix_gen.building.request import BuildRequest
from layermix_gen.errors import LayerMixError
from layermix_gen.images.codec import MAX_PIXELS
from layermix_gen.sources import SourceOptions, open_source
from tests.helpers import invoke, manifest

NONE = BuildSettings(method="none", variants=0)


def squares(root: Path, side: int, number: int = 3, suffix: str = "png") -> Path:
    """A folder of two classes of equal squares."""
    for name in ("ant", "bee"):
        (root / name).mkdir(parents=True, exist_ok=True)
        for place in range(number):
            PillowImage.new("RGB", (side, side), (place, 0, 0)).save(root / name / f"{place:03d}.{suffix}")
    return root


def size_of(location: Path, out: Path, settings: BuildSettings = NONE) -> tuple[int | None, str | None]:
    request = BuildRequest(location, out, settings, "auto", SourceOptions(), None, 1, (0, 1), None)
    return request.settings.size, request.settings.format


@pytest.mark.parametrize(
    ("side", "expected"),
    [(4, (224, "jpg")), (8, (8, "png")), (32, (32, "png")), (64, (64, "png")), (96, (96, "jpg")), (224, (224, "jpg")),
     (225, (224, "jpg")), (512, (224, "jpg"))],
)  # fmt: skip
def test_squares_of_one_size_up_to_224_keep_it(side: int, expected: tuple[int, str], tmp_path: Path) -> None:
    assert size_of(squares(tmp_path / "source", side), tmp_path / "out") == expected


def test_so_do_arrays(tmp_path: Path) -> None:
    for side, expected in ((96, 96), (256, 224)):
        images = np.zeros((2, side, side), np.uint8)
        path = tmp_path / f"{side}-images-idx3-ubyte"
        path.write_bytes(struct.pack(">4I", 0x803, *images.shape) + images.tobytes())
        (tmp_path / f"{side}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 2) + bytes(2))
        assert size_of(path, tmp_path / "out")[0] == expected


@pytest.mark.parametrize("suffix", ["jpg", "webp", "bmp", "gif", "tif", "ppm", "jp2", "avif"])
def test_headers_of_all_formats_say_it(suffix: str, tmp_path: Path) -> None:
    assert size_of(squares(tmp_path / "source", 32, 1, suffix), tmp_path / "out")[0] == 32


def test_tars_and_tables_are_looked_at_as_folders_are(tmp_path: Path) -> None:
    source = squares(tmp_path / "source", 32)
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for place, path in enumerate(sorted(source.rglob("*.png"))):
            tar.add(path, f"{place}.png")
    rows = "".join(f"source/{path.relative_to(source)},1\n" for path in source.rglob("*.png"))
    (tmp_path / "table.csv").write_text(f"path,label\n{rows}")
    for location in ("a.tar", "table.csv"):
        assert size_of(tmp_path / location, tmp_path / "out") == (32, "png")


def test_one_other_image_is_enough_and_those_that_cannot_be_read_do_not_count(tmp_path: Path) -> None:
    source = squares(tmp_path / "source", 32)
    (source / "ant" / "000.png").write_bytes(b"")
    (source / "ant" / "zzz.png").write_bytes((source / "ant" / "001.png").read_bytes()[:40])  # a header alone
    (source / "bee" / "link.png").symlink_to("nothing")
    huge = PillowImage.new("1", (300, 300))
    huge.save(source / "bee" / "huge.png")
    assert size_of(source, tmp_path / "out")[0] == 224
    assert size_of(source, tmp_path / "out", BuildSettings(max_pixels=89_999))[0] == 32  # which leaves out the huge one
    (source / "bee" / "huge.png").unlink()
    PillowImage.new("RGB", (32, 31)).save(source / "ant" / "other.png")
    assert size_of(source, tmp_path / "out")[0] == 224
    assert size_of(source, tmp_path / "out", BuildSettings(size=48))[0] == 48


def test_the_images_are_spread_over_the_source_and_do_not_depend_on_the_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(squares(tmp_path / "source", 16, 100))
    items, read = source.items(), []
    original = type(source).read
    monkeypatch.setattr(type(source), "read", lambda self, item: (read.append(item.id), original(self, item))[1])
    assert native_size(source, items, MAX_PIXELS) == 16
    assert native_size(source, items[::-1], MAX_PIXELS) == 16
    assert read[:50] == read[50:] == [item.id for item in items[::4]]


def test_a_build_says_what_it_makes(tmp_path: Path) -> None:
    source = squares(tmp_path / "source", 16)
    (source / "cow").mkdir()
    (source / "cow" / "notes.txt").touch()
    command = ("build", source, tmp_path / "out", "--method", "none", "--variants", 0, "--workers", 1)
    labels = "6 labels in 3 classes, no image in cow"
    estimated = invoke(*command, "--dry-run")
    assert f"labels      {labels}\n" in estimated.stdout
    assert "form        16 px, pad-crop views, independent, as png\n" in estimated.stdout
    assert estimated.stderr == ""
    built = invoke(*command)
    assert built.stderr == f"building 6 images in 1 plane: 16 px, pad-crop views, independent, as png; {labels}\n"
    assert f"labels      {labels}\n" in built.stdout
    assert "samples     16 px, pad-crop views, independent, as png\n" in built.stdout
    assert "labels" not in manifest(tmp_path / "out")


def test_images_without_labels_are_told(tmp_path: Path) -> None:
    source = squares(tmp_path / "source", 16)
    flat = shutil.copytree(source / "ant", tmp_path / "flat")
    built = invoke("build", flat, tmp_path / "out", "--method", "none", "--variants", 0, "--workers", 1)
    assert built.exit_code == 0
    assert built.stderr.splitlines()[1:] == ["warning: no image of 3 has a label: all are -1"]
    assert "labels      no image of 3 has a label: all are -1\n" in built.stdout
    shutil.copy(flat / "000.png", source)
    mixed = invoke("build", source, tmp_path / "mixed", "--method", "none", "--variants", 0, "--workers", 1)
    assert "labels      6 labels in 2 classes, 1 of 7 images without a label\n" in mixed.stdout
    assert "warning" not in mixed.output


def test_a_dataset_of_another_size_is_continued_by_what_the_error_says(tmp_path: Path) -> None:
    """As of a version that built all files at 224 px."""
    source, out = squares(tmp_path / "source", 16, 1), tmp_path / "out"
    begun = ("build", source, out, "--method", "none", "--variants", 0, "--workers", 1)
    assert invoke(*begun, "--size", 224).exit_code == 0
    (out / "dataset.json").unlink()
    refused = invoke(*begun)
    assert refused.exit_code == 1
    assert refused.stderr == (
        f"Error: {out} holds another dataset: size 224 -> 16; view rrc -> pad-crop; format jpg -> png; give --size 224 "
        "--view rrc --format jpg to go on with it, or build into another folder\n"
    )
    assert invoke(*begun, "--size", 224, "--view", "rrc", "--format", "jpg").exit_code == 0
    other = invoke(*begun, "--seed", 1)
    assert "repeat the command that began it" in other.stderr
    with pytest.raises(LayerMixError, match="give --size 224 --view rrc --format jpg to go on with it"):
        size_of(source, out)
