"""Datasets at URLs: the same batches, one plane's bytes for an epoch, never more on disk than `cache_bytes`."""

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from torch.utils.data import DataLoader

from layermix_gen.errors import LayerMixError
from layermix_gen.reading.reader import LayerMixDataset
from layermix_gen.support import remote
from tests.reading.truth import Truth, flat, keys
from tests.servers import Traffic, object_store, web_server


@pytest.fixture
def without_collector() -> Iterator[None]:
    """No garbage collection besides reference counting."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="module")
def web(tiny: Truth) -> Iterator[tuple[str, Traffic]]:
    with web_server(tiny.root) as server:
        yield server


def read(url: str, batch_size: int = 8, **options: Any) -> LayerMixDataset:
    return LayerMixDataset(url, batch_size, fields=("key",), **{"threads": 2, "window": 1, "prefetch": 1} | options)


def tars_of(tiny: Truth, ds: LayerMixDataset, read_keys: list[str]) -> dict[str, int]:
    """The tars that hold these samples, and their sizes."""
    counts = np.cumsum(ds.storage.manifest.counts)
    names = {f"{key[10:]}/{np.searchsorted(counts, int(key[:9]), 'right'):06d}.tar" for key in read_keys}
    return {name: (tiny.root / name).stat().st_size for name in names}


def test_object_store_sends_one_plane_an_epoch(tiny: Truth) -> None:
    with object_store() as (endpoint, traffic):
        options = {"key": "a", "secret": "b", "endpoint_url": endpoint}
        s3 = fsspec.filesystem("s3", **options)
        s3.mkdir("streams")
        s3.put(str(tiny.root), "streams/tiny", recursive=True)
        traffic.tars()
        ds = read("s3://streams/tiny", storage_options=options, remainder="exact")
        local = tiny.reader(order="shards", window=1, remainder="exact")
        looked_at = ds["000000040-v02"]
        assert np.array_equal(looked_at.image, tiny.pixels["000000040-v02"])
        ((tar, size),) = traffic.tars().items()
        assert tar.startswith("v02/")
        assert size < 1000  # its image alone
        seen = []
        for _ in range(4):
            batches = list(ds)
            assert keys(batches) == keys(local)
            for images, labels, facts in batches:
                for image, label, key in zip(images, labels, facts["key"], strict=True):
                    assert np.array_equal(image.permute(1, 2, 0), tiny.pixels[key])
                    assert label == tiny.metadata[key]["label"]
            sent = traffic.tars()
            assert sent == tars_of(tiny, ds, flat(batches))
            assert len(sent) == 7  # a plane's
            seen += sent
        assert len(set(seen)) == 4 * 7


def test_web_server_sends_each_plane_that_is_seen(tiny: Truth, web: tuple[str, Traffic]) -> None:
    url, traffic = web
    traffic.tars()
    jsd = ("clean", "variant", "variant")
    triples = [triple for batch in keys(read(url, views=jsd)) for triple in batch]
    assert len(triples) == 96
    assert len(traffic.tars()) == 3 * 7
    flat(read(url, views="clean", order="sequential"))
    assert traffic.tars().keys() == {f"clean/{number:06d}.tar" for number in range(7)}


def test_ranks_read_a_share_of_the_shards(tiny: Truth, web: tuple[str, Traffic]) -> None:
    url, traffic = web
    traffic.tars()
    ranks = [flat(read(url, rank=rank, world_size=3, remainder="exact")) for rank in range(3)]
    assert sorted(key[:9] for rank in ranks for key in rank) == [key[:9] for key in tiny.keys("clean")]
    assert traffic.requests.total() - 3 * 8 <= 7 + 2  # index and manifest for each; two shards are cut between ranks


def test_a_cache_is_kept(tiny: Truth, web: tuple[str, Traffic], tmp_path: Path) -> None:
    url, traffic = web
    expected = [keys(tiny.reader(order="shards", window=1))]
    assert keys(read(url, cache_dir=tmp_path)) == expected[0]
    traffic.tars()
    again = read(url, cache_dir=tmp_path)
    assert keys(again) == expected[0]
    assert traffic.bytes.keys() <= {"/dataset.json"}
    for _ in range(3):
        list(again)
    assert len(traffic.tars()) == 3 * 7
    for _ in range(4):
        list(again)
    assert not traffic.tars()


def test_a_cache_is_bounded(tiny: Truth, web: tuple[str, Traffic], tmp_path: Path) -> None:
    url, traffic = web
    size = (tiny.root / "v00" / "000001.tar").stat().st_size
    with pytest.raises(
        LayerMixError, match=rf"^cache_bytes must be at least \d+ for the tars .*, got {size}; raise it"
    ):
        list(read(url, cache_dir=tmp_path, cache_bytes=size))
    bound = 4 * size
    ds = read(url, cache_dir=tmp_path, cache_bytes=bound, remainder="exact")
    for _ in range(3):
        traffic.tars()
        for number, _ in enumerate(ds):
            held = sum(path.stat().st_size for path in tmp_path.rglob("*.tar"))
            assert held <= bound, number
        assert 7 - 4 <= len(traffic.tars()) <= 7
    with pytest.raises(LayerMixError, match=r"^cache_bytes must be at least .* or read by order='shards'"):
        list(read(url, cache_dir=tmp_path, cache_bytes=bound, order="shuffle"))


def test_resumed_in_the_midst(tiny: Truth, web: tuple[str, Traffic]) -> None:
    url, traffic = web
    expected = keys(tiny.reader(order="shards", window=1))
    ds = read(url)
    batches = iter(ds)
    first = [next(batches)[2]["key"] for _ in range(9)]
    state = ds.state_dict()
    batches.close()  # type: ignore[attr-defined]
    traffic.tars()
    resumed = read(url)
    resumed.load_state_dict(state)
    assert first + keys(resumed) == expected
    assert len(traffic.tars()) < 7


def test_in_forked_workers(web: tuple[str, Traffic]) -> None:
    loader = DataLoader(read(web[0]), batch_size=None, num_workers=1, multiprocessing_context="fork")
    with pytest.raises(LayerMixError, match=r"cannot be read by forked workers; .*multiprocessing_context='spawn'"):
        list(loader)


def test_in_memory_and_in_workers(tiny: Truth, web: tuple[str, Traffic], tmp_path: Path) -> None:
    url, traffic = web
    expected = keys(tiny.reader(order="shards", window=1))
    traffic.tars()
    assert keys(read(url).in_memory()) == expected
    assert len(traffic.tars()) == 4 * 7
    loader = DataLoader(read(url, cache_dir=tmp_path), batch_size=None, num_workers=1, multiprocessing_context="spawn")
    assert keys(loader) == expected


class _Failing:
    """A file system whose fetches fail `times` times, each with half a file."""

    def __init__(self, system: Any, times: int) -> None:
        self.system, self.times, self.tries = system, times, 0

    def get_file(self, source: str, target: str, **more: Any) -> None:
        self.tries += 1
        if self.tries <= self.times:
            Path(target).write_bytes(b"half")
            raise ConnectionResetError("the line is bad\nand long")
        self.system.get_file(source, target, **more)


def test_a_bad_line(tiny: Truth, web: tuple[str, Traffic], monkeypatch: pytest.MonkeyPatch) -> None:
    url, _ = web
    monkeypatch.setattr(remote, "PAUSE", 0)
    ds = read(url)
    ds.storage.files._system = _Failing(ds.storage.files._system, 3)  # type: ignore[attr-defined]
    assert keys(ds) == keys(tiny.reader(order="shards", window=1))
    ds.storage.files._system = _Failing(ds.storage.files._system, 1000)  # type: ignore[attr-defined]
    with pytest.raises(LayerMixError, match=r"\.tar cannot be fetched: ConnectionResetError: the line is bad; restore"):
        list(ds)
    ds.storage.files._system = ds.storage.files._system.system  # type: ignore[attr-defined]
    ds.set_epoch(0)
    assert keys(ds) == keys(tiny.reader(order="shards", window=1))


def test_faults_name_shard_and_key(tiny: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSE", 0)
    shutil.copytree(tiny.root, tmp_path / "shards")
    (tmp_path / "shards" / "v01" / "000002.tar").unlink()
    with (tmp_path / "shards" / "v01" / "000003.tar").open("r+b") as file:
        file.truncate(1024)
    with web_server(tmp_path / "shards") as (url, _):
        with pytest.raises(
            LayerMixError, match=r"v01/000002\.tar, sample 0000000..-v01: expected http.*, found nothing"
        ):
            list(read(url, views="v01", classes=(0,), batch_size=1, order="sequential"))
        with pytest.raises(LayerMixError, match=r"-v01: .*v01/000003\.tar cannot be .* \d+ bytes, got 1024"):
            list(read(url, views="v01", where="shard = 3"))
        ds = read(url, views="v01", on_error="skip", max_skipped=28, window=7, remainder="exact")
        assert len(flat(ds)) == 97
        assert len(ds.skipped) == 28
        shutil.rmtree(tmp_path / "shards" / "index")
        with pytest.raises(
            LayerMixError, match=r"^the dataset at http.* cannot be read: expected http.*found nothing there"
        ):
            read(url)


def test_urls_are_checked(tiny: Truth, web: tuple[str, Traffic], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        LayerMixError, match=r"^expected a dataset with a dataset\.json at .*/nothing, but it cannot be"
    ):
        read(web[0] + "/nothing")
    with pytest.raises(LayerMixError, match=r"^carrier-pigeon://a/b cannot be opened: ValueError: .*; mend the URL"):
        read("carrier-pigeon://a/b")
    with pytest.raises(
        LayerMixError, match=r"^storage_options, cache_dir and cache_bytes are for URLs, got the folder /"
    ):
        tiny.open(cache_bytes=10)

    def missing(*_: Any, **__: Any) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(LayerMixError, match=r"Install s3fs to access S3; pip install 'layermix-gen\[s3\]'$"):
        read("s3://bucket/tiny")


@pytest.mark.usefixtures("without_collector")
def test_a_reader_takes_its_folder_and_threads_along(web: tuple[str, Traffic]) -> None:
    url, _ = web
    ds = read(url)
    assert len(keys(ds)) == 12
    folder, threads = ds.storage.indexes[0].parents[2], list(ds.storage._cache._pool._threads)  # type: ignore[attr-defined]
    assert folder.is_dir()
    assert all(thread.is_alive() for thread in threads)
    del ds
    assert not folder.exists()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
