"""Samples of tars: which members belong together, and which of them is the image, as webdataset has it."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from layermix_gen.sources import open_source
from tests.sources.tars.written_tars import Members, by_webdataset, image_in, keys, png, refusal, write

LABELLED = {"label": 5}


def test_names_with_dots_are_read_as_webdataset_reads_them(tmp_path: Path) -> None:
    members: Members = {
        "22.00.png": png(1),
        "22.00.cls": b"3",
        "x.input.png": png(2),
        "x.output.cls": b"4",
        "UPPER.JPEG": png(3),
        "UPPER.CLS": b"6",
        "folder.v1/y.a.b.PNG": png(4),
        "folder.v1/y.Meta.JSON": json.dumps(LABELLED).encode(),
        "__made__": b"by a writer",
        "__meta__/made.png": png(9),
    }
    path = write(tmp_path / "000.tar", members)
    source, theirs = open_source(path), by_webdataset(path)
    items = source.items()
    assert keys(items) == {"22": 3, "UPPER": 6, "folder.v1/y": 5, "x": 4}
    assert keys(items).keys() == theirs.keys()
    assert [int(theirs[key][name]) for key, name in (("22", "00.cls"), ("x", "output.cls"))] == [3, 4]
    for item, key in zip(items, keys(items), strict=True):
        assert np.array_equal(source.read(item), image_in(theirs[key]))


@pytest.mark.parametrize("names", [("x.png", "x.mask.png"), ("x.seg.png", "x.png", "x.depth.png")])
def test_the_image_without_a_further_name_is_that_of_the_sample(names: tuple[str, ...], tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "000.tar", {name: png(len(name)) for name in names} | {"x.cls": b"2"}))
    (item,) = source.items()
    assert (item.label, int(source.read(item)[0, 0, 0]), source.ignored) == (2, len("x.png"), len(names) - 1)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("x.input.jpg", "x.target.jpg"), "x.input.jpg and x.target.jpg"),
        (("22.00.png", "22.01.png", "22.02.png"), "22.00.png and 22.01.png"),
        (("22.png", "22.01.png"), "22.png and 22.01.png"),  # 22.01 is no second view of 22
    ],
)
def test_several_images_of_one_sample_are_told(names: tuple[str, ...], found: str, tmp_path: Path) -> None:
    path = write(tmp_path / "000.tar", {name: png() for name in names})
    key = names[-1].split(".")[0]
    assert refusal(path) == (
        f"expected one image in the sample 000.tar/{key}, found {found}: the name of a sample ends at the first dot; "
        "rename its images (a_1.jpg, not a.1.jpg), or leave only one in"
    )


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("a.png", "a.jpg"), "a.png and a.jpg"),
        (("a.png", "a.jpg", "a.1.png", "a.png"), "a.png and a.jpg"),
        (("f/a.PNG", "f/a.png"), "f/a.PNG and f/a.png"),
        (("./a.png", "a.png"), "./a.png and a.png"),
        (("a.png", "a.png"), "a.png twice"),
    ],
)
def test_images_whose_names_differ_in_no_dot(names: tuple[str, ...], found: str, tmp_path: Path) -> None:
    """No dot is to blame, so none is spoken of."""
    with tarfile.open(tmp_path / "000.tar", "w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(png())
            tar.addfile(member, io.BytesIO(png()))
    key = names[-1].split(".")[0]
    assert refusal(tmp_path / "000.tar") == (
        f"expected one image in the sample 000.tar/{key}, found {found}; leave only one in"
    )
