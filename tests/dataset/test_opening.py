"""Datasets that were opened before or while planes are added stay readable, and show declared planes only."""

from collections.abc import Callable
from pathlib import Path

import pytest

from layermix_gen import BuildSettings, build, open_shards
from layermix_gen.building.engines import serial
from layermix_gen.dataset.querying.queries import count
from layermix_gen.errors import Interrupted
from layermix_gen.reading.catalog import load_catalog
from layermix_gen.reading.storage.local_storage import LocalStorage


@pytest.fixture
def extend(photographs: Path, tmp_path: Path) -> Callable[..., Path]:
    """Builds a dataset of two variants, and adds the clean plane when it is called with `clean`."""

    def run(*, clean: bool) -> Path:
        settings = BuildSettings(variants=2, size=32, shard_size="8", clean=clean)
        build(photographs, tmp_path / "out", settings, mixing_set=photographs, workers=1, progress=False)
        return tmp_path / "out"

    run(clean=False)
    return run


def test_datasets_opened_before_and_during_an_extension_stay_readable(
    extend: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root, built = tmp_path / "out", []
    before, storage = open_shards(root), LocalStorage(root)
    rows = before.query()

    def one_shard(*arguments: object, **options: object) -> object:
        if built:
            raise KeyboardInterrupt
        built.append(1)
        return build_shard(*arguments, **options)  # type: ignore[arg-type]

    build_shard = serial.build_shard  # type: ignore[attr-defined]
    monkeypatch.setattr(serial, "build_shard", one_shard)
    with pytest.raises(Interrupted):
        extend(clean=True)
    monkeypatch.setattr(serial, "build_shard", build_shard)
    during = open_shards(root)
    assert before.query() == during.query() == rows
    assert before.count() == len(rows)
    assert count(storage.indexes) > count(storage.indexes, planes=storage.manifest.planes) == len(rows)
    labels = load_catalog(storage.indexes, storage.manifest, ["v00"]).labels.tolist()
    extend(clean=True)
    assert before.count() == during.count() == 3 * len(rows) // 2
    assert before.manifest.planes == during.manifest.planes == ("clean", "v00", "v01")
    assert load_catalog(storage.indexes, storage.manifest, ["v00"]).labels.tolist() == labels
