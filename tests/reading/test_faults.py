"""Damage: an error that names shard and key, or a bounded number of stand-ins that no thread can change."""

import errno
import gc
import hashlib
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layermix_gen import open_shards
from layermix_gen.errors import BadImage, LayerMixError, OutOfResources
from layermix_gen.reading import catalog
from layermix_gen.reading.order import draw_image
from layermix_gen.reading.reader import LayerMixDataset
from layermix_gen.reading.storage import memory_maps
from tests.helpers import edit_manifest
from tests.reading.truth import Truth, flat, keys

SHARD, KEY = "v01/000002.tar", "000000030-v01"


@pytest.fixture
def damaged(tiny: Truth, tmp_path: Path) -> Truth:
    """A copy to damage."""
    shutil.copytree(tiny.root, tmp_path / "shards")
    return Truth(tmp_path / "shards", tiny.pixels, tiny.metadata)


def place(truth: Truth, key: str) -> tuple[int, int]:
    """Offset and size of an image."""
    ds = truth.open(views=key.partition("-")[2], order="sequential")
    image, plane = int(key[:9]), 0
    return int(ds.catalog.offsets[plane, image]), int(ds.catalog.sizes[plane, image])


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def flip_byte(truth: Truth) -> str:
    path, (offset, size) = truth.root / SHARD, place(truth, KEY)
    middle = offset + size // 2
    overwrite(path, middle, bytes([path.read_bytes()[middle] ^ 1]))
    return f"sample {KEY}: expected an image with the index's checksum, found other bytes at offset {offset}"


def truncate(truth: Truth) -> str:
    path = truth.root / SHARD
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - 1024)
    return f"sample 0000000..-v01: expected a tar of {size} bytes, found {size - 1024} bytes"


def remove(truth: Truth) -> str:
    (truth.root / SHARD).unlink()
    return "sample 0000000..-v01: expected a tar, but it cannot be read: no such file or directory"


def damage_metadata(truth: Truth) -> str:
    offset, size = place(truth, KEY)
    behind = offset + size + -size % 512
    overwrite(truth.root / SHARD, behind + 3 * 512, b"#")
    return f"sample {KEY}: expected metadata behind the image, found other bytes"


@pytest.mark.parametrize("damage", [flip_byte, truncate, remove, damage_metadata])
def test_damage_names_shard_and_key(damaged: Truth, damage) -> None:
    message = damage(damaged)
    for threads in (1, 4):
        with pytest.raises(LayerMixError) as caught:
            list(damaged.open(views="v01", remainder="exact", threads=threads))
        assert re.match(rf"^{damaged.root}/{SHARD}, {message}", str(caught.value))
        assert str(caught.value).endswith("; restore that file, or read it with on_error='skip'")
        assert "\n" not in str(caught.value)
    assert len(list(damaged.open(views="v02", remainder="exact"))) == 13


@pytest.mark.parametrize("damage", [flip_byte, damage_metadata])
def test_one_bad_sample_is_replaced(damaged: Truth, tiny: Truth, damage) -> None:
    damage(damaged)
    expected = flat(tiny.reader(views="v01", remainder="exact"))
    found = []
    for threads in (1, 4):
        ds = damaged.open(views="v01", remainder="exact", on_error="skip", threads=threads)
        for images, labels, facts in ds:
            for image, label, key in zip(images, labels, facts["key"], strict=True):
                assert np.array_equal(image.permute(1, 2, 0), tiny.pixels[key])
                assert label == tiny.metadata[key]["label"]
        assert len(ds.skipped) == 1
        assert KEY in ds.skipped[0]
        ds.set_epoch(0)
        found.append(flat(ds))
    assert found[0] == found[1]
    assert [key for key, other in zip(expected, found[0], strict=True) if key != other] == [KEY]


def test_all_views_are_replaced_together(damaged: Truth) -> None:
    flip_byte(damaged)
    ds = damaged.open(views=("v01", "variant", "variant"), remainder="exact", on_error="skip")
    triples = [triple for batch in keys(ds) for triple in batch]
    assert all(len({key[:9] for key in triple}) == 1 for triple in triples)
    assert all(KEY not in triple for triple in triples)
    assert len(ds.skipped) == 1


@pytest.mark.parametrize("damage", [truncate, remove])
def test_a_lost_shard_is_replaced_within_bounds(damaged: Truth, damage) -> None:
    damage(damaged)
    options: dict[str, Any] = {"views": "v01", "remainder": "exact", "on_error": "skip"}
    ds = damaged.open(**options, max_skipped=14)
    assert len(flat(ds)) == 97
    assert len(ds.skipped) == 14  # the images of the shard
    messages = set()
    for threads in (1, 4):
        with pytest.raises(LayerMixError, match=r"^1[1-4] images cannot be read, 10 are allowed; restore") as caught:
            list(damaged.open(**options, threads=threads))
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_nothing_left_to_stand_in(damaged: Truth) -> None:
    shutil.rmtree(damaged.root / "v01")
    with pytest.raises(LayerMixError, match=r"; nor can 10 others of its batch be read; restore their files$"):
        list(damaged.open(views="v01", on_error="skip"))


def test_bound_is_counted_anew_each_epoch(damaged: Truth) -> None:
    flip_byte(damaged)
    ds = damaged.open(views="v01", remainder="exact", on_error="skip", max_skipped=1)
    for _ in range(3):
        assert len(flat(ds)) == 97
        assert len(ds.skipped) == 1


def test_memory_wants_every_sample(damaged: Truth) -> None:
    flip_byte(damaged)
    with pytest.raises(LayerMixError, match=KEY):
        damaged.open(on_error="skip").in_memory()


def test_stand_ins_are_drawn_by_the_image(damaged: Truth) -> None:
    flip_byte(damaged)
    ds = damaged.open(views="v01", order="sequential", on_error="skip")
    shown = keys(ds)[3][6]  # image 30, in batches of 8
    expected = [8 * 3 + draw_image(number, 0, 8, 0) for number in (30, 6)]
    assert int(shown[:9]) == expected[0] != expected[1]


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_an_index_that_is_lost_meanwhile(damaged: Truth, on_error: str) -> None:
    remove(damaged)
    ds = damaged.open(views="v01", remainder="exact", on_error=on_error, max_skipped=14)
    shutil.rmtree(damaged.root / "index")
    message = rf"{SHARD}, sample number 1?\d of its tar: expected a tar, but it cannot be read"
    if on_error == "skip":
        assert len(flat(ds)) == 97
        assert all(re.search(message, line) for line in ds.skipped)
    else:
        with pytest.raises(LayerMixError, match=message):
            list(ds)


def test_the_keys_of_a_lost_shard_are_looked_up_once(damaged: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    remove(damaged)
    ds = damaged.open(views="v01", remainder="exact", on_error="skip", max_skipped=14, threads=1)
    opened, sandbox = [], catalog.sandbox  # type: ignore[attr-defined]
    monkeypatch.setattr(catalog, "sandbox", lambda files: opened.append(1) or sandbox(files))
    assert len(flat(ds)) == 97
    assert len(ds.skipped) == 14
    assert len(opened) == 1


def tars_open(root: Path) -> int:
    """How many files below a folder this process holds open."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(link.readlink().is_relative_to(root) and link.readlink().suffix == ".tar" for link in links)


def test_all_readers_together_keep_few_tars_open(tiny: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_maps, "OPEN_TARS", 3)
    expected, readers = keys(tiny.reader()), []
    for name in ("a", "b", "c"):
        shutil.copytree(tiny.root, tmp_path / name)
        readers.append(LayerMixDataset(tmp_path / name, 8, fields=("key",), threads=1))
        assert keys(readers[-1]) == expected
        gc.collect()
        assert tars_open(tmp_path) <= 3
    assert keys(readers[0]) == keys(readers[1])
    gc.collect()
    assert tars_open(tmp_path) == 3


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_too_many_open_files_are_no_bad_sample(damaged: Truth, monkeypatch: pytest.MonkeyPatch, on_error: str) -> None:
    def full(*args: object, **options: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    ds = damaged.open(on_error=on_error)
    monkeypatch.setattr(memory_maps.mmap, "mmap", full)  # type: ignore[attr-defined]
    monkeypatch.setattr("layermix_gen.support.files.PAUSES", ())
    with pytest.raises(OutOfResources, match=r"^too many open files; raise the limit of open files"):
        list(ds)


@pytest.mark.parametrize("name", ["EIO", "ENOMEM", "ESTALE"])
def test_a_fault_of_the_machine_blames_no_tar(tiny: Truth, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What passes is not noticed; what stays ends the epoch, whatever `on_error` says."""
    monkeypatch.setattr("layermix_gen.support.files.PAUSES", (0, 0))
    mapping, left = memory_maps.mmap.mmap, [2]  # type: ignore[attr-defined]

    def failing(*arguments: Any, **options: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise OSError(getattr(errno, name), "injected")
        return mapping(*arguments, **options)

    monkeypatch.setattr(memory_maps.mmap, "mmap", failing)  # type: ignore[attr-defined]
    ds = tiny.open(threads=1, on_error="skip")
    assert keys(ds) == keys(tiny.reader())
    assert not ds.skipped
    left[0] = 1000
    with pytest.raises(LayerMixError, match="injected") as caught:
        list(tiny.open(threads=1, on_error="skip"))
    assert not isinstance(caught.value, BadImage)


@pytest.mark.parametrize("name", ["dataset.json", "000001.parquet"])
def test_a_fault_of_the_machine_while_a_dataset_is_opened(
    tiny: Truth, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("layermix_gen.support.files.PAUSES", (0, 0))
    opening, left = io.open, [1]

    def failing(path: Any, *arguments: Any, **options: Any) -> Any:
        if str(path).endswith(name) and left[0]:
            left[0] -= 1
            raise OSError(errno.EIO, "Input/output error")
        return opening(path, *arguments, **options)

    monkeypatch.setattr(io, "open", failing)
    assert len(tiny.open()) == len(tiny.open())
    assert left[0] == 0
    left[0] = 1000
    with pytest.raises(LayerMixError, match=rf"^cannot read .*{name}: input/output error, 3 times; this is no fault"):
        tiny.open()


def declare(root: Path, name: str) -> None:
    """Let the manifest declare a file of the index as it is now, as a hostile dataset would."""
    digest = hashlib.sha256((root / name).read_bytes()).hexdigest()
    edit_manifest(root, lambda value: value["indexes"].update({name: digest}))


def test_an_index_that_disagrees(damaged: Truth, independent: Truth) -> None:
    name = "index/000003.parquet"
    shutil.copy(damaged.root / "index" / "000001.parquet", damaged.root / name)
    declare(damaged.root, name)
    with pytest.raises(
        LayerMixError, match=r"^the index in .*index belongs to other shards; restore it or build it again$"
    ):
        damaged.open()
    shutil.copy(independent.root / "index" / "000000.parquet", damaged.root / name)
    declare(damaged.root, name)
    with pytest.raises(
        LayerMixError, match=r"^expected 14 samples of each of clean, .*000003\.parquet, found 194 rows;"
    ):
        damaged.open()
    (damaged.root / name).write_bytes(b"PAR1")
    declare(damaged.root, name)
    with pytest.raises(
        LayerMixError, match=r"^the index cannot be read: .*000003\.parquet.*; see `layermix-gen verify`"
    ):
        damaged.open()
    (damaged.root / name).unlink()
    with pytest.raises(LayerMixError, match=rf"^expected {damaged.root / name}, found nothing; `layermix-gen verify "):
        damaged.open()


def test_an_index_of_other_images(damaged: Truth) -> None:
    """Same counts, other bytes: the checksums tell."""
    shutil.copy(damaged.root / "v00" / "000002.tar", damaged.root / SHARD)
    size = (damaged.root / SHARD).stat().st_size
    edit_manifest(damaged.root, lambda value: value["tars"][SHARD].update(bytes=size))
    with pytest.raises(
        LayerMixError, match=rf"{SHARD}, sample 0000000..-v01: expected an image with the index's checksum"
    ):
        list(LayerMixDataset(damaged.root, 8, views="v01"))


def test_a_flipped_bit_of_the_index_is_told_on_opening(damaged: Truth) -> None:
    path = damaged.root / "index" / "000002.parquet"
    content = path.read_bytes()
    for place in range(7, len(content), len(content) // 25):
        overwrite(path, place, bytes([content[place] ^ 4]))
        for consumer in (lambda: damaged.open(views="v01"), lambda: open_shards(damaged.root).query()):
            with pytest.raises(LayerMixError, match=rf"^expected {path} as it was built, found other bytes; "):
                consumer()
        overwrite(path, place, content[place : place + 1])
    assert len(damaged.open(views="v01")) == 12


def test_every_flipped_bit_of_metadata_is_noticed(damaged: Truth, tiny: Truth) -> None:
    """In the tar's header of the JSON and in its text; what surrounds it has no meaning for a reader."""
    offset, size = place(damaged, KEY)
    label = offset + size + -size % 512
    header, path = label + 2 * 512, damaged.root / SHARD
    content = path.read_bytes()
    text = len(json.dumps({k: v for k, v in tiny.metadata[KEY].items() if k not in ("key", "plane")}))
    fields = ("key", "source", "label", "recipe")
    ds = LayerMixDataset(damaged.root, 8, views="v01", order="sequential", fields=fields, on_error="skip", threads=1)
    expected = [tiny.metadata[key] for key in tiny.keys("v01")]
    for byte in (*range(14), *range(124, 135), *range(512, 512 + text, 23)):
        overwrite(path, header + byte, bytes([content[header + byte] ^ 1]))
        ds.set_epoch(0)
        found = [
            dict(zip(fields, row, strict=True))
            for _, _, facts in ds
            for row in zip(*map(facts.get, fields), strict=True)
        ]
        others = [i for i, (row, truth) in enumerate(zip(found, expected, strict=False)) if row["key"] != truth["key"]]
        assert others == [30]
        assert ds.skipped == [line for line in ds.skipped if KEY in line]
        assert len(ds.skipped) == 1
        overwrite(path, header + byte, content[header + byte : header + byte + 1])
        ds.storage._maps.close(SHARD)  # type: ignore[attr-defined]
