"""Tars that are cut, joined, compressed or written by other tools: each is read, or refused in a line with a remedy."""

import bz2
import gzip
import io
import lzma
import os
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.sources import open_source
from tests.sources.tars.written_tars import Members, by_webdataset, image_in, keys, link, png, write

THREE: Members = {f"{number}.png": png(number) for number in range(3)}


def refused(location: Path | str) -> str:
    """What is said of a location whose kind is not given."""
    with pytest.raises(LayerMixError) as caught:
        open_source(location).items()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.tar", content)
    return file.getvalue()


def test_a_tar_that_is_cut_says_where(tmp_path: Path) -> None:
    path = write(tmp_path / "0.tar", {"a.png": png(), "b.png": png() + bytes(2000)})
    whole = path.read_bytes()
    for length, said in (
        (2000, f"{path} is truncated or not a tar: unexpected end of data, it ends at byte 2000; get it again"),
        (1100, f"{path} is truncated: it ends at byte 1024 without an end mark; get it again"),
        (100, f"{path} is truncated or not a tar: truncated header, it ends at byte 100; get it again"),
        (0, f"{path} is truncated or not a tar: empty file, it ends at byte 0; get it again"),
    ):
        path.write_bytes(whole[:length])
        assert refused(path) == refused(path.parent) == said
    path.write_text("<!DOCTYPE html><p>404</p>" * 40)
    assert refused(path).startswith(f"{path} is truncated or not a tar: ")


def test_a_tar_behind_another_is_told(tmp_path: Path) -> None:
    """webdataset and GNU tar stop at the first end mark, without a word."""
    first, second = write(tmp_path / "0.tar", THREE), write(tmp_path / "1.tar", {"x.png": png()})
    joined = tmp_path / "joined.tar"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    assert len(by_webdataset(joined)) == 3
    start = first.stat().st_size
    assert refused(joined) == (
        f"expected one tar in {joined}, found another behind its end mark, at byte {start}, where readers stop; "
        f"split it there (head -c {start}, tail -c +{start + 1})"
    )
    joined.write_bytes(first.read_bytes() + b"\n")
    assert "is corrupt: no member can be read at byte" in refused(joined)


@pytest.mark.parametrize(
    ("ending", "pack", "program"),
    [
        (".tar.gz", gzip.compress, "gunzip"),
        (".tgz", gzip.compress, "gunzip"),
        (".TAR.BZ2", bz2.compress, "bunzip2"),
        (".tar.xz", lzma.compress, "unxz"),
        (".tar.zst", lambda content: b"\x28\xb5\x2f\xfd" + content, "unzstd"),
        (".tar", gzip.compress, "gunzip"),
        (".tar", zipped, "unzip"),
    ],
)
def test_compressed_tars_are_to_be_decompressed(
    ending: str, pack: Callable[[bytes], bytes], program: str, tmp_path: Path
) -> None:
    plain = write(tmp_path / "plain" / "0.tar", THREE)
    path = tmp_path / "packed" / f"0{ending}"
    path.parent.mkdir()
    path.write_bytes(pack(plain.read_bytes()))
    line = f"{path} is compressed; decompress it first ({program})"
    assert refused(path) == refused(f"{path.parent}/0*") == refused(path.parent) == line
    if ending != ".tar":
        write(path.parent / "1.tar", {"x.png": png()})
        assert refused(path.parent) == line
        write(path.parent / "0.tar", THREE)
        assert len(open_source(path.parent).items()) == 4  # the tar lies beside what it was decompressed from


def test_a_compressed_tar_beside_class_folders_is_what_they_came_from(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.png").write_bytes(png())
    (tmp_path / "images.tar.gz").write_bytes(b"\x1f\x8b")
    assert open_source(tmp_path).kind == "folder"


def test_extensions_in_upper_case(tmp_path: Path) -> None:
    write(tmp_path / "0.TAR", THREE)
    assert [item.id for item in open_source(tmp_path).items()] == ["0.TAR/0", "0.TAR/1", "0.TAR/2"]


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({}, "no files"),
        ({"a": link(tarfile.DIRTYPE, ""), "b": link(tarfile.DIRTYPE, "")}, "no files"),
        ({"a.cls": b"1", "b.cls": b"1", "b.x.txt": b"", "README": b""}, "4 other members (cls, txt, no extension)"),
        (
            {"n01440764.tar": b"x", "n01440765.tar": b"x"},
            "2 other members (tar); extract it first (tar -xf), and give the folder of its tars",
        ),
    ],
)
def test_a_tar_without_images_says_what_it_holds(members: Members, found: str, tmp_path: Path) -> None:
    path = write(tmp_path / "0.tar", members)
    assert refused(path) == f"expected samples with an image in {path}, found {found}"


@pytest.mark.parametrize("form", ["gnu", "pax", "ustar", "v7"])
def test_what_gnu_tar_writes(form: str, tmp_path: Path) -> None:
    """Long names, and hard links, by which tools that save space name equal files: labels among them."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.png").write_bytes(png(number))
    (folder / "0.cls").write_text("7")
    os.link(folder / "0.cls", folder / "1.cls")
    os.link(folder / "0.png", folder / "2.png")
    long = "ü" * 20 + "x" * (100 if form in ("gnu", "pax") else 10)
    (folder / f"{long}.png").write_bytes(png(9))
    path = tmp_path / "0.tar"
    subprocess.run(["tar", "--format", form, "-cf", path, "-C", folder, "."], check=True)
    source = open_source(path)
    items = source.items()
    assert keys(items) == {"0": 7, "1": 7, "2": -1, long: -1}
    theirs = {name.removeprefix("./"): sample for name, sample in by_webdataset(path).items()}  # without hard links
    for item, expected in zip(items, (0, 1, 0, 9), strict=True):
        pixels = source.read(item)
        assert np.array_equal(pixels, np.full((4, 5, 3), expected))
        if "png" in theirs.get(item.id.removeprefix("0.tar/"), {}):
            assert np.array_equal(pixels, image_in(theirs[item.id.removeprefix("0.tar/")]))


def test_links_that_lead_out_of_the_tar_are_told(tmp_path: Path) -> None:
    for kind, target in ((tarfile.SYMTYPE, "/etc/hostname"), (tarfile.LNKTYPE, "b.cls"), (tarfile.LNKTYPE, "a.cls")):
        path = write(tmp_path / "0.tar", {"a.png": png(), "a.cls": link(kind, target)})
        assert refused(path) == (
            f"expected a plain file as a.cls in {path}, found a link to {target}; write the tar with the files "
            "that its links lead to (tar --dereference --hard-dereference)"
        )
    source = open_source(write(tmp_path / "0.tar", {"a.png": link(tarfile.LNKTYPE, "b.png")}))
    with pytest.raises(BadImage, match=r"^a link in a tar, which is not followed$"):
        source.read(source.items()[0])


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_sparse_files_are_told(form: str, tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.write(png())
        file.truncate(1 << 20)
    path = tmp_path / "0.tar"
    subprocess.run(["tar", "--format", form, "--sparse", "-cf", path, "-C", tmp_path, "a.png"], check=True)
    source = open_source(path)
    (item,) = source.items()
    assert item.id == "0.tar/a"
    with pytest.raises(BadImage, match=r"^a sparse file in a tar; write the tar without --sparse$"):
        source.read(item)


def test_what_macos_adds_is_left_out(tmp_path: Path) -> None:
    members: Members = {
        "a.png": png(1),
        "._a.png": b"a resource fork",
        "__MACOSX/._a.png": b"a resource fork",
        "__MACOSX/b.png": b"no image",
        "d/.DS_Store": b"",
        "d/._a.png": b"a resource fork",
    }
    assert keys(open_source(write(tmp_path / "0.tar", members)).items()) == {"a": -1}


@pytest.mark.parametrize("name", ["a\0b.png", f"{'x' * 5000}.png"])
def test_a_name_that_no_listing_can_hold_is_told(name: str, tmp_path: Path) -> None:
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a.png")
        info.pax_headers = {"path": name}
        tar.addfile(info)
    line = refused(path)
    assert re.match(
        r"expected names of at most 4096 bytes without a zero byte in .*0\.tar, got 0\.tar/(a\\x00b|x+)", line
    )
    assert line.endswith("; rename it")
    assert len(line) < 500


def test_names_with_escape_codes_are_shown_as_text(tmp_path: Path) -> None:
    path = write(tmp_path / "0.tar", {"\x1b[31m\n.png": png(), "\x1b[31m\n.jpg": png()})
    line = refused(path)
    assert line == (
        r"expected one image in the sample 0.tar/\x1b[31m\n, found \x1b[31m\n.png and \x1b[31m\n.jpg; leave only one in"
    )
    assert line.isprintable()
