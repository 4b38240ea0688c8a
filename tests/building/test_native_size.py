"""The default size: that of small squares, whatever kind of source holds them; and what a build says of it."""

import shutil
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen import BuildSettings
from layermix_gen.building.native_size import LOOKED_AT, native_size
from layermix_gen.building.request import BuildRequest
from layermix_gen.dataset.listings.listing import list_items
from layermix_gen.errors import BadImage
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


def arrays(root: Path, kind: str, shape: tuple[int, ...]) -> Path:
    """A file of images that are equal, with their labels."""
    root.mkdir(exist_ok=True)
    images, labels = np.zeros(shape, np.uint8), np.arange(len(np.empty(shape)), dtype=np.uint8)
    if kind == "npz":
        np.savez(root / "set.npz", images=images, labels=labels)
        return root / "set.npz"
    if kind == "npy":
        np.save(root / "images.npy", images)
        np.save(root / "labels.npy", labels)
        return root / "images.npy"
    (root / "train-images-idx3-ubyte").write_bytes(
        struct.pack(f">{1 + len(shape)}I", 0x800 + len(shape), *shape) + images.tobytes()
    )
    (root / "train-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, len(labels)) + labels.tobytes())
    return root


@pytest.mark.parametrize(
    ("kind", "shape", "size"),
    [
        ("npy", (5, 48, 40, 3), (48, 40)),
        ("npz", (4, 20, 30), (20, 30)),
        ("npz", (4, 3, 20, 30), (20, 30)),
        ("idx", (4, 20, 30), (20, 30)),
        ("idx", (3, 9, 5, 3), (9, 5)),
    ],
)
def test_arrays_that_are_not_square_are_built_at_224(
    kind: str, shape: tuple[int, ...], size: tuple[int, int], tmp_path: Path
) -> None:
    source = arrays(tmp_path / "source", kind, shape)
    opened = open_source(source)
    assert opened.pixel_size(opened.items()[0]) == size
    command = ("build", source, tmp_path / "out", "--method", "none", "--variants", 0, "--workers", 1)
    assert "form        224 px, rrc views, independent, as jpg\n" in invoke(*command, "--dry-run").stdout
    assert invoke(*command).exit_code == 0
    assert manifest(tmp_path / "out")["settings"]["size"] == 224


@pytest.mark.parametrize(("kind", "shape"), [("npy", (2, 20, 30)), ("npz", (2, 20, 30)), ("idx", (2, 20, 30))])
def test_arrays_over_the_bound_are_skipped_as_files_are(kind: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    source = arrays(tmp_path / "source", kind, shape)
    command = ("build", source, tmp_path / "out", "--method", "none", "--variants", 0, "--workers", 1)
    built = invoke(*command, "--max-pixels", 599, "--max-errors", 2)
    assert "2 of 2 inputs cannot be read (2 too large), which leaves nothing; see" in built.stderr
    opened = open_source(source, max_pixels=599)
    for look in (opened.read, opened.pixel_size):
        with pytest.raises(BadImage, match="too large: 30x20 pixels exceed the bound of 599"):
            look(opened.items()[0])
    assert open_source(source, max_pixels=600).read(opened.items()[0]).shape == (20, 30, 3)


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
    items, seen = source.items(), []
    original = type(source).pixel_size
    monkeypatch.setattr(type(source), "read", None)
    monkeypatch.setattr(type(source), "pixel_size", lambda self, item: (seen.append(item.id), original(self, item))[1])
    assert native_size(source, list_items(items, 0).spread(LOOKED_AT)) == 16
    assert native_size(source, list_items(items[::-1], 1).spread(LOOKED_AT)) == 16
    assert seen[:64] == seen[64:] == sorted(set(seen))
    assert {name[:3] for name in seen} == {"ant", "bee"}


@pytest.mark.parametrize("side", [225, 512])
def test_one_image_that_is_too_large_to_keep_its_size_is_enough(
    side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, seen = open_source(squares(tmp_path / "source", side)), []
    original = type(source).pixel_size
    monkeypatch.setattr(type(source), "pixel_size", lambda self, item: (seen.append(item.id), original(self, item))[1])
    assert native_size(source, source.items()) is None
    assert len(seen) == 1


def test_a_build_says_what_it_makes(tmp_path: Path) -> None:
    source = squares(tmp_path / "source", 16)
    (source / "cow").mkdir()
    (source / "cow" / "notes.txt").touch()
    command = ("build", source, tmp_path / "out", "--method", "none", "--variants", 0, "--workers", 1)
    labels = "6 labelled images in 3 classes, no image in cow"
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
    assert "labels      6 labelled images in 2 classes, 1 of 7 images without a label\n" in mixed.stdout
    assert "warning" not in mixed.output


def test_a_dataset_of_another_size_is_continued_as_it_was_begun(tmp_path: Path) -> None:
    """Choices that are left out are those of the plan, as of a version that built all files at 224 px."""
    source, out = squares(tmp_path / "source", 16, 1), tmp_path / "out"
    begun = ("build", source, out, "--method", "none", "--variants", 0, "--workers", 1)
    assert invoke(*begun, "--size", 224).exit_code == 0
    (out / "dataset.json").unlink()
    assert invoke(*begun).exit_code == 0
    for options in (["--size", "224"], ["--view", "rrc"], ["--format", "jpg"], ["--format", "jpg", "--size", "224"]):
        assert invoke(*begun, *options).exit_code == 0
    assert size_of(source, out) == (224, "jpg")
    for options, found in (
        (["--size", "16"], "size 224 -> 16"),
        (["--view", "center", "--format", "png"], "view rrc -> center; format jpg -> png"),
        (["--seed", "1"], "seed 0 -> 1"),
    ):
        refused = invoke(*begun, *options)
        assert refused.exit_code == 1
        remedy = "repeat the command that began it, or build into another folder"
        assert refused.stderr == f"Error: {out} holds another dataset: {found}; {remedy}\n"


def test_inputs_that_are_back_are_taken_in_whatever_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in range(4):
        PillowImage.new("RGB", (32, 32)).save(tmp_path / f"{place}.png")
    (tmp_path / "3.png").unlink()
    (tmp_path / "t.csv").write_text("path,label\n" + "".join(f"{place}.png,0\n" for place in range(4)))
    begun = ("build", tmp_path / "t.csv", tmp_path / "out", "--method", "none", "--variants", 0, "--workers", 1)
    assert invoke(*begun, "--max-errors", 1).exit_code == 0
    PillowImage.new("RGB", (64, 64)).save(tmp_path / "3.png")
    monkeypatch.setattr("layermix_gen.building.request.native_size", None)  # no image is looked at again
    assert invoke(*begun).exit_code == 0
    described = manifest(tmp_path / "out")
    assert (described["settings"]["size"], described["settings"]["format"]) == (32, "png")
    assert (described["written"], described["skipped"]) == (4, 0)
