"""Tables: CSV and Parquet give the same items, and a wrong row is named."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen.dataset.listings.listing import list_items
from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.sources import Item, open_source, table_files
from layermix_gen.sources.columnar import parquet_files


def save(path: Path, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", (5, 4), (value, value, value)).save(path, "PNG")
    return path


def write(folder: Path, text: str, kind: str = "csv", name: str = "table") -> Path:
    """Write rows given as CSV, as CSV or as Parquet."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv"
    path.write_text(text, encoding="utf-8")
    if kind == "csv":
        return path
    table = duckdb.read_csv(str(path), header=True, sep=",", quotechar='"')
    path = folder / f"{name}.parquet"
    table.write_parquet(str(path))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(LayerMixError) as caught:
        open_source(path, "manifest").items()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_of_images(kind: str, tmp_path: Path) -> None:
    for value, name in enumerate(("b/x.png", "a/x.png", "a, b.png", "ü.png")):
        save(tmp_path / name, value)
    text = 'path,label,class_name,note\nb/x.png,2,cat,1\n./a//x.png,0,dog,2\n"a, b.png",2,cat,3\nü.png,-1,,4\n'
    source = open_source(write(tmp_path, text, kind))
    assert (source.kind, source.ignored) == ("manifest", 0)
    assert source.classes == ("dog", "1", "cat")
    items = source.items()
    assert {item.id: item.label for item in items} == {"a, b.png": 2, "a/x.png": 0, "b/x.png": 2, "ü.png": -1}
    assert [int(source.read(item)[0, 0, 0]) for item in items] == [2, 1, 0, 3]
    assert items[0].size == (tmp_path / "a, b.png").stat().st_size


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_without_class_names(kind: str, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    source = open_source(write(tmp_path, "label,path\n1,a.png\n", kind))
    assert source.classes == ()
    assert source.items() == [Item("a.png", 1, (tmp_path / "a.png").stat().st_size)]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_paths_out_of_the_folder_are_bad_images(kind: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    inside, outside = save(root / "in.png"), save(tmp_path / "out.png")
    (root / "link.png").symlink_to(outside)
    rows = ["../out.png", str(outside), "x/../../out.png", "..", ".", "link.png", "none.png", str(inside)]
    source = open_source(write(root, "path,label\n" + "".join(f"{row},0\n" for row in [*rows[:2], *rows[3:]]), kind))
    reasons = {}
    # "../out.png" and the absolute path are one file: given twice, they are told to be
    with pytest.raises(LayerMixError, match="expected each path once"):
        source.items()
    source = open_source(write(root, "path,label\n" + "".join(f"{row},0\n" for row in rows[2:]), kind))
    for item in source.items():
        try:
            assert np.all(source.read(item) == 0)
        except BadImage as fault:
            reasons[item.id] = str(fault)
    assert reasons == {
        str(outside): "path out of the root",
        str(tmp_path): "path out of the root",
        ".": "path out of the root",
        "link.png": "link out of the root",
        "none.png": "no such file",
    }
    with pytest.raises(BadImage, match="path out of the root"):
        source.read(Item("../out.png", 0, 0))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,klass\na.png,1\n", "expected the columns path and label in {}, found path, klass; add label"),
        ("a,b\na.png,1\n", "expected the columns path and label in {}, found a, b; add path and label"),
        (
            "path,label\na.png,cat\nb.png,1\n",
            "expected either numbers or names as labels, got '1' in {where}2 of {} and 'cat' in {where}1 of {}; write",
        ),
        ("path,label\na.png,0\nb.png,1.5\n", "as label in {where}2 of {}, got "),
        ("path,label\na.png,0\nb.png,-2\n", "as label in {where}2 of {}, got "),
        ("path,label\na.png,0\nb.png,1000000\n", "as label in {where}2 of {}, got "),
        ("path,label\na.png,0\nb.png,\n", "as label in {where}2 of {}, got "),
        ("path,label\na.png,0\n,1\n", "expected a path in {where}2 of {}, got "),
        (
            "path,label\na.png,0\n./a.png,1\n",
            "expected each path once, got a.png in {where}2 of {} again; take one row out",
        ),
        (
            "path,label,class_name\na.png,0,cat\nb.png,0,dog\n",
            "expected one class name per label, got 'dog' for label 0 in {where}2 of {}, which was 'cat' before",
        ),
    ],
)
def test_a_wrong_row_is_named(kind: str, text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, text, kind)
    expected = message.replace("{}", str(path))
    for number in (1, 2):
        expected = expected.replace(f"{{where}}{number}", f"line {number + 1}" if kind == "csv" else f"row {number}")
    assert expected in refusal(path)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"path,label\n\xff.png,0\n")
    assert refusal(path).startswith(f"cannot read {path}: it is not CSV in UTF-8 (")
    path.write_bytes(b'path,label\n"a.png,0\n')
    assert refusal(path).startswith(f"cannot read {path}: it is not CSV in UTF-8 (")
    path.write_bytes(b"path,label\na.png\n")
    assert refusal(path).startswith(f"expected 2 cells in line 2 of {path}, got 1; ")
    path.write_bytes(b"")
    assert refusal(path).endswith("found none; add path and label")
    path.write_bytes(b"path,label\n")
    assert refusal(path) == f"expected at least one row in {path}, found none"
    path.write_bytes(b"PAR1 and then nothing of the kind")
    assert refusal(path).startswith(f"cannot read {path}: it is no sound Parquet file (")
    assert refusal(tmp_path / "none.csv").startswith("expected a CSV or Parquet file, found none at ")


def test_a_byte_order_mark_and_an_odd_name(tmp_path: Path) -> None:
    save(tmp_path / "[a]*" / "a.png")
    for kind in ("csv", "parquet"):
        path = write(tmp_path / "plain", "path,label\na.png,0\n", kind).rename(tmp_path / "[a]*" / f"t [1]*.{kind}")
        if kind == "csv":
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        source = open_source(path)
        assert source.kind == "manifest"
        assert source.read(source.items()[0]).shape == (4, 5, 3)


def test_a_manifest_is_found_through_a_link_to_its_folder(tmp_path: Path) -> None:
    image = save(tmp_path / "real" / "a.png")
    write(tmp_path / "real", f"path,label\n{image},0\n")
    (tmp_path / "link").symlink_to("real")
    source = open_source(tmp_path / "link" / "table.csv")
    assert [item.id for item in source.items()] == ["a.png"]
    assert source.read(source.items()[0]).shape == (4, 5, 3)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_long_table_is_never_in_memory_as_a_whole(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "AT_ONCE", 100)
    monkeypatch.setattr(parquet_files, "FETCHED", 100)
    (tmp_path / "0000.png").write_bytes(b"x")
    rows = (f"{number:04d}.png,{number % 3},{'abc'[number % 3]}" for number in range(3000))
    path = write(tmp_path, "\n".join(["path,label,class_name", *rows]), kind)

    def peak(work: Callable[[], object]) -> int:
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    source = open_source(path)
    assert source.classes == ("a", "b", "c")
    assert [item.label for item in source.items()] == [number % 3 for number in range(3000)]
    assert peak(lambda: sum(1 for _ in source.found())) < peak(lambda: list(table_files.table_rows(path))) / 2


def test_a_repeated_path_is_named_in_a_build(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "table.csv").write_text("path,label\na.png,0\nb.png,1\n./a.png,1\n")
    source = open_source(tmp_path / "table.csv")
    with pytest.raises(LayerMixError, match=r"^expected each path once, got a\.png in line 4 of .*; take one row out$"):
        source.items()
    with pytest.raises(LayerMixError, match=r"^expected each image of the source once, found a\.png twice; "):
        list_items(source.found(), 0)
