"""Readers that know nothing of this package read the shards: webdataset, Hugging Face datasets, tar and DuckDB."""

import subprocess
from pathlib import Path

import duckdb
import pytest

from layermix_gen import parse
from layermix_gen.dataset.index import COLUMNS
from tests.helpers import build, members

CLASSES = ("astronaut", "chelsea", "coffee", "rocket")


@pytest.fixture(scope="module", params=["jpg", "png"])
def dataset(
    request: pytest.FixtureRequest, photographs: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A finished dataset of the photographs: clean and 2 variants in two shards."""
    root = tmp_path_factory.mktemp("readers")
    build(
        photographs,
        root,
        "--size",
        32,
        "--shard-size",
        12,
        "--variants",
        2,
        "--mixing-set",
        pool,
        "--format",
        request.param,
    )
    return root


def test_webdataset(dataset: Path) -> None:
    import webdataset

    pattern = f"{dataset}/{{v00,v01}}/{{000000..000001}}.tar"
    stream = webdataset.WebDataset(pattern, shardshuffle=False).decode("pil").to_tuple("jpg;png", "cls", "json")
    seen = set()
    for image, label, about in stream:
        assert (image.size, image.mode) == ((32, 32), "RGB")
        assert CLASSES[label] == about["class_name"]
        seen.add((about["source"], about["variant"]))
    assert len(seen) == 48
    assert {variant for _, variant in seen} == {0, 1}


def test_hugging_face_datasets(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    import datasets

    paths = sorted(
        str(path) for path in dataset.glob("*/*.tar")
    )  # the clean plane, whose lists are the emptiest, first
    assert len(paths) == 6
    table = datasets.load_dataset("webdataset", data_files=paths, split="train", cache_dir=str(tmp_path / "cache"))
    assert len(table) == 72
    keys = set()
    for row in table:
        image = row.get("jpg") or row["png"]
        assert image.size == (32, 32)
        about = row["json"]
        assert CLASSES[row["cls"]] == about["class_name"]
        assert [len(about[name]) for name in ("op_args", "blends", "blend_args", "picture_view", "view")] == [
            3,
            2,
            4,
            4,
            5,
        ]
        keys.add(row["__key__"])
    assert len(keys) == 72
    counts = {None: 48, "clean": 24, "v00": 24, "v01": 24}  # by the card; None: the configuration of all variants
    for configuration, count in counts.items():
        table = datasets.load_dataset(str(dataset), configuration, cache_dir=str(tmp_path / "cache"))
        assert table.num_rows == {"train": count}
    stream = datasets.load_dataset(str(dataset), "v01", split="train", streaming=True)
    sample = next(iter(stream))
    image = sample.get("jpg") or sample["png"]
    assert (image.size, sample["__key__"]) == ((32, 32), "000000000-v01")
    assert str(parse(sample["json"]["recipe"])) == sample["json"]["recipe"] != "image"


def test_tar(dataset: Path) -> None:
    for path in dataset.glob("*/*.tar"):
        run = subprocess.run(["tar", "tvf", path], capture_output=True, text=True, check=True)
        assert not run.stderr
        assert [line.split()[-1] for line in run.stdout.splitlines()] == list(members(path))
        assert all(line.startswith("-rw-r--r-- 0/0 ") and " 1970-01-01 " in line for line in run.stdout.splitlines())


def test_duckdb(dataset: Path) -> None:
    samples = duckdb.read_parquet(f"{dataset}/index/*.parquet")
    assert dict(zip(samples.columns, map(str, samples.types), strict=True)) == COLUMNS
    counts = samples.query("samples", "SELECT count(*), count(DISTINCT key), count(DISTINCT source) FROM samples")
    assert counts.fetchall() == [(72, 72, 24)]
    layers = dict(samples.query("samples", "SELECT layer, count(*) FROM samples GROUP BY layer").fetchall())
    assert layers[0] == 24
    assert set(layers) == {0, 1, 2, 3}
    blends = samples.query("samples", "SELECT DISTINCT unnest(blends) FROM samples WHERE layer = 3").fetchall()
    assert {name for (name,) in blends} <= {"add", "multiply", "pixel", "element"}
