"""Datasets to inspect: to be damaged, with every operation and blend in it, and to be looked at, of two sizes."""

import gzip
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from layermix_gen import BuildSettings, build, open_shards
from layermix_gen.inspection.shards import Shards
from layermix_gen.mixing.operations import OPERATIONS
from tests.inspection.built import Built


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, photographs: Path, pool: Path) -> Built:
    """24 photographs of 32 px as PNG in 3 shards: the clean plane and 2 variants. One more input is no image."""
    folder = tmp_path_factory.mktemp("small")
    source = shutil.copytree(photographs, folder / "source")
    (source / "coffee" / "broken.png").write_bytes(b"no image")
    settings = BuildSettings(variants=2, size=32, shard_size="10")
    manifest = build(source, folder / "shards", settings, mixing_set=pool, workers=1, progress=False)
    return Built(folder / "shards", manifest, source)


@pytest.fixture
def damaged(small: Built, tmp_path: Path) -> Path:
    """A copy of the small dataset, to be damaged."""
    return small.copy(tmp_path / "shards")


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory, pool: Path) -> Built:
    """520 gray images of 20 px, a clean plane and 4 variants: 2,600 samples, all operations of the paper's preset."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "source").mkdir()
    images = np.random.default_rng(4).integers(0, 256, (520, 20, 20), np.uint8)
    labels = bytes(number % 7 for number in range(520))
    header = struct.pack(">4I", 0x803, 520, 20, 20)
    (folder / "source" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes(), 1))
    (folder / "source" / "train-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress(struct.pack(">2I", 0x801, 520) + labels)
    )
    ops = tuple(row.name for row in OPERATIONS.values() if row.paper)
    settings = BuildSettings(variants=4, shard_size="130", options={"ops": ops})
    manifest = build(folder / "source", folder / "shards", settings, mixing_set=pool, workers=1, progress=False)
    return Built(folder / "shards", manifest, folder / "source")


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory, digits: Path, pool: Path) -> Shards:
    """40 squares of 28 px, four variants and the clean view each. Not to be written to."""
    root = tmp_path_factory.mktemp("squares") / "shards"
    build(digits, root, BuildSettings(variants=4), mixing_set=pool, workers=1, progress=False)
    return open_shards(root)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory, photographs: Path) -> Shards:
    """24 photographs at 224 px, two variants each and no clean view. Not to be written to."""
    folder = tmp_path_factory.mktemp("scenes")
    np.save(folder / "pool.npy", np.random.default_rng(0).integers(0, 256, (3, 256, 256), np.uint8))
    settings = BuildSettings(variants=2, size=224, clean=False, shard_size="10")
    build(photographs, folder / "shards", settings, mixing_set=folder / "pool.npy", workers=1, progress=False)
    return open_shards(folder / "shards")
