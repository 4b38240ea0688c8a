"""A dataset in memory: the batches of the reader it is made from."""

import numpy as np
import pytest
import torch

from layermix_gen.errors import LayerMixError
from layermix_gen.reading.device import check_memory
from layermix_gen.reading.reader import LayerMixDataset
from tests.reading.truth import Truth, flat, keys

JSD = ("clean", "variant", "variant")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"views": JSD, "remainder": "exact"},
        {"views": ("variant",), "remainder": "pad"},
        {"where": "layer = 2", "views": "random", "remainder": "exact"},
        {"order": "shards", "window": 1, "rank": 1, "world_size": 3},
    ],
)
def test_memory_holds_the_same_batches(tiny: Truth, options: dict) -> None:
    ds, memory = tiny.reader(**options), tiny.reader(**options).in_memory()
    assert len(memory) == len(ds)
    for _ in range(3):
        pairs = list(zip(ds, memory, strict=True))
        assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) and a[2] == b[2] for a, b in pairs)
        assert all(a[0].stride() == b[0].stride() for a, b in pairs)
        assert len(pairs) == len(ds)


def test_only_what_can_be_shown_is_held(tiny: Truth) -> None:
    assert len(tiny.reader(views="clean").in_memory().samples.images) == 97
    assert len(tiny.reader(views=JSD).in_memory().samples.images) == 5 * 97
    fitting = [key for key, facts in tiny.metadata.items() if facts["layer"] == 2]
    assert len(tiny.reader(1, where="layer = 2").in_memory().samples.images) == len(fitting)


def test_memory_is_resumed(tiny: Truth) -> None:
    memory = tiny.reader().in_memory()
    expected = keys(memory)
    memory.set_epoch(0)
    batches = iter(memory)
    seen = [next(batches)[2]["key"] for _ in range(5)]
    other = tiny.reader()
    other.load_state_dict(memory.state_dict())
    assert seen + keys(other) == expected
    again = tiny.reader().in_memory()
    again.load_state_dict(memory.state_dict())
    assert keys(again) == expected[5:]


def test_single_samples_are_those_of_the_reader(tiny: Truth) -> None:
    ds = tiny.reader(views=("clean", "variant"))
    memory = ds.in_memory()
    for reader in (ds, memory):
        reader.set_epoch(3)
    for which in (-1, "000000041-v03"):
        assert np.array_equal(memory[which].image, ds[which].image)
        assert memory[which].metadata == ds[which].metadata
    with pytest.raises(IndexError, match=r"^expected an index in \[-97, 96\] of 97 images, got 97; "):
        memory[97]


def test_on_another_device(tiny: Truth) -> None:
    images, labels = next(iter(LayerMixDataset(tiny.root, 8).in_memory("meta")))
    assert (images.device.type, labels.device.type, images.shape) == ("meta", "meta", (8, 3, 12, 12))
    _, targets = next(iter(LayerMixDataset(tiny.root, 8, soft_labels=True).in_memory("meta")))
    assert (targets.device.type, targets.shape, targets.dtype) == ("meta", (8, 5), torch.float32)


def test_too_little_for_a_batch(tiny: Truth) -> None:
    with pytest.raises(LayerMixError, match="expected at least 98 images"):
        flat(tiny.reader(98).in_memory())


def test_samples_that_need_more_memory_than_there_is(tiny: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    ds, needed = tiny.reader(), 4 * 97 * 12 * 12 * 3
    monkeypatch.setattr("layermix_gen.reading.device.usable_memory", lambda: needed - 1)
    line = r"^expected 0\.000168 GB of memory on cpu for 388 decoded samples, found 0\.000168 GB; read them"
    with pytest.raises(LayerMixError, match=line):
        ds.in_memory()
    monkeypatch.setattr("layermix_gen.reading.device.usable_memory", lambda: needed)
    assert len(ds.in_memory().samples.images) == 388
    monkeypatch.setattr("layermix_gen.reading.device.usable_memory", lambda: 0)
    tiny.reader().in_memory("meta")  # which takes no memory
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7 * 10**9, 9 * 10**9))
    with pytest.raises(LayerMixError, match=r"^expected 8 GB of memory on cuda:1 for 10 decoded samples, found 7 GB; "):
        check_memory((10, 8 * 10**8, 1, 1), torch.device("cuda:1"))
