"""Labels in tars: as numbers and as names, from each member that may say them, and what is no label."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layermix_gen.sources import open_source
from layermix_gen.sources.tars.tar_labels import TarLabel, classified, label_of
from tests.sources.tars.written_tars import Members, by_webdataset, image_in, png, refusal, write

IMG2DATASET = {  # the fields that it writes
    "url": "https://host/7.jpg",
    "caption": "a photo of a cat",
    "key": "000000007",
    "status": "success",
    "error_message": None,
    "width": 5,
    "height": 4,
    "exif": "{}",
    "sha256": "00",
}


def labelled(path: Path, extension: str, *contents: bytes) -> Path:
    """A tar of samples 0, 1, ... with one member beside the image of each."""
    members: Members = {}
    for number, content in enumerate(contents):
        members |= {f"{number}.png": png(number), f"{number}.{extension}": content}
    return write(path, members)


def described(path: Path, *fields: dict[str, Any]) -> Path:
    return labelled(path, "json", *(json.dumps(one).encode() for one in fields))


@pytest.mark.parametrize("extension", ["cls", "label", "class", "lbl", "CLS", "output.cls"])
def test_text_is_a_number_or_a_name(extension: str, tmp_path: Path) -> None:
    numbers = open_source(labelled(tmp_path / "0.tar", extension, b"3\n", b"-1", b" 0 "))
    assert ([item.label for item in numbers.items()], numbers.classes) == ([3, -1, 0], ())
    names = open_source(labelled(tmp_path / "1.tar", extension, b"dog\n", "Ätna".encode(), b"cat", b"dog"))
    assert ([item.label for item in names.items()], names.classes) == ([1, 2, 0, 1], ("cat", "dog", "Ätna"))


def test_names_are_sorted_over_all_tars_and_known_to_who_has_not_listed_them(tmp_path: Path) -> None:
    paths = [labelled(tmp_path / "set" / f"{name}.tar", "cls", b"dog", name.encode()) for name in ("cow", "ant")]
    source = open_source(tmp_path / "set")
    assert open_source(tmp_path / "set").classes == ("ant", "cow", "dog")
    items = source.items()
    assert [(item.id, item.label) for item in items] == [
        ("ant.tar/0", 2),
        ("ant.tar/1", 0),
        ("cow.tar/0", 2),
        ("cow.tar/1", 1),
    ]
    for path in paths:
        theirs = by_webdataset(path)
        for item in (item for item in items if item.at[0] == path.name):
            sample = theirs[item.id.split("/")[1]]
            assert source.classes[item.label] == sample["cls"].decode()
            assert np.array_equal(source.read(item), image_in(sample))


@pytest.mark.parametrize(
    ("fields", "labels", "classes"),
    [
        ([{"label": "cat"}, {"label": "ant"}], [1, 0], ("ant", "cat")),
        ([{"label": "3"}, {"label": "0"}], [3, 0], ()),
        ([{"label": 3.0}, {"label": None}], [3, -1], ()),  # as pandas writes a column with gaps
        ([{"cls": 2}, {"label": ""}], [2, -1], ()),
        ([{"class": 2}, {"target": 1}], [2, 1], ()),
        ([{"class_name": "cat"}, {"label_name": "ant"}], [1, 0], ("ant", "cat")),
        ([{"label": 2, "class_name": "cat"}, {"label": 0, "class_name": "ant"}], [2, 0], ("ant", "1", "cat")),
        ([{"label": 1, "class": "cat"}, {"label": 0, "class": "ant"}], [1, 0], ("ant", "cat")),
        ([{"label": 1, "class_name": ""}, {"label": -1, "class_name": ""}], [1, -1], ()),  # as our own tars have it
        ([{"label": 1, "class_name": "9"}, {"label": -1, "class_name": "cat"}], [1, -1], ("0", "9")),
        ([{"target": [1, 2], "label": 4}, {"class": {"id": 5}}], [4, -1], ()),
        ([IMG2DATASET, IMG2DATASET], [-1, -1], ()),
    ],
)
def test_json(fields: list[dict[str, Any]], labels: list[int], classes: tuple[str, ...], tmp_path: Path) -> None:
    source = open_source(described(tmp_path / "0.tar", *fields))
    assert ([item.label for item in source.items()], source.classes) == (labels, classes)


@pytest.mark.parametrize(
    ("captions", "labels"),
    [
        ([b"7", b"0\n"], [7, 0]),
        ([b"7", b"a cat"], [-1, -1]),
        ([b"cat", b"dog"], [-1, -1]),  # one word may be a caption, too
        ([b"7", b""], [-1, -1]),
        ([b"7", b"\xff"], [-1, -1]),
    ],
)
def test_a_caption_is_a_label_only_where_all_are_numbers(
    captions: list[bytes], labels: list[int], tmp_path: Path
) -> None:
    source = open_source(labelled(tmp_path / "0.tar", "txt", *captions))
    assert ([item.label for item in source.items()], source.classes) == (labels, ())
    more = labelled(tmp_path / "more.tar", "txt", *captions)
    labelled(tmp_path / "other.tar", "cls", b"1")
    assert open_source(more).items()[0].label == labels[0]
    assert [item.label for item in open_source(f"{tmp_path}/{{more,other}}.tar").items()] == [-1, -1, 1]


def test_what_img2dataset_writes_has_no_label(tmp_path: Path) -> None:
    members: Members = {}
    for number in range(3):
        fields = json.dumps(IMG2DATASET).encode()
        members |= {f"{number:09}.png": png(), f"{number:09}.json": fields, f"{number:09}.txt": b"cat"}
    source = open_source(write(tmp_path / "00000.tar", members))
    assert [item.label for item in source.items()] == [-1] * 3
    assert (source.classes, source.ignored) == ((), 3)


def test_members_without_a_further_name_come_first() -> None:
    def told(**labels: bytes) -> tuple[int, str]:
        label = label_of({name.replace("_", "."): content for name, content in labels.items()}, "x")
        return label.number, label.name

    assert told(cls=b"1", json=b'{"label": 2}', label=b"3") == (1, "")
    assert told(cls=b"1", json=b'{"label": 2, "class_name": "cat"}') == (1, "cat")
    assert told(cls=b"1", json=b"[0, 1]") == (1, "")  # of something else
    assert told(json=b'{"url": ""}', label=b"3") == (3, "")
    assert told(output_cls=b"4", lbl=b"5") == (5, "")
    assert told(a_cls=b"4", b_cls=b"4") == (4, "")
    assert told(meta_json=b"{}", a_json=b'{"label": 2}') == (2, "")
    assert told(cls=b"-1", json=b'{"class_name": "cat"}') == (-1, "")
    assert told() == (-1, "")


@pytest.mark.parametrize(
    "content",
    [b"0 3 7", b"[0, 1]", b"1.5", b"", b"-2", b"cat\ndog", b"a" * 101, b"\xffcat", b"3.0e+00", b"nan", b"null"],
)
def test_a_cls_that_is_no_label_is_told(content: bytes, tmp_path: Path) -> None:
    path = labelled(tmp_path / "0.tar", "cls", b"1", content)
    found = repr(content.strip()[:40])[:40]
    assert (
        refusal(path)
        == f"expected a whole number or the name of a class as the cls of 0.tar/1, got {found}; mend the tar"
    )


def test_labels_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    path = labelled(tmp_path / "0.tar", "cls", b"1", b"cat")
    assert refusal(path) == (
        "expected labels that are all numbers or all names, found 1 for 0.tar/0 and 'cat' for 0.tar/1; "
        "give one form to all"
    )
    path = described(tmp_path / "1.tar", {"label": 1, "class_name": "cat"}, {"label": 1, "class_name": "dog"})
    assert refusal(path) == (
        "expected one class name per label, got 'dog' for label 1 in 1.tar/1, which was 'cat' before; mend the tar"
    )
    path = write(tmp_path / "2.tar", {"x.png": png(), "x.coarse.cls": b"1", "x.fine.cls": b"7"})
    assert refusal(path) == "expected one label for 2.tar/x, found two in coarse.cls and fine.cls; leave one out"
    path = described(tmp_path / "3.tar", {"label": 123456789, "class_name": "cat"})
    assert refusal(path) == "expected labels up to 999999 where classes have names, got 123456789; mend the tar"
    members: Members = {"a.png": png(), "a.cls": b"1", "./a.cls": b"2"}
    assert (
        refusal(write(tmp_path / "4.tar", members))
        == f"expected each member once in {tmp_path}/4.tar, found ./a.cls again; take one out"
    )


def test_tars_that_are_named_by_classes_of_imagenet(tmp_path: Path) -> None:
    """As its training set is published: a tar for each class, of images without labels."""
    for wnid in ("n02084071", "n01440764"):
        write(tmp_path / "train" / f"{wnid}.tar", {f"{wnid}_{number}.JPEG": png(number) for number in range(2)})
    source = open_source(tmp_path / "train")
    assert [(item.id[:9], item.label) for item in source.items()] == [
        ("n01440764", 0),
        ("n01440764", 0),
        ("n02084071", 1),
        ("n02084071", 1),
    ]
    assert open_source(f"{tmp_path}/train/*.tar").classes == source.classes == ("n01440764", "n02084071")
    write(tmp_path / "train" / "shard-000.tar", {"x.png": png()})
    assert {item.label for item in open_source(tmp_path / "train").items()} == {-1}
    classes = classified({TarLabel(5): "a"}, ["n01440764.tar"])
    assert (classes.label_of(TarLabel(5), "n01440764.tar"), classes.names) == (5, ())


def test_labels_and_pixels_are_those_that_webdataset_decodes(tmp_path: Path) -> None:
    import webdataset

    rng = np.random.default_rng(0)
    for tar in range(2):
        members: Members = {}
        for number in range(20):
            key, label = f"d.{tar}/{tar}{number:03}", int(rng.integers(10))
            extension = ("png", "PNG", "view.png")[number % 3]
            said = {"cls": b"%d" % label} if number % 2 else {"json": json.dumps({"label": label}).encode()}
            members |= {f"{key}.{extension}": png(int(rng.integers(256)))}
            members |= {f"{key}.{name}": content for name, content in said.items()}
        write(tmp_path / f"{tar}.tar", members)
    source = open_source(tmp_path)
    ours = {item.id.split("/", 1)[1]: (item.label, source.read(item)) for item in source.items()}
    urls = [str(path) for path in sorted(tmp_path.glob("*.tar"))]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == [*ours]
    for sample in samples:
        label, pixels = ours[sample["__key__"]]
        assert label == (sample["cls"] if "cls" in sample else sample["json"]["label"])
        (image,) = [value for value in sample.values() if isinstance(value, np.ndarray)]
        assert np.array_equal(pixels, image)
