"""Datasets to look at: small squares, and photographs at 224 px, with every layer, many operations and all blends."""

from pathlib import Path

import numpy as np
import pytest

from layermix_gen import BuildSettings, build, open_shards


def built(root, source, pool, **settings):
    build(source, root, BuildSettings(**settings), mixing_set=pool, workers=1, progress=False)
    return open_shards(root)


@pytest.fixture(scope="session")
def large_pool(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("large") / "pool.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (3, 256, 256), np.uint8))
    return path


@pytest.fixture(scope="session")
def small(tmp_path_factory, digits, pool):
    """40 squares of 28 px, four variants and the clean view each. Not to be written to."""
    return built(tmp_path_factory.mktemp("small") / "shards", digits, pool)


@pytest.fixture(scope="session")
def large(tmp_path_factory, photographs, large_pool):
    """24 photographs at 224 px, two variants each and no clean view. Not to be written to."""
    settings = {"variants": 2, "size": 224, "clean": False, "shard_size": "10"}
    return built(tmp_path_factory.mktemp("large") / "shards", photographs, large_pool, **settings)
