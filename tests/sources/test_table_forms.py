"""The forms in which tables come: names of columns, delimiters, encodings, kinds of labels, and roots elsewhere."""

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image as PillowImage

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.sources import SourceOptions, open_source

NAMES = ("b/x.png", "a/x.png", "a, b.png", "ü.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for value, name in enumerate(NAMES):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        PillowImage.new("RGB", (5, 4), (value, 0, 0)).save(tmp_path / name)
    return tmp_path


def write(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def labels(path: Path, **options: Any) -> dict[str, int]:
    source = open_source(path, options=SourceOptions(**options))
    assert source.kind == "manifest"
    return {item.id: item.label for item in source.items()}


def refusal(path: Path, kind: str = "manifest", **options: Any) -> str:
    with pytest.raises(LayerMixError) as caught:
        open_source(path, kind, options=SourceOptions(**options)).items()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def parquet(folder: Path, **columns: Any) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "table.parquet")
    return folder / "table.parquet"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("path,label,label", "label in {}, found 'label' and 'label'"),
        ("path,path,label", "path in {}, found 'path' and 'path'"),
        ("path,label,Label", "label in {}, found 'label' and 'Label'"),
        ("path , path,label", "path in {}, found 'path' and 'path'"),
        ("path,label,class", "label in {}, found 'label' and 'class'"),
        ("file_name,label,image", "path in {}, found 'file_name' and 'image'"),
        ("path,label,class_name,Class Name", "class_name in {}, found 'class_name' and 'Class Name'"),
    ],
)
def test_two_columns_of_one_meaning_are_refused(folder: Path, header: str, found: str) -> None:
    path = write(folder, f"{header}\n{','.join('1' * len(header.split(',')))}\n")
    expected = f"expected one column {found.format(path)}; rename or remove all but one"
    assert refusal(path) == expected
    assert refusal(path, "auto") == expected
    names = header.split(",")
    pyarrow.parquet.write_table(pyarrow.table([["1"]] * len(names), names=names), folder / "table.parquet")
    assert refusal(folder / "table.parquet").startswith(f"expected one column {found.split()[0]} in ")


def test_two_columns_that_are_not_read_may_have_one_name(folder: Path) -> None:
    assert labels(write(folder, "note,path,label,note\n1,ü.png,3,2\n")) == {"ü.png": 3}


@pytest.mark.parametrize("file", ["file_name", "image", "filepath", "filename", "image_path", "file", "img", "Path"])
@pytest.mark.parametrize("label", ["Label", "class", "target", "category", "label_id", " label "])
def test_names_of_columns(folder: Path, file: str, label: str) -> None:
    assert labels(write(folder, f"note,{file},{label}\nx,ü.png,3\n")) == {"ü.png": 3}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " "])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_encodings_and_line_ends_read_as_pandas_does(
    folder: Path, delimiter: str, encoding: str, end: str
) -> None:
    rows = [["path", "label", "note"], *([name, str(number), "a;b"] for number, name in enumerate(NAMES))]
    path = folder / "table.tsv"
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(rows)
    table = pandas.read_csv(path, sep=delimiter, encoding=encoding)
    assert labels(path) == dict(zip(table.path, table.label, strict=True)) == dict(zip(NAMES, range(4), strict=True))


def test_empty_lines_and_empty_cells_at_the_end(folder: Path) -> None:
    text = '\n\r\npath,label,\r\nb/x.png, 1,\r\n"a, b.png",2\r\n , \nü.png,0,,,\n,,\n\n  \n'
    assert labels(write(folder, text)) == {"b/x.png": 1, "a, b.png": 2, "ü.png": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na, b.png,1\n", "expected 2 cells in line 2 of {}, got 3; put a cell that holds ',' in quotes"),
        ("path,label\nü.png,1\n# by me, 2\n", "expected a row in line 3 of {}, got a comment; take it out (or"),
        ("# by me\npath,label\nü.png,1\n", "expected the columns path and label in {}, found # by me; add path and"),
        ("ü.png,cat\n", "the columns path and label in {}, found ü.png, cat; put a line with the names of the columns"),
        ("ü.png 1 2\n", "the columns path and label in {}, found ü.png 1 2; add path and label"),
        ("path,label\nü.png,nan\n", "as label in line 2 of {}, got 'nan'; mend the table (-1 means none)"),
        ('path,label\nü.png,"1,234"\n', "as label in line 2 of {}, got '1,234'"),
        ("path,label\nü.png,1e3\n", "as label in line 2 of {}, got '1e3'"),
        ("path,label\nü.png,1\nb/x.png,\n", "as label in line 3 of {}, got ''"),
        ("path,label\nü.png,cat\nb/x.png,\n", "as label in line 3 of {}, got ''"),
        ("path,label\nü.png,1\nü.png,2\n", "expected each path once, got ü.png in line 3 of {} again"),
        ("path,label\nü.png,1\nü.png,1\n", "expected each path once, got ü.png in line 3 of {} again"),
        ("path,label\n./ü.png,1\na\\..\\ü.png,1\n", "expected each path once, got ü.png in line 3 of {} again"),
        ("path,label\n ,1\n", "expected a path in line 2 of {}, got ''"),
        ("path,label\n" + "x" * 200_000 + ",1\n", "cannot read {}: it is not CSV in UTF-8 (field larger than"),
        ("path,label\nü.png,1\n".encode("latin-1"), "cannot read {}: it is not CSV in UTF-8 ("),
        ("path,label\nü.png,1\n".encode("utf-16")[:-1], "cannot read {}: it is not CSV in UTF-8 ("),
        ("path,label\nx.png,1\n".encode("utf-16-le"), "expected the columns path and label in {}, found "),
    ],
)
def test_what_cannot_be_read_is_said(folder: Path, text: str | bytes, message: str) -> None:
    path = write(folder, text)
    assert message.format(path) in refusal(path)


@pytest.mark.parametrize("name", ["val.txt", "list", "table.csv"])
@pytest.mark.parametrize("text", ["b/x.png 1\nü.png  0\n", "b/x.png,1\nü.png,0\n", "b/x.png\t1\r\nü.png\t0"])
def test_lists_of_a_path_and_a_number_need_no_header(folder: Path, name: str, text: str) -> None:
    assert labels(write(folder, text, name)) == {"b/x.png": 1, "ü.png": 0}


def test_back_slashes_are_slashes_unless_a_file_is_named_so(folder: Path) -> None:
    (folder / "c\\d.png").write_bytes((folder / "ü.png").read_bytes())
    assert labels(write(folder, "path,label\na\\x.png,1\n.\\b\\x.png ,2\nc\\d.png,3\n")) == {
        "a/x.png": 1,
        "b/x.png": 2,
        "c\\d.png": 3,
    }


def test_names_as_labels_are_numbered_as_for_a_folder_of_classes(folder: Path) -> None:
    path = write(folder, "file_name,label\nb/x.png,dog\na/x.png,Cat\nü.png, dog \n")
    assert labels(path) == {"a/x.png": 0, "b/x.png": 1, "ü.png": 1}
    assert open_source(path).classes == ("Cat", "dog")
    path = write(folder, "path,label,class_name\nb/x.png,n02,dog\na/x.png,n01,\nü.png,n02,dog\n")
    assert labels(path) == {"a/x.png": 0, "b/x.png": 1, "ü.png": 1}
    assert open_source(path).classes == ("n01", "dog")


def test_a_table_of_the_datasets_library_gives_the_same_labels(folder: Path, tmp_path: Path) -> None:
    from datasets import load_dataset  # here, because it takes seconds to load

    path = write(folder, 'file_name,label\nb/x.png,1\n"a, b.png",0\nü.png,0\n', "metadata.csv")
    (folder / "a" / "x.png").unlink()  # which the table leaves out, and the library does not read then
    theirs = load_dataset("imagefolder", data_dir=str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    source = open_source(path)
    ours = sorted((item.label, int(source.read(item)[0, 0, 0])) for item in source.items())
    assert ours == sorted((row["label"], row["image"].getpixel((0, 0))[0]) for row in theirs)


@pytest.mark.parametrize(
    "label",
    [
        *(pyarrow.array([1, 0], kind()) for kind in (pyarrow.int8, pyarrow.int16, pyarrow.uint64, pyarrow.float32)),
        pyarrow.array([Decimal("1.00"), Decimal("0.00")]),
        pyarrow.array([True, False]),
        pyarrow.array(["1", "0"], pyarrow.large_string()),
        pyarrow.array(["dog", "cat"]).dictionary_encode(),
        pyarrow.array([1, 0]).dictionary_encode(),
        pandas.Categorical(["dog", "cat"]),
    ],
    ids=lambda label: str(getattr(label, "type", "categorical")),
)
def test_types_of_columns_in_parquet(folder: Path, label: Any) -> None:
    path = parquet(folder, image=pyarrow.array(["b/x.png", "ü.png"], pyarrow.large_string()), label=label)
    assert labels(path) == {"b/x.png": 1, "ü.png": 0}


@pytest.mark.parametrize(
    ("path", "label", "message"),
    [
        ([["ü.png"]], [1], "expected a path in row 1 of {}, got ['ü.png']"),
        ([b"x.png" * 99], [1], "expected a path in row 1 of {}, got b'x.png"),
        ([None], [1], "expected a path in row 1 of {}, got None"),
        (["ü.png"], [[1]], "as label in row 1 of {}, got [1]"),
        (["ü.png"], [b"cat"], "as label in row 1 of {}, got b'cat'"),
        (["ü.png"], [{"id": 1}], "as label in row 1 of {}, got {{'id': 1}}"),
        (["ü.png"], [float("nan")], "as label in row 1 of {}, got nan"),
        (["ü.png"], [None], "as label in row 1 of {}, got None"),
        (["ü.png"], [1e300], "as label in row 1 of {}, got '1e+300'"),
    ],
)
def test_types_that_are_no_paths_or_labels(folder: Path, path: Any, label: Any, message: str) -> None:
    table = parquet(folder, path=path, label=label)
    found = refusal(table)
    assert message.format(table) in found
    assert len(found) < len(str(table)) + 200


def test_the_root_of_the_paths(folder: Path, tmp_path: Path) -> None:
    (folder / "splits").mkdir()
    (folder / "splits" / "out.png").write_bytes((folder / "ü.png").read_bytes())
    path = write(folder / "splits", f"path,label\nx.png,1\n../ü.png,2\n{folder}/a/../a/y.png,3\nsub/../link.png,4\n")
    (folder / "a" / "y.png").write_bytes((folder / "a, b.png").read_bytes())
    (folder / "a" / "link.png").symlink_to(folder / "ü.png")
    root = str(folder / "a")
    assert labels(path, root=root) == {"x.png": 1, str(folder / "ü.png"): 2, "y.png": 3, "link.png": 4}
    source = open_source(path, options=SourceOptions(root=root))
    assert source.options.root == root
    pixels, reasons = {}, {}
    for item in source.items():
        try:
            pixels[item.id] = int(source.read(item)[0, 0, 0])
        except BadImage as bad:
            reasons[item.id] = str(bad)
    assert pixels == {"x.png": 1, "y.png": 2}
    assert reasons == {str(folder / "ü.png"): "path out of the root", "link.png": "link out of the root"}
    assert refusal(path, root=str(folder / "none")) == (
        f"expected a folder as root, found none at {folder / 'none'}; change --root"
    )


def test_a_table_of_which_no_file_is_there_asks_for_the_root(folder: Path) -> None:
    (folder / "splits").mkdir()
    path = write(folder / "splits", "path,label\na/x.png,1\nb/x.png,2\n")
    assert refusal(path) == (
        f"expected the images of {path} in {folder / 'splits'}, found none of them (the first: a/x.png); give the "
        "folder that the paths are relative to by --root"
    )
    assert labels(path, root=str(folder)) == {"a/x.png": 1, "b/x.png": 2}
