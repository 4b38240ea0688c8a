"""Opening sources: the table, telling the kind by the content, and what all of them promise."""

import errno
import gzip
import json
import os
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.sources import KINDS, Item, open_source, open_test_set


def save(path: Path, value: int = 0) -> Path:
    """Write a small image of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", (5, 4), (value, value, value)).save(path)
    return path


def make_folder(root: Path) -> Path:
    save(root / "cat" / "a.png", 1)
    save(root / "dog" / "a.png", 2)
    return root


def make_idx(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", 6), ("t10k", 3)):
        images = np.arange(count * 28 * 28, dtype=np.uint32).astype(np.uint8)
        (root / f"{split}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, count, 28, 28) + images.tobytes())
        labels = bytes(range(count))
        (root / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">2I", 0x801, count) + labels))
    return root


def make_cifar(root: Path) -> Path:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for part, name in enumerate([*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]):
        (folder / name).write_bytes(b"".join(bytes([i]) + bytes([part + i]) * 3072 for i in range(2)))
    (folder / "batches.meta.txt").write_text("airplane\nautomobile\n\n")
    return root


def make_tars(root: Path) -> Path:
    image = save(root.parent / "shelf" / "a.png", 3)
    root.mkdir(parents=True)
    with tarfile.open(root / "000.tar", "w") as tar:
        tar.add(image, "a.png")
    return root


def make_manifest(root: Path) -> Path:
    save(root / "a.png")
    (root / "table.csv").write_text("path,label\na.png,0\n")
    return root / "table.csv"


def make_npz(root: Path) -> Path:
    np.savez(root, images=np.arange(240, dtype=np.uint8).reshape(4, 5, 4, 3), labels=np.arange(4))
    return root.with_name(f"{root.name}.npz")


MAKERS = {
    "npz": make_npz,
    "folder": make_folder,
    "idx": make_idx,
    "cifar10": make_cifar,
    "webdataset": make_tars,
    "manifest": make_manifest,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_auto_finds_the_kind(kind: str, tmp_path: Path) -> None:
    source = open_source(MAKERS[kind](tmp_path / "set"))
    assert source.kind == kind
    assert Path(source.location).is_absolute()


@pytest.mark.parametrize("kind", MAKERS)
def test_a_worker_opens_it_again_and_reads_without_listing(kind: str, tmp_path: Path) -> None:
    first = open_source(MAKERS[kind](tmp_path / "set"))
    items = first.items()
    assert items == first.items()
    assert len({item.id for item in items}) == len(items)
    again = open_source(first.location, first.kind)
    assert again.kind == first.kind
    for item in reversed(items):
        values = json.loads(json.dumps(asdict(item)))
        sent = Item(values["id"], values["label"], values["size"], tuple(values["at"]))
        assert sent == item
        pixels = again.read(sent)
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
        assert pixels.flags.writeable
        assert np.array_equal(pixels, first.read(item))


@pytest.mark.parametrize("kind", ["cifar10", "idx"])
def test_a_split_is_chosen_by_the_kind(kind: str, tmp_path: Path) -> None:
    root = MAKERS[kind](tmp_path / "set")
    train, test = open_source(root, f"{kind}:train"), open_source(root, "auto:test")
    assert (train.kind, test.kind) == (kind, f"{kind}:test")
    assert train.items()[0].id == "train/00000"
    assert test.items()[0].id == "test/00000"
    with pytest.raises(BadImage, match="no such image"):
        train.read(test.items()[0])


@pytest.mark.parametrize("wanted", ["train", "test"])
@pytest.mark.parametrize("name", ["idx", "svhn"])
def test_a_file_of_another_split_is_refused_the_default_split_too(name: str, wanted: str, tmp_path: Path) -> None:
    found = {"train": "test", "test": "train"}[wanted]
    path = tmp_path / f"{found}_32x32.mat"
    path.touch()
    if name == "idx":
        path = make_idx(tmp_path) / f"{'t10k' if found == 'test' else 'train'}-images-idx3-ubyte"
    expected = f"expected the {wanted} split, found that of {found} at {path}; give the file of {wanted}, or --kind "
    for kind in (f"{name}:{wanted}", f"auto:{wanted}"):
        with pytest.raises(LayerMixError) as caught:
            open_source(path, kind)
        assert str(caught.value) == f"{expected}{name} to take this one"
    for kind in (name, f"{name}:{found}"):
        assert open_source(path, kind).kind in (name, f"{name}:{found}")
    if wanted == "test":
        with pytest.raises(LayerMixError, match=f"or --kind {name} to take this one"):
            open_test_set(path)
        assert open_test_set(path, name).kind == name


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "imagenet",
            f"kind must be one of auto, {', '.join(KINDS)}, got 'imagenet'; change --kind",
        ),
        ("folder:test", "unknown split 'test' of folder: it has none; change --kind"),
        ("cifar10:val", "unknown split 'val' of cifar10: expected train or test; change --kind"),
    ],
)
def test_an_unknown_kind_or_split_is_refused(kind: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(LayerMixError) as caught:
        open_source(tmp_path, kind)
    assert str(caught.value) == message


def refusal(location: Path | str) -> str:
    with pytest.raises(LayerMixError) as caught:
        open_source(location)
    assert "\n" not in str(caught.value)
    return str(caught.value)


SEE = "check the path, or see docs/sources.md for what is read"


def test_what_is_not_recognised_says_what_was_found(tmp_path: Path) -> None:
    assert "found nothing at" in refusal(tmp_path / "none")
    assert refusal(tmp_path) == f"expected a source of images at {tmp_path}, found an empty folder; {SEE}"
    (tmp_path / "notes.txt").write_text("hello")
    assert refusal(tmp_path).endswith(f", found a folder with notes.txt; {SEE}")
    assert refusal(tmp_path / "notes.txt").endswith(f", found another file, of 5 bytes; {SEE}")
    np.save(tmp_path / "set.npy", np.zeros(3))
    assert refusal(tmp_path).endswith(
        f", found a folder with notes.txt, set.npy; give one file, such as {tmp_path}/set.npy"
    )


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        (
            "set.zip",
            b"PK\3\4...",
            "a ZIP archive of other files, or one that is cut off; extract it and give the folder",
        ),
        (
            "set.npz",
            b"PK\3\4...",
            "a ZIP archive of other files, or one that is cut off; extract it and give the folder",
        ),
        ("set.rar", b"Rar!\x1a\7", "a RAR archive; extract it and give the folder"),
        ("set.csv.gz", gzip.compress(b"path,label", mtime=0), "a gzipped file; decompress it"),
        ("my.mat", b"MATLAB 5.0 MAT-file", "a MATLAB file; save its arrays by np.savez(FILE, images=..., labels=...)"),
        ("my.mat", b"\x89HDF\r\n", "an HDF5 file; save its arrays by np.savez"),
        ("data-00000-of-00001.arrow", b"\xff\xff\xff\xff\1\0\0\0", "an Arrow file; give its folder"),
        ("t10k-labels-idx1-ubyte", b"\0\0\x08\1\0\0\0\1\3", "labels as IDX; give the file of the images"),
        ("a.JPG", b"\xff\xd8\xff\xe0", "a single file with an image's extension; give its folder"),
        ("empty", b"", f"another file, of 0 bytes; {SEE}"),
    ],
)
def test_a_file_that_is_no_source_is_named(name: str, content: bytes, found: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).startswith(f"expected a source of images at {tmp_path / name}, found {found}")
    assert len(refusal(tmp_path / name)) < 200 + len(str(tmp_path))


@pytest.mark.parametrize("kind", ["auto", *KINDS])
def test_a_location_that_cannot_be_looked_at_gets_a_line(kind: str, tmp_path: Path) -> None:
    with pytest.raises(LayerMixError, match=r"^cannot open .*: file name too long; check the path$"):
        open_source(tmp_path / ("x" * 300), kind)


AS_ANOTHER_USER = """
import os, sys
from layermix_gen.errors import LayerMixError
from layermix_gen.sources import open_source
if os.getuid() == 0:
    os.setuid(65534)
for location in sys.argv[1:]:
    try:
        open_source(location).items()
    except LayerMixError as fault:
        print(fault)
"""


def test_a_location_in_a_closed_folder_gets_a_line() -> None:
    """Nothing is closed to root, so a child process gives its rights away, in a folder that lets it in."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "closed").mkdir(mode=0)
        names = [f"{folder}/{name}" for name in ("closed/set", "closed/*.tar", "closed/{0..1}.tar")]
        command = [sys.executable, "-c", AS_ANOTHER_USER, *names]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(run.stdout.splitlines()) == len(names)
    for line in run.stdout.splitlines():
        assert re.fullmatch(r"cannot (open|look for) .*: permission denied; check the path", line)


def test_a_pattern_that_leads_into_a_closed_folder_gets_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(tmp_path / "{0..1}.tar")

    def closed(_: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "is_file", closed)
    with pytest.raises(LayerMixError, match=r"^cannot look for .*tar: permission denied; check the path$"):
        source.items()


def test_two_kinds_in_one_folder_are_refused(tmp_path: Path) -> None:
    make_tars(make_folder(tmp_path) / "bird")
    (tmp_path / "bird" / "000.tar").rename(tmp_path / "000.tar")
    assert refusal(tmp_path).endswith("found webdataset and folder; give --kind")
    assert open_source(tmp_path, "folder").kind == "folder"


def test_published_sets_win_over_what_lies_beside_them(tmp_path: Path) -> None:
    make_cifar(make_folder(tmp_path))
    assert open_source(tmp_path).kind == "cifar10"
    make_idx(tmp_path)
    assert refusal(tmp_path).endswith("found cifar10 and idx; give --kind")


def test_a_pattern_is_a_webdataset_and_a_file_is_told_by_content(tmp_path: Path) -> None:
    make_tars(tmp_path / "set")
    assert open_source(f"{tmp_path}/set/{{000..000}}.tar").kind == "webdataset"
    (tmp_path / "set" / "000.tar").rename(tmp_path / "no extension")
    assert open_source(tmp_path / "no extension").kind == "webdataset"


def test_the_location_is_made_absolute_but_links_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    source = open_source("link")
    assert source.location == str(tmp_path / "link")
    assert source.read(source.items()[0]).shape == (4, 5, 3)


@pytest.mark.parametrize("heavy", ["duckdb", "cv2", "torch", "webdataset"])
def test_sources_are_cheap_to_import(heavy: str) -> None:
    code = f"import sys, layermix_gen.sources; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
