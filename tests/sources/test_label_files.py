"""Labels in a file beside the images: the metadata of Hugging Face, and TinyImageNet's validation set."""

import errno
import json
from pathlib import Path

import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.sources import SourceOptions, open_source
from tests.sources.test_folder import by_id, reason, save


def labels(root: Path, follow_links: bool = False) -> dict[str, int]:
    return {item.id: item.label for item in open_source(root, options=SourceOptions(follow_links)).items()}


def refusal(root: Path) -> str:
    with pytest.raises(LayerMixError) as caught:
        open_source(root).items()
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(root), "ROOT")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three images in a flat folder."""
    for name in ("a", "b", "c"):
        save(tmp_path / f"{name}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "expected", "classes"),
    [
        ("metadata.csv", "file_name,label\na.png,dog\nb.png,cat\nc.png,dog\n", [1, 0, 1], ("cat", "dog")),
        ("metadata.csv", "\ufefflabel,text,file_name\n2,\"a, b\",./a.png\n0,,b.png\n,,c.png\n", [2, 0, -1], ()),
        ("metadata.csv", "file_name,label\r\na.png,3.0\r\n", [3, -1, -1], ()),  # files without a row have no label
        ("metadata.jsonl", '{"file_name":"a.png", "label":1}\n\n{"file_name":"c.png", "label":null}', [1, -1, -1], ()),
        ("metadata.jsonl", '{"file_name":"a.png","label":"x"}\n\n{"file_name":"b.png"}', [0, -1, -1], ("x",)),
        ("metadata.jsonl", '{"file_name":"a.png","text":"x"}', [-1, -1, -1], ()),  # no labels
        ("metadata.csv", "file_name;label\na.png;dog\nb.png;cat\n", [1, 0, -1], ("cat", "dog")),
        ("metadata.csv", "file_name\tLabel\na.png\t1\n", [1, -1, -1], ()),
        ("metadata.csv", "File Name,class\n a.png ,1\n.\\b.png,0\n", [1, 0, -1], ()),
        ("metadata.jsonl", '{"image":"a.png","category":"x"}', [0, -1, -1], ("x",)),
        ("metadata.csv", "image,file_name,label,category\nx,a.png,1,2\n", [1, -1, -1], ()),  # Hugging Face's win
        ("metadata.csv", "path,label\n{tmp}/a.png,1\nx/../b.png,2\n", [1, 2, -1], ()),
        ("metadata.csv", "file_name,text\na.png,a caption\n", [-1, -1, -1], ()),  # no labels
        ("metadata.csv", "name,label\na.png,1\n", [-1, -1, -1], ()),  # not that of Hugging Face
        ("metadata.csv", "", [-1, -1, -1], ()),
    ],
)  # fmt: skip
def test_labels_of_metadata(name: str, text: str, expected: list[int], classes: tuple[str, ...], images: Path) -> None:
    (images / name).write_text(text.replace("{tmp}", str(images)), "utf-8")
    source = open_source(images)
    assert [item.label for item in source.items()] == expected
    assert source.classes == classes
    assert source.ignored == 1


def test_a_row_without_a_file_is_an_image_that_cannot_be_read(
    images: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = save(tmp_path_factory.mktemp("elsewhere") / "secret.png")
    (images / "metadata.csv").write_text(f"file_name,label\na.png,1\ngone.png,0\n../x.png,0\n{secret},0\n")
    for options in (SourceOptions(), SourceOptions(follow_links=True)):
        source = open_source(images, options=options)
        items = by_id(source)
        assert {name: item.label for name, item in items.items() if item.label >= 0} == {
            "a.png": 1,
            "gone.png": 0,
            str(tmp_path.parent / "x.png"): 0,
            str(secret): 0,
        }
        for name in items.keys() - {"a.png", "b.png", "c.png"}:
            assert reason(source, items[name]) in ("no such file", "link out of the root")


def test_a_folder_of_images_is_no_class_where_a_file_gives_labels(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "metadata.csv").write_text("file_name,label\nimages/a.png,dog\nimages/b.png,cat\n")
    assert labels(tmp_path) == {"images/a.png": 1, "images/b.png": 0}
    assert open_source(tmp_path).classes == ("cat", "dog")


def test_metadata_above_the_splits_numbers_all_of_them_together(tmp_path: Path) -> None:
    for name in ("train/a.png", "train/b.png", "test/a.png"):
        save(tmp_path / name)
    text = "file_name,label\ntrain/a.png,cat\ntrain/b.png,ant\ntest/a.png,cat\n"
    (tmp_path / "metadata.csv").write_text(text)
    assert labels(tmp_path / "train") == {"a.png": 1, "b.png": 0}
    assert labels(tmp_path / "test") == {"a.png": 1}
    (tmp_path / "test" / "metadata.csv").write_text("file_name,label\na.png,5\n")  # its own wins
    assert labels(tmp_path / "test") == {"a.png": 5}
    (tmp_path / "other").mkdir()
    assert labels(save(tmp_path / "other" / "a.png").parent) == {"a.png": -1}  # no split: nothing above it is read


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("ant/x.png,ant\nbee/x.png,bee\n", ""),
        ("ant/x.png,0\nbee/x.png,1\n", ""),
        ("ant/x.png, ant \nbee/x.png,\n", ""),  # which says nothing of the second
        ("ant/x.png,ant\nbee/x.png,ant\n", "gives bee/x.png the label 'ant'"),
        ("ant/x.png,1\n", "gives ant/x.png the label '1'"),
        ("y.png,1\n", "gives y.png the label '1'"),
    ],
)
def test_a_file_that_contradicts_the_class_folders_is_refused(rows: str, fault: str, tmp_path: Path) -> None:
    save(tmp_path / "ant" / "x.png")
    save(tmp_path / "bee" / "x.png")
    (tmp_path / "metadata.csv").write_text(f"file_name,label\n{rows}")
    if fault:
        assert fault in refusal(tmp_path)
    else:
        assert (labels(tmp_path), open_source(tmp_path).classes) == ({"ant/x.png": 0, "bee/x.png": 1}, ("ant", "bee"))


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("metadata.csv", b"file_name,label\na.png,1\na.png,2\n", "each path once, got a.png in line 3 of ROOT/"),
        ("metadata.csv", b"file_name,label\na.png,1\n.\\a.png,1\n", "each path once, got a.png in line 3 of ROOT/"),
        ("metadata.csv", b"file_name,label\n,2\n", "expected a path in line 2 of ROOT/"),
        ("metadata.csv", b"file_name,label\n\xff.png,2\n", "it is not CSV in UTF-8 ("),
        ("metadata.csv", b'file_name,label\n"a.png,2\n', "unexpected end of data"),
        ("metadata.csv", b"file_name,label\na.png,1000000\n", "in [-1, 999999] as label in line 2 of ROOT/"),
        ("metadata.csv", b"file_name,label\na.png,NaN\nb.png,1\nc.png,10\n", "as label in line 2 of ROOT/"),
        ("metadata.csv", b"file_name,label\na.png,cat\nb.png,-1\n", "either numbers or names as labels, got '-1' in"),
        ("metadata.csv", b"file_name,label\na.png,1.5\nb.png,2.25\nc.png,0\n", ", got '2.25'"),
        ("metadata.csv", b"file_name,label,label\na.png,1,2\n", "one column label in ROOT/metadata.csv, found 'label'"),
        ("metadata.csv", b"file_name,class,target\na.png,1,2\n", "found 'class' and 'target'"),
        ("metadata.csv", b"file_name,label\na.png\n", "expected 2 cells in line 2 of ROOT/metadata.csv, got 1"),
        ("metadata.csv", b"text,file_name,label\na, b,a.png,1\n", "expected 3 cells in line 2 of"),
        ("metadata.csv", b"file_name,label\na.png,a\0b\n", "got 'a\\x00b'"),
        ("metadata.jsonl", b'{"file_name": "a.png", "label": [1]}', "as label in line 1 of ROOT/metadata.jsonl, got ["),
        ("metadata.jsonl", b'{"file_name": "a.png", "label": true}', "in line 1 of ROOT/metadata.jsonl, got True"),
        ("metadata.jsonl", b'{"file_name": "a.png", "label": NaN}', "line 1 of ROOT/metadata.jsonl: NaN is no number"),
        ("metadata.jsonl", b'\n{"file_name": "a.png", "label": 1, "label": 2}', "line 2 of ROOT/metadata.jsonl: the"),
        ("metadata.jsonl", b'{"file_name": "a.png", "label": 1, "Label": 2}', "found 'label' and 'Label'"),
        ("metadata.jsonl", b'{"file_name": "a.png", "label": "x"}\n{"file_name": "b.png", "label": 7}', "got '7' in"),
        ("metadata.jsonl", b'{"file_name": "a.png", "label": 1}\n{"label": 2}', "a path in line 2 of ROOT/"),
        ("metadata.jsonl", b'{"file_name": 1, "label": 1}', "a path in line 1 of ROOT/metadata.jsonl, got 1"),
        ("metadata.jsonl", b'{"file_name": "\\ud800.png", "label": 1}', "a path in line 1 of ROOT/"),
        ("metadata.jsonl", b'{"file_name": "a.png", "label": "\\ud800"}', "as label in line 1 of ROOT/metadata.jsonl"),
        ("metadata.jsonl", b'{"file_name": "%s", "label": 1}' % (b"x" * 4097), "at most 4096 bytes, got 4097 in"),
        ("metadata.jsonl", b"[]", "line 1 of ROOT/metadata.jsonl: expected an object, found []"),
        ("metadata.jsonl", b"{}\n{", "line 2 of ROOT/metadata.jsonl: Expecting property name"),
        ("metadata.jsonl", b'\xff\xfe{', "it is not JSON in UTF-8 ("),
    ],
)  # fmt: skip
def test_a_damaged_file_gets_a_line(name: str, content: bytes, fault: str, images: Path) -> None:
    (images / name).write_bytes(content)
    text = refusal(images)
    assert f"ROOT/{name}" in text
    assert fault in text


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_files_in_utf_16_are_read(name: str, images: Path) -> None:
    text = "file_name,label\na.png,3\n" if name.endswith("csv") else '{"file_name": "a.png", "label": 3}\n'
    (images / name).write_text(text, "utf-16")
    assert labels(images) == {"a.png": 3, "b.png": -1, "c.png": -1}


def test_a_folder_that_may_be_listed_but_not_entered_is_no_traceback(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(path: Path) -> None:
        raise PermissionError(errno.EACCES, f"permission denied: {path}")

    source = open_source(images)
    monkeypatch.setattr(Path, "stat", closed)
    assert source.classes == ()


def test_two_files_and_a_link_out_are_refused(images: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "blob"
    elsewhere.write_text("file_name,label\na.png,7\n")
    (images / "metadata.csv").symlink_to(elsewhere)
    assert "found a link out of it" in refusal(images)
    assert labels(images, follow_links=True)["a.png"] == 7  # as in the caches of Hugging Face
    (images / "metadata.jsonl").write_text("")
    assert "expected one file of labels in ROOT, found two; " in refusal(images)


# --- TinyImageNet --------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """TinyImageNet's files, with three classes, of which the validation set shows two."""
    wnids = ["n03", "n01", "n02"]
    for number, wnid in enumerate(wnids):
        save(tmp_path / "train" / wnid / "images" / f"{wnid}_0.JPEG", number)
        (tmp_path / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t1\t1\n")
    for number in range(3):
        save(tmp_path / "val" / "images" / f"val_{number}.JPEG", number)
    save(tmp_path / "test" / "images" / "test_0.JPEG")
    (tmp_path / "wnids.txt").write_text("\n".join(wnids))
    (tmp_path / "words.txt").write_text("n01\ta fish\n")
    rows = ["val_0.JPEG\tn03\t0\t0\t1\t1\n", "val_1.JPEG\tn02\t0\t0\t1\t1\n", "val_2.JPEG\tn03\t0\t0\t1\t1\n"]
    (tmp_path / "val" / "val_annotations.txt").write_text("".join(rows))
    return tmp_path


def test_the_splits_of_tinyimagenet_have_the_same_labels(tiny: Path) -> None:
    assert "found the splits train, test and val in ROOT; " in refusal(tiny)
    train, val = open_source(tiny / "train"), open_source(tiny / "val")
    assert train.classes == val.classes == ("n01", "n02", "n03")
    assert [item.label for item in train.items()] == [0, 1, 2]
    assert labels(tiny / "val") == {"images/val_0.JPEG": 2, "images/val_1.JPEG": 1, "images/val_2.JPEG": 2}
    assert [int(val.read(item)[0, 0, 0]) for item in val.items()] == [0, 1, 2]


def test_class_folders_that_were_made_of_it_win(tiny: Path) -> None:
    for name, wnid in (("val_0.JPEG", "n03"), ("val_1.JPEG", "n02"), ("val_2.JPEG", "n03")):
        (tiny / "val" / wnid).mkdir(exist_ok=True)
        (tiny / "val" / "images" / name).rename(tiny / "val" / wnid / name)
    (tiny / "val" / "images").rmdir()
    assert labels(tiny / "val") == {"n02/val_1.JPEG": 0, "n03/val_0.JPEG": 1, "n03/val_2.JPEG": 1}


def test_annotations_that_are_none_get_a_line(tiny: Path) -> None:
    (tiny / "val" / "val_annotations.txt").write_text("val_0.JPEG n03\n")
    assert "line 1 is not a file and a WNID with a tab between them" in refusal(tiny / "val")


def test_it_is_read_again_without_a_listing(images: Path) -> None:
    (images / "metadata.jsonl").write_text(json.dumps({"file_name": "a.png", "label": "ant"}))
    first = open_source(images)
    (item, *_) = first.items()
    again = open_source(first.location, first.kind)
    assert again.classes == ("ant",)
    assert again.read(item).shape == (4, 5, 3)
