"""Images in Parquet files: the same labels and pixels as the library `datasets` reads, in any order."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image as PillowImage

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.sources import Item, open_source, open_test_set, source_files
from layermix_gen.sources.columnar import parquet_files
from layermix_gen.support.database import connected

CLASSES = ("cat", "dog", "eel")


def encoded(value: int, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    PillowImage.new("RGB", (5, 4), (value, 7, 9)).save(file, form)
    return file.getvalue()


def save(path: Path, columns: dict[str, Any], group: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=group)
    return path


def images(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"bytes": encoded(value), "path": f"{value}.png"} for value in range(first, first + count)]


def refusal(path: Path, kind: str = "auto") -> str:
    with pytest.raises(LayerMixError) as caught:
        open_source(path, kind).items()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the library writes it: two splits, one of them in two files."""
    from datasets import ClassLabel, Dataset, Features, Image  # here, because it takes seconds to load

    folder = tmp_path_factory.mktemp("published")
    (folder / "data").mkdir()
    (folder / "README.md").touch()
    features = Features({"image": Image(), "label": ClassLabel(names=list(CLASSES))})
    for name, start in (("train-00000-of-00002", 0), ("train-00001-of-00002", 10), ("test-00000-of-00001", 20)):
        rows = {"image": images(10, start), "label": [(start + number) % 3 for number in range(10)]}
        Dataset.from_dict(rows, features=features).to_parquet(str(folder / "data" / f"{name}.parquet"), batch_size=4)
    return folder


@pytest.mark.parametrize(("split", "count"), [("train", 20), ("test", 10)])
def test_labels_and_pixels_are_those_of_the_library(published: Path, tmp_path: Path, split: str, count: int) -> None:
    from datasets import load_dataset

    theirs = load_dataset("parquet", data_dir=str(published / "data"), cache_dir=str(tmp_path))[split]
    source = open_source(published, f"parquet:{split}")
    items = source.items()
    assert (source.kind, source.classes, source.ignored) == (f"parquet:{split}", CLASSES, 0)
    assert len(items) == len(theirs) == count
    assert items == sorted(items, key=lambda item: item.id)
    again = open_source(published, f"parquet:{split}")  # as a worker process does
    for number in np.random.default_rng(0).permutation(count):
        item, row = items[number], theirs[int(number)]
        assert item.label == row["label"]
        assert np.array_equal(again.read(item), np.asarray(row["image"]))
    assert [path.name for path in source_files(source)] == sorted({str(item.at[0]) for item in items})
    assert items[0].size == len(encoded(0 if split == "train" else 20))


def test_a_split_has_to_be_chosen(published: Path) -> None:
    expected = f"expected one split in {published}, found test and train; choose by --kind parquet:train"
    assert refusal(published) == refusal(published, "parquet") == expected
    assert "expected the split valid in " in refusal(published, "parquet:valid")
    one = open_source(published / "data" / "test-00000-of-00001.parquet")
    assert (one.kind, len(one.items())) == ("parquet", 10)
    with pytest.raises(LayerMixError, match="expected one split"):
        open_test_set(published)
    assert len(open_test_set(published, "parquet:test").items()) == 10


def test_a_missing_part_of_a_split_is_noticed(tmp_path: Path) -> None:
    for part in (0, 2):
        save(tmp_path / f"train-0000{part}-of-00003.parquet", {"image": images(1), "label": [0]})
    assert refusal(tmp_path) == (
        f"expected 3 files train-*.parquet in {tmp_path}, found 2; get the others, and remove files of another version"
    )


@pytest.mark.parametrize(
    ("names", "split", "chosen"),
    [
        (["a.parquet", "b.parquet"], "", ["a.parquet", "b.parquet"]),
        (["train.parquet", "test.parquet"], "test", ["test.parquet"]),
        (["0000.parquet", "val_set.parquet"], "validation", ["val_set.parquet"]),
        (["train_1.parquet", "train_2.parquet"], "", ["train_1.parquet", "train_2.parquet"]),
        (
            ["x.y-00000-of-00001-0123ab.parquet", "z.parquet"],
            "x.y",
            ["x.y-00000-of-00001-0123ab.parquet"],
        ),
    ],
)
def test_splits_by_names_of_files(tmp_path: Path, names: list[str], split: str, chosen: list[str]) -> None:
    for name in names:
        save(tmp_path / name, {"image": images(1), "label": [0]})
    source = open_source(tmp_path, f"parquet:{split}" if split else "auto")
    assert [path.name for path in source_files(source)] == chosen
    assert len(source.items()) == len(chosen)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("image", [encoded(0), encoded(1, "JPEG")]),
        ("JPG", [encoded(0), encoded(1, "JPEG")]),
        ("bytes", pyarrow.array([encoded(0), encoded(1)], pyarrow.large_binary())),
        ("pixels", [{"bytes": encoded(0)}, {"bytes": encoded(1)}]),
        ("img", images(2)),
    ],
)
def test_columns_of_images(tmp_path: Path, column: str, values: Any) -> None:
    path = save(tmp_path / "x.parquet", {"other": [b"1", b"2"], "Class": ["b", "a"], column: values})
    source = open_source(path)
    items = source.items()
    assert source.classes == ("a", "b")
    assert [(item.id, item.label) for item in items] == [("x.parquet/000000000", 1), ("x.parquet/000000001", 0)]
    assert [source.read(item).shape for item in items] == [(4, 5, 3)] * 2


@pytest.mark.parametrize("most", [0, 2000, 1 << 27])
def test_groups_of_rows_are_kept_within_bounds(tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "MAX_KEPT", most)
    path = save(tmp_path / "x.parquet", {"image": images(40), "label": [0] * 40}, group=7)
    source: Any = open_source(path)
    for number in np.random.default_rng(1).permutation(40):
        assert source.read(source.items()[number])[0, 0, 0] == number
    kept = sum(len(cell) for cells in source._rows._kept.values() for cell in cells)
    whole = sum(item.size for item in source.items())
    assert (kept == 0, kept <= most, kept == whole) == (most == 0, True, most == 1 << 27)


def test_a_file_may_be_both_a_table_and_images(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(encoded(3))
    path = save(tmp_path / "x.parquet", {"path": ["0.png"], "image": images(1), "label": [5]})
    assert refusal(path) == f"expected one source in {path}, found parquet and manifest; give --kind"
    ours, table = open_source(path, "parquet"), open_source(path, "manifest")
    assert [ours.read(ours.items()[0])[0, 0, 0], table.read(table.items()[0])[0, 0, 0]] == [0, 3]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": images(1)}, "expected a column label in {}, found image; name"),
        ({"image": images(1), "img": images(1), "label": [0]}, "bytes of images in {}, found image and img; keep one"),
        ({"image": images(1), "label": [0], "class": [1]}, "one column label in {}, found 'label' and 'class'"),
        ({"image": images(1), "label": [None]}, "as label in row 1 of {name}, got None"),
        ({"image": images(1), "label": [[1, 2]]}, "as label in row 1 of {name}, got [1, 2]"),
        ({"image": [{"bytes": None, "path": "/etc/passwd"}], "label": [0]}, "expected one column with the bytes of"),
        (
            {"image": pyarrow.array([{"bytes": None}], pyarrow.struct([("bytes", pyarrow.binary())])), "label": [0]},
            "expected rows with the bytes of images in {}, found 1 row without",
        ),
        ({"image": [images(1)], "label": [0]}, "bytes of images in {}, found none among image, label; keep one"),
        ({"image": pyarrow.array([], pyarrow.binary()), "label": []}, "images in {}, found 0 rows without"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    path = save(tmp_path / "x.parquet", columns)
    assert message.format(path, name=path.name) in refusal(path, "parquet")


@pytest.mark.parametrize(
    "metadata", [b"{", b"[]", b'{"info": 1}', b'{"info": {"features": {"label": {"names": 3, "_type": "ClassLabel"}}}}']
)
def test_metadata_that_says_nothing_is_left_out(tmp_path: Path, metadata: bytes) -> None:
    table = pyarrow.table({"image": images(2), "label": [0, 1]}).replace_schema_metadata({b"huggingface": metadata})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    assert open_source(tmp_path / "x.parquet").classes == ()


def test_a_label_without_a_class_name_and_other_names_are_refused(published: Path, tmp_path: Path) -> None:
    table = pyarrow.parquet.read_table(published / "data" / "test-00000-of-00001.parquet")
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(table.set_column(1, "label", pyarrow.array([3] * 10)), path)
    assert "expected a label below 3, the number of class names, in row 1 of a.parquet, got 3" in refusal(path)
    pyarrow.parquet.write_table(table.replace_schema_metadata(None), path)
    pyarrow.parquet.write_table(table, tmp_path / "b.parquet")
    assert "expected the class names of a.parquet in all files of " in refusal(tmp_path)


def test_bad_rows_and_locators_are_bad_images(tmp_path: Path) -> None:
    cells = [(encoded(0), ""), (None, "/etc/passwd"), (b"text", ""), (b"", "")]
    rows = [{"bytes": data, "path": path} for data, path in cells]
    path = save(tmp_path / "x.parquet", {"image": rows, "label": [-1] * 4})
    source = open_source(path)
    wrong = [Item("", 0, 0, at) for at in (("x.parquet", 4), ("../x.parquet", 0), ("x.parquet", -1), ())]
    reasons = []
    for item in [*source.items(), *wrong]:
        try:
            reasons.append(str(source.read(item).shape))
        except BadImage as bad:
            reasons.append(str(bad))
    assert reasons == [
        *("(4, 5, 3)", "no bytes in its row", "not an image", "empty file", "its Parquet file has only 4 rows"),
        *["no row of a file is known of it"] * 3,
    ]
    with pytest.raises(BadImage, match="too large"):
        source.read(Item("", 0, 1 << 31, ("x.parquet", 0)))


def test_damaged_files_get_a_line(tmp_path: Path) -> None:
    whole = save(tmp_path / "x.parquet", {"image": images(9), "label": [0] * 9}).read_bytes()
    for cut in (5, 40, 700, len(whole) - 9):
        (tmp_path / "x.parquet").write_bytes(whole[:cut])
        assert refusal(tmp_path / "x.parquet").startswith(f"cannot read {tmp_path}/x.parquet: it is no sound Parquet")
    source = open_source(save(tmp_path / "y.parquet", {"image": images(9), "label": [0] * 9}), "parquet")
    item = source.items()[0]
    (tmp_path / "y.parquet").write_bytes(whole[:700])
    with pytest.raises(LayerMixError, match=r"^cannot read .*y.parquet: it is no sound Parquet .*; get it again$"):
        source.read(item)


def test_class_folders_next_to_the_files_are_another_source(tmp_path: Path) -> None:
    save(tmp_path / "data" / "x.parquet", {"image": images(1), "label": [0]})
    assert open_source(tmp_path).kind == "parquet"
    (tmp_path / "cat").mkdir()
    assert refusal(tmp_path) == f"expected one source in {tmp_path}, found folder and parquet; give --kind"


@pytest.mark.parametrize("name", ["label=9", "year=2024", "[x]*?"])
def test_names_of_folders_are_no_columns(tmp_path: Path, name: str) -> None:
    """DuckDB would take what stands in names of folders for columns, and characters of patterns for patterns."""
    path = save(tmp_path / name / "x.parquet", {"image": images(2), "label": [3, 4]})
    (path.parent / "0.png").write_bytes(encoded(5))
    table = save(path.with_name("table.parquet"), {"path": ["0.png"], "label": [6]})
    assert [item.label for item in open_source(path).items()] == [3, 4]
    assert [item.label for item in open_source(table).items()] == [6]
    source = open_source(path)
    assert source.read(source.items()[1])[0, 0, 0] == 1


def test_a_column_of_any_name_may_stand_next_to_the_images(tmp_path: Path) -> None:
    others = {name: [7, 8] for name in ("filename", 'a"b', "Bytes_", "file_index")}
    source = open_source(save(tmp_path / "x.parquet", {**others, "img": images(2), "LABEL": [3, 4]}), "parquet")
    items = source.items()
    assert [(item.label, int(source.read(item)[0, 0, 0])) for item in items] == [(3, 0), (4, 1)]
    path = save(tmp_path / "y.parquet", {"file_row_number": [1, 0], "img": images(2), "label": [3, 4]})
    assert "a column with this name is also in the file" in refusal(path)


def test_a_configuration_of_the_hub_is_found_where_it_is_the_only_one(tmp_path: Path) -> None:
    columns = {"image": images(3), "label": [0, 1, 2]}
    one = save(tmp_path / "plain_text" / "train-00000-of-00001.parquet", columns)
    (tmp_path / "README.md").touch()
    (tmp_path / "__MACOSX").mkdir()
    source = open_source(tmp_path)
    assert (source.kind, source_files(source)) == ("parquet", [one])
    assert [item.label for item in source.items()] == [0, 1, 2]
    save(tmp_path / "other" / "train-00000-of-00001.parquet", columns)
    for kind in ("auto", "parquet"):
        assert refusal(tmp_path, kind) == (
            f"expected Parquet files of one set in {tmp_path}, found some in other and plain_text; give one, such as "
            f"{tmp_path}/other"
        )
    (tmp_path / "other" / "a.png").write_bytes(encoded(0))
    assert open_source(tmp_path).kind == "folder"


def test_the_extension_may_have_capitals(tmp_path: Path) -> None:
    save(tmp_path / "A.PARQUET", {"image": images(3), "label": [0, 1, 2]})
    assert [item.label for item in open_source(tmp_path).items()] == [0, 1, 2]


def test_one_connection_lists_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.parquet", {"image": images(2, 2 * number), "label": [0, 1]})
    source, made = open_source(tmp_path), []

    def counted(*arguments: Any) -> Any:
        made.append(arguments)
        return connected(*arguments)

    monkeypatch.setattr("layermix_gen.sources.columnar.parquet_files.connected", counted)
    assert len(source.items()) == 6
    assert len(made) == 1
