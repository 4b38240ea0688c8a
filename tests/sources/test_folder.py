"""Folders of images: labels, names, links, and what is not an image."""

import errno
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen.errors import BadImage, LayerMixError, OutOfResources
from layermix_gen.sources import Item, Source, open_source
from layermix_gen.sources.base import read_inside


def save(path: Path, value: int = 0) -> Path:
    """Write a small image of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", (5, 4), (value, value, value)).save(path, "PNG")
    return path


def by_id(source: Source) -> dict[str, Item]:
    return {item.id: item for item in source.items()}


def reason(source: Source, item: Item) -> str:
    with pytest.raises(BadImage) as caught:
        source.read(item)
    return str(caught.value)


def test_labels_are_the_sorted_names_of_the_class_folders(tmp_path: Path) -> None:
    for name in ("dog", "cat", "ähre", "Zebra", "b c"):
        save(tmp_path / name / "x.png")
    (tmp_path / "empty").mkdir()
    source = open_source(tmp_path)
    assert source.classes == ("Zebra", "b c", "cat", "dog", "empty", "ähre")
    assert {item.id: item.label for item in source.items()} == {
        "Zebra/x.png": 0,
        "b c/x.png": 1,
        "cat/x.png": 2,
        "dog/x.png": 3,
        "ähre/x.png": 5,
    }


def test_files_are_read_by_content_from_any_depth(tmp_path: Path) -> None:
    names = ["a.png", "a.JPG", "a.b.c.jpeg", "deep/er/a.png", "with space.png", "Ünïcode.webp", "ends in dot..png"]
    for value, name in enumerate(names):
        save(tmp_path / "cls" / name, value)
    source = open_source(tmp_path)
    items = by_id(source)
    assert list(items) == sorted(f"cls/{name}" for name in names)
    for value, name in enumerate(names):
        item = items[f"cls/{name}"]
        assert item.size == (tmp_path / item.id).stat().st_size
        assert item.at == ()
        assert np.array_equal(source.read(item), np.full((4, 5, 3), value, np.uint8))


def test_a_flat_folder_has_no_classes_and_loose_files_no_label(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    assert open_source(tmp_path).classes == ()
    assert [item.label for item in open_source(tmp_path).items()] == [-1]
    save(tmp_path / "cat" / "a.png")
    assert {item.id: item.label for item in open_source(tmp_path).items()} == {"a.png": -1, "cat/a.png": 0}


def test_other_files_are_counted_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "a.png")
    for name in ("cat/notes.txt", "cat/png", "README", "cat/.hidden.png", ".thumbs/b.png", "cat/.png"):
        save(tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    source = open_source(tmp_path)
    assert list(by_id(source)) == ["cat/a.png"]
    assert source.classes == ("cat",)
    assert source.ignored == 4
    source.items()
    assert source.ignored == 4


def test_what_operating_systems_add_is_no_class_and_no_image(tmp_path: Path) -> None:
    """What archives of macOS, file systems, Windows and network storage put beside the images, or between them."""
    for name in ("cat/a.png", "dog/a.png"):
        save(tmp_path / name)
    junk = ("$RECYCLE.BIN", "@eaDir", "System Volume Information", "__MACOSX", "lost+found", "#recycle", "@Recycle")
    for name in junk:
        save(tmp_path / name / "cat" / "a.png")
    save(tmp_path / "dog" / "@eaDir" / "a.png" / "SYNOPHOTO_THUMB_M.jpg")
    (tmp_path / "Desktop.ini").touch()
    (tmp_path / "macosx").mkdir()
    source = open_source(tmp_path)
    assert source.classes == ("cat", "dog", "macosx")
    assert {item.id: item.label for item in source.items()} == {"cat/a.png": 0, "dog/a.png": 1}
    assert source.ignored == len(junk) + 2


def test_what_macos_adds_to_an_archive_does_not_hide_what_a_folder_is(tmp_path: Path) -> None:
    for name in ("data/train/cat/a.png", "data/val/cat/a.png", "tiny/val/images/val_0.JPEG"):
        save(tmp_path / name)
    (tmp_path / "tiny" / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn2\t0\t0\t9\t9\n")
    (tmp_path / "tiny" / "wnids.txt").write_text("n2\nn1\n")
    for folder in (tmp_path, tmp_path / "data", tmp_path / "tiny" / "val"):
        save(folder / "__MACOSX" / "._a.png")
    (tmp_path / "tiny").rename(tmp_path.with_name("tiny"))
    with pytest.raises(LayerMixError, match="found the splits train and val in "):
        open_source(tmp_path)
    tiny = open_source(tmp_path.with_name("tiny") / "val")
    assert [item.label for item in tiny.items()] == [1]


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["test_0.JPEG", "test_1.JPEG"], ()),
        (["val_0.JPEG", "val_1.JPEG"], ()),
        (["test_0.JPEG", "cat.JPEG"], ("images",)),
        (["test_a.JPEG"], ("images",)),
    ],
)
def test_a_split_of_tiny_imagenet_without_labels_has_none(
    names: list[str], classes: tuple[str, ...], tmp_path: Path
) -> None:
    for name in names:
        save(tmp_path / "test" / "images" / name)
    source = open_source(tmp_path / "test")
    assert source.classes == classes
    assert {item.label for item in source.items()} == {len(classes) - 1}


def test_links(tmp_path: Path) -> None:
    root = tmp_path / "root"
    save(root / "cat" / "a.png", 7)
    outside = save(tmp_path / "outside" / "b.png")
    links = {
        "cat/inside.png": "a.png",
        "cat/outside.png": str(outside),
        "cat/broken.png": "nothing.png",
        "cat/broken": "nothing",
        "cat/loop.png": "loop.png",
        "cat/text.txt": "a.png",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    source = open_source(root)
    items = by_id(source)
    assert source.classes == ("cat",)
    assert source.ignored == 1
    assert np.all(source.read(items.pop("cat/a.png")) == 7)
    assert np.all(source.read(items.pop("cat/inside.png")) == 7)
    assert {name: reason(source, item) for name, item in items.items()} == {
        "cat/broken": "broken link",
        "cat/broken.png": "broken link",
        "cat/loop.png": "broken link",
        "cat/outside.png": "link out of the root",
    }


def test_a_link_set_after_the_listing_is_seen(tmp_path: Path) -> None:
    path = save(tmp_path / "root" / "cat" / "a.png")
    outside = save(tmp_path / "outside.png")
    source = open_source(tmp_path / "root")
    (item,) = source.items()
    path.unlink()
    assert reason(source, item) == "no such file"
    path.symlink_to(outside)
    assert reason(source, item) == "link out of the root"
    path.parent.rename(tmp_path / "moved")
    path.parent.symlink_to(tmp_path / "moved")
    assert reason(source, item) == "link out of the root"


def test_an_id_cannot_lead_out(tmp_path: Path) -> None:
    save(tmp_path / "root" / "a.png")
    save(tmp_path / "root2" / "b.png")
    source = open_source(tmp_path / "root")
    assert reason(source, Item("../root2/b.png", -1, 0)) == "link out of the root"
    assert reason(source, Item(f"{'x' * 300}.png", -1, 0)) == "no such file"
    assert reason(source, Item(str(tmp_path / "root2" / "b.png"), -1, 0)) == "no such file"


def test_pipes_sockets_and_folders_do_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "cat" / "a.png")
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    (tmp_path / "cat" / "folder.png").mkdir()
    monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("cat/socket.png")
        source = open_source(tmp_path)
        items = by_id(source)
        assert set(items) == {"cat/a.png", "cat/pipe.png", "cat/socket.png"}
        assert reason(source, items["cat/pipe.png"]) == "not a regular file"
        assert reason(source, items["cat/socket.png"]).startswith("not readable: ")
    assert reason(source, Item("cat/folder.png", 0, 0)) == "a folder"


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"b\xff\xe4d.png")
    save(tmp_path / os.fsdecode(b"cl\xe4ss") / name, 9)
    source = open_source(tmp_path)
    (item,) = source.items()
    assert item.id == r"cl\xe4ss/b\xff\xe4d.png"
    assert source.classes == (r"cl\xe4ss",)
    assert item.label == 0
    item.id.encode()
    assert np.all(open_source(tmp_path).read(item) == 9)


def test_a_name_that_looks_like_an_escaped_one_is_another(tmp_path: Path) -> None:
    names = {os.fsdecode(b"\xff.png"): r"\xff.png", r"\xff.png": r"\x5cxff.png", r"\x5cxff.png": r"\x5cx5cxff.png"}
    kept = {name: name for name in (r"a\b.png", r"\x.png", r"\XFF.png", r"\\server.png", "x5c.png")}
    for value, name in enumerate(names | kept):
        save(tmp_path / name, value)
    source = open_source(tmp_path)
    expected = {identity: value for value, identity in enumerate((names | kept).values())}
    assert {item.id: int(source.read(item)[0, 0, 0]) for item in source.items()} == expected


def test_damaged_and_empty_files_are_items(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes()[:45])
    (tmp_path / "d.png").write_bytes(b"text")
    source = open_source(tmp_path)
    _, b, c, d = source.items()
    assert reason(source, b) == "empty file"
    assert reason(source, c).startswith("truncated or corrupt: ")
    assert reason(source, d) == "not an image"


def test_the_bound_on_pixels_is_handed_on(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    source = open_source(tmp_path, max_pixels=19)
    assert reason(source, source.items()[0]) == "too large: 5x4 pixels exceed the bound of 19"


def test_a_sparse_giant_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(1 << 40)
    source = open_source(tmp_path)
    assert reason(source, source.items()[0]) == "too large: 1099511627776 bytes exceed the bound of 1073741824"


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "x.txt").write_text("")
    with pytest.raises(LayerMixError, match=r"^expected images in .*, found 1 other file; check the path$"):
        open_source(tmp_path).items()
    with pytest.raises(LayerMixError, match="expected a folder of images, found none at"):
        open_source(tmp_path / "cat" / "x.txt", "folder")


AS_ANOTHER_USER = """
import os, sys
from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.sources import Item, open_source
if os.getuid() == 0:
    os.setuid(65534)
source = open_source(sys.argv[1], "folder")
try:
    source.read(Item("cat/closed.png", 0, 0))
except BadImage as fault:
    print(fault)
try:
    source.items()
except LayerMixError as fault:
    print(fault)
"""


def test_what_may_not_be_read() -> None:
    """Nothing is closed to root, so a child process gives its rights away, in a folder that lets it in."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        save(root / "cat" / "closed.png").chmod(0)
        save(root / "dog" / "a.png").parent.chmod(0)
        command = [sys.executable, "-c", AS_ANOTHER_USER, folder]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        (root / "dog").chmod(0o755)
    assert run.stdout.splitlines() == [
        "not readable: permission denied",
        f"cannot list {folder}/dog: permission denied; give access to it or move it",
    ]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_an_image_is_not_bad_where_open_files_or_memory_run_out(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    (tmp_path / "a.png").write_bytes(b"")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutOfResources, match=r"^(too many open files|cannot allocate memory).*; (raise|close|free) "):
        read_inside(str(tmp_path), "a.png", Item("a.png", -1, 0))
