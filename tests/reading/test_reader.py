"""What the reader yields: the stored pixels, labels and metadata, every image once, by any ranks and threads."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from layermix_gen import BuildSettings, build
from layermix_gen.errors import LayerMixError
from layermix_gen.reading.batches.loader import Batch, Loader
from layermix_gen.reading.batches.metadata import FIELDS
from layermix_gen.reading.reader import LayerMixDataset
from tests.reading.datasets import COUNT
from tests.reading.truth import Truth, flat, keys, ordinals

SHARES = [
    (world, threads, policy) for world in (1, 2, 3, 8) for threads in (1, 4) for policy in ("drop", "pad", "exact")
]


@pytest.mark.parametrize("views", ["variant", "clean", "v02", "random"])
def test_batches_hold_what_is_stored(tiny: Truth, views: str) -> None:
    for images, labels, facts in tiny.reader(views=views, remainder="exact"):
        assert images.dtype == torch.uint8
        assert images.shape[1:] == (3, 12, 12)
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert labels.dtype == torch.int64
        for image, label, key in zip(images, labels, facts["key"], strict=True):
            assert np.array_equal(image.permute(1, 2, 0), tiny.pixels[key])
            assert label == tiny.metadata[key]["label"]
            assert views in ("variant", "random") or key.endswith(views)


def test_without_fields_two_tensors_come(tiny: Truth) -> None:
    images, labels = next(iter(LayerMixDataset(tiny.root, 16)))
    assert images.shape == (16, 3, 12, 12)
    assert labels.shape == (16,)


def test_the_classes_are_those_of_the_whole_dataset(tiny: Truth, tmp_path: Path) -> None:
    labels = [facts["label"] for facts in tiny.metadata.values()]
    one = LayerMixDataset(tiny.root, 4, classes=[min(labels)])
    names = tuple(json.loads((tiny.root / "dataset.json").read_text())["source"]["classes"])
    assert (one.class_names, one.num_classes) == (names, max(labels) + 1)
    assert len(names) == one.num_classes
    held = one.in_memory()
    assert (held.class_names, held.num_classes) == (names, one.num_classes)
    table = "path,label\n" + "".join(f"{number}.png,{label}\n" for number, label in enumerate((2, 0, 2, 6)))
    (tmp_path / "table.csv").write_text(table)
    for number in range(4):
        Image.fromarray(np.full((12, 12, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
    build(tmp_path / "table.csv", tmp_path / "out", BuildSettings(variants=0), workers=1, progress=False)
    unnamed = LayerMixDataset(tmp_path / "out", 2, views="clean")
    assert unnamed.num_classes == 7
    assert len(unnamed.class_names) in (0, 7)


def test_all_fields(tiny: Truth) -> None:
    views = ("clean", "variant")
    one = next(iter(LayerMixDataset(tiny.root, 4, fields=FIELDS)))[2]
    two = next(iter(LayerMixDataset(tiny.root, 4, fields=FIELDS, views=views)))[2]
    assert list(one) == list(two) == list(FIELDS)
    for i in range(4):
        for name, column in one.items():
            truth = tiny.metadata[one["key"][i]][name]
            assert (column[i].tolist() if torch.is_tensor(column) else column[i]) == truth
        for name, column in two.items():
            truth = [tiny.metadata[two["key"][i][v]][name] for v in range(2)]
            assert (column[i].tolist() if torch.is_tensor(column) else column[i]) == truth
    assert one["layer"].shape == (4,)
    assert one["view"].shape == (4, 5)
    assert two["view"].shape == (4, 2, 5)


@pytest.mark.parametrize("order", ["shuffle", "shards", "sequential"])
@pytest.mark.parametrize(("world", "threads", "remainder"), SHARES)
def test_every_image_once_over_all_ranks(tiny: Truth, world: int, threads: int, remainder: str, order: str) -> None:
    options: dict[str, Any] = {"order": order, "world_size": world, "threads": threads, "remainder": remainder}
    ranks = [tiny.reader(rank=rank, window=2, **options) for rank in range(world)]
    read = [list(ds) for ds in ranks]
    assert [len(batches) for batches in read] == [len(ds) for ds in ranks]
    seen = [one for batches in read for one in ordinals(batches)]
    if remainder == "exact":
        assert sorted(seen) == sorted(set(seen))
        assert len(seen) == COUNT
    else:
        assert {len(batch) for batches in read for batch in keys(batches)} == {8}
        assert len({len(batches) for batches in read}) == 1
        assert len(set(seen)) == (COUNT if remainder == "pad" else len(seen))
        assert abs(len(seen) - COUNT) < 8 * world


def test_neither_threads_nor_prefetching_change_anything(tiny: Truth) -> None:
    expected = keys(tiny.reader(threads=1, prefetch=0))
    assert keys(tiny.reader(threads=4, prefetch=5)) == expected
    assert len(expected) == COUNT // 8


def test_epochs_differ_and_repeat(tiny: Truth) -> None:
    ds = tiny.reader()
    epochs = [flat(ds) for _ in range(3)]  # reading one to its end goes on to the next
    assert ds.epoch == 3
    assert len({tuple(epoch) for epoch in epochs}) == 3
    ds.set_epoch(1)
    assert flat(ds) == epochs[1]
    assert flat(tiny.reader(seed=1)) != epochs[0]


def test_an_epoch_left_early_begins_again(tiny: Truth) -> None:
    ds = tiny.reader()
    first = next(iter(ds))[2]["key"]
    assert next(iter(ds))[2]["key"] == first
    assert ds.epoch == 0


def test_sequential_order_is_the_planned_one(tiny: Truth) -> None:
    assert flat(tiny.reader(views="clean", order="sequential", remainder="exact")) == tiny.keys("clean")


def test_batches_that_are_kept_stay_as_they_are(tiny: Truth) -> None:
    kept = list(tiny.reader(prefetch=1))
    copies = [images.clone() for images, *_ in tiny.reader(prefetch=1)]
    assert all(torch.equal(images, copy) for (images, *_), copy in zip(kept, copies, strict=True))


def test_memory_is_used_again(tiny: Truth) -> None:
    places = {images.data_ptr() for images, *_ in tiny.reader(2, prefetch=1, threads=1)}
    assert len(places) < 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number from 1 on, got 0"),
        ({"batch_size": 98}, "expected at least 98 images for a batch of 98, found 97"),
        ({"seed": -1}, "seed must be a whole number from 0 on, got -1"),
        ({"threads": 0}, "threads must be a whole number from 1 on"),
        ({"order": "sorted"}, "order must be one of shuffle, shards, sequential, got 'sorted'"),
        ({"remainder": "keep"}, "remainder must be one of drop, pad, exact"),
        ({"on_error": "ignore"}, "on_error must be one of raise, skip"),
        ({"rank": 2, "world_size": 2}, "expected 0 <= rank < world_size, got rank=2, world_size=2; give both"),
        ({"rank": 0}, "expected 0 <= rank < world_size, got rank=0, world_size=None; give both"),
        ({"rank": 1.5, "world_size": 2}, "rank must be a whole number from 0 on, got 1.5"),
        ({"rank": "0", "world_size": 2}, "rank must be a whole number from 0 on, got '0'"),
        ({"rank": 0, "world_size": 2.5}, "world_size must be a whole number from 1 on, got 2.5"),
        ({"batch_size": None}, "batch_size must be a whole number from 1 on, got None"),
        ({"fields": "key"}, r"fields must be several values, got 'key'; write fields=\('key',\)"),
        ({"fields": ("layers",)}, "expected fields out of plane, key, source, .*, got 'layers'"),
    ],
)
def test_options_are_checked(tiny: Truth, options: dict, message: str) -> None:
    with pytest.raises(LayerMixError, match=f"^{message}"):
        len(LayerMixDataset(tiny.root, **{"batch_size": 8} | options))


def test_whole_numbers_of_numpy_will_do(tiny: Truth) -> None:
    numbers: dict[str, Any] = {
        "batch_size": np.int64(8),
        "seed": np.uint8(3),
        "rank": np.int32(0),
        "world_size": np.int64(2),
    }
    ds = tiny.reader(**numbers)
    assert keys(ds) == keys(tiny.reader(seed=3, rank=0, world_size=2))
    ds.set_epoch(np.int64(4))  # type: ignore[arg-type]
    assert json.loads(json.dumps(ds.state_dict()))["epoch"] == 4


def test_the_folder_is_where_it_was(tiny: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.root.parent)
    ds = LayerMixDataset(tiny.root.name, 8, fields=("key",))
    monkeypatch.chdir(tmp_path)
    assert keys(ds) == keys(tiny.reader())


ENDING = """
import os
import sys
from layermix_gen.reading.reader import LayerMixDataset

for end in sys.argv[2:]:
    if not os.fork():
        batches = iter(LayerMixDataset(sys.argv[1], 8, threads=2))
        next(batches)
        exec(end)
        break
    assert os.wait()[1] == 0, end
"""


def test_a_program_may_end_while_an_epoch_is_read(tiny: Truth) -> None:
    """Each in a process of its own, forked from one that has imported PyTorch, which takes seconds."""
    ends = ("", "sys.exit()", "batches.close()", "del batches")
    command = [sys.executable, "-c", ENDING, str(tiny.root), *ends]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stderr == ""


def test_an_iteration_that_is_left_reads_no_further(tiny: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    filled = []

    def fill(self: Loader, batch: Batch, begin: int, end: int) -> None:
        filled.append(begin)
        time.sleep(0.05)

    monkeypatch.setattr(Loader, "fill", fill)
    batches = iter(LayerMixDataset(tiny.root, 8, threads=1, prefetch=11))
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert len(filled) < 6  # of 12


def test_where_there_is_no_dataset(tiny: Truth, tmp_path) -> None:
    with pytest.raises(
        LayerMixError,
        match=r"^expected a dataset with a dataset\.json at .*, but it cannot be read .*; check the path$",
    ):
        LayerMixDataset(tmp_path, 8)
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(LayerMixError, match=r"cannot be read .*; it is not finished: run its build again$"):
        LayerMixDataset(tmp_path, 8)
    (tmp_path / "dataset.json").write_text('{"format": "other 1"}')
    with pytest.raises(
        LayerMixError, match=r"^expected 'layermix-gen dataset 5' in .*, found 'other 1'; use the version"
    ):
        LayerMixDataset(tmp_path, 8)
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(LayerMixError, match=r"^expected 'layermix-gen dataset 5' in .*, found 'no format'"):
        LayerMixDataset(tmp_path, 8)
