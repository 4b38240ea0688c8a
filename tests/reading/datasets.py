"""Small datasets to read, and what they hold, found by a second route: tarfile and Pillow."""

import gzip
import io
import json
import struct
import tarfile
from pathlib import Path

import cv2
import duckdb
import numpy as np
import pytest
from PIL import Image

from layermix_gen import BuildSettings, build
from layermix_gen.dataset.sidecars import write_sidecars
from tests.faults._hostile_edits import SEAL, put_right
from tests.reading.truth import Truth

COUNT, CLASSES, SIDE = 97, 5, 12
WHOLE = 30  # whole images


def write_digits(root: Path) -> Path:
    """An IDX set of COUNT gray images in CLASSES classes."""
    images = np.random.default_rng(3).integers(0, 256, (COUNT, SIDE, SIDE), np.uint8)
    labels = bytes(number % CLASSES for number in range(COUNT))
    root.mkdir()
    header = struct.pack(">4I", 0x803, COUNT, SIDE, SIDE)
    (root / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes()))
    (root / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">2I", 0x801, COUNT) + labels))
    return root


def read_truth(root: Path) -> Truth:
    """Every sample of a dataset."""
    pixels, metadata = {}, {}
    for path in sorted(root.glob("*/*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                data = tar.extractfile(member).read()
                if extension == "json":
                    metadata[key] = json.loads(data) | {"key": key, "plane": path.parent.name}
                elif extension != "cls":
                    pixels[key] = np.asarray(Image.open(io.BytesIO(data)))
    return Truth(root, pixels, metadata)


def rewrite_indexes(root: Path, sql: str) -> Path:
    """Rewrite the indexes of a dataset by a statement over `t`, with their summaries; put the manifest right."""
    for path in root.glob("index/*.parquet"):
        with duckdb.connect() as db:
            db.execute(f"CREATE TABLE t AS FROM '{path}'")
            ((seal,),) = db.execute(SEAL.format(path)).fetchall()
            path.unlink()
            db.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet, KV_METADATA {{'layermix_gen': '{seal}'}})")
    put_right(root)
    return root


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, pool: Path) -> Truth:
    """97 PNGs of 12 px in 5 classes: a clean plane and 4 variants that share its views, in 7 uneven shards."""
    root = tmp_path_factory.mktemp("tiny")
    source = write_digits(root / "digits")
    settings = BuildSettings(variants=4, view_mode="shared", shard_size="14")
    manifest = build(source, root / "shards", settings, mixing_set=pool, workers=1, progress=False)
    write_sidecars(manifest.root, manifest)
    return read_truth(root / "shards")


@pytest.fixture(scope="session")
def virtual(tmp_path_factory: pytest.TempPathFactory, tiny: Truth, pool: Path) -> Truth:
    """The dataset `tiny`, built with the recipes of its variants alone."""
    root = tmp_path_factory.mktemp("virtual") / "shards"
    settings = BuildSettings(variants=4, view_mode="shared", shard_size="14", store="recipes")
    build(tiny.root.parent / "digits", root, settings, mixing_set=pool, workers=1, progress=False)
    return Truth(root, tiny.pixels, tiny.metadata)


@pytest.fixture(scope="session")
def independent(tmp_path_factory: pytest.TempPathFactory, tiny: Truth, pool: Path) -> Truth:
    """The same images with a view for each of 2 variants, without a clean plane, in 1 shard."""
    root = tmp_path_factory.mktemp("independent")
    settings = BuildSettings(variants=2, clean=False, shard_size="1000")
    build(tiny.root.parent / "digits", root, settings, mixing_set=pool, workers=1, progress=False)
    return read_truth(root)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """30 images of many shapes, of which a side of 36 px is the longest short one, as JPEG in 3 shards."""
    root, rng = tmp_path_factory.mktemp("whole"), np.random.default_rng(5)
    for number in range(WHOLE):
        rows, columns = rng.integers(20, 90, 2).tolist()
        folder = root / "source" / f"class{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        small = rng.integers(0, 256, (6, 6, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number:02d}.png"), cv2.resize(small, (columns, rows)))
    settings = BuildSettings(variants=0, view="source", size=36, format="jpg", shard_size="10")
    build(root / "source", root / "shards", settings, workers=1, progress=False)
    return read_truth(root / "shards")
