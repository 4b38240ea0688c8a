"""WebDataset tars: grouping, labels, patterns, and the ways in which a tar can be damaged or hostile."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from braceexpand import braceexpand
from hypothesis import given, settings
from hypothesis import strategies as st

from layermix_gen.errors import BadImage
from layermix_gen.sources import open_source
from layermix_gen.sources.tars.tar_paths import _count_names
from tests.sources.tars.written_tars import Members, link, png, refusal, write

NO_LABEL = "expected a whole number or the name of a class as the"


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Patterns side by side, and lists of them in braces."""
    parts = st.lists(inner, min_size=2, max_size=3)
    return parts.map("".join) | parts.map(lambda some: f"{{{','.join(some)}}}")


def test_samples_are_grouped_by_key(tmp_path: Path) -> None:
    members: Members = {
        "a.cls": b"3\n",
        "a.png": png(1),
        "b.JPG": png(2),
        "b.json": json.dumps({"label": 7}).encode(),
        "c.webp": png(3),
        "c.json": json.dumps({"cls": 8}).encode(),
        "d.png": png(4),
        "d.json": json.dumps({"label": 1}).encode(),
        "d.cls": b"2",
        "./e e.ü.png": png(5),
        "e.png": png(6),
        "sub.dir/a.png": png(7),
        "sub.dir/a.txt": b"a caption",
        "lonely.cls": b"1",
        "._a.png": b"a resource fork",
        "f.json": b"{}",
        "f.png": png(8),
    }
    source = open_source(write(tmp_path / "000.tar", members))
    items = source.items()
    assert {item.id: item.label for item in items} == {
        "000.tar/a": 3,
        "000.tar/b": 7,
        "000.tar/c": 8,
        "000.tar/d": 2,
        "000.tar/e": -1,
        "000.tar/e e": -1,
        "000.tar/f": -1,
        "000.tar/sub.dir/a": -1,
    }
    assert (source.kind, source.classes) == ("webdataset", ())
    assert source.ignored == 2  # the caption, and the label without an image
    assert [source.read(item)[0, 0, 0] for item in items] == [1, 2, 3, 4, 6, 5, 8, 7]
    assert items[0].size == len(png(1))


def test_patterns_and_folders(tmp_path: Path) -> None:
    for name in ("000", "001", "002", "010"):
        write(tmp_path / "shards" / f"{name}.tar", {f"{name}.png": png()})
    write(tmp_path / "other" / "000.tar", {"x.png": png()})
    write(tmp_path / "shards" / ".hidden.tar", {"h.png": png()})
    (tmp_path / "shards" / "sizes.json").write_text("{}")

    def ids(location: str) -> list[str]:
        return [item.id for item in open_source(tmp_path / location).items()]

    assert ids("shards/{000..002}.tar") == ["000.tar/000", "001.tar/001", "002.tar/002"]
    assert ids("shards/00[02].tar") == ["000.tar/000", "002.tar/002"]
    assert ids("shards/01?.tar") == ["010.tar/010"]
    assert ids("shards") == ["000.tar/000", "001.tar/001", "002.tar/002", "010.tar/010"]
    assert ids("shards/001.tar") == ["001.tar/001"]
    assert ids("{other,shards}/000.tar") == ["other/000.tar/x", "shards/000.tar/000"]
    assert ids("*/000.tar") == ["other/000.tar/x", "shards/000.tar/000"]
    assert (
        refusal(tmp_path / "shards/{000..003}.tar")
        == f"expected tars, found none at {tmp_path}/shards/003.tar; check the path"
    )
    assert refusal(tmp_path / "none*.tar") == f"expected tars, found none at {tmp_path}/none*.tar; check the path"
    assert refusal(tmp_path / "none.tar") == f"expected tars, found none at {tmp_path}/none.tar; check the path"
    line = refusal(tmp_path / "a{0..1.tar")
    assert line.startswith("expected balanced braces, got ")
    assert line.endswith("; mend the pattern")
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty") == f"expected tars, found none at {tmp_path}/empty; check the path"


@pytest.mark.parametrize(
    "name",
    [
        "{0..300000000}.tar",
        "{0..-300000000}",
        "{000..999}{000..999}{0..9}.tar",
        "{a,{b,c{0..999999}}}",
        "{x{a..z}{a..z}{a..z}{a..z}{a..z},y}",
        "{a,b}" * 40,
        f"{{0..{'9' * 200}}}",
    ],
)
def test_braces_that_name_more_tars_than_there_can_be(name: str, tmp_path: Path) -> None:
    line = refusal(tmp_path / name)
    assert line.startswith("expected at most 1000000 tars, got more by ")
    assert line.endswith("; narrow the braces, or use *")


@settings(max_examples=50)
@given(st.recursive(st.sampled_from(["a", "{0..4}", "{07..3}", "{a..e..2}", "\\{", ""]), nested, max_leaves=12))
def test_the_names_of_braces_are_counted_without_expanding_them(pattern: str) -> None:
    names = len(list(braceexpand(pattern)))
    steps = pattern.count("..2}")
    assert names <= _count_names(pattern) <= names * 5**steps


def test_a_location_with_brackets_that_exists_is_no_pattern(tmp_path: Path) -> None:
    path = write(tmp_path / "odd [1] {a,b}" / "0.tar", {"a.png": png()})
    assert [item.id for item in open_source(path).items()] == ["0.tar/a"]
    assert [item.id for item in open_source(path.parent).items()] == ["0.tar/a"]


def test_a_pattern_below_a_folder_with_brackets(tmp_path: Path) -> None:
    for number in range(2):
        write(tmp_path / "wd [2] {a,b}" / f"00{number}.tar", {"a.png": png()})
    write(tmp_path / "wd 2 a" / "000.tar", {"other.png": png()})  # which the brackets would match as a pattern
    for pattern in ("{000..001}.tar", "*.tar", "00[01].tar", "00{0,1}*"):
        source = open_source(tmp_path / "wd [2] {a,b}" / pattern)
        assert [item.id for item in source.items()] == ["000.tar/a", "001.tar/a"]
        assert [source.read(item).shape for item in source.items()] == [(4, 5, 3)] * 2


def test_every_truncation_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "000.tar", {f"{n}.png": png(n) for n in range(3)})
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    for length in (*range(0, end + 1, 256), end + 100):
        path.write_bytes(whole[:length])
        assert f"{path} is truncated" in refusal(path), length
    path.write_bytes(whole[: end + 512])
    assert len(open_source(path).items()) == 3


def test_a_damaged_header_is_no_end_of_file(tmp_path: Path) -> None:
    path = write(tmp_path / "000.tar", {f"{n}.png": png(n) for n in range(3)})
    whole = bytearray(path.read_bytes())
    whole[1024 + 100] ^= 1  # the mode of the second member
    path.write_bytes(whole)
    assert refusal(path) == f"{path} is corrupt: no member can be read at byte 1024; get it again"
    whole[0] ^= 1
    path.write_bytes(whole)
    assert refusal(path).startswith(f"{path} is truncated or not a tar: ")


def test_a_member_of_absurd_size_is_told(tmp_path: Path) -> None:
    whole = write(tmp_path / "000.tar", {"a.png": png()}).read_bytes()
    for kind in (tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        info = tarfile.TarInfo("b.png")
        info.size, info.type = 1 << 80, kind
        path = tmp_path / "001.tar"
        path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + whole)
        assert refusal(path).startswith(f"{path} is truncated or not a tar: ")


def test_a_member_that_is_too_large_is_an_image_that_is_left_out(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "000.tar", {"a.png": png()}))
    with pytest.raises(BadImage, match=r"^too large: 2199023255552 bytes exceed the bound of 1073741824$"):
        source.read(replace(source.items()[0], size=1 << 41))


def test_links_and_odd_members_are_never_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    members: Members = {
        "good.png": png(9),
        "hard.png": link(tarfile.LNKTYPE, "good.png"),
        "lost.png": link(tarfile.LNKTYPE, "secret.png"),
        "soft.png": link(tarfile.SYMTYPE, str(secret)),
        "pipe.png": link(tarfile.FIFOTYPE, ""),
        "folder.png": link(tarfile.DIRTYPE, ""),
        "../../up.png": png(1),
        "/absolute.png": png(2),
    }
    source = open_source(write(tmp_path / "000.tar", members))
    items = {item.id: item for item in source.items()}
    for name in ("lost", "soft", "pipe"):
        with pytest.raises(BadImage, match=r"^a link in a tar, which is not followed$"):
            source.read(items.pop(f"000.tar/{name}"))
    assert {name: int(source.read(item)[0, 0, 0]) for name, item in items.items()} == {
        "000.tar/good": 9,
        "000.tar/hard": 9,
        "000.tar/../../up": 1,
        "000.tar//absolute": 2,
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000.tar", "secret.png"]


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        ("a.cls", b"", f"{NO_LABEL} cls of 000.tar/a, got b''; mend the tar"),
        ("a.cls", b"9" * 5000, f"{NO_LABEL} cls of 000.tar/a, got b'9999"),
        ("a.json", b"{", "expected an object as the json of 000.tar/a, got no JSON; mend the tar"),
        ("a.json", b"[" * 100_000, "expected an object as the json of 000.tar/a, got no JSON; mend the tar"),
        ("a.json", b"\xff", "expected an object as the json of 000.tar/a, got no JSON; mend the tar"),
        ("a.json", b"[1]", "expected an object as the json of 000.tar/a, got list; mend the tar"),
        ("a.json", b'{"label": [1]}', f"{NO_LABEL} label in the json of 000.tar/a, got [1]"),
        ("a.json", b'{"label": true}', f"{NO_LABEL} label in the json of 000.tar/a, got True"),
        ("a.json", b'{"cls": -2}', f"{NO_LABEL} cls in the json of 000.tar/a, got -2"),
        (
            "a.json",
            b'{"label": 1000000000}',
            f"{NO_LABEL} label in the json of 000.tar/a, got 1000000000;",
        ),
        ("a.json", b'{"label": %d}' % (1 << 64), f"{NO_LABEL} label in the json of 000.tar/a, got 1844"),
        ("a.jpg", png(), "expected one image in the sample 000.tar/a, "),
    ],
)
def test_a_bad_sample_is_named(member: str, content: bytes, message: str, tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "000.tar", {"a.png": png(), member: content})).startswith(message)


def test_a_tar_without_images_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "000.tar", {"a.txt": b"x", "b.cls": b"1"})
    assert refusal(path) == f"expected samples with an image in {path}, found 2 other members (txt, cls)"


def test_a_tar_that_changed_gives_bad_images(tmp_path: Path) -> None:
    path = write(tmp_path / "000.tar", {"a.png": png()})
    source = open_source(path)
    item = replace(*source.items(), version="")  # with it, see test_versions
    path.write_bytes(b"")
    with pytest.raises(BadImage, match=r"^not readable: its tar is shorter than when it was listed$"):
        source.read(item)
    path.unlink()
    with pytest.raises(BadImage, match=r"^no such file$"):
        source.read(item)


def test_names_longer_than_a_header_and_not_utf8(tmp_path: Path) -> None:
    long = "x" * 300
    path = write(tmp_path / "000.tar", {f"{long}.png": png(1)})
    with tarfile.open(path, "a", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        info = tarfile.TarInfo("b\udcff.png")
        info.size = len(png(2))
        tar.addfile(info, io.BytesIO(png(2)))
    source = open_source(path)
    assert [item.id for item in source.items()] == [r"000.tar/b\xff", f"000.tar/{long}"]
    assert [int(source.read(item)[0, 0, 0]) for item in source.items()] == [2, 1]
    assert all(np.all(source.read(item) == source.read(item)[0, 0, 0]) for item in source.items())
