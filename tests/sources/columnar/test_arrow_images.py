"""Folders of `save_to_disk`: the same labels and pixels as the library `datasets` reads, and a line for any damage."""

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from PIL import Image as PillowImage

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.sources import Item, open_source, source_files

CLASSES = ("cat", "dog", "eel")


def encoded(value: int) -> bytes:
    file = io.BytesIO()
    PillowImage.new("RGB", (5, 4), (value, 7, 9)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in two files, and one with two splits."""
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Image  # here, because it takes seconds to load

    folder = tmp_path_factory.mktemp("saved")
    features = Features({"image": Image(), "label": ClassLabel(names=list(CLASSES))})
    rows = {"image": [{"bytes": encoded(value), "path": None} for value in range(9)], "label": [0, 2, 1] * 3}
    data = Dataset.from_dict(rows, features=features)
    data.save_to_disk(str(folder / "one"), num_shards=2)
    DatasetDict(train=data, test=data.select([8, 2, 4])).save_to_disk(str(folder / "splits"))
    return folder


@pytest.fixture
def saved(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "saved"))


def refusal(path: Path, kind: str = "auto") -> str:
    with pytest.raises(LayerMixError) as caught:
        open_source(path, kind).items()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write(path: Path, **columns: Any) -> None:
    table = pyarrow.table(columns)
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)


@pytest.mark.parametrize(("name", "split"), [("one", ""), ("splits", "train"), ("splits", "test")])
def test_labels_and_pixels_are_those_of_the_library(made: Path, name: str, split: str) -> None:
    from datasets import load_from_disk

    theirs = load_from_disk(str(made / name / split))
    kind = f"arrow:{split}" if split else "arrow"
    source = open_source(made / name, kind if split else "auto")
    items = source.items()
    assert (source.kind, source.classes, source.ignored) == (kind, CLASSES, 0)
    assert [item.label for item in items] == theirs["label"][:]
    again = open_source(made / name, kind)  # as a worker process does
    for number in np.random.default_rng(0).permutation(len(items)):
        assert np.array_equal(again.read(items[number]), np.asarray(theirs[int(number)]["image"]))
    assert [path.name for path in source_files(source)] == sorted({str(item.at[0]) for item in items})
    assert items[0].id.endswith(".arrow/000000000")
    assert items[0].size == len(encoded(8 if split == "test" else 0))


def test_a_split_has_to_be_chosen(made: Path) -> None:
    folder = made / "splits"
    assert refusal(folder) == f"expected one split in {folder}, found train and test; choose by --kind arrow:train"
    assert "expected the split ../one in " in refusal(folder, "arrow:../one")
    assert refusal(made / "one", "arrow:test").endswith("found no splits; use --kind arrow")
    assert refusal(made, "arrow").startswith("expected a folder of save_to_disk, found no state.json in ")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("{", "expected JSON in "),
        ("{}", "it does not list names of files; save the data set again"),
        ('{"_data_files": []}', "it does not list names of files"),
        ('{"_data_files": ["data.arrow"]}', "it does not list names of files"),
        ('{"_data_files": [{"filename": "../x.arrow"}]}', "it does not list names of files"),
        ('{"_data_files": [{"filename": "/etc/passwd"}]}', "it does not list names of files"),
        ('{"_data_files": [{"filename": ".."}]}', "it does not list names of files"),
        ('{"_data_files": [{"filename": 3}]}', "it does not list names of files"),
        ('{"_data_files": [{"filename": "none.arrow"}]}', "no such file or directory"),
        ('{"_data_files": [{"filename": "state.json"}]}', "it is no Arrow file, or it is cut off"),
    ],
)
def test_a_wrong_state_is_refused(saved: Path, state: str, message: str) -> None:
    (saved / "one" / "state.json").write_text(state)
    assert message in refusal(saved / "one")


@pytest.mark.parametrize("splits", ['["../one"]', '[".."]', "{}", "[1]", "[]", "null"])
def test_wrong_names_of_splits_are_refused(saved: Path, splits: str) -> None:
    (saved / "splits" / "dataset_dict.json").write_text(json.dumps({"splits": json.loads(splits)}))
    assert "it does not list names of files" in refusal(saved / "splits")


def test_damaged_files_get_a_line(saved: Path) -> None:
    path = saved / "one" / "data-00001-of-00002.arrow"
    whole = path.read_bytes()
    for damaged in (
        b"",
        whole[:7],
        whole[:-8],
        whole[: len(whole) // 2],
        whole[:-8] + b"\0" * 8,
        whole[:400] + whole[-8:],
    ):
        path.write_bytes(damaged)
        assert refusal(saved / "one").startswith(f"cannot read {path}: it is no")


def test_places_out_of_the_file_are_refused(saved: Path) -> None:
    """Offsets that lead beyond the bytes of the images would otherwise be read from somewhere in memory."""
    path = saved / "one" / "data-00000-of-00002.arrow"
    offsets = np.cumsum([0, *(len(encoded(value)) for value in range(5))]).astype("<i4").tobytes()
    whole = path.read_bytes()
    assert whole.count(offsets) == 1
    wrong = np.frombuffer(offsets, "<i4").copy()
    wrong[-1] += 1 << 28
    path.write_bytes(whole.replace(offsets, wrong.tobytes()))
    assert refusal(saved / "one").startswith(f"cannot read {path}: it is no sound Arrow file (")


def test_columns_rows_and_locators(saved: Path) -> None:
    path = saved / "one" / "data-00000-of-00002.arrow"
    (saved / "one" / "data-00001-of-00002.arrow").unlink()
    (saved / "one" / "state.json").write_text(json.dumps({"_data_files": [{"filename": path.name}]}))
    data = pyarrow.array([encoded(0), None, b"text"], pyarrow.large_binary())
    write(path, jpg=data, Class=pyarrow.array(["b", "a", "b"]).dictionary_encode())
    source = open_source(saved / "one")
    assert (source.classes, [item.label for item in source.items()]) == (("a", "b"), [1, 0, 1])
    reasons = []
    wrong = [Item("", 0, 0, at) for at in ((path.name, 3), (path.name, -1), ("../x", 0), ())]
    for item in [*source.items(), *wrong]:
        try:
            reasons.append(str(source.read(item).shape))
        except BadImage as bad:
            reasons.append(str(bad))
    assert reasons == [
        *("(4, 5, 3)", "no bytes in its row", "not an image", "its Arrow file has only 3 rows"),
        *["no row of a file is known of it"] * 3,
    ]
    write(path, image=[{"bytes": encoded(0)}], label=[None])
    assert "as label in row 1 of data-00000-of-00002.arrow, got None" in refusal(saved / "one")
    write(path, image=[{"bytes": None, "path": "/etc/passwd"}], label=[0])
    assert "expected one column with the bytes of images in " in refusal(saved / "one")


def test_without_pyarrow_there_is_a_line(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert (
        refusal(made / "one")
        == "expected pyarrow for Arrow files and tables, found none; pip install 'layermix-gen[arrow]'"
    )
