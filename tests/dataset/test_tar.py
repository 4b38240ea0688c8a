"""Tars: the same bytes as Python's tarfile in its USTAR format, and what `tar` itself makes of them."""

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from layermix_gen.dataset.tar import TarWriter, header, member_bytes

SIZES = (0, 1, 511, 512, 513, 100_000)


def by_tarfile(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("size", [*SIZES, 8**11 - 1])
@pytest.mark.parametrize("name", ["a", "000000017-v03.jpg", "n" * 99, "n" * 100])
def test_headers_are_those_of_tarfile(name: str, size: int) -> None:
    assert header(name.encode(), size) == by_tarfile(name, size)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    content = {f"{size:09d}.bin": bytes(range(256)) * 400 for size in SIZES} | {"n" * 100: b"long"}
    content = {name: data[: int(name[:9])] if name[0] == "0" else data for name, data in content.items()}
    writer = TarWriter(tmp_path / "a.tar")
    offsets = [writer.add(name, data) for name, data in content.items()]
    summary = writer.close()
    whole = (tmp_path / "a.tar").read_bytes()
    assert (summary.bytes, summary.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert [whole[at : at + len(data)] for at, data in zip(offsets, content.values(), strict=True)] == [
        *content.values()
    ]
    assert len(whole) == sum(member_bytes(len(data)) for data in content.values()) + 1024
    return tmp_path / "a.tar", content


def test_a_whole_tar_is_that_of_tarfile(written: tuple[Path, dict[str, bytes]]) -> None:
    """Byte for byte but for the zeros that tarfile appends to fill up a record of 10 KiB."""
    path, content = written
    expected = io.BytesIO()
    with tarfile.open(fileobj=expected, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    whole = path.read_bytes()
    assert expected.getvalue()[: len(whole)] == whole
    assert not expected.getvalue()[len(whole) :].strip(b"\0")


def test_readers_find_everything_and_no_more(written: tuple[Path, dict[str, bytes]]) -> None:
    path, content = written
    listed = subprocess.run(["tar", "tf", path], capture_output=True, text=True, check=True)
    assert listed.stdout.splitlines() == list(content)
    assert not listed.stderr
    with tarfile.open(path) as tar:
        assert not tar.pax_headers
        for member in tar:
            assert member.isreg()
            assert not member.pax_headers
            assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
            assert tar.extractfile(member).read() == content[member.name]


def test_what_is_abandoned_is_not_whole(tmp_path: Path) -> None:
    writer = TarWriter(tmp_path / "a.tar")
    writer.add("a", b"1")
    writer.abandon()
    with (tmp_path / "a.tar").open("rb") as file:
        assert not file.read().endswith(bytes(1024))
