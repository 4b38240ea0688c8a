"""Datasets in folders whose names have a meaning in patterns, SQL, URLs or shells are read like any others."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from layermix_gen import BuildSettings, LayerMixDataset, build, open_shards
from tests.inspection.built import Built, refuses, verify

ODD = ("-x/../[a]*?{b,c}'\"%20 -d\n#;ü$x", "~/s3:/label=3/plane=v00", "a\\b'\\")


@pytest.fixture(params=ODD)
def odd(request: pytest.FixtureRequest, small: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset in an odd folder, as a path relative to the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("-x").mkdir()
    return small.copy(Path(request.param))


def _bytes(batch: tuple[Any, ...]) -> tuple[bytes, str]:
    return batch[0].numpy().tobytes(), str(batch[1:])


def test_all_ways_to_read_give_the_same(odd: Path, small: Built) -> None:
    found, given = open_shards(f"./{odd}"), small.open()
    assert found.query("layer = 1", order_by="size, key") == given.query("layer = 1", order_by="size, key")
    assert found.count() == given.count()
    assert str(found.summary()).splitlines()[1:] == str(given.summary()).splitlines()[1:]
    assert verify(Path.cwd() / odd) == []
    for options in ({}, {"where": "layer = 1", "order": "shards"}, {"fields": ("source", "key")}):
        readers = [LayerMixDataset(root, 4, **options) for root in (f"./{odd}", small.root)]
        batches = [list(map(_bytes, reader)) for reader in readers]
        assert batches[0] == batches[1] != []
    assert list(map(_bytes, readers[0].in_memory())) == batches[0]
    assert readers[0].catalog.address(1, 3) == readers[1].catalog.address(1, 3)
    remote = LayerMixDataset(
        small.root.as_uri(), 4, order="shuffle", cache_dir=f"./{odd}/cache", fields=options["fields"]
    )
    assert list(map(_bytes, remote)) == batches[0]


def test_builds_in_odd_folders_are_built_and_extended_alike(odd: Path, small: Built, pool: Path) -> None:
    shutil.rmtree(odd)
    for variants in (1, 2):
        settings = BuildSettings(variants=variants, size=32, shard_size="10")
        made = build(small.source, f"./{odd}", settings, mixing_set=pool, workers=1, progress=False)
    assert made.digest == small.manifest.digest


def test_what_cannot_be_opened_is_refused_at_once(small: Built, pool: Path, tmp_path: Path) -> None:
    line = "expected a path without a backslash next to *, ? or [, which DuckDB cannot open, got "
    out = tmp_path / "a\\b[1]"
    assert refuses(lambda: build(small.source, out, mixing_set=pool, workers=1)).startswith(line)
    assert not out.exists()
    assert refuses(lambda: LayerMixDataset(small.copy(out), 4)).startswith(line)
    assert refuses(lambda: open_shards(out).verify(workers=1)).startswith(line)
